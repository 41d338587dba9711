/* What the game's threads and the controller share: one page range, mapped by all of them.
 *
 * One thread of the game runs at a time, whoever holds the turn. A thread that would wait (for time, for another
 * thread, for a file) passes the turn on; when nobody can go on before the granted time, the turn goes back to the
 * controller. So virtual time passes only while everyone waits, and the order of the threads is the same each time.
 */
#ifndef GAMEON_LOCKSTEP_STATE_H
#define GAMEON_LOCKSTEP_STATE_H

#include <stdint.h>

#define LOCKSTEP_VERSION 3u
#define MAX_SLOTS 1024
#define MAX_DYING 8
#define NEVER INT64_MAX
#define SEMAPHORE 1u /* in a key, beside the address: what waits is ready for a wakeup for nothing */
#define SHARED 2u    /* the same, where other processes may wake it, which know it by other addresses */

enum { FREE, RUNNING, READY, WAITING, POLLING, OUTSIDE };
enum { BY_START, BY_WAKE, BY_TIME, BY_LOOK, BY_SIGNAL, BY_CANCEL };

/* One thread of the game. The controller reads pid, tid, state and where, to say what the game waits for. */
struct slot {
    int32_t state, pid, tid, reason;
    uint64_t key, order, handle; /* what it waits for; its place in the queue; its pthread_t */
    int64_t wake;                /* when its wait times out */
    uint64_t looked;             /* the round in which it last looked at its files */
    uint32_t go;                 /* futex: counts its turns */
    uint32_t bits, real, index;  /* futex bitset; waits for a server's reply, holding the turn; its own number */
    uint32_t parked, posted;     /* it waits for its turn, here; a signal's handler on it posted a semaphore */
    uint32_t looks, spare;       /* it looks for signals by itself, and none interrupts it */
    char where[32];
};

struct clock_state {
    uint32_t version, lock; /* lock: the tid that holds it */
    int32_t holder;         /* whose turn it is; -1: nobody's */
    uint32_t idle;          /* futex: 1 when the granted time is used up */
    int64_t now, limit, next_wake;
    uint64_t order, round, turns;
    uint64_t random;
    int64_t epoch_ns; /* CLOCK_REALTIME at virtual time 0 */
    uint32_t attached, layout_random, closed, used;
    int32_t dying[MAX_DYING]; /* processes that have passed the turn on, and are about to end */
    struct slot slots[MAX_SLOTS];
};

#ifdef CONTROLLER
#define EACH_OWN _Thread_local /* threads of one process may each hold the clock of another game */
#else
#define EACH_OWN
#endif
extern EACH_OWN struct clock_state *lockstep;
extern __thread uint32_t lockstep_tid; /* this thread's, once it is known; 0 in a forked child */

/* The real one, never our own; returns -errno and leaves errno alone. Each side brings its own. */
long lockstep_syscall(long number, long a, long b, long c, long d);

struct slot *lockstep_slot(int32_t pid, int32_t tid);
void lockstep_lock(void);
void lockstep_unlock(void);
void lockstep_dispatch(void);
void lockstep_offer(void);
void lockstep_drop(struct slot *slot);
void lockstep_ready(struct slot *slot, int32_t reason);
int lockstep_is_free(void);
int lockstep_is_over(int32_t pid);
char lockstep_doing(int32_t pid, int32_t tid);
long lockstep_futex(uint32_t *word, int operation, uint32_t value, int64_t timeout_ns);

#endif
