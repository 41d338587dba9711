/* Waits for files and sockets: what is there is there at once, in real time; a timeout is virtual. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hooks.h"

/* This thread waits for an answer of the X server, which costs the game no time. */
static __thread int answering;

/* The X server reads what we write by itself: wait for it, holding the turn. */
static int writes(const struct pollfd *files, nfds_t count) {
    for (nfds_t i = 0; i < count; i++)
        if (files[i].events & POLLOUT && shim_is_x(files[i].fd)) return 1;
    return 0;
}

struct poll_call {
    struct pollfd *files;
    nfds_t count;
    const sigset_t *mask;
    int result; /* what the real one returned */
};
static int look_poll(void *given) {
    struct poll_call *call = given;
    static const struct timespec none;
    call->result = call->mask ? REAL(ppoll)(call->files, call->count, &none, call->mask)
                              : REAL(poll)(call->files, call->count, 0);
    return call->result != 0; /* an error ends the wait as well */
}

static int poll_until(struct slot *me, struct pollfd *files, nfds_t count, int64_t wake, const sigset_t *mask) {
    if (wake > shim_now() && count && (answering || writes(files, count))) {
        me->real = 1;
        int result = REAL(poll)(files, count, -1);
        me->real = 0;
        return result;
    }
    struct poll_call call = {files, count, mask, 0};
    int found = shim_poll(me, wake, look_poll, &call);
    return found <= 0 ? found : call.result;
}

int is_ready(int file, short event) {
    struct pollfd one = {file, event, 0};
    return REAL(poll)(&one, 1, 0) != 0;
}

int poll_file(struct slot *me, int file, short event, int64_t wake) {
    struct pollfd one = {file, event, 0};
    struct poll_call call = {&one, 1, 0, 0};
    return shim_poll(me, wake, look_poll, &call);
}

HOOK int poll(struct pollfd *files, nfds_t count, int timeout_ms) {
    struct slot *me = ENTER("poll");
    if (!me) return REAL(poll)(files, count, timeout_ms);
    return poll_until(me, files, count, timeout_ms < 0 ? NEVER : after(timeout_ms * 1000000LL), 0);
}

HOOK int ppoll(struct pollfd *files, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    struct slot *me = ENTER("ppoll");
    if (!me) return REAL(ppoll)(files, count, timeout, mask);
    return poll_until(me, files, count, timeout ? after(to_ns(timeout)) : NEVER, mask);
}

int __poll_chk(struct pollfd *, nfds_t, int, size_t);
int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
HOOK int __poll_chk(struct pollfd *files, nfds_t count, int timeout_ms, size_t size) {
    if (size / sizeof *files < count) abort();
    return poll(files, count, timeout_ms);
}
HOOK int __ppoll_chk(
    struct pollfd *files, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t size
) {
    if (size / sizeof *files < count) abort();
    return ppoll(files, count, timeout, mask);
}

/* ---- select ---- */

struct select_call {
    int count;
    fd_set *sets[3];
    fd_set asked[3];
    const sigset_t *mask;
    int result;
};
static int look_select(void *given) {
    struct select_call *call = given;
    static const struct timespec none;
    size_t bytes = (size_t)((call->count + 63) / 64 * 8);
    for (int i = 0; i < 3; i++)
        if (call->sets[i]) memcpy(call->sets[i], &call->asked[i], bytes);
    call->result = REAL(pselect)(call->count, call->sets[0], call->sets[1], call->sets[2], &none, call->mask);
    return call->result != 0;
}

static int select_until(
    struct slot *me, int count, fd_set *in, fd_set *out, fd_set *except, int64_t wake, const sigset_t *mask
) {
    struct select_call call = {.count = count, .sets = {in, out, except}, .mask = mask};
    if (count < 0 || count > FD_SETSIZE) {
        errno = EINVAL;
        return -1;
    }
    size_t bytes = (size_t)((count + 63) / 64 * 8);
    for (int i = 0; i < 3; i++)
        if (call.sets[i]) memcpy(&call.asked[i], call.sets[i], bytes);
    int found = shim_poll(me, wake, look_select, &call);
    return found <= 0 ? found : call.result;
}

HOOK int select(int count, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except, struct timeval *restrict timeout) {
    struct slot *me = ENTER("select");
    if (!me) return REAL(select)(count, in, out, except, timeout);
    int64_t wake = timeout ? after(us_to_ns(timeout)) : NEVER;
    int result = select_until(me, count, in, out, except, wake, 0);
    if (timeout) { /* Linux leaves there what is left */
        int64_t left = wake > shim_now() ? wake - shim_now() : 0;
        timeout->tv_sec = left / 1000000000;
        timeout->tv_usec = left % 1000000000 / 1000;
    }
    return result;
}

