/* Clocks and sleeps. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/time.h>
#include <sys/times.h>
#include <threads.h>
#include <unistd.h>

#include "hooks.h"

#define MONOTONIC_AT_START 1000000000000LL

int64_t shim_base(clockid_t clock) {
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        return lockstep->epoch_ns;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        return MONOTONIC_AT_START;
    default:
        return 0; /* the CPU's time: a game that counts it sees the virtual one */
    }
}

/* The time that this clock shows. In a signal handler it stands still. */
static int64_t shown(struct slot *me, clockid_t clock) {
    return (me ? shim_read(me) : shim_now()) + shim_base(clock);
}

/* The fixed ones; and those that are made of a process's number, all below 0. */
static int is_known(clockid_t clock) { return clock <= CLOCK_TAI && clock != 10; }

HOOK int clock_gettime(clockid_t clock, struct timespec *t) {
    struct slot *me = ENTER("clock_gettime");
    if (!lockstep || !is_known(clock)) return REAL(clock_gettime)(clock, t);
    *t = from_ns(shown(me, clock));
    return 0;
}

HOOK int timespec_get(struct timespec *t, int base) {
    struct slot *me = ENTER("timespec_get");
    if (!lockstep || base != TIME_UTC) return REAL(timespec_get)(t, base);
    *t = from_ns(shown(me, CLOCK_REALTIME));
    return base;
}

HOOK int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct slot *me = ENTER("gettimeofday");
    if (!lockstep) return REAL(gettimeofday)(t, zone);
    if (zone) *(struct timezone *)zone = (struct timezone){0, 0};
    int64_t ns = shown(me, CLOCK_REALTIME);
    struct timeval *volatile out = t; /* declared as never null, so that the compiler would leave the question out */
    if (out) *out = (struct timeval){ns / 1000000000, ns % 1000000000 / 1000};
    return 0;
}

HOOK time_t time(time_t *out) {
    struct slot *me = ENTER("time");
    if (!lockstep) return REAL(time)(out);
    time_t seconds = shown(me, CLOCK_REALTIME) / 1000000000;
    if (out) *out = seconds;
    return seconds;
}

HOOK clock_t clock(void) {
    struct slot *me = ENTER("clock");
    if (!lockstep) return REAL(clock)();
    return shown(me, CLOCK_PROCESS_CPUTIME_ID) / (1000000000 / CLOCKS_PER_SEC);
}

HOOK clock_t times(struct tms *t) {
    struct slot *me = ENTER("times");
    if (!lockstep) return REAL(times)(t);
    clock_t ticks = shown(me, CLOCK_MONOTONIC) / (1000000000 / 100);
    if (t) *t = (struct tms){.tms_utime = ticks};
    return ticks;
}

/* Sleep until then. Returns what a signal left of it. A sleep of nothing still lets the others go on. */
static int64_t sleep_until(struct slot *me, int64_t wake) {
    if (wake <= lockstep->now) wake = lockstep->now + 1000;
    if (shim_wait(me, 0, wake, 0) != BY_SIGNAL || lockstep->now >= wake) return 0;
    return wake - lockstep->now;
}

HOOK int nanosleep(const struct timespec *wanted, struct timespec *left) {
    struct slot *me = ENTER("nanosleep");
    if (!me) return REAL(nanosleep)(wanted, left);
    if (wanted->tv_sec < 0 || wanted->tv_nsec < 0 || wanted->tv_nsec > 999999999) {
        errno = EINVAL;
        return -1;
    }
    int64_t rest = sleep_until(me, after(to_ns(wanted)));
    if (left) *left = from_ns(rest);
    if (!rest) return 0;
    errno = EINTR;
    return -1;
}

HOOK int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
    struct slot *me = ENTER("clock_nanosleep");
    if (!me) {
        const struct timespec *until = flags & TIMER_ABSTIME ? REALLY(wanted, clock) : wanted;
        return REAL(clock_nanosleep)(clock, flags, until, left);
    }
    if (wanted->tv_sec < 0 || wanted->tv_nsec < 0 || wanted->tv_nsec > 999999999) return EINVAL;
    int absolute = flags & TIMER_ABSTIME;
    int64_t rest = sleep_until(me, absolute ? until_ns(wanted, clock) : after(to_ns(wanted)));
    if (left && !absolute) *left = from_ns(rest);
    return rest ? EINTR : 0;
}

HOOK int usleep(useconds_t us) {
    struct slot *me = ENTER("usleep");
    if (!me) return REAL(usleep)(us);
    if (!sleep_until(me, after(us * 1000LL))) return 0;
    errno = EINTR;
    return -1;
}

HOOK unsigned sleep(unsigned seconds) {
    struct slot *me = ENTER("sleep");
    if (!me) return REAL(sleep)(seconds);
    return (unsigned)((sleep_until(me, after(seconds * 1000000000LL)) + 500000000) / 1000000000);
}

HOOK int thrd_sleep(const struct timespec *wanted, struct timespec *left) {
    struct slot *me = ENTER("thrd_sleep");
    if (!me) return REAL(thrd_sleep)(wanted, left);
    int64_t rest = sleep_until(me, after(to_ns(wanted)));
    if (left) *left = from_ns(rest);
    return rest ? -1 : 0;
}

HOOK int sched_yield(void) {
    struct slot *me = ENTER("sched_yield");
    if (!me) return REAL(sched_yield)();
    static char yields;
    shim_wait(me, (uint64_t)&yields, shim_now() + 1000, 0);
    return 0;
}
HOOK void thrd_yield(void) { sched_yield(); }
