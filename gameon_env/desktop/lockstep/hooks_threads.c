/* Threads, and the locks between them. Only the one whose turn it is gets here, so a test and the wait that
 * follows it are one step: nobody comes between. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>

#include "hooks.h"

struct start {
    void *(*run)(void *);
    void *argument;
    struct slot *slot;
};

/* A thread leaves the clock in the last round of its destructors: what those tell other threads is told under it. */
static pthread_key_t at_end;

static void count_down(void *rounds) {
    if ((intptr_t)rounds > 1)
        pthread_setspecific(at_end, (void *)((intptr_t)rounds - 1));
    else
        shim_end_thread();
}

__attribute__((constructor)) static void prepare_ends(void) { pthread_key_create(&at_end, count_down); }

static void *run(void *given) {
    struct start start = *(struct start *)given;
    shim_become(start.slot, 0);
    free(given);
    pthread_setspecific(at_end, (void *)PTHREAD_DESTRUCTOR_ITERATIONS);
    return start.run(start.argument);
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

/* Returns 0 once it is over; ETIMEDOUT. */
static int await_end(struct slot *me, pthread_t thread, int64_t wake) {
    while (me && thread != pthread_self() && lives(me, thread)) {
        if (wake <= lockstep->now) return ETIMEDOUT;
        shim_wait(me, (uint64_t)thread, wake, EVERY_BIT);
        pthread_testcancel();
    }
    return 0;
}

HOOK int pthread_join(pthread_t thread, void **result) {
    struct slot *me = ENTER("pthread_join");
    await_end(me, thread, NEVER);
    return REAL(pthread_join)(thread, result);
}
HOOK int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock, const struct timespec *until) {
    struct slot *me = ENTER("pthread_clockjoin_np");
    if (!me) return REAL(pthread_clockjoin_np)(thread, result, clock, REALLY(until, clock));
    int error = await_end(me, thread, until ? until_ns(until, clock) : NEVER);
    return error ? error : REAL(pthread_join)(thread, result);
}
HOOK int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until) {
    struct slot *me = ENTER("pthread_timedjoin_np");
    if (!me) return REAL(pthread_timedjoin_np)(thread, result, REALLY(until, CLOCK_REALTIME));
    return pthread_clockjoin_np(thread, result, CLOCK_REALTIME, until);
}
HOOK int pthread_tryjoin_np(pthread_t thread, void **result) {
    struct slot *me = ENTER("pthread_tryjoin_np");
    if (!me || thread == pthread_self()) return REAL(pthread_tryjoin_np)(thread, result);
    return lives(me, thread) ? EBUSY : REAL(pthread_join)(thread, result);
}

