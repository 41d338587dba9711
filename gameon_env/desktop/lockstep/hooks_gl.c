/* A picture of OpenGL waits for the screen's next refresh before the game goes on, as on a screen by vsync, which a
 * private display does not have: 60 a second. Many games wait for nothing else, and would draw as fast as they can.
 *
 * Games look the functions up when they run, so the looking up is taken over as well.
 */
#define _GNU_SOURCE
#include <stddef.h>

#include "hooks.h"
#include "shim.h"

#define REFRESH_NS 16666667LL
#define WINDOWS 8

typedef void (*function)(void);
typedef int boolean;

void glXSwapBuffers(void *display, unsigned long drawable);
boolean eglSwapBuffers(void *display, void *surface);
function glXGetProcAddress(const char *name);
function glXGetProcAddressARB(const char *name);
function eglGetProcAddress(const char *name);

enum { GLX_SWAP, EGL_SWAP, GLX_LOOK_UP, GLX_LOOK_UP_ARB, EGL_LOOK_UP, COUNT };
static struct {
    const char *name;
    void *own, *real;
} all[COUNT] = {
    {"glXSwapBuffers", (void *)glXSwapBuffers, 0},
    {"eglSwapBuffers", (void *)eglSwapBuffers, 0},
    {"glXGetProcAddress", (void *)glXGetProcAddress, 0},
    {"glXGetProcAddressARB", (void *)glXGetProcAddressARB, 0},
    {"eglGetProcAddress", (void *)eglGetProcAddress, 0},
};

static void *real_of(int which) {
    if (!all[which].real) all[which].real = shim_next(all[which].name);
    return all[which].real;
}

/* Which of ours has this name; COUNT: none. */
static int own(const char *name) {
    int which = name && (name[0] == 'g' || name[0] == 'e') ? 0 : COUNT;
    while (which < COUNT && strcmp(name, all[which].name)) which++;
    return which;
}

/* What a game gets that looked ours up, and would have found that one. */
static void *instead(int which, void *found) {
    if (found && found != all[which].own) all[which].real = found;
    return real_of(which) ? all[which].own : 0;
}

/* ---- looking up ---- */

static void *(*real_dlsym)(void *, const char *);

static void find_dlsym(void) {
    static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.36", "GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.27",
                                           "GLIBC_2.4",  "GLIBC_2.2",  "GLIBC_2.0",   0}; /* by processor */
    for (int i = 0; versions[i] && !real_dlsym; i++)
        real_dlsym = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", versions[i]);
}

void *shim_next(const char *name) {
    if (!real_dlsym) find_dlsym();
    void *volatile found = real_dlsym(RTLD_NEXT, name); /* by a call from here, not a jump: after this library */
    return found;
}

/* What is asked of the C library itself, as other languages' foreign functions do, and we stand before it: ours. */
static void *before_libc(void *library, const char *name) {
    static void *self;
    static Dl_info libc, us;
    Dl_info place, other;
    if (!self && dladdr(shim_next("getpid"), &libc) && dladdr((void *)dlsym, &us))
        self = dlopen(us.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    void *found = real_dlsym(library, name); /* what it says in dlerror() of a name that is not there stays */
    if (!self || !found) return found;
    void *after_us = shim_next(name);
    if (!after_us) dlerror();
    if (after_us != found || !dladdr(found, &place) || place.dli_fbase != libc.dli_fbase) return found;
    void *mine = real_dlsym(self, name);
    if (!mine) dlerror();
    return mine && dladdr(mine, &other) && other.dli_fbase == us.dli_fbase ? mine : found;
}

/* A jump to the real one: what it takes for the library that asks is then the one that asked. */
HOOK void *dlsym(void *restrict library, const char *restrict name) {
    if (!real_dlsym) find_dlsym();
    if (own(name) == COUNT && (library == RTLD_DEFAULT || library == RTLD_NEXT)) return real_dlsym(library, name);
    if (own(name) == COUNT) return before_libc(library, name);
    return instead(own(name), real_dlsym(library, name));
}

#define LOOK_UP(function_name, which)                                                                                  \
    HOOK function function_name(const char *name) {                                                                    \
        function (*real)(const char *) = (function(*)(const char *))real_of(which);                                    \
        function found = real ? real(name) : 0;                                                                        \
        return own(name) == COUNT ? found : (function)instead(own(name), (void *)found);                               \
    }
LOOK_UP(glXGetProcAddress, GLX_LOOK_UP)
LOOK_UP(glXGetProcAddressARB, GLX_LOOK_UP_ARB)
LOOK_UP(eglGetProcAddress, EGL_LOOK_UP)

/* ---- showing ---- */

static struct {
    uint64_t window;
    int64_t next; /* when it may be shown anew */
} shown[WINDOWS];

static void refresh(struct slot *me, uint64_t window) {
    int place = 0;
    while (place < WINDOWS - 1 && shown[place].window && shown[place].window != window) place++;
    if (shown[place].window != window) shown[place].next = 0;
    shown[place].window = window;
    while (lockstep->now < shown[place].next && !ended) shim_wait(me, 0, shown[place].next, 0);
    shown[place].next = lockstep->now + REFRESH_NS;
}

HOOK void glXSwapBuffers(void *display, unsigned long drawable) {
    void (*real)(void *, unsigned long) = (void (*)(void *, unsigned long))real_of(GLX_SWAP);
    struct slot *me = ENTER("glXSwapBuffers");
    if (real) real(display, drawable);
    if (me) refresh(me, drawable);
}

HOOK boolean eglSwapBuffers(void *display, void *surface) {
    boolean (*real)(void *, void *) = (boolean(*)(void *, void *))real_of(EGL_SWAP);
    struct slot *me = ENTER("eglSwapBuffers");
    boolean done = real ? real(display, surface) : 0;
    if (me) refresh(me, (uint64_t)(uintptr_t)surface);
    return done;
}
