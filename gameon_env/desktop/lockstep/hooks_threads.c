/* Threads, and what they wait for of each other. Only the one whose turn it is gets here, so a test and the wait that
 * follows it are one step: nobody comes between. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include "hooks.h"

#define ALL (1 << 20)
#define EVERY_BIT (~0u)

struct start {
    void *(*run)(void *);
    void *argument;
    struct slot *slot;
};

static void at_end(void *unused) {
    (void)unused;
    shim_end_thread();
}

static void *run(void *given) {
    struct start start = *(struct start *)given;
    shim_become(start.slot, 0);
    free(given);
    void *result;
    pthread_cleanup_push(at_end, 0);
    result = start.run(start.argument);
    pthread_cleanup_pop(1);
    return result;
}

HOOK int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument) {
    struct slot *me = ENTER("pthread_create");
    struct start *start = me ? malloc(sizeof *start) : 0;
    struct slot *slot = start ? shim_child_slot() : 0;
    if (!slot) {
        free(start);
        return REAL(pthread_create)(thread, how, body, argument);
    }
    *start = (struct start){body, argument, slot};
    int error = REAL(pthread_create)(thread, how, run, start);
    if (error) {
        free(start);
        lockstep_lock();
        lockstep_drop(slot);
        lockstep_unlock();
    } else {
        slot->handle = (uint64_t)*thread;
    }
    return error;
}

static int lives(struct slot *me, pthread_t thread) {
    for (uint32_t i = 0; i < lockstep->used; i++) {
        struct slot *slot = &lockstep->slots[i];
        if (slot->state != FREE && slot->pid == me->pid && slot->handle == (uint64_t)thread) return 1;
    }
    return 0;
}

HOOK int pthread_join(pthread_t thread, void **result) {
    struct slot *me = ENTER("pthread_join");
    if (me && thread != pthread_self())
        while (lives(me, thread)) shim_wait(me, (uint64_t)thread, NEVER, EVERY_BIT);
    return REAL(pthread_join)(thread, result);
}

/* ---- mutexes ---- */

static int blocked; /* threads of this process that wait for a mutex */

static int is_shared(pthread_mutex_t *mutex) { return mutex->__data.__kind & 128; }

static int try_mutex(void *mutex) { return REAL(pthread_mutex_trylock)(mutex) == EBUSY ? 0 : 1; }

static int lock_mutex(struct slot *me, pthread_mutex_t *mutex, int64_t wake) {
    for (;;) {
        int error = REAL(pthread_mutex_trylock)(mutex);
        if (error != EBUSY) return error;
        if ((mutex->__data.__kind & 3) == PTHREAD_MUTEX_ERRORCHECK_NP && mutex->__data.__owner == me->tid)
            return EDEADLK;
        if (wake <= lockstep->now) return ETIMEDOUT;
        if (is_shared(mutex)) {
            while ((error = shim_poll(me, wake, try_mutex, mutex)) < 0) {}
            return error ? 0 : ETIMEDOUT;
        }
        blocked++;
        shim_wait(me, (uint64_t)mutex, wake, EVERY_BIT);
        blocked--;
    }
}

HOOK int pthread_mutex_lock(pthread_mutex_t *mutex) {
    struct slot *me = ENTER("pthread_mutex_lock");
    return me ? lock_mutex(me, mutex, NEVER) : REAL(pthread_mutex_lock)(mutex);
}

HOOK int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    struct slot *me = ENTER("pthread_mutex_timedlock");
    if (!me) return REAL(pthread_mutex_timedlock)(mutex, until);
    return lock_mutex(me, mutex, to_ns(until) - shim_base(CLOCK_REALTIME));
}

HOOK int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) {
    struct slot *me = ENTER("pthread_mutex_clocklock");
    if (!me) return REAL(pthread_mutex_clocklock)(mutex, clock, until);
    return lock_mutex(me, mutex, to_ns(until) - shim_base(clock));
}