/* The C library wakes nobody who waits here. */
HOOK int pthread_cancel(pthread_t thread) {
    struct slot *me = ENTER("pthread_cancel");
    int error = REAL(pthread_cancel)(thread);
    if (me && !error) shim_cancel(me, (uint64_t)thread);
    return error;
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

/* ---- mutexes ---- */

static int blocked; /* threads of this process that wait for a mutex */

static int is_shared(pthread_mutex_t *mutex) { return mutex->__data.__kind & 128; }

static int try_mutex(void *mutex) { return REAL(pthread_mutex_trylock)(mutex) == EBUSY ? 0 : 1; }

int lock_mutex(struct slot *me, pthread_mutex_t *mutex, int64_t wake) {
    for (;;) {
        int error = REAL(pthread_mutex_trylock)(mutex);
        if (error != EBUSY) return error;
        if ((mutex->__data.__kind & 3) == PTHREAD_MUTEX_ERRORCHECK_NP && mutex->__data.__owner == me->tid)
            return EDEADLK;
        if (wake <= lockstep->now) return ETIMEDOUT;
        if (is_shared(mutex)) {
            int before;
            pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
            while ((error = shim_poll(me, wake, try_mutex, mutex)) < 0) {}
            pthread_setcancelstate(before, 0);
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
    if (!me) return REAL(pthread_mutex_timedlock)(mutex, REALLY(until, CLOCK_REALTIME));
    return lock_mutex(me, mutex, until_ns(until, CLOCK_REALTIME));
}

HOOK int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) {
    struct slot *me = ENTER("pthread_mutex_clocklock");
    if (!me) return REAL(pthread_mutex_clocklock)(mutex, clock, REALLY(until, clock));
    return lock_mutex(me, mutex, until_ns(until, clock));
}

int unlock_mutex(struct slot *me, pthread_mutex_t *mutex) {
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
    if (!me) return REAL(pthread_rwlock_timedrdlock)(lock, REALLY(until, CLOCK_REALTIME));
    return lock_rw(me, lock, REAL(pthread_rwlock_tryrdlock), until_ns(until, CLOCK_REALTIME));
}
HOOK int pthread_rwlock_timedwrlock(pthread_rwlock_t *restrict lock, const struct timespec *restrict until) {
    struct slot *me = ENTER("pthread_rwlock_timedwrlock");
    if (!me) return REAL(pthread_rwlock_timedwrlock)(lock, REALLY(until, CLOCK_REALTIME));
    return lock_rw(me, lock, REAL(pthread_rwlock_trywrlock), until_ns(until, CLOCK_REALTIME));
}
HOOK int pthread_rwlock_clockrdlock(
    pthread_rwlock_t *restrict lock, clockid_t clock, const struct timespec *restrict until
) {
    struct slot *me = ENTER("pthread_rwlock_clockrdlock");
    if (!me) return REAL(pthread_rwlock_clockrdlock)(lock, clock, REALLY(until, clock));
    return lock_rw(me, lock, REAL(pthread_rwlock_tryrdlock), until_ns(until, clock));
}
HOOK int pthread_rwlock_clockwrlock(
    pthread_rwlock_t *restrict lock, clockid_t clock, const struct timespec *restrict until
) {
    struct slot *me = ENTER("pthread_rwlock_clockwrlock");
    if (!me) return REAL(pthread_rwlock_clockwrlock)(lock, clock, REALLY(until, clock));
    return lock_rw(me, lock, REAL(pthread_rwlock_trywrlock), until_ns(until, clock));
}
HOOK int pthread_rwlock_unlock(pthread_rwlock_t *lock) {
    struct slot *me = ENTER("pthread_rwlock_unlock");
    int error = REAL(pthread_rwlock_unlock)(lock);
    if (blocked && me) shim_wake(me, (uint64_t)lock, ALL, EVERY_BIT);
    return error;
}

#define BARRIERS 256
static struct {
    pthread_barrier_t *barrier;
    unsigned arrived, round;
} barriers[BARRIERS]; /* those at which somebody waits */

HOOK int pthread_barrier_wait(pthread_barrier_t *barrier) {
    struct slot *me = ENTER("pthread_barrier_wait");
    if (!me) return REAL(pthread_barrier_wait)(barrier);
    unsigned wanted = ((unsigned *)barrier)[2]; /* glibc's own field */
    int free_place = -1, place = -1;
    for (int i = 0; i < BARRIERS; i++) {
        if (barriers[i].barrier == barrier) place = i;
        if (!barriers[i].barrier && free_place < 0) free_place = i;
    }
    if (place < 0) place = free_place;
    if (place < 0) { /* more barriers than anybody has: in real time */
        shim_leave(me);
        int result = REAL(pthread_barrier_wait)(barrier);
        shim_return(me);
        return result;
    }
    barriers[place].barrier = barrier;
    if (++barriers[place].arrived >= wanted) {
        barriers[place].barrier = 0;
        barriers[place].arrived = 0;
        barriers[place].round++;
        shim_wake(me, (uint64_t)barrier, ALL, EVERY_BIT);
        return PTHREAD_BARRIER_SERIAL_THREAD;
    }
    unsigned round = barriers[place].round;
    while (barriers[place].round == round) shim_wait(me, (uint64_t)barrier, NEVER, EVERY_BIT);
    return 0;
}
