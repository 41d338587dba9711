/* Processes that the game starts, and waits for. A child has its place in the order from the moment it is made, so that
 * no time passes before it is there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks.h"
#include "shim.h"

/* A forked child goes on as one thread, in its turn. */
HOOK pid_t fork(void) {
    struct slot *me = ENTER("fork");
    if (!me) return REAL(fork)();
    struct slot *child = shim_child_slot();
    forking = 1; /* handlers of pthread_atfork run in there, in the child too */
    pid_t pid = REAL(fork)();
    if (pid == 0 && child) {
        timers_forget();
        shim_become(child, 1);
    } else {
        forking = 0;
        shim_set_child(child, pid);
    }
    return pid;
}
HOOK pid_t vfork(void) { return fork(); } /* as is allowed: the child has to register as any other */

#define SPAWN(name)                                                                                                    \
    HOOK int name(                                                                                                     \
        pid_t *restrict pid, const char *restrict program, const posix_spawn_file_actions_t *restrict actions,         \
        const posix_spawnattr_t *restrict how, char *const arguments[restrict], char *const variables[restrict]        \
    ) {                                                                                                                \
        struct slot *me = ENTER(#name), *child = me ? shim_child_slot() : 0;                                           \
        pid_t made = -1;                                                                                               \
        int error = REAL(name)(&made, program, actions, how, arguments, variables);                                    \
        shim_set_child(child, error ? -1 : made);                                                                      \
        if (pid && !error) *pid = made;                                                                                \
        return error;                                                                                                  \
    }
SPAWN(posix_spawn)
SPAWN(posix_spawnp)

/* ---- by the shell ---- */

static pid_t spawn_shell(const char *command, int file, int as, const sigset_t *mask) {
    pid_t pid;
    posix_spawnattr_t how;
    posix_spawnattr_init(&how);
    if (mask) {
        posix_spawnattr_setsigmask(&how, mask);
        posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
    }
    char *arguments[] = {"sh", "-c", (char *)command, 0};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (as >= 0 && file == as) { /* dup2 of a file to itself would leave it to be closed */
        posix_spawn_file_actions_adddup2(&actions, file, file);
    } else if (as >= 0) {
        posix_spawn_file_actions_adddup2(&actions, file, as);
    }
    int error = posix_spawn(&pid, "/bin/sh", &actions, &how, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&how);
    if (!error) return pid;
    errno = error;
    return -1;
}

HOOK int system(const char *command) {
    if (!ENTER("system") || !command) return REAL(system)(command);
    struct sigaction ignored = {.sa_handler = SIG_IGN}, interrupted, quit;
    sigset_t child, before;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, &before);
    pid_t pid = spawn_shell(command, -1, -1, &before);
    sigaction(SIGINT, &ignored, &interrupted);
    sigaction(SIGQUIT, &ignored, &quit);
    int status = -1;
    if (pid >= 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    sigaction(SIGINT, &interrupted, 0);
    sigaction(SIGQUIT, &quit, 0);
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return status;
}

#define PIPES 64
static struct {
    FILE *file;
    pid_t pid;
} pipes[PIPES];

HOOK FILE *popen(const char *command, const char *mode) {
    int in = strchr(mode, 'r') != 0, ends[2], place = 0;
    while (place < PIPES && pipes[place].file) place++;
    if (!ENTER("popen") || place == PIPES) return REAL(popen)(command, mode);
    if (pipe2(ends, O_CLOEXEC) < 0) return 0;
    pid_t pid = spawn_shell(command, ends[in ? 1 : 0], in ? 1 : 0, 0);
    close(ends[in ? 1 : 0]);
    FILE *file = pid < 0 ? 0 : stream_of(ends[in ? 0 : 1], in ? "r" : "w");
    if (!file) {
        close(ends[in ? 0 : 1]);
        return 0;
    }
    if (!strchr(mode, 'e')) fcntl(ends[in ? 0 : 1], F_SETFD, 0);
    pipes[place].file = file;
    pipes[place].pid = pid;
    return file;
}

HOOK int pclose(FILE *file) {
    for (int i = 0; i < PIPES; i++)
        if (file && pipes[i].file == file) {
            int status = -1;
            pipes[i].file = 0;
            fclose(file);
            while (waitpid(pipes[i].pid, &status, 0) < 0 && errno == EINTR) {}
            return status;
        }
    return REAL(pclose)(file);
}

/* ---- waiting for them ---- */

struct wait_call {
    pid_t pid;
    int *status, options;
    struct rusage *usage;
    pid_t result;
};
static int look_wait(void *given) {
    struct wait_call *call = given;
    call->result = REAL(wait4)(call->pid, call->status, call->options | WNOHANG, call->usage);
    return call->result != 0;
}
HOOK pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage) {
    struct slot *me = ENTER("wait4");
    if (me) process_settle();
    if (!me || options & WNOHANG) return REAL(wait4)(pid, status, options, usage);
    struct wait_call call = {pid, status, options, usage, 0};
    return shim_poll_on(me, NEVER, look_wait, &call) < 0 ? -1 : call.result;
}
HOOK pid_t waitpid(pid_t pid, int *status, int options) { return wait4(pid, status, options, 0); }
HOOK pid_t wait(int *status) { return wait4(-1, status, 0, 0); }
HOOK pid_t wait3(int *status, int options, struct rusage *usage) { return wait4(-1, status, options, usage); }

struct waitid_call {
    idtype_t kind;
    id_t id;
    siginfo_t *info;
    int options, result;
};
static int look_waitid(void *given) {
    struct waitid_call *call = given;
    call->info->si_pid = 0;
    call->result = REAL(waitid)(call->kind, call->id, call->info, call->options | WNOHANG);
    return call->result < 0 || call->info->si_pid != 0;
}
HOOK int waitid(idtype_t kind, id_t id, siginfo_t *info, int options) {
    struct slot *me = ENTER("waitid");
    if (me) process_settle();
    if (!me || options & WNOHANG) return REAL(waitid)(kind, id, info, options);
    siginfo_t own;
    struct waitid_call call = {kind, id, info ? info : &own, options, 0};
    return shim_poll_on(me, NEVER, look_waitid, &call) < 0 ? -1 : call.result;
}
