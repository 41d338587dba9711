"""A virtual clock for unmodified games on Linux: time passes for them only when it is granted."""
