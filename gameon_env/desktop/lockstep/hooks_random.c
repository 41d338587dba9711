/* Randomness, all from the seed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hooks.h"

#define FILE_BYTES (1 << 18) /* what a file in the place of /dev/urandom has; then reads go on by themselves */

static uint64_t next64(void) { /* splitmix64 */
    uint64_t z = __atomic_add_fetch(&lockstep->random, 0x9e3779b97f4a7c15ULL, __ATOMIC_SEQ_CST);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

void random_fill(void *out, size_t size) {
    unsigned char *at = out;
    while (size) {
        uint64_t bits = next64();
        size_t part = size < 8 ? size : 8;
        memcpy(at, &bits, part);
        at += part;
        size -= part;
    }
}

HOOK ssize_t getrandom(void *out, size_t size, unsigned flags) {
    ENTER("getrandom");
    if (!lockstep) return REAL(getrandom)(out, size, flags);
    random_fill(out, size);
    return (ssize_t)size;
}

HOOK int getentropy(void *out, size_t size) {
    ENTER("getentropy");
    if (!lockstep) return REAL(getentropy)(out, size);
    if (size > 256) {
        errno = EIO;
        return -1;
    }
    random_fill(out, size);
    return 0;
}

/* Not declared by every C library: found by name. */
HOOK uint32_t arc4random(void) {
    uint32_t value = 0;
    getrandom(&value, sizeof value, 0);
    return value;
}
HOOK void arc4random_buf(void *out, size_t size) {
    while (size) {
        size_t part = size < 256 ? size : 256;
        getrandom(out, part, 0);
        out = (char *)out + part;
        size -= part;
    }
}
HOOK uint32_t arc4random_uniform(uint32_t bound) { return bound ? (uint32_t)(arc4random() * (uint64_t)bound >> 32) : 0; }

/* C++'s std::random_device asks the processor itself. */
HOOK unsigned _ZNSt13random_device9_M_getvalEv(void *self) {
    (void)self;
    return arc4random();
}

static int is_random(const char *path) {
    return path && (!strcmp(path, "/dev/urandom") || !strcmp(path, "/dev/random"));
}

#define NAME "gameon-random"

/* By its name, which copies of it have as well, and those that a program inherits. */
static int is_random_file(int file) {
    struct stat found;
    char path[32], name[64] = "";
    if (fstat(file, &found) < 0 || !S_ISREG(found.st_mode) || found.st_size != FILE_BYTES) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return readlink(path, name, sizeof name - 1) > 0 && !strncmp(name, "/memfd:" NAME, sizeof "/memfd:" NAME - 1);
}

/* A read that came to the end of its file: how much there is in all. */
ssize_t random_rest(int file, void *out, size_t size, ssize_t so_far) {
    int saved = errno;
    if (lockstep && is_random_file(file)) {
        random_fill((char *)out + so_far, size - (size_t)so_far);
        so_far = (ssize_t)size;
    }
    errno = saved;
    return so_far;
}

static int random_file(int flags) {
    int fd = memfd_create(NAME, flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd < 0) return -1;
    static unsigned char bytes[FILE_BYTES];
    random_fill(bytes, sizeof bytes);
    if (pwrite(fd, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        close(fd);
        return -1;
    }
    return fd;
}

#define OPEN_BODY(name, folder, ...)                                                                                   \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }                                                                                                                  \
    if (is_random(path) && ENTER(#name)) return random_file(flags);                                                    \
    return REAL(name)(__VA_ARGS__, flags, mode);

HOOK int open(const char *path, int flags, ...) { OPEN_BODY(open, AT_FDCWD, path) }
HOOK int open64(const char *path, int flags, ...) { OPEN_BODY(open64, AT_FDCWD, path) }
HOOK int openat(int folder, const char *path, int flags, ...) { OPEN_BODY(openat, folder, folder, path) }
HOOK int openat64(int folder, const char *path, int flags, ...) { OPEN_BODY(openat64, folder, folder, path) }

int __open_2(const char *, int);
int __open64_2(const char *, int);
int __openat_2(int, const char *, int);
int __openat64_2(int, const char *, int);
HOOK int __open_2(const char *path, int flags) {
    return is_random(path) ? open(path, flags) : REAL(__open_2)(path, flags);
}
HOOK int __open64_2(const char *path, int flags) {
    return is_random(path) ? open(path, flags) : REAL(__open64_2)(path, flags);
}
HOOK int __openat_2(int folder, const char *path, int flags) {
    return is_random(path) ? open(path, flags) : REAL(__openat_2)(folder, path, flags);
}
HOOK int __openat64_2(int folder, const char *path, int flags) {
    return is_random(path) ? open(path, flags) : REAL(__openat64_2)(folder, path, flags);
}

HOOK FILE *fopen(const char *path, const char *mode) {
    if (!is_random(path) || !ENTER("fopen")) return REAL(fopen)(path, mode);
    int fd = random_file(0);
    return fd < 0 ? 0 : stream_of(fd, "r");
}
HOOK FILE *fopen64(const char *path, const char *mode) {
    return is_random(path) ? fopen(path, mode) : REAL(fopen64)(path, mode);
}
