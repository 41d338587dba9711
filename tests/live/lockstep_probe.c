/* Calls everything that takes time, a thousand virtual seconds each, and prints by how much the clock went on. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#define LONG 1000

static int64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static struct timespec then(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += LONG;
    return t;
}
static const struct timespec wait_long = {LONG, 0};
static volatile sig_atomic_t signals;
static void on_signal(int number) { signals += number == SIGALRM; }
static sem_t done;
static void on_timer(union sigval value) {
    (void)value;
    sem_post(&done);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int word;

static void *hold_locks(void *unused) {
    pthread_mutex_lock(&mutex);
    pthread_rwlock_wrlock(&rwlock);
    sem_post(&done);
    sleep(100 * LONG);
    return unused;
}

#define SHOW(name, call)                                                                                               \
    do {                                                                                                               \
        int64_t before_ = now(CLOCK_MONOTONIC);                                                                        \
        errno = 0;                                                                                                     \
        long result_ = (long)(call);                                                                                   \
        printf("%s %lld %ld\n", name, (long long)(now(CLOCK_MONOTONIC) - before_), result_);                           \
    } while (0)

static int sleeps(void) {
    struct timespec t;
    SHOW("nanosleep", nanosleep(&wait_long, 0));
    SHOW("clock_nanosleep", clock_nanosleep(CLOCK_REALTIME, 0, &wait_long, 0));
    SHOW("clock_nanosleep_until", (t = then(CLOCK_MONOTONIC), clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0)));
    SHOW("usleep", usleep(LONG * 1000000u));
    SHOW("sleep", sleep(LONG));
    SHOW("thrd_sleep", thrd_sleep(&wait_long, 0));
    SHOW("syscall_nanosleep", syscall(SYS_nanosleep, &wait_long, 0));
    return 0;
}

static int files(void) {
    int ends[2], epoll = epoll_create1(0);
    if (pipe(ends)) return 1;
    struct pollfd one = {ends[0], POLLIN, 0};
    struct epoll_event event = {.events = EPOLLIN};
    fd_set set;
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval left = {LONG, 0};
    SHOW("poll", poll(&one, 1, LONG * 1000));
    SHOW("poll_nothing", poll(0, 0, LONG * 1000));
    SHOW("ppoll", ppoll(&one, 1, &wait_long, 0));
    SHOW("select", select(ends[0] + 1, &set, 0, 0, &left));
    left.tv_sec = LONG;
    SHOW("select_nothing", select(0, 0, 0, 0, &left));
    FD_SET(ends[0], &set);
    SHOW("pselect", pselect(ends[0] + 1, &set, 0, 0, &wait_long, 0));
    SHOW("epoll_wait", epoll_wait(epoll, &event, 1, LONG * 1000));
    SHOW("epoll_pwait", epoll_pwait(epoll, &event, 1, LONG * 1000, 0));
    if (write(ends[1], "x", 1) != 1) return 1;
    SHOW("poll_ready", poll(&one, 1, LONG * 1000));
    FD_SET(ends[0], &set);
    left.tv_sec = LONG;
    SHOW("select_ready", select(ends[0] + 1, &set, 0, 0, &left));
    SHOW("epoll_ready", epoll_wait(epoll, &event, 1, LONG * 1000));
    return 0;
}

static pthread_barrier_t barrier;
static void *meet(void *unused) {
    sleep(LONG);
    pthread_barrier_wait(&barrier);
    return unused;
}

static void *second_long(void *unused) {
    sleep(LONG);
    return unused;
}

static int locks(void) {
    pthread_t holder, other;
    sem_t never;
    struct timespec t;
    pthread_condattr_t how;
    pthread_cond_t monotonic;
    pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    cnd_t c11;
    mtx_t c11_mutex;
    sem_init(&never, 0, 0);
    sem_init(&done, 0, 0);
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(&monotonic, &how);
    cnd_init(&c11);
    mtx_init(&c11_mutex, mtx_timed);
    pthread_create(&holder, 0, hold_locks, 0);
    sem_wait(&done);
    pthread_mutex_lock(&own);
    mtx_lock(&c11_mutex);
    SHOW("cond_timedwait", (t = then(CLOCK_REALTIME), pthread_cond_timedwait(&condition, &own, &t)));
    SHOW("cond_timedwait_monotonic", (t = then(CLOCK_MONOTONIC), pthread_cond_timedwait(&monotonic, &own, &t)));
    SHOW("cond_clockwait", (t = then(CLOCK_MONOTONIC), pthread_cond_clockwait(&condition, &own, CLOCK_MONOTONIC, &t)));
    SHOW("cnd_timedwait", (t = then(CLOCK_REALTIME), cnd_timedwait(&c11, &c11_mutex, &t)));
    SHOW("sem_timedwait", (t = then(CLOCK_REALTIME), sem_timedwait(&never, &t)));
    SHOW("sem_clockwait", (t = then(CLOCK_MONOTONIC), sem_clockwait(&never, CLOCK_MONOTONIC, &t)));
    SHOW("mutex_timedlock", (t = then(CLOCK_REALTIME), pthread_mutex_timedlock(&mutex, &t)));
    SHOW("mutex_clocklock", (t = then(CLOCK_MONOTONIC), pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &t)));
    SHOW("rwlock_timedrdlock", (t = then(CLOCK_REALTIME), pthread_rwlock_timedrdlock(&rwlock, &t)));
    SHOW("rwlock_timedwrlock", (t = then(CLOCK_REALTIME), pthread_rwlock_timedwrlock(&rwlock, &t)));
    pthread_barrier_init(&barrier, 0, 2);
    pthread_create(&other, 0, meet, 0);
    SHOW("barrier", pthread_barrier_wait(&barrier));
    pthread_create(&other, 0, meet, 0);
    SHOW("barrier_again", pthread_barrier_wait(&barrier));
    SHOW("join", (pthread_create(&other, 0, second_long, 0), pthread_join(other, 0)));
    SHOW("futex", syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &wait_long));
    SHOW("futex_until",
         (t = then(CLOCK_MONOTONIC), syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &t, 0, ~0)));
    return 0;
}

static int timers(void) {
    struct itimerspec once = {.it_value = {LONG, 0}}, often = {{1, 0}, {LONG, 0}};
    struct itimerval alarm_once = {.it_value = {LONG, 0}};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD};
    uint64_t count = 0;
    timer_t timer;
    sem_init(&done, 0, 0);
    signal(SIGALRM, on_signal);
    int file = timerfd_create(CLOCK_MONOTONIC, 0);
    struct pollfd one = {file, POLLIN, 0};
    SHOW("timerfd", (timerfd_settime(file, 0, &once, 0), read(file, &count, sizeof count)));
    SHOW("timerfd_poll", (timerfd_settime(file, 0, &often, 0), poll(&one, 1, -1)));
    sleep(5);
    SHOW("timerfd_count", (read(file, &count, sizeof count), count));
    close(file);
    SHOW("alarm", (alarm(LONG), pause()));
    SHOW("alarm_sleep", (alarm(LONG), sleep(10 * LONG)));
    SHOW("setitimer", (setitimer(ITIMER_REAL, &alarm_once, 0), pause()));
    timer_create(CLOCK_MONOTONIC, 0, &timer);
    SHOW("timer_signal", (timer_settime(timer, 0, &once, 0), pause()));
    timer_delete(timer);
    event.sigev_notify_function = on_timer;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    SHOW("timer_thread", (timer_settime(timer, 0, &once, 0), sem_wait(&done)));
    printf("signals %d 0\n", (int)signals);
    return 0;
}

static int clocks(void) {
    struct timeval day;
    struct tms spent;
    int64_t real = now(CLOCK_REALTIME), coarse = now(CLOCK_MONOTONIC_COARSE), boot = now(CLOCK_BOOTTIME);
    int64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    time_t start = time(0);
    clock_t ticks = times(&spent), used = clock();
    gettimeofday(&day, 0);
    int64_t day_us = day.tv_sec * 1000000LL + day.tv_usec;
    sleep(LONG);
    gettimeofday(&day, 0);
    printf("realtime %lld 0\n", (long long)(now(CLOCK_REALTIME) - real));
    printf("coarse %lld 0\n", (long long)(now(CLOCK_MONOTONIC_COARSE) - coarse));
    printf("boottime %lld 0\n", (long long)(now(CLOCK_BOOTTIME) - boot));
    printf("cputime %lld 0\n", (long long)(now(CLOCK_PROCESS_CPUTIME_ID) - cpu));
    printf("time %lld 0\n", (long long)(time(0) - start) * 1000000000);
    printf("times %lld 0\n", (long long)(times(&spent) - ticks) * 10000000);
    printf("clock %lld 0\n", (long long)(clock() - used) * 1000);
    printf("gettimeofday %lld 0\n", (long long)(day.tv_sec * 1000000LL + day.tv_usec - day_us) * 1000);
    struct timespec resolution;
    int error = clock_getres(CLOCK_MONOTONIC, &resolution);
    printf("clock_getres %d %ld\n", error, (long)resolution.tv_nsec);
    return 0;
}

static int randomness(void) {
    uint64_t a = 0, b = 0, c = 0, d = 0;
    int file = open("/dev/urandom", O_RDONLY);
    FILE *stream = fopen("/dev/random", "r");
    if (getrandom(&a, sizeof a, 0) != sizeof a || getentropy(&b, sizeof b)) return 1;
    if (read(file, &c, sizeof c) != sizeof c || fread(&d, sizeof d, 1, stream) != 1) return 1;
    printf("%llx %llx %llx %llx %lld\n", (unsigned long long)a, (unsigned long long)b, (unsigned long long)c,
           (unsigned long long)d, (long long)time(0));
    return 0;
}

static int layout(void) {
    int here;
    printf("%p %p %p %p\n", (void *)&here, malloc(1), (void *)layout, (void *)printf);
    return 0;
}

/* Four threads that hand work on, wake one another and sleep: the order in which they get there is the result. */
static int order[4096], ordered;
static void *work(void *given) {
    long number = (long)given;
    for (int i = 0; i < 100; i++) {
        pthread_mutex_lock(&mutex);
        order[ordered++] = (int)number;
        if (i % 3 == 0) pthread_cond_signal(&condition);
        if (i % 7 == number) {
            struct timespec until = {now(CLOCK_REALTIME) / 1000000000 + 2, 0};
            pthread_cond_timedwait(&condition, &mutex, &until);
        }
        pthread_mutex_unlock(&mutex);
        usleep((useconds_t)(1 + (number * 7 + i * 13) % 5) * 1000);
    }
    return 0;
}
static int crew(void) {
    pthread_t threads[4];
    uint64_t digest = 1469598103934665603u;
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, work, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
    for (int i = 0; i < ordered; i++) digest = (digest ^ (uint64_t)order[i]) * 1099511628211u;
    printf("%d %llx %lld\n", ordered, (unsigned long long)digest, (long long)now(CLOCK_MONOTONIC));
    return 0;
}

