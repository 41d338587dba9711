/* Threads, processes and what runs at their ends; prints by how much the clock went on, and the result. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MANY 1000000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static int64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

#define SHOW(name, call)                                                                                               \
    do {                                                                                                               \
        int64_t before_ = now(CLOCK_MONOTONIC);                                                                        \
        long result_ = (long)(call);                                                                                   \
        printf("%s %lld %ld\n", name, (long long)(now(CLOCK_MONOTONIC) - before_), result_);                           \
    } while (0)

/* ---- what a thread says when it ends ---- */

static pthread_key_t key;
static int told;

static void tell(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    told = 1;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&lock);
}
static void *has_key(void *unused) {
    (void)unused;
    pthread_setspecific(key, &key);
    return 0;
}
static int await_told(void) {
    pthread_mutex_lock(&lock);
    while (!told) pthread_cond_wait(&condition, &lock);
    pthread_mutex_unlock(&lock);
    return 1;
}
static int destructors(void) {
    pthread_t thread;
    pthread_key_create(&key, tell);
    pthread_create(&thread, 0, has_key, 0);
    pthread_detach(thread);
    SHOW("destructor", await_told());
    return 0;
}

/* ---- the end of a process ---- */

static void *waits_for_work(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;)
        if (pthread_cond_wait(&condition, &lock)) abort(); /* as C++ libraries do */
    return 0;
}
static int ends(void) {
    pthread_t thread;
    pthread_create(&thread, 0, waits_for_work, 0);
    sleep(1);
    return 0; /* the worker is told nothing, and goes on waiting until it is gone */
}

/* ---- a thread that looks at the clock until another one is done ---- */

static atomic_int work, done;
static sem_t worked;

static void *works(void *unused) {
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (!work) pthread_cond_wait(&condition, &lock);
        work--;
        pthread_mutex_unlock(&lock);
        done++;
        sem_post(&worked);
    }
    return 0;
}
static int have_done(int jobs) {
    done = 0;
    pthread_mutex_lock(&lock);
    work = jobs;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&lock);
    int64_t end = now(CLOCK_MONOTONIC) + 1000000000;
    while (done < jobs && now(CLOCK_MONOTONIC) < end) {}
    return done;
}
static int spins(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, works, 0);
    usleep(1000);
    SHOW("one", have_done(1));
    SHOW("several", have_done(6));
    _exit(0);
}

/* ---- a collector of garbage, which stops all others by signals ---- */

static sem_t answered;
static volatile sig_atomic_t goes_on;
static pthread_t others[2];

static void stop(int number) {
    (void)number;
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGXCPU);
    sem_post(&answered);
    do sigsuspend(&all);
    while (!goes_on);
    sem_post(&answered);
}
static void start(int number) { (void)number; }
static int collect(void) {
    goes_on = 0;
    for (int i = 0; i < 2; i++) pthread_kill(others[i], SIGPWR);
    for (int i = 0; i < 2; i++)
        while (sem_wait(&answered)) {}
    goes_on = 1;
    for (int i = 0; i < 2; i++) pthread_kill(others[i], SIGXCPU);
    for (int i = 0; i < 2; i++)
        while (sem_wait(&answered)) {}
    return 1;
}
static int collects(void) {
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(SIGPWR, &action, 0);
    action.sa_handler = start;
    sigaction(SIGXCPU, &action, 0);
    sem_init(&answered, 0, 0);
    for (int i = 0; i < 2; i++) pthread_create(&others[i], 0, works, 0);
    usleep(1000);
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&lock);
        work += 2;
        pthread_cond_broadcast(&condition); /* those are ready to go on when they are stopped */
        pthread_mutex_unlock(&lock);
        SHOW("collection", collect());
        usleep(1000);
        /* and then one that no handler posts, but a thread */
        pthread_mutex_lock(&lock);
        work++;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&lock);
        sem_wait(&worked);
    }
    _exit(0);
}

/* ---- writes that wait ---- */

