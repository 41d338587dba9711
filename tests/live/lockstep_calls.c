/* Calls that few games make, a thousand virtual seconds each where they wait; prints by how much the clock went on, and
 * the result. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
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

/* ---- streams of a child ---- */

static int streams(const char *self) {
    char command[PATH_MAX + 16], line[64], *more = 0;
    size_t room = 0;
    int a = 0, b = 0;
    snprintf(command, sizeof command, "%s say", self);
    FILE *pipe = popen(command, "r");
    SHOW("fgets", fgets(line, sizeof line, pipe) && !strcmp(line, "one 1\n"));
    SHOW("fread", fread(line, 1, 6, pipe));
    SHOW("getline", getline(&more, &room, pipe));
    SHOW("fscanf", fscanf(pipe, "four %d\n%d", &a, &b));
    SHOW("getc", getc(pipe) == ' ' && getc(pipe) == 's');
    int end = fileno(pipe);
    SHOW("fileno_ready", fcntl(end, F_GETFD) >= 0);
    SHOW("pclose", pclose(pipe));
    SHOW("closed_ready", fcntl(end, F_GETFD) < 0);
    SHOW("shell", system("sleep 1000 & wait $!"));
    return 0;
}
static int say(void) {
    const char *lines[] = {"one 1\n", "two 2\n", "three\n", "four 4\n5 ", "s\n"};
    for (int i = 0; i < 5; i++) {
        sleep(LONG);
        if (write(1, lines[i], strlen(lines[i])) < 0) return 1;
    }
    sleep(LONG);
    return 0;
}

/* ---- signals ---- */

static volatile sig_atomic_t alarms;
static void on_alarm(int number) { alarms += number == SIGALRM; }

static int signals(void) {
    sigset_t set, before;
    int number = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    signal(SIGALRM, on_alarm);
    SHOW("sigtimedwait", sigtimedwait(&set, 0, &wait_long));
    pthread_sigmask(SIG_BLOCK, &set, &before);
    SHOW("sigtimedwait_alarm", (alarm(LONG), sigtimedwait(&set, 0, 0)));
    SHOW("sigwaitinfo", (alarm(LONG), sigwaitinfo(&set, 0)));
    SHOW("sigwait", (alarm(LONG), sigwait(&set, &number), number));
    SHOW("sigsuspend", (alarm(LONG), sigsuspend(&before)));
    raise(SIGALRM);
    SHOW("sigsuspend_ready", sigsuspend(&before) < 0 && errno == EINTR);
    printf("alarms %d 0\n", (int)alarms);
    return 0;
}

/* ---- messages ---- */

ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);

static int ends[2];
static void *send_twice(void *unused) {
    for (int i = 0; i < 2; i++) {
        sleep(LONG / 2);
        send(ends[1], "x", 1, 0);
    }
    return unused;
}
static void *send_late(void *unused) {
    sleep(LONG);
    send(ends[1], "x", 1, 0);
    return unused;
}
static void *post_late(void *set) {
    struct sembuf up = {0, 1, 0};
    sleep(LONG);
    semop(*(int *)set, &up, 1);
    return 0;
}
static void start(void *(*body)(void *), void *given) {
    pthread_t thread;
    pthread_create(&thread, 0, body, given);
    pthread_detach(thread);
}

static int messages(void) {
    char bytes[2][8], message[16] = "hello";
    struct iovec parts[2] = {{bytes[0], 8}, {bytes[1], 8}};
    struct mmsghdr heads[2] = {
        {.msg_hdr = {.msg_iov = parts, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = parts + 1, .msg_iovlen = 1}},
    };
    struct timespec t;
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends)) return 1;
    SHOW("recvmmsg", (start(send_twice, 0), recvmmsg(ends[0], heads, 2, 0, 0)));
    SHOW("recvmmsg_one", (start(send_late, 0), recvmmsg(ends[0], heads, 2, MSG_WAITFORONE, 0)));
    SHOW("readv", (start(send_late, 0), readv(ends[0], parts, 2)));
    SHOW("recvfrom_chk", (start(send_late, 0), __recvfrom_chk(ends[0], bytes[0], 8, 8, 0, 0, 0)));

    struct mq_attr shape = {.mq_maxmsg = 1, .mq_msgsize = sizeof message};
    char name[32];
    snprintf(name, sizeof name, "/gameon-%d", (int)getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT, 0600, &shape);
    if (queue != (mqd_t)-1) {
        mq_unlink(name);
        SHOW("mq_timedreceive", (t = then(CLOCK_REALTIME), mq_timedreceive(queue, message, sizeof message, 0, &t)));
        SHOW("mq_send_ready", mq_send(queue, message, sizeof message, 0) == 0);
        SHOW("mq_timedsend", (t = then(CLOCK_REALTIME), mq_timedsend(queue, message, sizeof message, 0, &t)));
        SHOW("mq_receive_ready", mq_receive(queue, message, sizeof message, 0) == sizeof message);
    }
    int set = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf down = {0, -1, 0};
    if (set >= 0) {
        SHOW("semtimedop", semtimedop(set, &down, 1, &wait_long));
        SHOW("semop", (start(post_late, &set), semop(set, &down, 1)));
        semctl(set, 0, IPC_RMID);
    }
    return 0;
}