static int unlock_mutex(struct slot *me, pthread_mutex_t *mutex) {
    int error = REAL(pthread_mutex_unlock)(mutex);
    if (blocked && me) shim_wake(me, (uint64_t)mutex, 1, EVERY_BIT);
    return error;
}

HOOK int pthread_mutex_unlock(pthread_mutex_t *mutex) {
    struct slot *me = ENTER("pthread_mutex_unlock");
    return unlock_mutex(me, mutex);
}

HOOK int mtx_lock(mtx_t *mutex) { return pthread_mutex_lock((pthread_mutex_t *)mutex) ? thrd_error : thrd_success; }
HOOK int mtx_unlock(mtx_t *mutex) {
    return pthread_mutex_unlock((pthread_mutex_t *)mutex) ? thrd_error : thrd_success;
}
HOOK int mtx_timedlock(mtx_t *restrict mutex, const struct timespec *restrict until) {
    int error = pthread_mutex_timedlock((pthread_mutex_t *)mutex, until);
    return error == ETIMEDOUT ? thrd_timedout : error ? thrd_error : thrd_success;
}

/* ---- read-write locks ---- */

static int lock_rw(struct slot *me, pthread_rwlock_t *lock, int (*try)(pthread_rwlock_t *), int64_t wake) {
    for (;;) {
        int error = try(lock);
        if (error != EBUSY) return error;
        if (wake <= lockstep->now) return ETIMEDOUT;
        blocked++;
        shim_wait(me, (uint64_t)lock, wake, EVERY_BIT);
        blocked--;
    }
}
HOOK int pthread_rwlock_rdlock(pthread_rwlock_t *lock) {
    struct slot *me = ENTER("pthread_rwlock_rdlock");
    return me ? lock_rw(me, lock, REAL(pthread_rwlock_tryrdlock), NEVER) : REAL(pthread_rwlock_rdlock)(lock);
}
HOOK int pthread_rwlock_wrlock(pthread_rwlock_t *lock) {
    struct slot *me = ENTER("pthread_rwlock_wrlock");
    return me ? lock_rw(me, lock, REAL(pthread_rwlock_trywrlock), NEVER) : REAL(pthread_rwlock_wrlock)(lock);
}
HOOK int pthread_rwlock_timedrdlock(pthread_rwlock_t *restrict lock, const struct timespec *restrict until) {
    struct slot *me = ENTER("pthread_rwlock_timedrdlock");
    if (!me) return REAL(pthread_rwlock_timedrdlock)(lock, until);
    return lock_rw(me, lock, REAL(pthread_rwlock_tryrdlock), to_ns(until) - shim_base(CLOCK_REALTIME));
}
HOOK int pthread_rwlock_timedwrlock(pthread_rwlock_t *restrict lock, const struct timespec *restrict until) {
    struct slot *me = ENTER("pthread_rwlock_timedwrlock");
    if (!me) return REAL(pthread_rwlock_timedwrlock)(lock, until);
    return lock_rw(me, lock, REAL(pthread_rwlock_trywrlock), to_ns(until) - shim_base(CLOCK_REALTIME));
}
HOOK int pthread_rwlock_unlock(pthread_rwlock_t *lock) {
    struct slot *me = ENTER("pthread_rwlock_unlock");
    int error = REAL(pthread_rwlock_unlock)(lock);
    if (blocked && me) shim_wake(me, (uint64_t)lock, ALL, EVERY_BIT);
    return error;
}

HOOK int pthread_barrier_wait(pthread_barrier_t *barrier) {
    struct slot *me = ENTER("pthread_barrier_wait");
    if (!me) return REAL(pthread_barrier_wait)(barrier);
    shim_leave(me);
    int result = REAL(pthread_barrier_wait)(barrier);
    shim_return(me);
    return result;
}

/* ---- conditions ---- */

#define COND_SHARED 1u /* glibc's own bits in __wrefs */
#define COND_MONOTONIC 2u

