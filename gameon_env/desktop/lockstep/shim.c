/* The game's side: how its threads come under the virtual clock, wait in it, and leave it. */
#define _GNU_SOURCE
#include "hooks.h"
#include "shim.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_COST_NS 100     /* what a look at the clock takes */
#define SPIN_READS 1000      /* so many in a row, without a wait between them, are a loop that waits for the time */
#define SPIN_COST_NS 5000    /* and then each takes this long, and longer after as many again, */
#define SPIN_COST_MOST 40    /* up to so many times as long: a game that never waits does not draw for ever */
#define LOOK_AFTER_NS 500000000LL
#define LOOK_WHEN_FREE_NS 20000000LL

__thread struct slot *mine __attribute__((tls_model("initial-exec")));
__thread int busy __attribute__((tls_model("initial-exec")));  /* in here already: a signal came */
__thread int forking __attribute__((tls_model("initial-exec")));
static __thread int gone __attribute__((tls_model("initial-exec")));  /* this thread is over */
static __thread unsigned reads __attribute__((tls_model("initial-exec")));
int32_t own_pid; /* a child of vfork shares this memory, and is not this process */
static __thread int last_signal __attribute__((tls_model("initial-exec")));
static int sending;           /* the signal that a timer sends now */
static unsigned signals_seen; /* by threads that wait here */
volatile int ended; /* this process is over, but for what runs at exit */

long lockstep_syscall(long number, long a, long b, long c, long d) {
    static long (*real)(long, ...);
    int saved = errno;
    if (!real) real = (long (*)(long, ...))shim_next("syscall");
    long result = real(number, a, b, c, d, 0L, 0L);
    if (result < 0) result = -errno;
    errno = saved;
    return result;
}

/* Without a controller nothing goes on: better no game than one that hangs around. One that is
   ending already does so by itself. */
static void end_now(void) {
    if (!ended) lockstep_syscall(SYS_exit_group, 113, 0, 0, 0);
}

/* Where the game runs free, nobody else asks those who wait for files to look at them. */
static void look_again(void) {
    lockstep_lock();
    lockstep->round++;
    lockstep_offer();
    lockstep_unlock();
}

/* Wait until it is this thread's turn. Returns 1 where a signal came first. */
int wait_turn(struct slot *me) {
    int interrupted = 0;
    for (;;) {
        uint32_t go = __atomic_load_n(&me->go, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&lockstep->closed, __ATOMIC_SEQ_CST)) end_now();
        if (ended) { /* what runs at exit may wait for this thread: from here on in real time */
            me->reason = me->wake == NEVER ? BY_WAKE : BY_TIME;
            return interrupted;
        }
        if (__atomic_load_n(&lockstep->holder, __ATOMIC_SEQ_CST) == (int32_t)me->index) return interrupted;
        __atomic_store_n(&me->parked, 1, __ATOMIC_SEQ_CST);
        int free = lockstep_is_free();
        long result = lockstep_futex(&me->go, FUTEX_WAIT, go, free ? LOOK_WHEN_FREE_NS : LOOK_AFTER_NS);
        __atomic_store_n(&me->parked, 0, __ATOMIC_SEQ_CST);
        if (result == -ETIMEDOUT && free)
            look_again();
        else if (result == -ETIMEDOUT && controller_gone())
            end_now();
        int came = __atomic_load_n(&sending, __ATOMIC_SEQ_CST);
        if (result == -EINTR) __atomic_add_fetch(&signals_seen, 1, __ATOMIC_SEQ_CST);
        if (result == -EINTR && !interrupted) {
            last_signal = came;
            lockstep_lock();
            if (me->state == WAITING || me->state == POLLING) {
                lockstep_ready(me, BY_SIGNAL);
                interrupted = 1;
                lockstep_offer();
            } else if (me->state == RUNNING && me->reason == BY_LOOK) { /* it was to look for something at that moment */
                me->reason = BY_SIGNAL;
                interrupted = 1;
            }
            lockstep_unlock();
        }
    }
}

static void ask_for_turn(struct slot *me) {
    lockstep_lock();
    if (lockstep->holder != (int32_t)me->index) {
        lockstep_ready(me, BY_START);
        lockstep_offer();
    }
    lockstep_unlock();
    wait_turn(me);
}

