/* Timers that fire by themselves: timerfd, alarm, setitimer, timer_create. A thread of our own sleeps until the next
 * one, like any thread of the game, and then writes, sends the signal, or calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "hooks.h"

#define TIMERS 256
#define MARK 0x474d0000L /* in front of a timer_t of ours */

enum { UNUSED, FILE_TIMER, PROCESS_TIMER };
static struct timer {
    int kind, file;
    clockid_t clock;
    int64_t due, every; /* due: NEVER while it stands */
    struct sigevent event;
    int overrun;
} timers[TIMERS]; /* the first one is the process's alarm */
static int started;

void timers_forget(void) {
    started = 0;
    for (int i = 0; i < TIMERS; i++)
        if (timers[i].kind != FILE_TIMER) timers[i].kind = UNUSED;
}

static void *call(void *given) {
    struct sigevent event = *(struct sigevent *)given;
    free(given);
    event.sigev_notify_function(event.sigev_value);
    return 0;
}

static int is_caught(int number) {
    struct sigaction action;
    return sigaction(number, 0, &action) == 0 && action.sa_handler != SIG_IGN && action.sa_handler != SIG_DFL;
}

/* Returns -1 where nobody is woken by it. */
static int send_signal(void *given) {
    struct sigevent *event = given;
    int caught = is_caught(event->sigev_signo);
    if (event->sigev_notify == SIGEV_THREAD_ID)
        lockstep_syscall(SYS_tgkill, getpid(), event->_sigev_un._tid, event->sigev_signo, 0);
    else
        sigqueue(getpid(), event->sigev_signo, event->sigev_value);
    return caught ? 0 : -1;
}

static void fire(struct slot *me, struct timer *timer, uint64_t times) {
    struct sigevent *event = &timer->event;
    timer->overrun = (int)times - 1;
    if (timer->kind == FILE_TIMER) {
        if (write(timer->file, &times, sizeof times) < 0) {} /* closed, or not read for 2^64 times */
    } else if (event->sigev_notify == SIGEV_SIGNAL || event->sigev_notify == SIGEV_THREAD_ID) {
        shim_signal(me, 0, event->sigev_signo, UNTIL_SEEN, send_signal, event);
    } else if (event->sigev_notify == SIGEV_THREAD) {
        pthread_t thread;
        struct sigevent *copy = malloc(sizeof *copy);
        if (!copy) return;
        *copy = *event;
        if (pthread_create(&thread, 0, call, copy)) free(copy);
        else pthread_detach(thread);
    }
}

static void *keep_time(void *unused) {
    (void)unused;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, 0);
    for (;;) {
        struct slot *me = ENTER("timers");
        if (!me) return 0;
        int64_t next = NEVER;
        for (int i = 0; i < TIMERS; i++) {
            struct timer *timer = &timers[i];
            if (timer->kind == UNUSED) continue;
            if (timer->due <= lockstep->now) {
                uint64_t times = timer->every ? 1 + (uint64_t)((lockstep->now - timer->due) / timer->every) : 1;
                int64_t last = timer->due + (int64_t)(times - 1) * timer->every;
                timer->due = timer->every && timer->every < NEVER - last ? last + timer->every : NEVER;
                fire(me, timer, times);
            }
            if (timer->due < next) next = timer->due;
        }
        shim_wait(me, (uint64_t)timers, next, ~0u);
    }
}

static void start(struct slot *me) {
    pthread_t thread;
    if (started)
        shim_wake(me, (uint64_t)timers, 1, ~0u);
    else if (!pthread_create(&thread, 0, keep_time, 0)) {
        pthread_detach(thread);
        started = 1;
    }
}

static struct itimerspec left(struct timer *timer) {
    int64_t rest = timer->due == NEVER ? 0 : timer->due - lockstep->now;
    return (struct itimerspec){from_ns(timer->every), from_ns(timer->due == NEVER ? 0 : rest > 0 ? rest : 1)};
}

static void set(struct slot *me, struct timer *timer, int absolute, const struct itimerspec *to, struct itimerspec *old) {
    if (old) *old = left(timer);
    int64_t first = to_ns(&to->it_value);
    timer->every = to_ns(&to->it_interval);
    timer->due = !first ? NEVER : absolute ? until_ns(&to->it_value, timer->clock) : after(first);
    start(me);
}

static struct timer *unused(void) {
    for (int i = 1; i < TIMERS; i++)
        if (timers[i].kind == UNUSED) return &timers[i];
    errno = EAGAIN;
    return 0;
}

/* ---- timerfd: an eventfd counts the times and is read in the same way ---- */

HOOK int timerfd_create(int clock, int flags) {
    struct slot *me = ENTER("timerfd_create");
    if (!me) return REAL(timerfd_create)(clock, flags);
    struct timer *timer = unused();
    if (!timer) return -1;
    int file = eventfd(0, (flags & TFD_NONBLOCK ? EFD_NONBLOCK : 0) | (flags & TFD_CLOEXEC ? EFD_CLOEXEC : 0));
    if (file < 0) return -1;
    for (int i = 0; i < TIMERS; i++) /* one that was closed, whose number came back */
        if (timers[i].kind == FILE_TIMER && timers[i].file == file) timers[i].kind = UNUSED;
    *timer = (struct timer){.kind = FILE_TIMER, .file = file, .clock = clock, .due = NEVER};
    return file;
}
static struct timer *of_file(int file) {
    for (int i = 0; i < TIMERS; i++)
        if (timers[i].kind == FILE_TIMER && timers[i].file == file) return &timers[i];
    errno = EINVAL;
    return 0;
}
HOOK int timerfd_settime(int file, int flags, const struct itimerspec *to, struct itimerspec *old) {
    struct slot *me = ENTER("timerfd_settime");
    if (!me) return REAL(timerfd_settime)(file, flags, to, old);
    struct timer *timer = of_file(file);
    if (!timer) return -1;
    uint64_t count;
    int before = fcntl(file, F_GETFL);
    fcntl(file, F_SETFL, before | O_NONBLOCK);
    if (read(file, &count, sizeof count) < 0) {} /* what was counted before does not count any more */
    fcntl(file, F_SETFL, before);
    set(me, timer, flags & TFD_TIMER_ABSTIME, to, old);
    return 0;
}
HOOK int timerfd_gettime(int file, struct itimerspec *out) {
    struct slot *me = ENTER("timerfd_gettime");
    if (!me) return REAL(timerfd_gettime)(file, out);
    struct timer *timer = of_file(file);
    if (!timer) return -1;
    *out = left(timer);
    return 0;
}
HOOK int close(int file) {
    if (lockstep && started)
        for (int i = 0; i < TIMERS; i++)
            if (timers[i].kind == FILE_TIMER && timers[i].file == file) timers[i].kind = UNUSED;
    return REAL(close)(file);
}

