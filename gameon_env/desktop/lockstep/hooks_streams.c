/* Streams whose reads and writes wait: the C library's own go past us, so these are made to go through us. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hooks.h"

#define STREAMS 64
static struct {
    FILE *stream;
    int file;
} streams[STREAMS];

static ssize_t read_file(void *file, char *out, size_t size) { return read((int)(intptr_t)file, out, size); }
static int close_file(void *given) {
    int file = (int)(intptr_t)given;
    for (int i = 0; i < STREAMS; i++) /* the address may become another stream's */
        if (streams[i].stream && streams[i].file == file) streams[i].stream = 0;
    return close(file);
}

static ssize_t write_file(void *file, const char *in, size_t size) {
    ssize_t done = write((int)(intptr_t)file, in, size);
    return done < 0 ? 0 : done; /* as a cookie's function says that it failed */
}

FILE *stream_of(int file, const char *mode) {
    static const cookie_io_functions_t calls = {.read = read_file, .write = write_file, .close = close_file};
    for (int i = 0; i < STREAMS; i++)
        if (!streams[i].stream) {
            FILE *stream = fopencookie((void *)(intptr_t)file, mode, calls);
            streams[i].stream = stream;
            streams[i].file = file;
            return stream;
        }
    return REAL(fdopen)(file, mode);
}

HOOK int fileno(FILE *stream) {
    for (int i = 0; i < STREAMS; i++)
        if (stream && streams[i].stream == stream) return streams[i].file;
    return REAL(fileno)(stream);
}
HOOK int fileno_unlocked(FILE *stream) { return fileno(stream); }

/* Whether what is read there comes from another program, or from a person. */
static int may_wait(int file) {
    struct stat about;
    int saved = errno;
    int waits = fstat(file, &about) == 0 && (S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode) || isatty(file));
    errno = saved;
    return waits;
}

HOOK FILE *fdopen(int file, const char *mode) {
    int reads = mode[0] == 'r' && !strchr(mode, '+') && lockstep && may_wait(file);
    return reads ? stream_of(file, mode) : REAL(fdopen)(file, mode);
}

/* ---- standard input ---- */

static FILE *libcs; /* the C library's own, which C++'s streams have from before */

void shim_take_input(void) {
    FILE *stream = may_wait(0) ? stream_of(0, "r") : 0;
    if (!stream) return;
    if (isatty(0)) setvbuf(stream, 0, _IOLBF, 0); /* by this the C library shows what is asked before it reads */
    libcs = stdin;
    stdin = stream;
}

static FILE *ours(FILE *stream) { return stream && stream == libcs ? stdin : stream; }

#undef getc
HOOK int getc(FILE *stream) { return REAL(getc)(ours(stream)); }
HOOK int fgetc(FILE *stream) { return REAL(fgetc)(ours(stream)); }
HOOK int ungetc(int sign, FILE *stream) { return REAL(ungetc)(sign, ours(stream)); }
HOOK size_t fread(void *restrict out, size_t size, size_t count, FILE *restrict stream) {
    return REAL(fread)(out, size, count, ours(stream));
}