struct slot *shim_enter(const char *where) {
    if (!lockstep && !ended) process_attach();
    if (!lockstep || ended || busy || gone) return 0;
    if (forking && getpid() != own_pid) return 0; /* what a child does at the fork, with no place of its own yet */
    busy = 1;
    if (!mine) { /* a thread that was not made by pthread_create */
        lockstep_lock();
        mine = lockstep_slot(getpid(), (int32_t)lockstep_tid);
        if (mine) mine->handle = (uint64_t)pthread_self();
        lockstep_unlock();
        if (!mine) {
            busy = 0;
            return 0;
        }
    }
    memcpy(mine->where, where, sizeof mine->where);
    if (__atomic_load_n(&lockstep->holder, __ATOMIC_ACQUIRE) != (int32_t)mine->index) ask_for_turn(mine);
    busy = 0;
    return mine;
}

static int64_t stopped_ns, stopped_real_ns;

static int64_t real_ns(clockid_t clock) {
    struct timespec t;
    lockstep_syscall(SYS_clock_gettime, clock, (long)&t, 0, 0);
    return to_ns(&t);
}

/* From here on this process is not under the clock any more, which for it goes on in real time. */
void shim_stop_clock(void) {
    stopped_ns = lockstep->now;
    stopped_real_ns = real_ns(CLOCK_MONOTONIC);
    ended = 1;
}

int64_t shim_now(void) {
    if (!lockstep) return 0;
    return stopped_real_ns ? stopped_ns + real_ns(CLOCK_MONOTONIC) - stopped_real_ns : lockstep->now;
}

struct timespec shim_really_until(const struct timespec *until, clockid_t clock) {
    if (!lockstep) return *until;
    int64_t left = until_ns(until, clock) - shim_now();
    return left > NEVER / 2 ? *until : from_ns(real_ns(clock) + (left > 0 ? left : 0));
}

static int64_t cost_of_look(void) {
    unsigned times = ++reads / SPIN_READS;
    if (reads <= SPIN_READS) return READ_COST_NS;
    return (int64_t)SPIN_COST_NS * (times < SPIN_COST_MOST ? times : SPIN_COST_MOST);
}

static int pass_turn(struct slot *me, int state, uint64_t key, int64_t wake, uint32_t bits) {
    if (ended) {
        struct timespec moment = {0, 1000000};
        lockstep_syscall(SYS_nanosleep, (long)&moment, 0, 0, 0);
        return wake == NEVER ? BY_WAKE : BY_TIME;
    }
    busy = 1;
    reads = 0;
    int settled = (x_busy || (wake > lockstep->limit && x_unread())) && settle_x();
    lockstep_lock();
    if (settled) lockstep->round++; /* events may have come of it, which are looked for before any time passes */
    me->state = state;
    me->key = key;
    me->wake = wake;
    me->bits = bits;
    me->reason = BY_WAKE;
    me->order = ++lockstep->order;
    if (lockstep->holder == (int32_t)me->index) lockstep->holder = -1;
    lockstep_offer();
    lockstep_unlock();
    int reason = state == OUTSIDE ? BY_WAKE : (wait_turn(me), me->reason);
    busy = 0;
    return reason;
}

int64_t shim_read(struct slot *me) {
    int64_t then = lockstep->now + cost_of_look();
    if (then <= lockstep->limit && then < lockstep->next_wake) {
        lockstep->now = then;
    } else {
        unsigned so_far = reads;
        pass_turn(me, WAITING, 0, then, 0); /* where nobody is cancelled */
        reads = so_far;
    }
    return lockstep->now;
}

/* Sleeps and semaphores may be cancelled in here; after other waits, it is for the caller to see. */
int shim_wait(struct slot *me, uint64_t key, int64_t wake, uint32_t bits) {
    int cancels = !key || key & SEMAPHORE, reason;
    do {
        if (cancels) pthread_testcancel();
        reason = pass_turn(me, WAITING, key, wake, bits);
    } while (cancels && reason == BY_CANCEL);
    if (cancels && reason == BY_SIGNAL) pthread_testcancel();
    return reason;
}