HOOK int pselect(
    int count, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except,
    const struct timespec *restrict timeout, const sigset_t *restrict mask
) {
    struct slot *me = ENTER("pselect");
    if (!me) return REAL(pselect)(count, in, out, except, timeout, mask);
    return select_until(me, count, in, out, except, timeout ? after(to_ns(timeout)) : NEVER, mask);
}

/* ---- epoll ---- */

struct epoll_call {
    int file, most;
    struct epoll_event *events;
    const sigset_t *mask;
    int result;
};
static int look_epoll(void *given) {
    struct epoll_call *call = given;
    call->result = REAL(epoll_pwait)(call->file, call->events, call->most, 0, call->mask);
    return call->result != 0;
}
static int epoll_until(
    struct slot *me, int file, struct epoll_event *events, int most, int64_t wake, const sigset_t *mask
) {
    struct epoll_call call = {file, most, events, mask, 0};
    int found = shim_poll(me, wake, look_epoll, &call);
    return found <= 0 ? found : call.result;
}
HOOK int epoll_wait(int file, struct epoll_event *events, int most, int timeout_ms) {
    struct slot *me = ENTER("epoll_wait");
    if (!me) return REAL(epoll_wait)(file, events, most, timeout_ms);
    return epoll_until(me, file, events, most, timeout_ms < 0 ? NEVER : after(timeout_ms * 1000000LL), 0);
}
HOOK int epoll_pwait(int file, struct epoll_event *events, int most, int timeout_ms, const sigset_t *mask) {
    struct slot *me = ENTER("epoll_pwait");
    if (!me) return REAL(epoll_pwait)(file, events, most, timeout_ms, mask);
    return epoll_until(me, file, events, most, timeout_ms < 0 ? NEVER : after(timeout_ms * 1000000LL), mask);
}
HOOK int epoll_pwait2(
    int file, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask
) {
    struct slot *me = ENTER("epoll_pwait2");
    if (!me) return REAL(epoll_pwait2)(file, events, most, timeout, mask);
    return epoll_until(me, file, events, most, timeout ? after(to_ns(timeout)) : NEVER, mask);
}

/* ---- X11 ---- */

HOOK int connect(int file, const struct sockaddr *to, socklen_t length) {
    static const char place[] = "/tmp/.X11-unix/X"; /* as a path, or after a 0 */
    int result = REAL(connect)(file, to, length);
    if (result < 0 || !lockstep || to->sa_family != AF_UNIX) return result;
    const char *path = ((const struct sockaddr_un *)to)->sun_path;
    int skipped = !*path;
    if (length >= offsetof(struct sockaddr_un, sun_path) + skipped + sizeof place - 1)
        if (!memcmp(path + skipped, place, sizeof place - 1)) shim_connected_to_x(file);
    return result;
}

/* By xcb: an answer comes at once; so do the events that our own requests cause. */

static void *in_xcb(const char *name) {
    void *library = dlopen("libxcb.so.1", RTLD_LAZY | RTLD_NOLOAD);
    void *found = library ? dlsym(library, name) : 0;
    if (library) dlclose(library);
    return found ? found : shim_next(name);
}
#define XCB(type, name, arguments, ...)                                                                                \
    HOOK type name arguments {                                                                                         \
        static type(*real) arguments;                                                                                  \
        if (!real) real = (type(*) arguments)in_xcb(#name);                                                            \
        answering++;                                                                                                   \
        type result = real(__VA_ARGS__);                                                                               \
        answering--;                                                                                                   \
        return result;                                                                                                 \
    }
XCB(void *, xcb_wait_for_reply, (void *c, unsigned request, void **error), c, request, error)
XCB(void *, xcb_wait_for_reply64, (void *c, uint64_t request, void **error), c, request, error)
XCB(void *, xcb_request_check, (void *c, unsigned cookie), c, cookie)
XCB(void *, xcb_connect, (const char *display, int *screen), display, screen)
XCB(void *, xcb_connect_to_display_with_auth_info, (const char *display, void *auth, int *screen), display, auth, screen)
XCB(void *, xcb_connect_to_fd, (int fd, void *auth), fd, auth)

HOOK void *xcb_wait_for_event(void *c) {
    static void *(*wait_for)(void *), *(*next)(void *), *(*answer)(void *, unsigned, void **);
    static unsigned (*ask)(void *);
    if (!wait_for) {
        wait_for = (void *(*)(void *))in_xcb("xcb_wait_for_event");
        next = (void *(*)(void *))in_xcb("xcb_poll_for_event");
        ask = (unsigned (*)(void *))in_xcb("xcb_get_input_focus");
        answer = (void *(*)(void *, unsigned, void **))in_xcb("xcb_get_input_focus_reply");
    }
    void *event = next(c);
    if (event || !lockstep) return event ? event : wait_for(c);
    answering++;
    free(answer(c, ask(c), 0)); /* what comes before this answer is there then */
    answering--;
    event = next(c);
    return event ? event : wait_for(c);
}
