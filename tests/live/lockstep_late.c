/* A library that is loaded before the program, and still waits when the program's own destructors have run. */
#include <semaphore.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

__attribute__((destructor)) static void late(void) {
    struct timespec until;
    sem_t never;
    sem_init(&never, 0, 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 50000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    long long before = now(CLOCK_MONOTONIC);
    int result = sem_timedwait(&never, &until);
    char line[80];
    int size = snprintf(line, sizeof line, "late %lld %d\n", now(CLOCK_MONOTONIC) - before, result);
    if (write(1, line, (size_t)size) < 0) _exit(9);
}
