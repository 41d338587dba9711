/* What the files that take over the game's calls have in common. */
#ifndef GAMEON_LOCKSTEP_HOOKS_H
#define GAMEON_LOCKSTEP_HOOKS_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "state.h"

#define ALL (1 << 20) /* as many as there are */
#define EVERY_BIT (~0u)

#define HOOK __attribute__((visibility("default")))

/* The function that ours stands before. */
#define REAL(name)                                                                                                     \
    ({                                                                                                                 \
        static __typeof__(&name) found_;                                                                               \
        if (!found_) found_ = (__typeof__(&name))shim_next(#name);                                                     \
        found_;                                                                                                        \
    })

/* This thread's slot, once it is its turn; 0 where the call goes to the real function. The name is what the
   controller shows when the game does not come back. */
#define ENTER(name)                                                                                                    \
    ({                                                                                                                 \
        static const char where_[32] = name;                                                                           \
        shim_enter(where_);                                                                                            \
    })

void *shim_next(const char *name); /* the function of that name that comes after ours */
struct slot *shim_enter(const char *where);
int64_t shim_now(void);                /* the clock as it stands */
int64_t shim_read(struct slot *me);    /* a look at the clock, which takes a little time itself */
int shim_wait(struct slot *me, uint64_t key, int64_t wake, uint32_t bits);
int shim_wake(struct slot *me, uint64_t key, int count, uint32_t bits);
void shim_cancel(struct slot *me, uint64_t handle);
void shim_posted(void); /* by a signal's handler, while it is not this thread's turn */
int shim_poll(struct slot *me, int64_t wake, int (*look)(void *), void *what);
int shim_poll_on(struct slot *me, int64_t wake, int (*look)(void *), void *what); /* after signals too that let it */
#define UNTIL_SEEN 500 /* moments of 20 us that a signal's handler may take before others go on */
int shim_signal(struct slot *me, uint64_t handle, int number, int moments, int (*send)(void *), void *what);
                /* and let it come to who waits, or to that one; what send said */
int shim_last_signal(void); /* that interrupted this thread; 0: it is not known */
int shim_restarts(void);    /* whether a call that was interrupted goes on by itself */
void shim_leave(struct slot *me); /* pass the turn on, around a call that waits for something real */
void shim_return(struct slot *me);
struct slot *shim_child_slot(void);                       /* for a thread or process that is about to begin */
void shim_set_child(struct slot *child, int32_t pid);     /* it is that process; below 0: it is none */
void shim_become(struct slot *me, int forked);
void shim_end_thread(void);
void shim_connected_to_x(int file);
int shim_is_x(int file);
void shim_sent(int file); /* something, perhaps to the X server */
#define REALLY(until, clock) ((until) ? &(struct timespec[1]){shim_really_until(until, clock)}[0] : 0)
struct timespec shim_really_until(const struct timespec *until, clockid_t clock); /* the same moment by the real clock */
int64_t shim_base(clockid_t clock);
void timers_forget(void);
FILE *stream_of(int file, const char *mode); /* that reads or writes it through us */
ssize_t random_rest(int file, void *out, size_t size, ssize_t so_far);
int is_ready(int file, short event);
int64_t socket_wake(int file, int option);
void shim_take_input(void); /* once, when a process comes under the clock */
int poll_file(struct slot *me, int file, short event, int64_t wake);
int lock_mutex(struct slot *me, pthread_mutex_t *mutex, int64_t wake);
int unlock_mutex(struct slot *me, pthread_mutex_t *mutex);

/* What is too far away to be counted is never. */
static inline int64_t in_ns(int64_t seconds, int64_t ns) {
    if (seconds >= NEVER / 1000000000) return NEVER;
    return seconds < -(NEVER / 1000000000) ? -NEVER : seconds * 1000000000 + ns;
}
static inline int64_t to_ns(const struct timespec *t) { return in_ns(t->tv_sec, t->tv_nsec); }
static inline int64_t us_to_ns(const struct timeval *t) { return in_ns(t->tv_sec, t->tv_usec * 1000); }
static inline struct timespec from_ns(int64_t ns) {
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    return t;
}
/* When a wait until then ends, by this clock. */
static inline int64_t until_ns(const struct timespec *t, clockid_t clock) {
    int64_t ns = to_ns(t);
    return ns == NEVER || ns < 0 ? ns : ns - shim_base(clock);
}
/* When a wait of so many ns ends; far away counts as never. */
static inline int64_t after(int64_t ns) {
    int64_t now = shim_now();
    return ns >= NEVER - now ? NEVER : now + (ns > 0 ? ns : 0);
}

#endif