/* ---- by number ---- */

static int numbers(void) {
    struct timespec limit = wait_long;
    struct timeval day;
    struct epoll_event event;
    struct itimerspec once = {.it_value = wait_long};
    uint64_t count = 0;
    int epoll = epoll_create1(0);
    SHOW("gettimeofday_ready", (syscall(SYS_gettimeofday, &day, 0), day.tv_sec == now(CLOCK_REALTIME) / 1000000000));
#ifdef SYS_poll
    SHOW("poll", syscall(SYS_poll, 0, 0, LONG * 1000));
    SHOW("epoll_wait", syscall(SYS_epoll_wait, epoll, &event, 1, LONG * 1000));
#endif
    SHOW("ppoll", syscall(SYS_ppoll, 0, 0, &limit, 0, 8));
    limit = wait_long;
    SHOW("pselect6", syscall(SYS_pselect6, 0, 0, 0, 0, &limit, 0));
    SHOW("epoll_pwait", syscall(SYS_epoll_pwait, epoll, &event, 1, LONG * 1000, 0, 8));
#ifdef SYS_epoll_pwait2
    SHOW("epoll_pwait2", syscall(SYS_epoll_pwait2, epoll, &event, 1, &wait_long, 0, 8));
#endif
    int timer = (int)syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0);
    SHOW("timerfd", (syscall(SYS_timerfd_settime, timer, 0, &once, 0), read(timer, &count, sizeof count)));
    return 0;
}

/* ---- limits of sockets, and signals that interrupt a read ---- */

static void catch_alarm(int flags) {
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
    sigaction(SIGALRM, &action, 0);
}
static int reads(void) {
    struct timeval limit = {LONG, 0};
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return 1;
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    SHOW("recv_limit", recv(ends[0], &byte, 1, 0) < 0 ? errno : 0);
    SHOW("read_limit", read(ends[0], &byte, 1) < 0 ? errno : 0);
    limit.tv_sec = 0;
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    catch_alarm(0);
    SHOW("interrupted", (alarm(LONG), read(ends[0], &byte, 1) < 0 ? errno : 0));
    signal(SIGUSR1, on_alarm); /* says otherwise, and did not come */
    SHOW("interrupted_again", (alarm(LONG), read(ends[0], &byte, 1) < 0 ? errno : 0));
    catch_alarm(SA_RESTART);
    SHOW("restarted", (alarm(LONG / 2), start(send_late, 0), read(ends[0], &byte, 1)));
    printf("alarms %d 0\n", (int)alarms);
    return 0;
}

/* ---- clocks, and times that are too far away ---- */

static int clocks(void) {
    struct timespec t = {0, 0}, for_ever = {INT64_MAX, 999999999};
    struct timezone zone = {7, 7};
    struct itimerspec rarely = {{INT64_MAX, 0}, {LONG, 0}};
    uint64_t count;
    fd_set none;
    FD_ZERO(&none);
    SHOW("zone_ready", gettimeofday(0, &zone) == 0 && zone.tz_minuteswest == 0 && zone.tz_dsttime == 0);
    SHOW("no_clock_ready", clock_gettime(999, &t) < 0 && errno == EINVAL);
    SHOW("base_ready", timespec_get(&t, TIME_UTC) == TIME_UTC && timespec_get(&t, 99) == 0);
    signal(SIGALRM, on_alarm);
    SHOW("nanosleep", (alarm(LONG), nanosleep(&for_ever, 0)));
    SHOW("clock_nanosleep", (alarm(LONG), clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &for_ever, 0)));
    SHOW("pselect", (alarm(LONG), pselect(1, &none, 0, 0, &for_ever, 0)));
    SHOW("select", (alarm(LONG), select(1, &none, 0, 0, &(struct timeval){INT64_MAX, 0})));
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(timer, 0, &rarely, 0);
    SHOW("timer", read(timer, &count, sizeof count));
    SHOW("timer_again", (alarm(LONG), poll(&(struct pollfd){timer, POLLIN, 0}, 1, -1)));
    return 0;
}

