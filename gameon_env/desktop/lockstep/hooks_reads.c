/* Reads that wait: first see whether there is something. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hooks.h"

/* The socket's own limit, SO_RCVTIMEO or SO_SNDTIMEO; NEVER where there is none, or this is no socket. */
int64_t socket_wake(int file, int option) {
    struct timeval limit = {0, 0};
    socklen_t size = sizeof limit;
    if (getsockopt(file, SOL_SOCKET, option, &limit, &size) < 0) return NEVER;
    return limit.tv_sec || limit.tv_usec ? after(us_to_ns(&limit)) : NEVER;
}

/* Returns 0 where the read may be made: there is something, or it does not wait. Otherwise -1, and errno is set. */
static int wait_readable(struct slot *me, int file) {
    int saved = errno, flags = fcntl(file, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK) && !is_ready(file, POLLIN)) {
        int64_t wake = socket_wake(file, SO_RCVTIMEO);
        int found = poll_file(me, file, POLLIN, wake);
        while (found < 0 && wake == NEVER && shim_restarts()) found = poll_file(me, file, POLLIN, wake);
        if (found <= 0) {
            errno = found ? EINTR : EAGAIN;
            return -1;
        }
    }
    errno = saved;
    return 0;
}

HOOK ssize_t read(int file, void *out, size_t size) {
    struct slot *me = ENTER("read");
    if (me && wait_readable(me, file)) return -1;
    ssize_t result = REAL(read)(file, out, size);
    return result >= 0 && (size_t)result < size ? random_rest(file, out, size, result) : result;
}
ssize_t __read_chk(int, void *, size_t, size_t);
HOOK ssize_t __read_chk(int file, void *out, size_t size, size_t room) {
    if (size > room) abort();
    return read(file, out, size);
}
HOOK ssize_t readv(int file, const struct iovec *parts, int count) {
    struct slot *me = ENTER("readv");
    if (me && wait_readable(me, file)) return -1;
    return REAL(readv)(file, parts, count);
}

#define RECEIVE(call)                                                                                                  \
    struct slot *me = ENTER("recv");                                                                                   \
    if (me && !(flags & MSG_DONTWAIT) && wait_readable(me, file)) return -1;                                           \
    return call;

HOOK ssize_t recv(int file, void *out, size_t size, int flags) { RECEIVE(REAL(recv)(file, out, size, flags)) }
HOOK ssize_t recvmsg(int file, struct msghdr *out, int flags) { RECEIVE(REAL(recvmsg)(file, out, flags)) }
HOOK ssize_t recvfrom(
    int file, void *restrict out, size_t size, int flags, struct sockaddr *restrict from, socklen_t *restrict length
) {
    RECEIVE(REAL(recvfrom)(file, out, size, flags, from, length))
}
ssize_t __recv_chk(int, void *, size_t, size_t, int);
HOOK ssize_t __recv_chk(int file, void *out, size_t size, size_t room, int flags) {
    if (size > room) abort();
    return recv(file, out, size, flags);
}
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);
HOOK ssize_t __recvfrom_chk(
    int file, void *out, size_t size, size_t room, int flags, struct sockaddr *from, socklen_t *length
) {
    if (size > room) abort();
    return recvfrom(file, out, size, flags, from, length);
}

/* All that were asked for, as the kernel does; its timeout counts only after each one. */
HOOK int recvmmsg(int file, struct mmsghdr *out, unsigned count, int flags, struct timespec *timeout) {
    struct slot *me = ENTER("recvmmsg");
    if (!me || flags & MSG_DONTWAIT) return REAL(recvmmsg)(file, out, count, flags, timeout);
    int64_t end = timeout ? after(to_ns(timeout)) : NEVER;
    unsigned so_far = 0;
    while (so_far < count) {
        int error = wait_readable(me, file);
        int more = error ? -1 : REAL(recvmmsg)(file, out + so_far, count - so_far, flags | MSG_DONTWAIT, 0);
        if (more <= 0) return so_far ? (int)so_far : more;
        so_far += (unsigned)more;
        if (flags & MSG_WAITFORONE || shim_now() >= end) break;
    }
    return (int)so_far;
}

HOOK int accept(int file, struct sockaddr *restrict from, socklen_t *restrict length) {
    struct slot *me = ENTER("accept");
    if (me && wait_readable(me, file)) return -1;
    return REAL(accept)(file, from, length);
}
HOOK int accept4(int file, struct sockaddr *restrict from, socklen_t *restrict length, int flags) {
    struct slot *me = ENTER("accept4");
    if (me && wait_readable(me, file)) return -1;
    return REAL(accept4)(file, from, length, flags);
}
