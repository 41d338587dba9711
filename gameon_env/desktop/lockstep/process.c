/* How a process comes under the virtual clock, and how it ends; and what it has drawn when it hands the turn back. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hooks.h"
#include "shim.h"

static dev_t state_device;
static ino_t state_inode;
static char state_path[128];

int controller_gone(void) {
    struct stat found;
    return stat(state_path, &found) < 0 || found.st_dev != state_device || found.st_ino != state_inode;
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

__attribute__((constructor)) void process_attach(void) {
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
    shim_take_input();
    int32_t pid = own_pid = getpid();
    lockstep_lock();
    /* What this process was before an exec is gone, with all its threads. */
    for (uint32_t i = 0; i < lockstep->used; i++)
        if (lockstep->slots[i].pid == pid && lockstep->slots[i].state != FREE) lockstep_drop(&lockstep->slots[i]);
    mine = lockstep_slot(pid, (int32_t)lockstep_tid);
    if (mine) mine->handle = (uint64_t)pthread_self();
    lockstep->attached++;
    lockstep_offer();
    lockstep_unlock();
    if (!mine)
        ended = 1;
    else
        wait_turn(mine);
    busy = 0;
}

/* Its files are closed, and its parent is told, only some time after it passes the turn on: whoever looks for that
   finds its number here, and waits for it to be over. */
static void announce_end(int32_t pid) {
    for (int i = 0; i < MAX_DYING; i++)
        if (!lockstep->dying[i] || i == MAX_DYING - 1) {
            lockstep->dying[i] = pid;
            return;
        }
}

static void moment(long ns) {
    struct timespec time = {0, ns};
    lockstep_syscall(SYS_nanosleep, (long)&time, 0, 0, 0);
}

/* Before a signal is sent: a thread that has said that it waits, but is still on its way there, would not be woken. */
int process_asleep(struct slot *me, uint64_t handle) {
    int waiting = 0;
    for (uint32_t i = 0; i < lockstep->used; i++) {
        struct slot *slot = &lockstep->slots[i];
        if (slot == me || slot->pid != own_pid || slot->looks || (handle && slot->handle != handle)) continue;
        if (slot->state != WAITING && slot->state != POLLING) continue;
        for (int tries = 0; tries < 1000 && lockstep_doing(own_pid, slot->tid) != 'S'; tries++) moment(20000);
        waiting = 1;
    }
    return waiting;
}

/* Wait until the processes that are ending have ended. Returns whether there was one. */
int process_settle(void) {
    int any = 0;
    for (int i = 0; i < MAX_DYING; i++) {
        int32_t pid = lockstep->dying[i];
        if (!pid || pid == own_pid) continue;
        for (int tries = 0; tries < 4000 && !lockstep_is_over(pid); tries++) moment(50000);
        lockstep->dying[i] = 0;
        any = 1;
    }
    return any;
}

void shim_set_child(struct slot *child, int32_t pid) {
    if (!child) return;
    busy = 1;
    lockstep_lock();
    int known = pid < 0;
    for (uint32_t i = 0; i < lockstep->used && !known; i++) {
        struct slot *slot = &lockstep->slots[i];
        known = slot != child && slot->state != FREE && slot->pid == pid;
    }
    if (known && !child->tid)
        lockstep_drop(child);
    else if (!child->tid)
        child->pid = pid;
    lockstep_unlock();
    busy = 0;
}

struct slot *shim_child_slot(void) {
    busy = 1;
    lockstep_lock();
    struct slot *slot = lockstep_slot(getpid(), 0);
    lockstep_unlock();
    busy = 0;
    return slot;
}

static void end_process(void) {
    int32_t pid = getpid();
    if (!lockstep || ended || pid != own_pid) return;
    shim_stop_clock();
    busy++;
    lockstep_lock();
    announce_end(pid);
    for (uint32_t i = 0; i < lockstep->used; i++) {
        struct slot *slot = &lockstep->slots[i];
        if (slot->pid != pid || slot->state == FREE) continue;
        lockstep_drop(slot);
        __atomic_add_fetch(&slot->go, 1, __ATOMIC_SEQ_CST);
    }
    lockstep_offer();
    lockstep_unlock();
    /* With the lock free: one that wakes may end the process at once, and whoever holds the lock then keeps it. */
    for (uint32_t i = 0; i < lockstep->used; i++) lockstep_futex(&lockstep->slots[i].go, FUTEX_WAKE, INT_MAX, -1);
    busy--;
}

/* A fork that the C library makes by itself, as forkpty does, has its place in the order too. */
static struct slot *unborn;

static void before_fork(void) {
    int plain = lockstep && !ended && !forking && mine && lockstep->holder == (int32_t)mine->index;
    unborn = plain ? shim_child_slot() : 0;
}

static void after_fork(void) {
    struct slot *child = unborn;
    unborn = 0;
    if (!lockstep || ended || forking) return;
    timers_forget();
    if (child) {
        shim_become(child, 1);
    } else {
        own_pid = getpid();
        mine = 0;
        lockstep_tid = 0;
    }
}

__attribute__((constructor)) static void prepare_forks(void) { pthread_atfork(before_fork, 0, after_fork); }

__attribute__((destructor)) static void detach(void) { end_process(); }

HOOK void _exit(int code) {
    end_process();
    lockstep_syscall(SYS_exit_group, code, 0, 0, 0);
    __builtin_unreachable();
}
HOOK void _Exit(int code) { _exit(code); }

#define X_CONNECTIONS 8
static int x_files[X_CONNECTIONS] = {-1, -1, -1, -1, -1, -1, -1, -1};
static int32_t x_server; /* its process; 0 where that is not to be seen */
int x_busy;

void shim_connected_to_x(int file) {
    static int next;
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(file, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) x_server = peer.pid;
    for (int i = 0; i < X_CONNECTIONS; i++)
        if (x_files[i] == file) return;
    x_files[next++ % X_CONNECTIONS] = file;
}

int shim_is_x(int file) {
    for (int i = 0; i < X_CONNECTIONS; i++)
        if (x_files[i] == file) return 1;
    return 0;
}

void shim_sent(int file) {
    if (shim_is_x(file)) x_busy = 1;
}

/* The server is mostly done within less time than it takes to fall asleep. */
static void a_while(int tries) {
    if (tries < 50)
        lockstep_syscall(SYS_sched_yield, 0, 0, 0, 0);
    else
        moment(10000);
}

static int unread(int place) {
    int bytes = 0;
    if (x_files[place] < 0) return 0;
    if (lockstep_syscall(SYS_ioctl, x_files[place], SIOCOUTQ, (long)&bytes, 0) < 0) x_files[place] = -1;
    return x_files[place] >= 0 && bytes > 0;
}

/* Whether the X server has not yet read all that was sent to it, by whatever call. */
int x_unread(void) {
    int any = 0;
    for (int i = 0; i < X_CONNECTIONS; i++) any |= unread(i);
    return any;
}

/* While a game waits, the server has time for all it was asked to do: what was drawn is on the screen before anybody
 * looks at it, a picture in shared memory is read before the game draws the next one over it, and what happens to a
 * window is told before any time passes. The server has one thread: when that sleeps, it is done. */
int settle_x(void) {
    x_busy = 0;
    for (int tries = 0; x_unread() && tries < 2000; tries++) a_while(tries);
    if (x_server <= 0) return 0;
    for (int tries = 0; tries < 1000; tries++) {
        char letter = lockstep_doing(x_server, x_server);
        if (!letter) return 0;
        if (letter == 'S') break;
        a_while(tries);
    }
    return 1;
}
