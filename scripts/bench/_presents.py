"""When an SDL game that paints no counter put its frames on the screen: a library loaded into it writes the times."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void SDL_RenderPresent(void *renderer) {
    static void (*real)(void *);
    static int file = -1;
    if (!real) {
        real = (void (*)(void *))dlsym(RTLD_NEXT, "SDL_RenderPresent");
        file = open(getenv("PRESENT_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    }
    real(renderer);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t t_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (write(file, &t_ns, sizeof t_ns) < 0) abort();
}
"""


def build(folder: Path) -> Path:
    """Compile the library. Raises ``SystemExit`` where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("counting Doom's frames needs a C compiler: apt-get install gcc libc6-dev")
    source, library = folder / "presents.c", folder / "presents.so"
    source.write_text(_SOURCE)
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library


def environment(library: Path, log: Path) -> dict[str, str]:
    """What the game must be started with."""
    return {"LD_PRELOAD": str(library), "PRESENT_LOG": str(log)}


def read(log: Path) -> npt.NDArray[np.int64]:
    """``(N,) int64``: when each frame was put on the screen, ns of the monotonic clock."""
    return np.fromfile(log, np.int64)


def match(shown_ns: npt.NDArray[np.int64], rows_ns: npt.NDArray[np.int64], within_ns: int) -> tuple[int, int]:
    """How many shown frames have no row of their own within that time, and how many rows no frame. Both ascend."""
    i = j = without_row = without_frame = 0
    while i < len(shown_ns) and j < len(rows_ns):
        apart = rows_ns[j] - shown_ns[i]
        if abs(apart) <= within_ns:
            i, j = i + 1, j + 1
        elif apart < 0:
            j, without_frame = j + 1, without_frame + 1
        else:
            i, without_row = i + 1, without_row + 1
    return without_row + len(shown_ns) - i, without_frame + len(rows_ns) - j
