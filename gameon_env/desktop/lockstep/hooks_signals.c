/* Waits for signals; and whether a wait goes on after one. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "hooks.h"

HOOK int pause(void) {
    struct slot *me = ENTER("pause");
    if (!me) return REAL(pause)();
    while (shim_wait(me, 0, NEVER, 0) != BY_SIGNAL) {}
    errno = EINTR;
    return -1;
}

/* Where it is not known which signal came, all that are caught have to say so. */
int shim_restarts(void) {
    int saved = errno, came = shim_last_signal(), restarts = 1;
    for (int number = came ? came : 1; number <= (came ? came : SIGRTMAX); number++) {
        struct sigaction action;
        if (sigaction(number, 0, &action) < 0 || action.sa_handler == SIG_IGN || action.sa_handler == SIG_DFL) continue;
        if (!(action.sa_flags & SA_RESTART)) restarts = 0;
    }
    errno = saved;
    return restarts;
}

int shim_poll_on(struct slot *me, int64_t wake, int (*look)(void *), void *what) {
    int found = shim_poll(me, wake, look, what);
    while (found < 0 && shim_restarts()) found = shim_poll(me, wake, look, what);
    return found;
}

/* ---- with another mask, or none that is handled: the thread waits with its own, which keeps them back, and looks ---- */

static int poll_signals(struct slot *me, int64_t wake, int (*look)(void *), void *what) {
    me->looks = 1;
    int found = shim_poll(me, wake, look, what);
    me->looks = 0;
    return found;
}

static int look_mask(void *mask) { /* handlers run in here */
    static const struct timespec none;
    return REAL(ppoll)(0, 0, &none, mask) < 0;
}

HOOK int sigsuspend(const sigset_t *mask) {
    struct slot *me = ENTER("sigsuspend");
    if (!me) return REAL(sigsuspend)(mask);
    poll_signals(me, NEVER, look_mask, (void *)mask);
    errno = EINTR;
    return -1;
}

struct signal_call {
    const sigset_t *set;
    siginfo_t *info;
    int result;
};
static int look_signal(void *given) {
    struct signal_call *call = given;
    static const struct timespec none;
    call->result = REAL(sigtimedwait)(call->set, call->info, &none);
    return call->result >= 0 || errno != EAGAIN;
}

HOOK int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict timeout) {
    struct slot *me = ENTER("sigtimedwait");
    if (!me) return REAL(sigtimedwait)(set, info, timeout);
    struct signal_call call = {set, info, -1};
    int found = poll_signals(me, timeout ? after(to_ns(timeout)) : NEVER, look_signal, &call);
    if (!found) errno = EAGAIN;
    return found > 0 ? call.result : -1;
}
HOOK int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info) { return sigtimedwait(set, info, 0); }
HOOK int sigwait(const sigset_t *restrict set, int *restrict number) {
    struct slot *me = ENTER("sigwait");
    if (!me) return REAL(sigwait)(set, number);
    int saved = errno, found;
    do found = sigtimedwait(set, 0, 0);
    while (found < 0 && errno == EINTR);
    int error = found < 0 ? errno : 0;
    errno = saved;
    if (!error) *number = found;
    return error;
}
