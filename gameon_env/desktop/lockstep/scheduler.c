/* Whose turn it is: the part that the game's side and the controller's side have in common. */
#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

EACH_OWN struct clock_state *lockstep;

__thread uint32_t lockstep_tid;

long lockstep_futex(uint32_t *word, int operation, uint32_t value, int64_t timeout_ns) {
    struct timespec limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    return lockstep_syscall(SYS_futex, (long)word, operation, value, timeout_ns < 0 ? 0 : (long)&limit);
}

static char *append(char *to, int32_t number) {
    char digits[12];
    int count = 0;
    for (; number; number /= 10) digits[count++] = (char)('0' + number % 10);
    while (count) *to++ = digits[--count];
    return to;
}

/* The kernel's letter for what a thread does; 0 where it is gone. */
char lockstep_doing(int32_t pid, int32_t tid) {
    char path[64] = "/proc/", text[128];
    char *at = append(path + 6, pid);
    strcpy(at, "/task/");
    strcpy(append(at + 6, tid), "/stat");
    long file = lockstep_syscall(SYS_openat, AT_FDCWD, (long)path, O_RDONLY, 0);
    if (file < 0) return file == -ENOENT || file == -ESRCH ? 0 : '?'; /* as where no file can be opened any more */
    long size = lockstep_syscall(SYS_read, file, (long)text, sizeof text - 1, 0);
    lockstep_syscall(SYS_close, file, 0, 0, 0);
    if (size <= 0) return 0;
    text[size] = 0;
    char *end = strrchr(text, ')');
    return end ? end[2] : 0;
}

/* Whether a process, or a thread that is known by its number, is dead, be it that nobody has taken note of it. */
int lockstep_is_over(int32_t pid) {
    char letter = lockstep_doing(pid, pid);
    return !letter || letter == 'Z' || letter == 'X';
}

