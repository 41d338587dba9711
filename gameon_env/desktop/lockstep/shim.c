/* The game's side: how a process and its threads come under the virtual clock, wait in it, and leave it. */
#define _GNU_SOURCE
#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_COST_NS 100     /* what a look at the clock takes */
#define SPIN_READS 1000      /* so many in a row, without a wait between them, are a loop that waits for the time */
#define SPIN_COST_NS 5000    /* and then each takes this long */
#define LOOK_AFTER_NS 500000000LL
#define MONOTONIC_AT_START 1000000000000LL

static __thread struct slot *mine __attribute__((tls_model("initial-exec")));
static __thread int busy __attribute__((tls_model("initial-exec")));  /* in here already: a signal came */
static __thread int gone __attribute__((tls_model("initial-exec")));  /* this thread is over */
static __thread unsigned reads __attribute__((tls_model("initial-exec")));
static int32_t own_pid; /* a child of vfork shares this memory, and is not this process */
static int ended; /* this process is over, but for what runs at exit */
static dev_t state_device;
static ino_t state_inode;
static char state_path[128];

long lockstep_syscall(long number, long a, long b, long c, long d) {
    static long (*real)(long, ...);
    int saved = errno;
    if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    long result = real(number, a, b, c, d, 0L, 0L);
    if (result < 0) result = -errno;
    errno = saved;
    return result;
}

static int controller_gone(void) {
    struct stat found;
    return stat(state_path, &found) < 0 || found.st_dev != state_device || found.st_ino != state_inode;
}

/* Wait until it is this thread's turn. Returns 1 where a signal came first. */
static int wait_turn(struct slot *me) {
    int interrupted = 0;
    for (;;) {
        uint32_t go = __atomic_load_n(&me->go, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&lockstep->holder, __ATOMIC_SEQ_CST) == (int32_t)me->index) return interrupted;
        long result = lockstep_futex(&me->go, FUTEX_WAIT, go, LOOK_AFTER_NS);
        if (result == -ETIMEDOUT && controller_gone()) lockstep_syscall(SYS_exit_group, 113, 0, 0, 0);
        if (result == -EINTR && !interrupted) {
            lockstep_lock();
            if (me->state == WAITING || me->state == POLLING) {
                me->state = READY;
                me->reason = BY_SIGNAL;
                me->order = ++lockstep->order;
                interrupted = 1;
                if (lockstep->holder < 0 && !lockstep->idle) lockstep_dispatch();
            }
            lockstep_unlock();
        }
    }
}

static void ask_for_turn(struct slot *me) {
    lockstep_lock();
    if (lockstep->holder != (int32_t)me->index) {
        me->state = READY;
        me->reason = BY_START;
        me->order = ++lockstep->order;
        if (lockstep->holder < 0 && !lockstep->idle) lockstep_dispatch();
    }
    lockstep_unlock();
    wait_turn(me);
}

/* From an address space that is another one each time, to one that is the same: the same program once more. */
static void fix_layout(void) {
    int old = personality(0xffffffff);
    if (old < 0 || old & ADDR_NO_RANDOMIZE) return;
    if (personality((unsigned long)old | ADDR_NO_RANDOMIZE) < 0 || !(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
        lockstep->layout_random = 1; /* forbidden, as in many containers: the game runs, perhaps less repeatably */
        return;
    }
    static char program[4096], line[1 << 17];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0) close(fd);
    if (length <= 0 || size <= 0 || size == sizeof line - 1) return;
    static char *arguments[8192];
    int count = 0;
    for (char *at = line; at < line + size && count < 8191; at += strlen(at) + 1) arguments[count++] = at;
    execve(program, arguments, environ);
}

