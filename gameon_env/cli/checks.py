"""What this machine can do: each check tries the real thing, and says what was found or what mends its lack."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from gameon_env.cli.check import Check
from gameon_env.cli.recording_checks import check_calibration, check_codecs, check_gamepads, check_sound
from gameon_env.clock import now_ns
from gameon_env.desktop.capture import open_capture
from gameon_env.desktop.changes import open_changes
from gameon_env.desktop.display import PrivateDisplay, current_display, display_alive, screen_size
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.desktop.region import Region
from gameon_env.errors import CaptureError, DisplayError, GameOnError, MissingPartError, MissingProgramError
from gameon_env.optional import require

CAPTURED = (720, 1280)
CAPTURE_SECONDS = 0.5
TAPS = 20
HEARD_WITHIN_S = 2.0


def check_machine() -> Iterator[Check]:
    """All checks in order, each as soon as it is done. Nothing is injected into the person's own desktop."""
    started = time.perf_counter()
    try:
        with PrivateDisplay(CAPTURED) as display:
            took_ms = (time.perf_counter() - started) * 1e3
            yield Check("private display", True, f"Xvfb, ready in {took_ms:.0f} ms", figures={"start_ms": took_ms})
            yield _current_display()
            yield _capture(display.name)
            yield _input(display.name)
            yield _changes(display.name)
    except MissingProgramError as error:
        yield Check("private display", False, str(error), "apt-get install xvfb")
        yield from _without_private_display()
    except DisplayError as error:
        yield Check("private display", False, str(error), "see what Xvfb says above; is /tmp full or read-only?")
        yield from _without_private_display()
    yield from check_sound()
    yield check_gamepads()
    yield from check_codecs()
    yield check_calibration()
    yield _accelerator()


def playable(checks: list[Check]) -> bool:
    """Whether there is any display to play on."""
    return any(check.ok for check in checks if check.part.endswith("display"))


def _without_private_display() -> Iterator[Check]:
    current = _current_display()
    yield current
    why = "not tried: there is no display to try it on"
    yield _capture(current_display() or None) if current.ok else Check("capture", False, why, "mend the display first")
    why = "not tried: it needs a private display, for keys are not pressed on your own desktop to try them"
    yield Check("input", False, why, "mend the private display first")


def _current_display() -> Check:
    try:
        name = current_display()
        if name and not display_alive(name):
            raise DisplayError(f"no X server answers at DISPLAY={name}")
        height, width = screen_size(name or None)
    except (DisplayError, CaptureError) as error:
        remedy = "log in to a desktop with X11; private displays do not need one"
        return Check("current display", False, str(error), remedy)
    return Check("current display", True, f"{name or 'this desktop'}, {width}x{height}")


def _capture(display: str | None) -> Check:
    try:
        height, width = (min(a, b) for a, b in zip(CAPTURED, screen_size(display), strict=True))
        capture = open_capture(display, Region(0, 0, width, height))
        try:
            backend = capture.backend
            grabs, cpu_s, started = 0, time.process_time(), time.perf_counter()
            while time.perf_counter() - started < CAPTURE_SECONDS:
                capture.grab()
                grabs += 1
            cpu_s, took_s = time.process_time() - cpu_s, time.perf_counter() - started
        finally:
            capture.close()
    except CaptureError as error:
        return Check("capture", False, str(error), "apt-get install libxcb1 libxcb-randr0 libxcb-xfixes0")
    figures = {"pictures_per_s": grabs / took_s, "cpu_ms_per_picture": cpu_s / grabs * 1e3}
    found = f"{backend}: {grabs / took_s:.0f} pictures/s of {width}x{height}, {cpu_s / grabs * 1e3:.2f} ms CPU each"
    slow = "without shared memory" in backend
    remedy = "apt-get install libxcb-shm0 libxcb-render0 libxcb-randr0 libxcb-xfixes0" if slow else ""
    return Check("capture", not slow, found, remedy, figures)


def _input(display: str) -> Check:
    """Press, release and move on the private display, and hear all of it."""
    try:
        listener = open_listener(display)
        try:
            listener.start()
            heard, delays_ms = _closed_loop(listener, display)
        finally:
            listener.close()
    except MissingProgramError as error:
        return Check("input", False, str(error), "pip install python-xlib")
    except GameOnError as error:
        return Check("input", False, str(error), "an X server with XTEST and XInput 2.2: apt-get install xvfb")
    if heard < 2 * TAPS:
        found = f"of {2 * TAPS} injected presses and releases {heard} were heard"
        return Check("input", False, found, "an X server with XTEST and XInput 2.2: apt-get install xvfb")
    median_ms = statistics.median(delays_ms)
    found = f"{listener.backend}: {heard} of {heard} injected events heard, {median_ms:.2f} ms after injection (median)"
    return Check("input", True, found, figures={"median_delay_ms": median_ms})


def _changes(private: str) -> Check:
    """Whether the display tells of each picture that is drawn; the person's own, where there is one."""
    try:
        display = current_display()
        own = bool(display) and display_alive(display)
    except DisplayError:
        display, own = "", False
    try:
        with open_changes(display if own else private, Region(0, 0, 1, 1)) as changes:
            backend, certain = changes.backend, changes.certain
    except CaptureError as error:
        return Check("each picture", False, str(error), "an X server with DAMAGE: apt-get install xvfb")
    remedy = "record on a private display (--display private); here pictures are looked for 60 times a second"
    found = f"{backend} on {'the current' if own else 'a private'} display"
    return Check("each picture", certain, found, "" if certain else remedy)


def _closed_loop(listener: Listener, display: str) -> tuple[int, list[float]]:
    """How many events were heard, and how long after their injection each."""
    injector = open_injector(display)
    delays_ms: list[float] = []
    try:
        for _ in range(TAPS):
            for act, value in ((injector.press, 1.0), (injector.release, 0.0)):
                injected_ns = now_ns()
                act("key:w")
                injector.flush()
                while now_ns() - injected_ns < HEARD_WITHIN_S * 1e9:
                    if any(event.control == "key:w" and event.value == value for event in listener.drain()):
                        delays_ms.append((now_ns() - injected_ns) / 1e6)
                        break
                    time.sleep(0.0001)
                else:
                    return len(delays_ms), delays_ms
    finally:
        injector.close()
    return len(delays_ms), delays_ms


def _accelerator() -> Check:
    try:
        torch = require("torch", "Training and playing a policy")
    except MissingPartError as error:
        return Check("accelerator", False, str(error), "pip install 'gameon-env[torch]'")
    if torch.cuda.is_available():
        found = f"CUDA: {torch.cuda.get_device_name()}"
    elif torch.backends.mps.is_available():
        found = "MPS (Apple)"
    else:
        found = f"none: PyTorch uses the CPU, {torch.get_num_threads()} threads"
    return Check("accelerator", True, f"{found} (PyTorch {torch.__version__})")
