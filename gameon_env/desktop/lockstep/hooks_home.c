/* Some games ask the list of accounts where their files are, not HOME: a game with a HOME of its own keeps to it. */
#define _GNU_SOURCE
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "hooks.h"

static void move_home(struct passwd *entry) {
    char *home = getenv("HOME");
    if (entry && home && *home && entry->pw_uid == getuid()) entry->pw_dir = home;
}

HOOK struct passwd *getpwuid(uid_t user) {
    struct passwd *entry = REAL(getpwuid)(user);
    move_home(entry);
    return entry;
}

HOOK int getpwuid_r(uid_t user, struct passwd *entry, char *text, size_t size, struct passwd **found) {
    int result = REAL(getpwuid_r)(user, entry, text, size, found);
    if (!result) move_home(*found);
    return result;
}
