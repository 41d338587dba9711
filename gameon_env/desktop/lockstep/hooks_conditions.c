/* Conditions and semaphores: they are ours, so that who is woken is known at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <threads.h>

#include "hooks.h"
#include "shim.h"

#define COND_SHARED 1u /* glibc's own bits in __wrefs */
#define COND_MONOTONIC 2u

static int is_shared_condition(pthread_cond_t *condition) { return condition->__data.__wrefs & COND_SHARED; }

static uint64_t key_of_condition(pthread_cond_t *condition) {
    return (uint64_t)condition | (is_shared_condition(condition) ? SHARED : 0);
}

static int wait_condition(struct slot *me, pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t wake) {
    int error = unlock_mutex(me, mutex);
    if (error) return error;
    int reason = wake <= lockstep->now ? BY_TIME : shim_wait(me, key_of_condition(condition), wake, EVERY_BIT);
    error = lock_mutex(me, mutex, NEVER);
    pthread_testcancel();
    return error ? error : reason == BY_TIME ? ETIMEDOUT : 0; /* after a signal: a wakeup for nothing, as allowed */
}

HOOK int pthread_cond_wait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex) {
    struct slot *me = ENTER("pthread_cond_wait");
    if (!me) return REAL(pthread_cond_wait)(condition, mutex);
    return wait_condition(me, condition, mutex, NEVER);
}

HOOK int pthread_cond_clockwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, clockid_t clock,
    const struct timespec *restrict until
) {
    struct slot *me = ENTER("pthread_cond_clockwait");
    if (!me) return REAL(pthread_cond_clockwait)(condition, mutex, clock, REALLY(until, clock));
    return wait_condition(me, condition, mutex, until_ns(until, clock));
}

HOOK int pthread_cond_timedwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until
) {
    struct slot *me = ENTER("pthread_cond_timedwait");
    clockid_t clock = condition->__data.__wrefs & COND_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    if (!me) return REAL(pthread_cond_timedwait)(condition, mutex, REALLY(until, clock));
    return wait_condition(me, condition, mutex, until_ns(until, clock));
}

HOOK int pthread_cond_signal(pthread_cond_t *condition) {
    struct slot *me = ENTER("pthread_cond_signal");
    if (me) shim_wake(me, key_of_condition(condition), 1, EVERY_BIT);
    return me && !is_shared_condition(condition) ? 0 : REAL(pthread_cond_signal)(condition);
}

HOOK int pthread_cond_broadcast(pthread_cond_t *condition) {
    struct slot *me = ENTER("pthread_cond_broadcast");
    if (me) shim_wake(me, key_of_condition(condition), ALL, EVERY_BIT);
    return me && !is_shared_condition(condition) ? 0 : REAL(pthread_cond_broadcast)(condition);
}

HOOK int cnd_wait(cnd_t *condition, mtx_t *mutex) {
    return pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex) ? thrd_error : thrd_success;
}
HOOK int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    int error = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until);
    return error == ETIMEDOUT ? thrd_timedout : error ? thrd_error : thrd_success;
}
HOOK int cnd_signal(cnd_t *condition) {
    pthread_cond_signal((pthread_cond_t *)condition);
    return thrd_success;
}
HOOK int cnd_broadcast(cnd_t *condition) {
    pthread_cond_broadcast((pthread_cond_t *)condition);
    return thrd_success;
}

/* ---- semaphores ---- */

static int is_shared_semaphore(sem_t *semaphore) { return ((int *)semaphore)[2] == 128; /* glibc's own field */ }

static uint64_t key_of(sem_t *semaphore) { return (uint64_t)semaphore | SEMAPHORE; }

/* A collector of garbage stops the other threads by signals: their handlers run at once, whoever's turn it is, and post
   a semaphore for which it then waits. */
#define HANDLER_TAKES_NS 500000000
static __thread int signalled;

#define HANDLED 8
static sem_t *handled[HANDLED]; /* semaphores that handlers have posted */
static int none_handled;        /* it was waited for one, and none did */

static int is_handled(sem_t *semaphore) {
    for (int i = 0; i < HANDLED; i++)
        if (handled[i] == semaphore) return 1;
    return !handled[0] && !none_handled;
}

static void note_handled(sem_t *semaphore) {
    for (int i = 0; i < HANDLED && handled[i] != semaphore; i++)
        if (!handled[i]) handled[i] = semaphore;
}

struct kill_call {
    pthread_t thread;
    int number;
};
static int send_kill(void *given) {
    struct kill_call *call = given;
    return -REAL(pthread_kill)(call->thread, call->number);
}

HOOK int pthread_kill(pthread_t thread, int number) {
    struct slot *me = ENTER("pthread_kill");
    if (!me || !number || thread == pthread_self()) return REAL(pthread_kill)(thread, number);
    struct kill_call call = {thread, number};
    signalled = 1;
    return -shim_signal(me, (uint64_t)thread, number, handled[0] ? 0 : UNTIL_SEEN, send_kill, &call);
}

/* Whether a handler of such a signal posts it. */
static int handler_posts(struct slot *me, sem_t *semaphore) {
    struct timespec until;
    REAL(clock_gettime)(CLOCK_REALTIME, &until);
    until = from_ns(to_ns(&until) + HANDLER_TAKES_NS);
    me->real = 1;
    int saved = errno, result = REAL(sem_timedwait)(semaphore, &until);
    me->real = 0;
    errno = saved;
    signalled = !result;
    none_handled |= result != 0;
    return !result;
}

static int try_semaphore(void *semaphore) { return REAL(sem_trywait)(semaphore) == 0; }

static int wait_semaphore(struct slot *me, sem_t *semaphore, int64_t wake) {
    if (is_shared_semaphore(semaphore)) {
        int found = shim_poll_on(me, wake, try_semaphore, semaphore);
        if (found == 0) errno = ETIMEDOUT;
        return found > 0 ? 0 : -1;
    }
    while (REAL(sem_trywait)(semaphore) < 0) {
        if (signalled && is_handled(semaphore) && handler_posts(me, semaphore)) return 0;
        if (wake <= lockstep->now) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (shim_wait(me, key_of(semaphore), wake, EVERY_BIT) == BY_SIGNAL && !shim_restarts()) {
            errno = EINTR;
            return -1;
        }
    }
    return 0;
}

HOOK int sem_wait(sem_t *semaphore) {
    struct slot *me = ENTER("sem_wait");
    return me ? wait_semaphore(me, semaphore, NEVER) : REAL(sem_wait)(semaphore);
}
HOOK int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    struct slot *me = ENTER("sem_timedwait");
    if (!me) return REAL(sem_timedwait)(semaphore, REALLY(until, CLOCK_REALTIME));
    return wait_semaphore(me, semaphore, until_ns(until, CLOCK_REALTIME));
}
HOOK int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict until) {
    struct slot *me = ENTER("sem_clockwait");
    if (!me) return REAL(sem_clockwait)(semaphore, clock, REALLY(until, clock));
    return wait_semaphore(me, semaphore, until_ns(until, clock));
}
HOOK int sem_post(sem_t *semaphore) {
    struct slot *me = ENTER("sem_post");
    int result = REAL(sem_post)(semaphore);
    if (me) {
        shim_wake(me, key_of(semaphore), 1, EVERY_BIT);
    } else if (lockstep) {
        note_handled(semaphore);
        shim_posted();
    }
    return result;
}
