/* Queues and semaphores between processes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/sem.h>

#include "hooks.h"

/* ---- POSIX queues, which are files on Linux ---- */

static int wait_queue(struct slot *me, mqd_t queue, short event, const struct timespec *until) {
    int flags = fcntl(queue, F_GETFL);
    if (flags < 0 || flags & O_NONBLOCK || is_ready(queue, event)) return 0;
    int64_t wake = until ? until_ns(until, CLOCK_REALTIME) : NEVER;
    int found = poll_file(me, queue, event, wake);
    while (found < 0 && shim_restarts()) found = poll_file(me, queue, event, wake);
    if (found > 0) return 0;
    errno = found ? EINTR : ETIMEDOUT;
    return -1;
}

HOOK ssize_t mq_timedreceive(
    mqd_t queue, char *restrict out, size_t size, unsigned *restrict priority, const struct timespec *restrict until
) {
    struct slot *me = ENTER("mq_timedreceive");
    if (!me) return REAL(mq_timedreceive)(queue, out, size, priority, REALLY(until, CLOCK_REALTIME));
    return wait_queue(me, queue, POLLIN, until) ? -1 : REAL(mq_receive)(queue, out, size, priority);
}
HOOK ssize_t mq_receive(mqd_t queue, char *out, size_t size, unsigned *priority) {
    struct slot *me = ENTER("mq_receive");
    return me && wait_queue(me, queue, POLLIN, 0) ? -1 : REAL(mq_receive)(queue, out, size, priority);
}
HOOK int mq_timedsend(mqd_t queue, const char *in, size_t size, unsigned priority, const struct timespec *until) {
    struct slot *me = ENTER("mq_timedsend");
    if (!me) return REAL(mq_timedsend)(queue, in, size, priority, REALLY(until, CLOCK_REALTIME));
    return wait_queue(me, queue, POLLOUT, until) ? -1 : REAL(mq_send)(queue, in, size, priority);
}
HOOK int mq_send(mqd_t queue, const char *in, size_t size, unsigned priority) {
    struct slot *me = ENTER("mq_send");
    return me && wait_queue(me, queue, POLLOUT, 0) ? -1 : REAL(mq_send)(queue, in, size, priority);
}

/* ---- System V semaphores ---- */

#define MOST_STEPS 500 /* Linux's limit for one call */

struct semaphore_call {
    int set;
    struct sembuf *steps;
    size_t count;
    int result;
};
static int look_semaphore(void *given) {
    struct semaphore_call *call = given;
    call->result = REAL(semop)(call->set, call->steps, call->count);
    return call->result == 0 || errno != EAGAIN;
}

HOOK int semtimedop(int set, struct sembuf *given, size_t count, const struct timespec *timeout) {
    struct slot *me = ENTER("semtimedop");
    if (!me || !count || count > MOST_STEPS) return REAL(semtimedop)(set, given, count, timeout);
    struct sembuf steps[count];
    for (size_t i = 0; i < count; i++) {
        if (given[i].sem_flg & IPC_NOWAIT) return REAL(semtimedop)(set, given, count, timeout);
        steps[i] = given[i];
        steps[i].sem_flg |= IPC_NOWAIT;
    }
    struct semaphore_call call = {set, steps, count, 0};
    int found = shim_poll(me, timeout ? after(to_ns(timeout)) : NEVER, look_semaphore, &call);
    if (!found) errno = EAGAIN;
    return found > 0 ? call.result : -1;
}
HOOK int semop(int set, struct sembuf *steps, size_t count) { return semtimedop(set, steps, count, 0); }
