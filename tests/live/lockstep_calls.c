/* Calls that few games make, a thousand virtual seconds each where they wait; prints by how much the clock went on, and
 * the result. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LONG 1000

static int64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

#define SHOW(name, call)                                                                                               \
    do {                                                                                                               \
        int64_t before_ = now(CLOCK_MONOTONIC);                                                                        \
        errno = 0;                                                                                                     \
        long result_ = (long)(call);                                                                                   \
        printf("%s %lld %ld\n", name, (long long)(now(CLOCK_MONOTONIC) - before_), result_);                           \
    } while (0)

/* ---- a handler that posts ---- */

static sem_t posted;
static void post(int number) {
    (void)number;
    sem_post(&posted);
}
static void *wait_posted(void *unused) {
    SHOW("worker", sem_wait(&posted));
    return unused;
}
static int handler_posts(void) {
    struct itimerval once = {.it_value = {LONG, 0}};
    sigset_t alarm_only;
    pthread_t worker;
    sem_init(&posted, 0, 0);
    signal(SIGALRM, post);
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_only, 0);
    pthread_create(&worker, 0, wait_posted, 0);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, 0);
    setitimer(ITIMER_REAL, &once, 0);
    pthread_join(worker, 0); /* the handler comes upon this thread, while it waits for the other */
    return 0;
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        int (*run)(void);
    } all[] = {{"handler_posts", handler_posts}};
    setvbuf(stdout, 0, _IOLBF, 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (count > 1 && !strcmp(arguments[1], all[i].name)) return all[i].run();
    return 8;
}