/* As Perl does: in the child too, at the fork. */
static pthread_mutex_t at_fork = PTHREAD_MUTEX_INITIALIZER;
static void lock_at_fork(void) { pthread_mutex_lock(&at_fork); }
static void unlock_at_fork(void) { pthread_mutex_unlock(&at_fork); }

static int family(const char *self) {
    extern char **environ;
    int status;
    pthread_atfork(lock_at_fork, unlock_at_fork, unlock_at_fork);
    pid_t pid = fork();
    if (!pid) {
        sleep(LONG);
        _exit(7);
    }
    SHOW("fork", (waitpid(pid, &status, 0), WEXITSTATUS(status)));
    char *arguments[] = {(char *)self, "nap", 0};
    SHOW("spawn", (posix_spawn(&pid, self, 0, 0, arguments, environ), waitpid(pid, &status, 0), WEXITSTATUS(status)));
    char command[PATH_MAX + 8], line[64] = "";
    snprintf(command, sizeof command, "%s nap", self);
    SHOW("system", WEXITSTATUS(system(command)));
    FILE *pipe = popen(command, "r");
    SHOW("popen", read(fileno(pipe), line, sizeof line));
    SHOW("pclose", WEXITSTATUS(pclose(pipe)));
    pid = vfork();
    if (!pid) {
        execv(self, arguments);
        _exit(1);
    }
    SHOW("vfork", (waitpid(pid, &status, 0), WEXITSTATUS(status)));
    return 0;
}

