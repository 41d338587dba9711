/* Futexes, and what else is asked of the kernel by number, as Rust and C++ do. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "hooks.h"

static uint64_t key_of(long word, long operation) {
    return (uint64_t)word | (operation & FUTEX_PRIVATE_FLAG ? 0 : SHARED);
}

static long wait_futex(struct slot *me, int *word, int operation, int value, const struct timespec *limit, uint32_t bits) {
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) {
        errno = EAGAIN;
        return -1;
    }
    int64_t wake = NEVER;
    if (limit && (operation & FUTEX_CMD_MASK) == FUTEX_WAIT) wake = after(to_ns(limit));
    else if (limit)
        wake = until_ns(limit, operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC);
    int reason = wake <= lockstep->now ? BY_TIME : shim_wait(me, key_of((long)word, operation), wake, bits);
    if (reason == BY_WAKE || reason == BY_CANCEL) return 0; /* or for nothing, as is allowed */
    errno = reason == BY_TIME ? ETIMEDOUT : EINTR;
    return -1;
}

/* The kernel's FUTEX_WAKE_OP, as Qt's semaphores use it: change a second word, wake who waits for the first, and who
   waits for the second where its old value was such. */
static long wake_op(struct slot *me, long first, int operation, int count, int count2, int *second, uint32_t code) {
    int shifted = code >> 28 & FUTEX_OP_OPARG_SHIFT, argument = (int)(code << 8) >> 20, than = (int)(code << 20) >> 20;
    if (shifted) argument = 1 << (argument & 31);
    int old = __atomic_load_n(second, __ATOMIC_SEQ_CST), made;
    do {
        switch (code >> 28 & 7) {
        case FUTEX_OP_SET: made = argument; break;
        case FUTEX_OP_ADD: made = (int)((unsigned)old + (unsigned)argument); break;
        case FUTEX_OP_OR: made = old | argument; break;
        case FUTEX_OP_ANDN: made = old & ~argument; break;
        case FUTEX_OP_XOR: made = old ^ argument; break;
        default: errno = ENOSYS; return -1;
        }
    } while (!__atomic_compare_exchange_n(second, &old, made, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    int also;
    switch (code >> 24 & 15) {
    case FUTEX_OP_CMP_EQ: also = old == than; break;
    case FUTEX_OP_CMP_NE: also = old != than; break;
    case FUTEX_OP_CMP_LT: also = old < than; break;
    case FUTEX_OP_CMP_LE: also = old <= than; break;
    case FUTEX_OP_CMP_GT: also = old > than; break;
    case FUTEX_OP_CMP_GE: also = old >= than; break;
    default: errno = ENOSYS; return -1;
    }
    int woken = shim_wake(me, key_of(first, operation), count, EVERY_BIT);
    return woken + (also ? shim_wake(me, key_of((long)second, operation), count2, EVERY_BIT) : 0);
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
        if (!me && d && (b & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET) {
            clockid_t clock = b & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
            struct timespec until = shim_really_until((const struct timespec *)d, clock);
            return REAL(syscall)(number, a, b, c, &until, e, f);
        }
        if (!me) break;
        switch (b & FUTEX_CMD_MASK) {
        case FUTEX_WAIT:
            return wait_futex(me, (int *)a, (int)b, (int)c, (struct timespec *)d, EVERY_BIT);
        case FUTEX_WAIT_BITSET:
            return wait_futex(me, (int *)a, (int)b, (int)c, (struct timespec *)d, (uint32_t)f);
        case FUTEX_WAKE:
            return shim_wake(me, key_of(a, b), (int)c, EVERY_BIT);
        case FUTEX_WAKE_BITSET:
            return shim_wake(me, key_of(a, b), (int)c, (uint32_t)f);
        case FUTEX_REQUEUE: /* waking them all is allowed, and they look for themselves */
            return shim_wake(me, key_of(a, b), ALL, EVERY_BIT);
        case FUTEX_CMP_REQUEUE:
            if (__atomic_load_n((int *)a, __ATOMIC_SEQ_CST) != (int)f) {
                errno = EAGAIN;
                return -1;
            }
            return shim_wake(me, key_of(a, b), ALL, EVERY_BIT);
        case FUTEX_WAKE_OP:
            return wake_op(me, a, (int)b, (int)c, (int)d, (int *)e, (uint32_t)f);
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
    case SYS_gettimeofday:
        return gettimeofday((struct timeval *)a, (void *)b);
    case SYS_nanosleep:
        return nanosleep((const struct timespec *)a, (struct timespec *)b);
    case SYS_clock_nanosleep: {
        int error = clock_nanosleep((clockid_t)a, (int)b, (const struct timespec *)c, (struct timespec *)d);
        errno = error ? error : errno;
        return error ? -1 : 0;
    }
    case SYS_getrandom:
        return getrandom((void *)a, (size_t)b, (unsigned)c);
#ifdef SYS_poll
    case SYS_poll:
        return poll((struct pollfd *)a, (nfds_t)b, (int)c);
    case SYS_select:
        return select((int)a, (fd_set *)b, (fd_set *)c, (fd_set *)d, (struct timeval *)e);
    case SYS_epoll_wait:
        return epoll_wait((int)a, (struct epoll_event *)b, (int)c, (int)d);
#endif
    case SYS_ppoll:
        return ppoll((struct pollfd *)a, (nfds_t)b, (const struct timespec *)c, (const sigset_t *)d);
    case SYS_pselect6: {
        const sigset_t *mask = f ? *(const sigset_t *const *)f : 0; /* the kernel's pair: the mask, and its size */
        return pselect((int)a, (fd_set *)b, (fd_set *)c, (fd_set *)d, (const struct timespec *)e, mask);
    }
    case SYS_epoll_pwait:
        return epoll_pwait((int)a, (struct epoll_event *)b, (int)c, (int)d, (const sigset_t *)e);
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
        return epoll_pwait2(
            (int)a, (struct epoll_event *)b, (int)c, (const struct timespec *)d, (const sigset_t *)e
        );
#endif
    case SYS_timerfd_create:
        return timerfd_create((int)a, (int)b);
    case SYS_timerfd_settime:
        return timerfd_settime((int)a, (int)b, (const struct itimerspec *)c, (struct itimerspec *)d);
    case SYS_timerfd_gettime:
        return timerfd_gettime((int)a, (struct itimerspec *)b);
    default:
        break;
    }
    return REAL(syscall)(number, a, b, c, d, e, f);
}