static int wait_condition(struct slot *me, pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t wake) {
    int error = unlock_mutex(me, mutex);
    if (error) return error;
    int reason = wake <= lockstep->now ? BY_TIME : shim_wait(me, (uint64_t)condition, wake, EVERY_BIT);
    error = lock_mutex(me, mutex, NEVER);
    pthread_testcancel();
    return error ? error : reason == BY_TIME ? ETIMEDOUT : 0; /* after a signal: a wakeup for nothing, as allowed */
}

/* Between processes: the real one; it counts as waiting for something outside. */
static int is_shared_condition(pthread_cond_t *condition) { return condition->__data.__wrefs & COND_SHARED; }

HOOK int pthread_cond_wait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex) {
    struct slot *me = ENTER("pthread_cond_wait");
    if (!me) return REAL(pthread_cond_wait)(condition, mutex);
    if (!is_shared_condition(condition)) return wait_condition(me, condition, mutex, NEVER);
    shim_leave(me);
    int result = REAL(pthread_cond_wait)(condition, mutex);
    shim_return(me);
    return result;
}

HOOK int pthread_cond_clockwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, clockid_t clock,
    const struct timespec *restrict until
) {
    struct slot *me = ENTER("pthread_cond_clockwait");
    if (!me) return REAL(pthread_cond_clockwait)(condition, mutex, clock, until);
    return wait_condition(me, condition, mutex, to_ns(until) - shim_base(clock));
}

HOOK int pthread_cond_timedwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until
) {
    struct slot *me = ENTER("pthread_cond_timedwait");
    if (!me) return REAL(pthread_cond_timedwait)(condition, mutex, until);
    clockid_t clock = condition->__data.__wrefs & COND_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    return wait_condition(me, condition, mutex, to_ns(until) - shim_base(clock));
}

HOOK int pthread_cond_signal(pthread_cond_t *condition) {
    struct slot *me = ENTER("pthread_cond_signal");
    if (!me || is_shared_condition(condition)) return REAL(pthread_cond_signal)(condition);
    shim_wake(me, (uint64_t)condition, 1, EVERY_BIT);
    return 0;
}