static int nap(void) {
    sleep(LONG);
    puts("done");
    return 3;
}

/* A game's loop: 60 times a second, for ever; with a thread that waits in another way. */
static void *second(void *unused) {
    for (;;) poll(0, 0, 10);
    return unused;
}
static void frames(void) {
    pthread_t thread;
    pthread_create(&thread, 0, second, 0);
    for (long i = 0;; i++) {
        printf("frame %ld %lld\n", i, (long long)now(CLOCK_MONOTONIC));
        fflush(stdout);
        usleep(1000000 / 60);
    }
}
static void spin(void) {
    volatile long count = 0;
    for (;;) count++;
}
static int spin_clock(void) { /* waits for the time by asking for it */
    for (int i = 0; i < 3; i++) {
        int64_t until = now(CLOCK_MONOTONIC) + 10000000;
        while (now(CLOCK_MONOTONIC) < until) {}
        printf("tick %d\n", i);
        fflush(stdout);
    }
    return 0;
}
static void crash(void) {
    sleep(1);
    abort();
}
static int unseen(void) { /* a wait that the library does not see, and a thread that goes on meanwhile */
    pthread_t thread;
    pthread_create(&thread, 0, second, 0);
    flock(open("/proc/self/exe", O_RDONLY), LOCK_EX);
    return flock(open("/proc/self/exe", O_RDONLY), LOCK_EX); /* which the other one holds */
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    char self[PATH_MAX];
    if (!realpath("/proc/self/exe", self)) return 9;
    setvbuf(stdout, 0, _IOLBF, 0);
    if (!strcmp(what, "sleeps")) return sleeps();
    if (!strcmp(what, "files")) return files();
    if (!strcmp(what, "locks")) return locks();
    if (!strcmp(what, "timers")) return timers();
    if (!strcmp(what, "clocks")) return clocks();
    if (!strcmp(what, "random")) return randomness();
    if (!strcmp(what, "layout")) return layout();
    if (!strcmp(what, "crew")) return crew();
    if (!strcmp(what, "family")) return family(self);
    if (!strcmp(what, "nap")) return nap();
    if (!strcmp(what, "frames")) frames();
    if (!strcmp(what, "spin")) spin();
    if (!strcmp(what, "spin_clock")) return spin_clock();
    if (!strcmp(what, "crash")) crash();
    if (!strcmp(what, "unseen")) return unseen();
    return 8;
}