/* ---- the process's alarm ---- */

static struct timer *process_alarm(void) {
    if (timers[0].kind == UNUSED) {
        timers[0] = (struct timer){.kind = PROCESS_TIMER, .clock = CLOCK_MONOTONIC, .due = NEVER};
        timers[0].event.sigev_notify = SIGEV_SIGNAL;
        timers[0].event.sigev_signo = SIGALRM;
    }
    return &timers[0];
}
static struct timeval to_timeval(struct timespec t) { return (struct timeval){t.tv_sec, t.tv_nsec / 1000}; }
static struct timespec to_timespec(struct timeval t) { return (struct timespec){t.tv_sec, t.tv_usec * 1000}; }

HOOK int setitimer(__itimer_which_t which, const struct itimerval *restrict to, struct itimerval *restrict old) {
    struct slot *me = ENTER("setitimer");
    if (!me || which != ITIMER_REAL) return REAL(setitimer)(which, to, old);
    struct itimerspec before, wanted = {to_timespec(to->it_interval), to_timespec(to->it_value)};
    set(me, process_alarm(), 0, &wanted, &before);
    if (old) *old = (struct itimerval){to_timeval(before.it_interval), to_timeval(before.it_value)};
    return 0;
}
HOOK int getitimer(__itimer_which_t which, struct itimerval *out) {
    struct slot *me = ENTER("getitimer");
    if (!me || which != ITIMER_REAL) return REAL(getitimer)(which, out);
    struct itimerspec now = left(process_alarm());
    *out = (struct itimerval){to_timeval(now.it_interval), to_timeval(now.it_value)};
    return 0;
}
static int64_t alarm_ns(struct slot *me, int64_t first, int64_t every) {
    struct itimerspec before, wanted = {from_ns(every), from_ns(first)};
    set(me, process_alarm(), 0, &wanted, &before);
    return to_ns(&before.it_value);
}
HOOK unsigned alarm(unsigned seconds) {
    struct slot *me = ENTER("alarm");
    if (!me) return REAL(alarm)(seconds);
    return (unsigned)((alarm_ns(me, seconds * 1000000000LL, 0) + 999999999) / 1000000000);
}
HOOK useconds_t ualarm(useconds_t us, useconds_t every) {
    struct slot *me = ENTER("ualarm");
    if (!me) return REAL(ualarm)(us, every);
    return (useconds_t)(alarm_ns(me, us * 1000LL, every * 1000LL) / 1000);
}

/* ---- POSIX timers ---- */

static struct timer *of_id(timer_t id) {
    long number = (long)id - MARK;
    if (number > 0 && number < TIMERS && timers[number].kind == PROCESS_TIMER) return &timers[number];
    errno = EINVAL;
    return 0;
}
HOOK int timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict id) {
    struct slot *me = ENTER("timer_create");
    if (!me) return REAL(timer_create)(clock, event, id);
    struct timer *timer = unused();
    if (!timer) return -1;
    *timer = (struct timer){.kind = PROCESS_TIMER, .clock = clock, .due = NEVER};
    *id = (timer_t)(MARK + (timer - timers));
    if (event) {
        timer->event = *event;
    } else {
        timer->event.sigev_notify = SIGEV_SIGNAL;
        timer->event.sigev_signo = SIGALRM;
        timer->event.sigev_value.sival_ptr = *id;
    }
    return 0;
}
HOOK int timer_settime(timer_t id, int flags, const struct itimerspec *restrict to, struct itimerspec *restrict old) {
    struct slot *me = ENTER("timer_settime");
    struct timer *timer = me ? of_id(id) : 0;
    if (!me) return REAL(timer_settime)(id, flags, to, old);
    if (!timer) return -1;
    set(me, timer, flags & TIMER_ABSTIME, to, old);
    return 0;
}
HOOK int timer_gettime(timer_t id, struct itimerspec *out) {
    struct slot *me = ENTER("timer_gettime");
    struct timer *timer = me ? of_id(id) : 0;
    if (!me) return REAL(timer_gettime)(id, out);
    if (!timer) return -1;
    *out = left(timer);
    return 0;
}
HOOK int timer_getoverrun(timer_t id) {
    struct slot *me = ENTER("timer_getoverrun");
    struct timer *timer = me ? of_id(id) : 0;
    if (!me) return REAL(timer_getoverrun)(id);
    return timer ? timer->overrun : -1;
}
HOOK int timer_delete(timer_t id) {
    struct slot *me = ENTER("timer_delete");
    struct timer *timer = me ? of_id(id) : 0;
    if (!me) return REAL(timer_delete)(id);
    if (!timer) return -1;
    timer->kind = UNUSED;
    return 0;
}