static long read_all(int file) {
    char bytes[5000];
    long total = 0;
    for (ssize_t got; (got = read(file, bytes, sizeof bytes)) > 0;) {
        total += got;
        usleep(10);
    }
    return total;
}
static int writes(void) {
    static char data[MANY];
    for (int way = 0; way < 5; way++) {
        int ends[2], result;
        if (way < 2 ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return 9;
        pid_t child = fork();
        if (!child) {
            close(ends[1]);
            _exit(read_all(ends[0]) == MANY ? 3 : 4);
        }
        close(ends[0]);
        struct iovec parts[2] = {{data, 10}, {data + 10, MANY - 10}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = way == 0   ? write(ends[1], data, MANY)
                       : way == 2 ? send(ends[1], data, MANY, 0)
                       : way == 3 ? sendmsg(ends[1], &message, 0)
                                  : writev(ends[1], parts, 2);
        close(ends[1]);
        waitpid(child, &result, 0);
        printf("way%d %zd %d\n", way, sent, WEXITSTATUS(result));
    }
    return 0;
}

static int limit(void) { /* a socket that nobody reads, with a limit of its own */
    int ends[2];
    static char data[MANY];
    struct timeval often = {1000, 0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &often, sizeof often);
    while (send(ends[0], data, sizeof data, MSG_DONTWAIT) > 0) {}
    SHOW("send", send(ends[0], data, sizeof data, 0));
    return 0;
}

static int records(void) { /* several write into one pipe, each record in two parts */
    int ends[2];
    char head[16], body[84], record[100];
    if (pipe(ends)) return 9;
    for (int writer = 0; writer < 3; writer++)
        if (!fork()) {
            memset(head, 'a' + writer, sizeof head);
            memset(body, 'a' + writer, sizeof body);
            struct iovec parts[2] = {{head, sizeof head}, {body, sizeof body}};
            for (int i = 0; i < 500; i++)
                if (writev(ends[1], parts, 2) != sizeof record) _exit(9);
            _exit(0);
        }
    close(ends[1]);
    long whole = 0;
    usleep(1000);
    while (read(ends[0], record, sizeof record) == sizeof record) {
        int same = 1;
        for (size_t i = 1; i < sizeof record; i++) same &= record[i] == record[0];
        whole += same;
    }
    printf("whole 0 %ld\n", whole);
    return 0;
}

static int pieces(void) { /* lines that come in pieces, to a stream */
    int ends[2], lines = 0;
    char line[100];
    if (pipe(ends)) return 9;
    if (!fork()) {
        close(ends[0]);
        for (int i = 0; i < 10; i++) {
            if (write(ends[1], "best", 4) < 0) _exit(9);
            sleep(100);
            if (write(ends[1], "move\n", 5) < 0) _exit(9);
        }
        _exit(0);
    }
    close(ends[1]);
    FILE *stream = fdopen(ends[0], "r");
    int64_t before = now(CLOCK_MONOTONIC);
    while (fgets(line, sizeof line, stream)) lines += !strcmp(line, "bestmove\n");
    printf("lines %lld %d\n", (long long)(now(CLOCK_MONOTONIC) - before), lines);
    return 0;
}

static int interrupted(void) {
    struct sigaction action = {.sa_handler = start};
    int ends[2];
    char line[10];
    sigaction(SIGALRM, &action, 0);
    if (pipe(ends)) return 9;
    FILE *stream = fdopen(ends[0], "r");
    alarm(1000);
    SHOW("fgets", fgets(line, sizeof line, stream) != 0);
    printf("error 0 %d\n", ferror(stream) != 0);
    return 0;
}

static int room(void) { /* a socket that nobody reads */
    int ends[2];
    char bytes[4096] = {0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (write(ends[0], bytes, sizeof bytes) > 0) {}
    struct pollfd one = {ends[0], POLLOUT, 0};
    SHOW("poll", poll(&one, 1, 1000000));
    return 0;
}

/* ---- others ---- */

static int asks(void) { /* a helper with much to clear up, and a game that asks in each frame whether it is over */
    pid_t child = fork();
    if (!child) {
        memset(malloc(100 << 20), 1, 100 << 20);
        usleep(20000);
        _exit(0);
    }
    long frames = 0;
    for (; waitpid(child, 0, WNOHANG) == 0; frames++) usleep(1000);
    printf("frames 0 %ld\n", frames);
    return 0;
}

static int answers(void) { /* an engine at the other end of a pipe */
    char line[100];
    while (fgets(line, sizeof line, stdin)) printf("best %s", line);
    return 0;
}

static volatile sig_atomic_t over;
static void end(int number) {
    (void)number;
    over = 1;
}
static int saves(void) {
    struct sigaction action = {.sa_handler = end};
    int ends[2];
    sigaction(SIGTERM, &action, 0);
    if (pipe(ends)) return 9;
    struct pollfd files[2] = {{0, POLLIN, 0}, {ends[0], POLLIN, 0}};
    while (!over && poll(files, 2, -1) != 1) {} /* the first is standard input, which tells it when it runs free */
    printf("freed %d %d\n", files[0].revents, over);
    while (!over) poll(0, 0, -1);
    int64_t date = now(CLOCK_REALTIME);
    usleep(10000);
    printf("saved %lld %d\n", (long long)(date / 1000000000), now(CLOCK_REALTIME) > date);
    return 5;
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    setvbuf(stdout, 0, _IOLBF, 0);
    if (!strcmp(what, "destructors")) return destructors();
    if (!strcmp(what, "ends")) return ends();
    if (!strcmp(what, "spins")) return spins();
    if (!strcmp(what, "collects")) return collects();
    if (!strcmp(what, "writes")) return writes();
    if (!strcmp(what, "room")) return room();
    if (!strcmp(what, "limit")) return limit();
    if (!strcmp(what, "records")) return records();
    if (!strcmp(what, "pieces")) return pieces();
    if (!strcmp(what, "interrupted")) return interrupted();
    if (!strcmp(what, "asks")) return asks();
    if (!strcmp(what, "answers")) return answers();
    if (!strcmp(what, "saves")) return saves();
    return 8;
}