void lockstep_lock(void) {
    if (!lockstep_tid) lockstep_tid = (uint32_t)lockstep_syscall(SYS_gettid, 0, 0, 0, 0);
    uint32_t me = lockstep_tid;
    for (unsigned tries = 1;; tries++) {
        uint32_t nobody = 0;
        if (__atomic_compare_exchange_n(&lockstep->lock, &nobody, me, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
        if (tries % 64 == 0) lockstep_syscall(SYS_sched_yield, 0, 0, 0, 0);
        if (tries % 4096 == 0) { /* one that was killed meanwhile does not give it back */
            if (lockstep_is_over((int32_t)nobody))
                __atomic_compare_exchange_n(&lockstep->lock, &nobody, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
        }
    }
}

/* Who is to be woken once the lock is free: one who woke before would wait for it. */
static __thread uint32_t *woken;

void lockstep_unlock(void) {
    uint32_t *wake = woken;
    woken = 0;
    __atomic_store_n(&lockstep->lock, 0, __ATOMIC_RELEASE);
    if (wake) lockstep_futex(wake, FUTEX_WAKE, INT_MAX, -1);
}

static void wake_later(uint32_t *word) {
    if (woken && woken != word) lockstep_futex(woken, FUTEX_WAKE, INT_MAX, -1);
    woken = word;
}

/* So long one thread may look at the clock again and again while others could go on. */
#define FAIR_NS 100000

void lockstep_ready(struct slot *slot, int32_t reason) {
    slot->state = READY;
    slot->reason = reason;
    slot->order = ++lockstep->order;
    if (lockstep->next_wake > lockstep->now + FAIR_NS) lockstep->next_wake = lockstep->now + FAIR_NS;
}

struct slot *lockstep_slot(int32_t pid, int32_t tid) {
    for (uint32_t i = 0; i < MAX_SLOTS; i++) {
        struct slot *slot = &lockstep->slots[i];
        if (slot->state != FREE) continue;
        uint32_t go = slot->go;
        memset(slot, 0, sizeof *slot);
        slot->go = go;
        slot->index = i;
        slot->pid = pid;
        slot->tid = tid;
        slot->wake = NEVER;
        lockstep_ready(slot, BY_START);
        if (i >= lockstep->used) lockstep->used = i + 1;
        return slot;
    }
    return 0;
}

/* Whether nobody grants time any more, and the game goes on as fast as it can. */
int lockstep_is_free(void) { return lockstep->limit >= NEVER - 1; }

void lockstep_drop(struct slot *slot) {
    slot->state = FREE;
    slot->pid = slot->tid = 0;
    if (lockstep->holder == (int32_t)slot->index) lockstep->holder = -1;
}

static void give(struct slot *slot, int32_t reason, int anew) {
    slot->state = RUNNING;
    slot->reason = reason;
    if (anew) lockstep->round++;
    int64_t next = NEVER;
    for (uint32_t i = 0; i < lockstep->used; i++) {
        struct slot *other = &lockstep->slots[i];
        if ((other->state == WAITING || other->state == POLLING) && other->wake < next) next = other->wake;
        if (other->state == READY && lockstep->now + FAIR_NS < next) next = lockstep->now + FAIR_NS;
    }
    lockstep->next_wake = next;
    lockstep->turns++;
    __atomic_store_n(&lockstep->holder, (int32_t)slot->index, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&slot->go, 1, __ATOMIC_SEQ_CST); /* after it: who sees this count looks for the turn, and finds it */
    if (slot->tid != (int32_t)lockstep_tid || !lockstep_tid) wake_later(&slot->go);
}

/* A handler cannot take the lock, which the thread that it came upon may hold. So whoever waits for a semaphore in its
   process looks again. */
static void hear_handlers(void) {
    for (uint32_t i = 0; i < lockstep->used; i++) {
        struct slot *from = &lockstep->slots[i];
        if (!__atomic_load_n(&from->posted, __ATOMIC_RELAXED)) continue;
        __atomic_store_n(&from->posted, 0, __ATOMIC_SEQ_CST);
        for (uint32_t j = 0; j < lockstep->used; j++) {
            struct slot *slot = &lockstep->slots[j];
            if (slot->state == WAITING && slot->pid == from->pid && slot->key & SEMAPHORE) lockstep_ready(slot, BY_WAKE);
        }
    }
}

/* With the lock held and the turn nobody's: the one that may go on now, or the earliest, or the controller. */
void lockstep_dispatch(void) {
    struct slot *ready = 0, *look = 0, *first = 0;
    if (lockstep->holder >= 0) return;
    hear_handlers();
    for (uint32_t i = 0; i < lockstep->used; i++) {
        struct slot *slot = &lockstep->slots[i];
        if (slot->state == READY && (!ready || slot->order < ready->order)) ready = slot;
        if (slot->state == POLLING && slot->looked != lockstep->round && (!look || slot->order < look->order))
            look = slot;
        if ((slot->state == WAITING || slot->state == POLLING) && slot->wake < NEVER &&
            (!first || slot->wake < first->wake || (slot->wake == first->wake && slot->order < first->order)))
            first = slot;
    }
    if (ready) {
        give(ready, ready->reason, 1);
    } else if (look) {
        look->looked = lockstep->round;
        give(look, BY_LOOK, 0);
    } else if (first && first->wake <= lockstep->limit) {
        if (first->wake > lockstep->now) lockstep->now = first->wake;
        give(first, BY_TIME, 1);
    } else {
        if (lockstep->limit > lockstep->now && !lockstep_is_free()) lockstep->now = lockstep->limit;
        __atomic_store_n(&lockstep->idle, 1, __ATOMIC_SEQ_CST);
        wake_later(&lockstep->idle);
    }
}

/* After something has changed: let somebody go on, where time is granted. Who runs free never hands the turn back. */
void lockstep_offer(void) {
    if (lockstep->holder >= 0) return;
    if (lockstep->idle && !lockstep_is_free()) return;
    __atomic_store_n(&lockstep->idle, 0, __ATOMIC_SEQ_CST);
    lockstep_dispatch();
}
