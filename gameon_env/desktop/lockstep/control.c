/* The controller's side, called by Python: grant time, wait until it is used, clear up after the dead. */
#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

long lockstep_syscall(long number, long a, long b, long c, long d) {
    long result = syscall(number, a, b, c, d);
    return result < 0 ? -errno : result;
}

EXPORT uint64_t control_size(void) { return sizeof(struct clock_state); }

EXPORT void control_open(struct clock_state *state, uint64_t random, int64_t epoch_ns) {
    memset(state, 0, sizeof *state);
    state->version = LOCKSTEP_VERSION;
    state->holder = -1;
    state->random = random;
    state->epoch_ns = epoch_ns;
    state->round = 1;
}

EXPORT void control_grant(struct clock_state *state, int64_t ns) {
    lockstep = state;
    lockstep_lock();
    state->limit = ns == NEVER ? NEVER - 1 : state->limit + ns; /* see lockstep_is_free() */
    state->round++;
    __atomic_store_n(&state->idle, 0, __ATOMIC_SEQ_CST);
    lockstep_dispatch();
    lockstep_unlock();
}

/* Nobody grants time any more: whoever waits ends. */
EXPORT void control_close(struct clock_state *state) {
    __atomic_store_n(&state->closed, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < state->used; i++) {
        __atomic_add_fetch(&state->slots[i].go, 1, __ATOMIC_SEQ_CST);
        lockstep_futex(&state->slots[i].go, FUTEX_WAKE, INT_MAX, -1);
    }
}

/* Whether the granted time is used up, after at most timeout_ns of real time. */
EXPORT int control_wait(struct clock_state *state, int64_t timeout_ns) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (!__atomic_load_n(&state->idle, __ATOMIC_SEQ_CST)) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t left = timeout_ns - (now.tv_sec - start.tv_sec) * 1000000000 - (now.tv_nsec - start.tv_nsec);
        if (left <= 0) return 0;
        lockstep_futex(&state->idle, FUTEX_WAIT, 0, left);
    }
    return 1;
}

/* Forget a thread that is dead. */
EXPORT void control_drop(struct clock_state *state, uint32_t index) {
    lockstep = state;
    lockstep_lock();
    lockstep_drop(&state->slots[index]);
    lockstep_offer();
    lockstep_unlock();
}

/* Wake a thread that was given the turn, and not woken yet: its giver may be waiting for a processor. */
EXPORT void control_wake(struct clock_state *state, uint32_t index) {
    lockstep_futex(&state->slots[index].go, FUTEX_WAKE, INT_MAX, -1);
}

/* Take the turn from a thread that waits for something that is not seen here: it asks for it when it comes back. */
EXPORT int control_pass(struct clock_state *state, uint32_t index, uint64_t turns) {
    lockstep = state;
    lockstep_lock();
    lockstep_offer(); /* who had the turn is dead */
    int taken = state->holder == (int32_t)index && state->turns == turns;
    if (taken) {
        state->slots[index].state = OUTSIDE;
        state->holder = -1;
        lockstep_dispatch();
    }
    lockstep_unlock();
    return taken;
}
