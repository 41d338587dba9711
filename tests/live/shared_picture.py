"""A game that draws as old libraries do: it gives the X server a picture in shared memory, sleeps, and draws the next
one over it without having asked whether the server is done. Every 20 ms: a picture of one colour below a white line,
which is shown; 10 ms later all of it is black, which is not.
"""

from __future__ import annotations

import ctypes
import time
from ctypes import POINTER, c_char_p, c_int, c_uint, c_ulong, c_void_p

WIDTH, HEIGHT = 400, 300


class Segment(ctypes.Structure):
    """XShmSegmentInfo."""

    _fields_ = (("shmseg", c_ulong), ("shmid", c_int), ("shmaddr", c_void_p), ("readOnly", c_int))


class ImageHead(ctypes.Structure):
    """The beginning of XImage."""

    _fields_ = (("width", c_int), ("height", c_int), ("xoffset", c_int), ("format", c_int), ("data", c_void_p))


def main() -> None:
    libc, x11, ext = ctypes.CDLL(None), ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXext.so.6")
    x11.XOpenDisplay.restype, x11.XOpenDisplay.argtypes = c_void_p, [c_char_p]
    display = c_void_p(x11.XOpenDisplay(None))
    for function, result in (("XDefaultVisual", c_void_p), ("XDefaultGC", c_void_p), ("XCreateSimpleWindow", c_ulong)):
        getattr(x11, function).restype = result
    root = c_ulong(x11.XDefaultRootWindow(display))
    window = c_ulong(x11.XCreateSimpleWindow(display, root, 0, 0, WIDTH, HEIGHT, 0, c_ulong(0), c_ulong(0)))
    x11.XMapWindow(display, window)
    segment = Segment()
    ext.XShmCreateImage.restype = POINTER(ImageHead)
    image = ext.XShmCreateImage(
        display, c_void_p(x11.XDefaultVisual(display, 0)), c_uint(24), 2, None, ctypes.byref(segment), WIDTH, HEIGHT
    )
    size = WIDTH * HEIGHT * 4
    libc.shmat.restype = c_void_p
    segment.shmid = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
    segment.shmaddr = image.contents.data = libc.shmat(segment.shmid, None, 0)
    ext.XShmAttach(display, ctypes.byref(segment))
    x11.XSync(display, 0)
    libc.shmctl(segment.shmid, 0, None)  # goes with the last that uses it
    gc = c_void_p(x11.XDefaultGC(display, 0))
    place = c_void_p(segment.shmaddr)
    start = time.monotonic()
    for frame in range(100_000):
        ctypes.memset(place, frame % 200 + 50, size)
        ctypes.memset(place, 255, WIDTH * 4)
        ext.XShmPutImage(display, window, gc, image, 0, 0, 0, 0, WIDTH, HEIGHT, 0)
        x11.XFlush(display)
        time.sleep(max(0.0, start + frame * 0.02 + 0.01 - time.monotonic()))
        ctypes.memset(place, 0, size)
        time.sleep(max(0.0, start + frame * 0.02 + 0.02 - time.monotonic()))


if __name__ == "__main__":
    main()