/* ---- more randomness than a file holds ---- */

static int randomness(void) {
    static char bytes[1000003];
    FILE *stream = fopen("/dev/random", "r");
    int file = open("/dev/urandom", O_RDONLY), copy = dup(file);
    SHOW("read_ready", read(file, bytes, 1000003) == 1000003 && memcmp(bytes + 500000, bytes + 900000, 1000));
    SHOW("copy_ready", read(copy, bytes, 99) == 99);
    SHOW("fread_ready", fread(bytes, 1, 1000003, stream) == 1000003);
    SHOW("fileno_ready", read(fileno(stream), bytes, 99) == 99);
    SHOW("fclose_ready", fclose(stream) == 0);
    uint64_t digest = 1469598103934665603u;
    for (size_t i = 0; i < sizeof bytes; i++) digest = (digest ^ (unsigned char)bytes[i]) * 1099511628211u;
    printf("digest %llu\n", (unsigned long long)digest);
    return 0;
}

/* ---- locks with a clock, joins with a limit, threads that are cancelled ---- */

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static void *hold(void *unused) {
    pthread_rwlock_wrlock(&rwlock);
    sem_post(&posted);
    sleep(100 * LONG);
    return unused;
}
static void *nap(void *unused) {
    sleep(LONG);
    return unused;
}

enum { IN_SLEEP, IN_SEMAPHORE, IN_POLL, IN_CONDITION, IN_JOIN, NOT_AT_ALL };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static void unlock(void *unused) {
    (void)unused;
    pthread_mutex_unlock(&mutex);
}
static void *wait_in(void *given) {
    struct timespec always = {1000000000, 0};
    long where = (long)given;
    pthread_t other;
    sem_t never;
    sem_init(&never, 0, 0);
    if (where == IN_SLEEP) nanosleep(&always, 0);
    if (where == IN_SEMAPHORE) sem_wait(&never);
    if (where == IN_POLL) poll(0, 0, -1);
    if (where == IN_JOIN) {
        pthread_create(&other, 0, hold, 0);
        pthread_join(other, 0);
    }
    if (where == IN_CONDITION) {
        pthread_mutex_lock(&mutex);
        pthread_cleanup_push(unlock, 0);
        pthread_cond_wait(&condition, &mutex);
        pthread_cleanup_pop(1);
    }
    if (where == NOT_AT_ALL) {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, 0);
        always.tv_sec = LONG;
        return (void *)(long)nanosleep(&always, 0);
    }
    return given;
}
static long cancelled(long where, int64_t before) {
    pthread_t thread;
    void *result = 0;
    pthread_create(&thread, 0, wait_in, (void *)where);
    usleep((useconds_t)before);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    return (long)result;
}

static int threads(void) {
    pthread_t thread;
    struct timespec t;
    void *result;
    sem_init(&posted, 0, 0);
    pthread_create(&thread, 0, hold, 0);
    sem_wait(&posted);
    SHOW("clockrdlock", (t = then(CLOCK_MONOTONIC), pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &t)));
    SHOW("clockwrlock", (t = then(CLOCK_MONOTONIC), pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &t)));
    SHOW("timedjoin", (t = then(CLOCK_REALTIME), pthread_timedjoin_np(thread, &result, &t)));
    SHOW("clockjoin", (t = then(CLOCK_MONOTONIC), pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &t)));
    SHOW("tryjoin_ready", pthread_tryjoin_np(thread, &result) == EBUSY);
    SHOW("joined", (pthread_create(&thread, 0, nap, 0), t = then(CLOCK_REALTIME), t.tv_sec += LONG,
                    pthread_timedjoin_np(thread, &result, &t)));
    SHOW("in_sleep", cancelled(IN_SLEEP, LONG * 1000000L));
    SHOW("in_semaphore", cancelled(IN_SEMAPHORE, LONG * 1000000L));
    SHOW("in_poll", cancelled(IN_POLL, LONG * 1000000L));
    SHOW("in_condition", cancelled(IN_CONDITION, LONG * 1000000L));
    SHOW("unlocked_ready", pthread_mutex_trylock(&mutex) == 0);
    SHOW("in_join", cancelled(IN_JOIN, LONG * 1000000L));
    SHOW("not_at_all", cancelled(NOT_AT_ALL, 1));
    return 0;
}

