/* What the game's side of the clock keeps of this process and this thread. */
#ifndef GAMEON_LOCKSTEP_SHIM_H
#define GAMEON_LOCKSTEP_SHIM_H

#include <stdint.h>

#include "state.h"

#define THREAD_LOCAL __attribute__((tls_model("initial-exec")))

extern __thread struct slot *mine THREAD_LOCAL;
extern __thread int busy THREAD_LOCAL; /* in here already: a call from here, or of a signal's handler, is a real one */
extern __thread int forking THREAD_LOCAL; /* in a call of fork, this thread or the child that is a copy of it */
extern int32_t own_pid;                /* a child of vfork shares this memory, and is not this process */
extern volatile int ended;             /* this process is over, but for what runs at exit */

int wait_turn(struct slot *me);
void shim_stop_clock(void);
int controller_gone(void);
void process_attach(void);
int process_settle(void); /* wait for processes that are about to end; whether there was one */
int process_asleep(struct slot *me, uint64_t handle); /* wait until the other threads that wait really do, or that one;
                                                         whether there are any */
extern int x_busy;        /* something was sent to the X server since it was last seen to be done */
int x_unread(void);       /* the same, to be asked of the system */
int settle_x(void);       /* wait until it is done; whether it can be seen */

#endif