int shim_wake(struct slot *me, uint64_t key, int count, uint32_t bits) {
    int woken = 0;
    busy = 1;
    lockstep_lock();
    while (woken < count) {
        struct slot *first = 0;
        for (uint32_t i = 0; i < lockstep->used; i++) {
            struct slot *slot = &lockstep->slots[i];
            if (slot->state == WAITING && slot->pid == me->pid && !((slot->key ^ key) & ~(uint64_t)SHARED) &&
                (slot->bits & bits) && (!first || slot->order < first->order))
                first = slot;
        }
        if (!first) break;
        lockstep_ready(first, BY_WAKE);
        woken++;
    }
    for (uint32_t i = 0; i < lockstep->used && key & SHARED; i++) { /* all of them: they look for themselves */
        struct slot *slot = &lockstep->slots[i];
        if (slot->state != WAITING || slot->pid == me->pid || !(slot->key & SHARED)) continue;
        lockstep_ready(slot, BY_WAKE);
        if (woken < count) woken++;
    }
    lockstep_unlock();
    busy = 0;
    return woken;
}

void shim_cancel(struct slot *me, uint64_t handle) {
    busy = 1;
    lockstep_lock();
    for (uint32_t i = 0; i < lockstep->used; i++) {
        struct slot *slot = &lockstep->slots[i];
        if (slot->pid != me->pid || slot->handle != handle) continue;
        if (slot->state == WAITING || slot->state == POLLING) lockstep_ready(slot, BY_CANCEL);
    }
    lockstep_unlock();
    busy = 0;
}

void shim_posted(void) {
    if (lockstep && mine) __atomic_store_n(&mine->posted, 1, __ATOMIC_SEQ_CST);
}

int shim_poll(struct slot *me, int64_t wake, int (*look)(void *), void *what) {
    int found = look(what);
    if (!found && process_settle()) found = look(what);
    if (wake <= lockstep->now && !found) { /* a loop that asks again and again waits for the time as well */
        if (++reads > SPIN_READS) shim_read(me);
        return 0;
    }
    while (!found) {
        me->looked = lockstep->round;
        int reason = pass_turn(me, POLLING, 0, wake, 0);
        if (reason == BY_SIGNAL || reason == BY_CANCEL) pthread_testcancel();
        if (reason == BY_SIGNAL) {
            errno = EINTR;
            return -1;
        }
        found = look(what);
        if (!found && process_settle()) found = look(what);
        if (!found && reason == BY_TIME) return 0;
        if (found) __atomic_add_fetch(&lockstep->round, 1, __ATOMIC_SEQ_CST);
    }
    return found;
}

int shim_last_signal(void) { return last_signal; }

int shim_signal(struct slot *me, uint64_t handle, int number, int moments, int (*send)(void *), void *what) {
    int waiting = process_asleep(me, handle);
    unsigned before = __atomic_load_n(&signals_seen, __ATOMIC_SEQ_CST);
    __atomic_store_n(&sending, number, __ATOMIC_SEQ_CST);
    int sent = send(what);
    struct timespec moment = {0, 20000};
    for (int tries = 0; sent >= 0 && waiting && tries < moments; tries++) {
        if (__atomic_load_n(&signals_seen, __ATOMIC_SEQ_CST) != before) break;
        lockstep_syscall(SYS_nanosleep, (long)&moment, 0, 0, 0);
    }
    __atomic_store_n(&sending, 0, __ATOMIC_SEQ_CST);
    return sent;
}

void shim_leave(struct slot *me) { pass_turn(me, OUTSIDE, 0, NEVER, 0); }

void shim_return(struct slot *me) {
    int saved = errno;
    busy = 1;
    ask_for_turn(me);
    busy = 0;
    errno = saved;
}

void shim_become(struct slot *me, int forked) {
    busy = 1;
    lockstep_tid = 0;
    forking = 0;
    if (forked) own_pid = getpid();
    lockstep_lock();
    me->pid = own_pid;
    me->tid = (int32_t)lockstep_tid;
    me->handle = (uint64_t)pthread_self();
    lockstep_unlock();
    mine = me;
    wait_turn(me);
    busy = 0;
}

void shim_end_thread(void) {
    struct slot *me = mine;
    if (!me || ended || gone) return;
    gone = 1;
    uint64_t handle = me->handle;
    shim_wake(me, handle, 1 << 20, ~0u);
    busy = 1;
    lockstep_lock();
    lockstep_drop(me);
    lockstep_offer();
    lockstep_unlock();
    mine = 0;
}
