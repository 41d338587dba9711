/* Streams: the C library's own reads go past us. Some are made to read through us; before others we wait. */
#define _GNU_SOURCE
#include <stdarg.h>
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

/* Where its next read has to wait, it does so here. */
static void await(FILE *stream, const char *where) {
    if (!stream || stream->_IO_read_ptr < stream->_IO_read_end) return;
    struct slot *me = shim_enter(where);
    int file = me ? REAL(fileno)(stream) : -1;
    if (file >= 0) wait_readable(me, file);
}

#define READ(type, name, arguments, stream, ...)                                                                       \
    HOOK type name arguments {                                                                                         \
        static const char where[32] = #name;                                                                           \
        await(stream, where);                                                                                          \
        return REAL(name)(__VA_ARGS__);                                                                                \
    }
#undef getc
#undef getc_unlocked
#undef fread_unlocked
int _IO_getc(FILE *);
ssize_t __getdelim(char **, size_t *, int, FILE *);
READ(int, getc, (FILE *stream), stream, stream)
READ(int, _IO_getc, (FILE *stream), stream, stream)
READ(int, fgetc, (FILE *stream), stream, stream)
READ(int, getc_unlocked, (FILE *stream), stream, stream)
READ(int, fgetc_unlocked, (FILE *stream), stream, stream)
READ(int, getchar, (void), stdin)
READ(char *, fgets, (char *restrict out, int size, FILE *restrict stream), stream, out, size, stream)
READ(char *, fgets_unlocked, (char *restrict out, int size, FILE *restrict stream), stream, out, size, stream)
READ(ssize_t, getline, (char **restrict line, size_t *restrict size, FILE *restrict stream), stream, line, size, stream)
READ(
    ssize_t, getdelim, (char **restrict line, size_t *restrict size, int end, FILE *restrict stream), stream, line, size,
    end, stream
)
READ(ssize_t, __getdelim, (char **line, size_t *size, int end, FILE *stream), stream, line, size, end, stream)
READ(
    size_t, fread, (void *restrict out, size_t size, size_t count, FILE *restrict stream), stream, out, size, count,
    stream
)
READ(
    size_t, fread_unlocked, (void *restrict out, size_t size, size_t count, FILE *restrict stream), stream, out, size,
    count, stream
)
