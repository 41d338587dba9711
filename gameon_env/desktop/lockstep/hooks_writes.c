/* Writes that wait: a pipe or a socket takes what it has room for, and whoever reads from it gets the turn meanwhile. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hooks.h"

enum { AT_ONCE, PIPE, SOCKET };

/* What the file is where a write may have to wait for its reader. The X server reads by itself. */
static int kind_of(int file, int flags) {
    struct stat about;
    int saved = errno, kind = AT_ONCE, how = fcntl(file, F_GETFL);
    if (how >= 0 && !(how & O_NONBLOCK) && !(flags & MSG_DONTWAIT) && !shim_is_x(file) && fstat(file, &about) == 0)
        kind = S_ISFIFO(about.st_mode) ? PIPE : S_ISSOCK(about.st_mode) ? SOCKET : AT_ONCE;
    errno = saved;
    return kind;
}

/* Returns 0 once there is room, where there seemed to be some a moment longer too; -1 after a signal, or after the
   socket's own limit. */
static int wait_writable(struct slot *me, int kind, int file, int again) {
    int64_t wake = kind == SOCKET ? socket_wake(file, SO_SNDTIMEO) : NEVER;
    if (again) shim_wait(me, 0, after(1000000), 0);
    int found;
    while ((found = poll_file(me, file, POLLOUT, wake)) < 0 && wake == NEVER && shim_restarts()) {}
    if (found > 0) return 0;
    errno = found ? EINTR : EAGAIN;
    return -1;
}

static ssize_t write_all(struct slot *me, int kind, int file, const char *data, size_t size, int flags) {
    size_t so_far = 0;
    int again = 0;
    do {
        size_t left = size - so_far;
        if (wait_writable(me, kind, file, again)) return so_far ? (ssize_t)so_far : -1;
        ssize_t done = kind == SOCKET ? REAL(send)(file, data + so_far, left, flags | MSG_DONTWAIT)
                                      : REAL(write)(file, data + so_far, left < PIPE_BUF ? left : PIPE_BUF);
        again = done < 0 && errno == EAGAIN;
        if (done < 0 && !again) return so_far ? (ssize_t)so_far : -1;
        if (done > 0) so_far += (size_t)done;
    } while (so_far < size || again);
    return (ssize_t)so_far;
}

/* All parts, but for the first bytes that were written before. */
static ssize_t write_parts(
    struct slot *me, int kind, int file, const struct iovec *parts, size_t count, size_t so_far, int flags
) {
    size_t before = 0;
    for (size_t i = 0; i < count; before += parts[i++].iov_len) {
        size_t skipped = so_far > before ? so_far - before : 0;
        if (skipped >= parts[i].iov_len) continue;
        size_t left = parts[i].iov_len - skipped;
        ssize_t done = write_all(me, kind, file, (const char *)parts[i].iov_base + skipped, left, flags);
        if (done < 0) return so_far ? (ssize_t)so_far : -1;
        so_far += (size_t)done;
        if ((size_t)done < left) break;
    }
    return (ssize_t)so_far;
}

HOOK ssize_t write(int file, const void *data, size_t size) {
    struct slot *me = ENTER("write");
    int kind = me && size ? kind_of(file, 0) : AT_ONCE;
    if (kind != AT_ONCE) return write_all(me, kind, file, data, size, 0);
    if (lockstep) shim_sent(file);
    return REAL(write)(file, data, size);
}

HOOK ssize_t writev(int file, const struct iovec *parts, int count) {
    struct slot *me = ENTER("writev");
    int kind = me && count > 0 ? kind_of(file, 0) : AT_ONCE;
    size_t total = 0;
    for (int i = 0; kind != AT_ONCE && i < count; i++) total += parts[i].iov_len;
    if (!total) kind = AT_ONCE;
    if (kind == PIPE && total <= PIPE_BUF) /* nobody else's bytes come between */
        return wait_writable(me, kind, file, 0) ? -1 : REAL(writev)(file, parts, count);
    if (kind == PIPE) return write_parts(me, kind, file, parts, (size_t)count, 0, 0);
    if (kind == SOCKET) {
        struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
        return sendmsg(file, &message, 0);
    }
    if (lockstep) shim_sent(file);
    return REAL(writev)(file, parts, count);
}

HOOK ssize_t send(int file, const void *data, size_t size, int flags) {
    struct slot *me = ENTER("send");
    int kind = me ? kind_of(file, flags) : AT_ONCE;
    if (kind != AT_ONCE) return write_all(me, kind, file, data, size, flags);
    if (lockstep) shim_sent(file);
    return REAL(send)(file, data, size, flags);
}

HOOK ssize_t sendto(int file, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    return to ? REAL(sendto)(file, data, size, flags, to, length) : send(file, data, size, flags);
}

HOOK ssize_t sendmsg(int file, const struct msghdr *message, int flags) {
    struct slot *me = ENTER("sendmsg");
    if (!me || kind_of(file, flags) != SOCKET) {
        if (lockstep) shim_sent(file);
        return REAL(sendmsg)(file, message, flags);
    }
    ssize_t done = -1;
    for (int again = 0; done < 0; again = 1) {
        if (wait_writable(me, SOCKET, file, again)) return -1;
        done = REAL(sendmsg)(file, message, flags | MSG_DONTWAIT);
        if (done < 0 && errno != EAGAIN) return -1;
    }
    return write_parts(me, SOCKET, file, message->msg_iov, message->msg_iovlen, (size_t)done, flags);
}