__attribute__((constructor(101))) static void attach(void) {
    const char *path = getenv("GAMEON_LOCKSTEP");
    if (lockstep || ended || !path || strlen(path) >= sizeof state_path) return;
    strcpy(state_path, path);
    busy = 1;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat found;
    if (fd < 0 || fstat(fd, &found) < 0) {
        if (fd >= 0) close(fd);
        ended = 1;
        busy = 0;
        return;
    }
    void *map = mmap(0, sizeof(struct clock_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    state_device = found.st_dev;
    state_inode = found.st_ino;
    if (map == MAP_FAILED || ((struct clock_state *)map)->version != LOCKSTEP_VERSION) {
        ended = 1;
        busy = 0;
        return;
    }
    lockstep = map;
    fix_layout();
    int32_t pid = own_pid = getpid();
    lockstep_lock();
    /* What this process was before an exec is gone, with all its threads. */
    for (uint32_t i = 0; i < lockstep->used; i++)
        if (lockstep->slots[i].pid == pid && lockstep->slots[i].state != FREE) lockstep_drop(&lockstep->slots[i]);
    mine = lockstep_slot(pid, (int32_t)lockstep_tid);
    lockstep->attached++;
    if (lockstep->holder < 0 && !lockstep->idle) lockstep_dispatch();
    lockstep_unlock();
    if (!mine)
        ended = 1;
    else
        wait_turn(mine);
    busy = 0;
}

static void end_process(void) {
    int32_t pid = getpid();
    if (!lockstep || ended || pid != own_pid) return;
    ended = 1;
    busy++;
    lockstep_lock();
    for (uint32_t i = 0; i < lockstep->used; i++)
        if (lockstep->slots[i].pid == pid && lockstep->slots[i].state != FREE) lockstep_drop(&lockstep->slots[i]);
    if (lockstep->holder < 0 && !lockstep->idle) lockstep_dispatch();
    lockstep_unlock();
    busy--;
}

__attribute__((destructor)) static void detach(void) { end_process(); }

HOOK void _exit(int code) {
    end_process();
    lockstep_syscall(SYS_exit_group, code, 0, 0, 0);
    __builtin_unreachable();
}
HOOK void _Exit(int code) { _exit(code); }

struct slot *shim_enter(const char *where) {
    if (!lockstep && !ended) attach();
    if (!lockstep || ended || busy || gone) return 0;
    busy = 1;
    if (!mine) { /* a thread that was not made by pthread_create */
        lockstep_lock();
        mine = lockstep_slot(getpid(), (int32_t)lockstep_tid);
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

int64_t shim_now(void) { return lockstep ? lockstep->now : 0; }

int64_t shim_read(struct slot *me) {
    int64_t then = lockstep->now + (++reads > SPIN_READS ? SPIN_COST_NS : READ_COST_NS);
    if (then <= lockstep->limit && then < lockstep->next_wake) {
        lockstep->now = then;
    } else {
        unsigned so_far = reads;
        shim_wait(me, 0, then, 0);
        reads = so_far;
    }
    return lockstep->now;
}

static int pass_turn(struct slot *me, int state, uint64_t key, int64_t wake, uint32_t bits) {
    busy = 1;
    reads = 0;
    lockstep_lock();
    me->state = state;
    me->key = key;
    me->wake = wake;
    me->bits = bits;
    me->reason = BY_WAKE;
    me->order = ++lockstep->order;
    if (lockstep->holder == (int32_t)me->index) lockstep->holder = -1;
    if (!lockstep->idle) lockstep_dispatch();
    lockstep_unlock();
    int reason = state == OUTSIDE ? BY_WAKE : (wait_turn(me), me->reason);
    busy = 0;
    return reason;
}

int shim_wait(struct slot *me, uint64_t key, int64_t wake, uint32_t bits) {
    return pass_turn(me, WAITING, key, wake, bits);
}

int shim_wake(struct slot *me, uint64_t key, int count, uint32_t bits) {
    int woken = 0;
    busy = 1;
    lockstep_lock();
    while (woken < count) {
        struct slot *first = 0;
        for (uint32_t i = 0; i < lockstep->used; i++) {
            struct slot *slot = &lockstep->slots[i];
            if (slot->state == WAITING && slot->key == key && slot->pid == me->pid && (slot->bits & bits) &&
                (!first || slot->order < first->order))
                first = slot;
        }
        if (!first) break;
        first->state = READY;
        first->reason = BY_WAKE;
        first->order = ++lockstep->order;
        woken++;
    }
    lockstep_unlock();
    busy = 0;
    return woken;
}

int shim_poll(struct slot *me, int64_t wake, int (*look)(void *), void *what) {
    int found = look(what);
    if (wake <= lockstep->now && !found) { /* a loop that asks again and again waits for the time as well */
        if (++reads > SPIN_READS) shim_read(me);
        return 0;
    }
    while (!found) {
        me->looked = lockstep->round;
        int reason = pass_turn(me, POLLING, 0, wake, 0);
        if (reason == BY_SIGNAL) {
            errno = EINTR;
            return -1;
        }
        found = look(what);
        if (!found && reason == BY_TIME) return 0;
        if (found) __atomic_add_fetch(&lockstep->round, 1, __ATOMIC_SEQ_CST);
    }
    return found;
}

void shim_leave(struct slot *me) { pass_turn(me, OUTSIDE, 0, NEVER, 0); }

void shim_return(struct slot *me) {
    int saved = errno;
    busy = 1;
    ask_for_turn(me);
    busy = 0;
    errno = saved;
}

struct slot *shim_child_slot(void) {
    busy = 1;
    lockstep_lock();
    struct slot *slot = lockstep_slot(getpid(), 0);
    lockstep_unlock();
    busy = 0;
    return slot;
}

void shim_become(struct slot *me, int forked) {
    busy = 1;
    lockstep_tid = 0;
    if (forked) own_pid = getpid();
    lockstep_lock();
    me->pid = own_pid;
    me->tid = (int32_t)lockstep_tid;
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
    if (!lockstep->idle) lockstep_dispatch();
    lockstep_unlock();
    mine = 0;
}

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

/* A forked child goes on as one thread, in its turn. */
HOOK pid_t fork(void) {
    struct slot *me = ENTER("fork");
    if (!me) return REAL(fork)();
    struct slot *child = shim_child_slot();
    pid_t pid = REAL(fork)();
    if (pid == 0 && child) {
        timers_forget();
        shim_become(child, 1);
    } else if (child) {
        busy = 1;
        lockstep_lock();
        if (pid < 0)
            lockstep_drop(child);
        else if (!child->tid)
            child->pid = pid;
        lockstep_unlock();
        busy = 0;
    }
    return pid;
}
