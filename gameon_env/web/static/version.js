/** The version of GameOn env that this page is part of. */
export const VERSION = "0.1.0";
