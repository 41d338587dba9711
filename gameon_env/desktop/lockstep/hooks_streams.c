/* Streams that read through us: the C library's own read past us. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
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

FILE *stream_of(int file) {
    static const cookie_io_functions_t calls = {.read = read_file, .close = close_file};
    for (int i = 0; i < STREAMS; i++)
        if (!streams[i].stream) {
            FILE *stream = fopencookie((void *)(intptr_t)file, "r", calls);
            streams[i].stream = stream;
            streams[i].file = file;
            return stream;
        }
    return fdopen(file, "r");
}

HOOK int fileno(FILE *stream) {
    for (int i = 0; i < STREAMS; i++)
        if (stream && streams[i].stream == stream) return streams[i].file;
    return REAL(fileno)(stream);
}
HOOK int fileno_unlocked(FILE *stream) { return fileno(stream); }