/* ---- a futex that changes another ---- */

static int words[2];

static void *wait_word(void *at) {
    int *word = at;
    while (!__atomic_load_n(word, __ATOMIC_SEQ_CST)) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, 0);
    return 0;
}
/* What each operation and comparison makes of a word: as the kernel says, without the virtual clock. */
static int wake_codes(void) {
    static const int values[] = {0, 5, -7, 2047};
    for (int operation = 0; operation < 16; operation++)
        for (int than = 0; than < 6; than++)
            for (int i = 0; i < 8; i++) {
                int word = values[i / 2], argument = operation & 8 ? i : values[i % 4];
                unsigned code = (unsigned)operation << 28 | (unsigned)than << 24 | ((unsigned)argument & 0xfff) << 12 |
                                ((unsigned)values[i % 4] & 0xfff);
                long woken = syscall(SYS_futex, &words[0], FUTEX_WAKE_OP_PRIVATE, 1, 1L, &word, code);
                printf("%x %ld %d\n", code, woken, woken < 0 ? errno : word);
            }
    return 0;
}
static int wake_op(void) {
    pthread_t waiting[2];
    for (int i = 0; i < 2; i++) pthread_create(&waiting[i], 0, wait_word, &words[i]);
    sleep(1);
    words[0] = 1; /* the second becomes 1 by the operation, and was 0 */
    SHOW("both", (sleep(LONG), syscall(SYS_futex, &words[0], FUTEX_WAKE_OP_PRIVATE, 1, 1L, &words[1],
                                       FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0))));
    SHOW("joined_ready", pthread_join(waiting[0], 0) == 0 && pthread_join(waiting[1], 0) == 0);
    return 0;
}

/* ---- what processes share ---- */

static struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    int ready, word;
} *shared, *again;

static void wait_shared(int file) {
    struct timespec t = then(CLOCK_MONOTONIC);
    t.tv_sec += LONG;
    again = mmap(0, sizeof *again, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0); /* at another address */
    pthread_mutex_lock(&again->mutex);
    int error = 0;
    while (!again->ready && !error)
        error = pthread_cond_clockwait(&again->condition, &again->mutex, CLOCK_MONOTONIC, &t);
    pthread_mutex_unlock(&again->mutex);
    if (error) _exit(1);
    while (!__atomic_load_n(&again->word, __ATOMIC_SEQ_CST)) syscall(SYS_futex, &again->word, FUTEX_WAIT, 0, 0);
    _exit(7);
}
static int family(void) {
    pthread_mutexattr_t for_mutex;
    pthread_condattr_t for_condition;
    struct timespec t;
    int file = memfd_create("shared", 0), status = 0;
    if (ftruncate(file, sizeof *shared)) return 1;
    shared = mmap(0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    pthread_mutexattr_init(&for_mutex);
    pthread_mutexattr_setpshared(&for_mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->mutex, &for_mutex);
    pthread_condattr_init(&for_condition);
    pthread_condattr_setpshared(&for_condition, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&shared->condition, &for_condition);
    pthread_mutex_lock(&shared->mutex);
    SHOW("timedwait", (t = then(CLOCK_REALTIME), pthread_cond_timedwait(&shared->condition, &shared->mutex, &t)));
    pthread_mutex_unlock(&shared->mutex);
    pid_t child = fork();
    if (!child) wait_shared(file);
    SHOW("signal", (sleep(LONG), pthread_mutex_lock(&shared->mutex), shared->ready = 1,
                    pthread_mutex_unlock(&shared->mutex), pthread_cond_signal(&shared->condition)));
    SHOW("futex", (sleep(LONG), __atomic_store_n(&shared->word, 1, __ATOMIC_SEQ_CST),
                   syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1)));
    SHOW("child_ready", waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return 0;
}

int main(int count, char **arguments) {
    char self[PATH_MAX];
    static const struct {
        const char *name;
        int (*run)(void);
    } all[] = {{"handler_posts", handler_posts}, {"say", say}, {"signals", signals}, {"messages", messages},
             {"numbers", numbers}, {"reads", reads}, {"clocks", clocks}, {"random", randomness}, {"threads", threads},
             {"family", family}, {"wake_op", wake_op}, {"wake_codes", wake_codes}};
    setvbuf(stdout, 0, _IOLBF, 0);
    if (!realpath("/proc/self/exe", self)) return 9;
    if (count > 1 && !strcmp(arguments[1], "streams")) return streams(self);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (count > 1 && !strcmp(arguments[1], all[i].name)) return all[i].run();
    return 8;
}