HOOK int pthread_cond_broadcast(pthread_cond_t *condition) {
    struct slot *me = ENTER("pthread_cond_broadcast");
    if (!me || is_shared_condition(condition)) return REAL(pthread_cond_broadcast)(condition);
    shim_wake(me, (uint64_t)condition, ALL, EVERY_BIT);
    return 0;
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

struct c11_start {
    thrd_start_t run;
    void *argument;
};
static void *run_c11(void *given) {
    struct c11_start start = *(struct c11_start *)given;
    free(given);
    return (void *)(intptr_t)start.run(start.argument);
}
HOOK int thrd_create(thrd_t *thread, thrd_start_t body, void *argument) {
    struct c11_start *start = malloc(sizeof *start);
    if (!start) return thrd_nomem;
    *start = (struct c11_start){body, argument};
    if (pthread_create(thread, 0, run_c11, start) == 0) return thrd_success;
    free(start);
    return thrd_error;
}
HOOK int thrd_join(thrd_t thread, int *result) {
    void *value;
    if (pthread_join(thread, &value)) return thrd_error;
    if (result) *result = (int)(intptr_t)value;
    return thrd_success;
}
HOOK void thrd_exit(int result) { pthread_exit((void *)(intptr_t)result); }

/* ---- semaphores ---- */

static int is_shared_semaphore(sem_t *semaphore) { return ((int *)semaphore)[2] == 128; /* glibc's own field */ }

static int try_semaphore(void *semaphore) { return REAL(sem_trywait)(semaphore) == 0; }

static int wait_semaphore(struct slot *me, sem_t *semaphore, int64_t wake) {
    if (is_shared_semaphore(semaphore)) {
        int found = shim_poll(me, wake, try_semaphore, semaphore);
        if (found == 0) errno = ETIMEDOUT;
        return found > 0 ? 0 : -1;
    }
    while (REAL(sem_trywait)(semaphore) < 0) {
        if (wake <= lockstep->now) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (shim_wait(me, (uint64_t)semaphore, wake, EVERY_BIT) == BY_SIGNAL) {
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
    if (!me) return REAL(sem_timedwait)(semaphore, until);
    return wait_semaphore(me, semaphore, to_ns(until) - shim_base(CLOCK_REALTIME));
}
HOOK int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict until) {
    struct slot *me = ENTER("sem_clockwait");
    if (!me) return REAL(sem_clockwait)(semaphore, clock, until);
    return wait_semaphore(me, semaphore, to_ns(until) - shim_base(clock));
}
HOOK int sem_post(sem_t *semaphore) {
    struct slot *me = ENTER("sem_post");
    int result = REAL(sem_post)(semaphore);
    if (me) shim_wake(me, (uint64_t)semaphore, 1, EVERY_BIT);
    return result;
}

/* ---- futexes, and what else is asked for by number (Rust, C++) ---- */

static long wait_futex(struct slot *me, int *word, int operation, int value, const struct timespec *limit, uint32_t bits) {
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) {
        errno = EAGAIN;
        return -1;
    }
    int64_t wake = NEVER;
    if (limit && (operation & FUTEX_CMD_MASK) == FUTEX_WAIT) wake = after(to_ns(limit));
    else if (limit)
        wake = to_ns(limit) - shim_base(operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC);
    int reason = wake <= lockstep->now ? BY_TIME : shim_wait(me, (uint64_t)word, wake, bits);
    if (reason == BY_WAKE) return 0;
    errno = reason == BY_TIME ? ETIMEDOUT : EINTR;
    return -1;
}

HOOK long syscall(long number, ...) {
    va_list rest;
    va_start(rest, number);
    long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long);
    long d = va_arg(rest, long), e = va_arg(rest, long), f = va_arg(rest, long);
    va_end(rest);
    switch (number) {
    case SYS_futex: {
        struct slot *me = ENTER("futex");
        if (!me) break;
        switch (b & FUTEX_CMD_MASK) {
        case FUTEX_WAIT:
            return wait_futex(me, (int *)a, (int)b, (int)c, (struct timespec *)d, EVERY_BIT);
        case FUTEX_WAIT_BITSET:
            return wait_futex(me, (int *)a, (int)b, (int)c, (struct timespec *)d, (uint32_t)f);
        case FUTEX_WAKE:
            return shim_wake(me, (uint64_t)a, (int)c, EVERY_BIT);
        case FUTEX_WAKE_BITSET:
            return shim_wake(me, (uint64_t)a, (int)c, (uint32_t)f);
        case FUTEX_REQUEUE: /* waking them all is allowed, and they look for themselves */
            return shim_wake(me, (uint64_t)a, ALL, EVERY_BIT);
        case FUTEX_CMP_REQUEUE:
            if (__atomic_load_n((int *)a, __ATOMIC_SEQ_CST) != (int)f) {
                errno = EAGAIN;
                return -1;
            }
            return shim_wake(me, (uint64_t)a, ALL, EVERY_BIT);
        default:
            break;
        }
        break;
    }
    case SYS_clock_gettime:
        return clock_gettime((clockid_t)a, (struct timespec *)b);
#ifdef SYS_time
    case SYS_time:
        return time((time_t *)a);
#endif
    case SYS_nanosleep:
        return nanosleep((const struct timespec *)a, (struct timespec *)b);
    case SYS_clock_nanosleep: {
        int error = clock_nanosleep((clockid_t)a, (int)b, (const struct timespec *)c, (struct timespec *)d);
        errno = error ? error : errno;
        return error ? -1 : 0;
    }
    case SYS_getrandom:
        return getrandom((void *)a, (size_t)b, (unsigned)c);
    default:
        break;
    }
    return REAL(syscall)(number, a, b, c, d, e, f);
}
