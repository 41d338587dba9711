"""Sets up what scripts/demo.py and scripts/test.py need: system packages, ``.venv`` and the Python packages in it.

Runs on the system's Python with its standard library alone. Nothing is done twice: a stamp in ``.venv`` remembers what
was installed, and is written last, so that an interrupted set-up is never taken for a finished one.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "scripts" / "constraints.txt"
LOG = VENV / "setup.log"
UNFINISHED = VENV / "setup-unfinished"
OLDEST_PYTHON = (3, 11)


class SystemPackage(NamedTuple):
    name: str
    for_demo: bool
    """False: only the tests need it."""
    reason: str


SYSTEM_PACKAGES = (
    SystemPackage("xvfb", True, "the private display on which a game runs"),
    SystemPackage("libxcb-randr0", True, "loaded by mss's shared-memory capture"),
    SystemPackage("libxcb-render0", True, "loaded by mss's shared-memory capture; xvfb does not bring it"),
    SystemPackage("libxcb-shm0", True, "loaded by mss's shared-memory capture"),
    SystemPackage("libxcb-xfixes0", True, "loaded by mss's shared-memory capture"),
    SystemPackage("libxi6", True, "raw mouse motion in pointer-locked SDL windows (pygame)"),
    SystemPackage("libportaudio2", False, "sounddevice cannot be imported without it"),
    SystemPackage("pulseaudio", False, "the sound server of a game on a private display"),
    SystemPackage("pulseaudio-utils", False, "lists what can be heard"),
    SystemPackage("libasound2-plugins", False, "PortAudio reaches PulseAudio through it"),
    SystemPackage("gcc", False, "compiles the virtual clock of lockstep"),
    SystemPackage("libc6-dev", False, "compiles the virtual clock of lockstep"),
    SystemPackage("chocolate-doom", False, "the game of the profile doom"),
    SystemPackage("freedoom", False, "the levels of the profile doom"),
    SystemPackage("chromium-bsu", False, "the game of the profile chromium_bsu"),
    SystemPackage("chromium", False, "the browser of the browser game"),
    SystemPackage("chromium-driver", False, "lets the tests look into the browser's page"),
)

PYTHON_PACKAGES = {
    "demo": (".[torch]", "matplotlib"),
    "test": (".[dev]", "hatchling", "tensorflow-cpu", "pillow", "ray"),
}
"""What pip installs into .venv, editable where it is this project; all of ``demo`` is in ``test`` too."""

_PYNPUT = ("pynput", "six") if sys.platform.startswith("linux") else ()
"""pynput's X11 backend needs python-xlib only; its other dependency, evdev, has no wheel and wants a compiler."""

WITHOUT_DEPENDENCIES = {"demo": _PYNPUT, "test": (*_PYNPUT, "torchvision")}
"""What pip installs without what it asks for; torchvision would bring another build of PyTorch."""


def prepare(purpose: str) -> Path:
    """Make this machine ready for ``purpose`` (``demo`` or ``test``) and return the Python of ``.venv``.

    Exits with the command that mends it where something is missing that cannot be installed from here.
    """
    os.chdir(ROOT)
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        fail(f"This is Python {found}; 3.11 or newer is needed.", f"python3.11 {shlex.join(sys.argv)}")
    try:
        with _only_one():
            _install_system_packages(purpose)
            _make_venv()
            _install_python_packages(purpose)
    except KeyboardInterrupt:
        fail("Interrupted; what is half done will be done anew.", _this_command())
    return venv_program("python")


def venv_program(name: str) -> Path:
    """The path of a program in ``.venv``."""
    return VENV / "Scripts" / f"{name}.exe" if os.name == "nt" else VENV / "bin" / name


def hand_over(python: Path, script: Path, arguments: Sequence[str]) -> NoReturn:
    """Go on in ``script`` on the Python of ``.venv``, in place of this process."""
    command = [str(python), str(script), *arguments]
    sys.stdout.flush()
    if os.name == "nt":  # there execv returns to the shell at once
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def say(text: str) -> None:
    print(f"[setup] {text}", flush=True)


def fail(what: str, remedy: str) -> NoReturn:
    print(f"\n{what}\nTo mend it, run:\n  {remedy}", file=sys.stderr, flush=True)
    sys.exit(1)


@contextlib.contextmanager
def stage(what: str, note: str = "") -> Iterator[None]:
    """Say what is being done, and when it is done how long it took."""
    say(f"{what}{note} ...")
    started = time.monotonic()
    yield
    say(f"{what}: done in {time.monotonic() - started:.1f} s")


def _install_system_packages(purpose: str) -> None:
    if not sys.platform.startswith("linux"):
        return
    wanted = [package.name for package in SYSTEM_PACKAGES if package.for_demo or purpose == "test"]
    if not (shutil.which("apt-get") and shutil.which("dpkg-query")):
        _check_without_apt(wanted)
        return
    missing = sorted(set(wanted) - _installed(wanted))
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if not missing:
        return
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    root = os.geteuid() == 0
    sudo = "" if root else "sudo "
    by_hand = f"{sudo}apt-get update && {sudo}{shlex.join(install)}"
    if root:
        prefix = ["env"]
    elif shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        prefix = ["sudo", "-n", "env"]
    else:
        fail(f"System packages are missing, and installing them needs root: {', '.join(missing)}.", by_hand)
    prefix.append("DEBIAN_FRONTEND=noninteractive")
    # Another package manager may be at work, as on a machine that has just started.
    install[1:1] = ["-o", "DPkg::Lock::Timeout=300"]
    with stage(f"system packages: {' '.join(missing)}"):
        for command in (["apt-get", "update", "-q"], install):
            done = subprocess.run(
                [*prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            # A failed update may still leave lists that are good enough.
            if done.returncode and command is install:
                print(_last_lines(done.stdout), file=sys.stderr)
                fail("apt could not install them (its last words are above); is there a network?", by_hand)


def _installed(names: Sequence[str]) -> set[str]:
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names]
    listing = subprocess.run(query, capture_output=True, text=True).stdout
    return {line.split()[0] for line in listing.splitlines() if line.endswith(" installed")}


def _check_without_apt(wanted: Sequence[str]) -> None:
    """Elsewhere packages have other names: say what is wanted, and stop only where a display cannot be had."""
    if not shutil.which("Xvfb"):
        fail(
            "Xvfb is not installed, and this system has no apt.",
            f"your package manager, for the packages that Debian calls {' '.join(wanted)}",
        )


def _make_venv() -> None:
    if os.path.lexists(VENV):
        fault = _venv_fault()
        if fault is None:
            return
        say(f".venv is unusable ({fault}): making it anew")
        if VENV.is_dir() and not VENV.is_symlink():
            shutil.rmtree(VENV)
        else:
            VENV.unlink()
    with stage("virtual environment .venv"):
        base = getattr(sys, "_base_executable", sys.executable)
        done = subprocess.run(
            [base, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        print(_last_lines(done.stdout), file=sys.stderr)
        fail("The virtual environment could not be made.", "sudo apt-get install -y python3-venv")


def _venv_fault() -> str | None:
    if UNFINISHED.exists():
        return "an earlier installation was interrupted"
    try:
        check = "import sys, pip; print(*sys.version_info[:2])"
        done = subprocess.run([str(venv_program("python")), "-c", check], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"its Python does not start: {error}"
    if done.returncode:
        return "its Python or pip does not work"
    if tuple(map(int, done.stdout.split())) < OLDEST_PYTHON:
        return "it was made by an older Python"
    stamped = {name for file in VENV.glob("setup-*.json") for name in json.loads(file.read_text())["installed"]}
    gone = sorted(stamped - _distributions())
    return f"{len(gone)} packages are gone from it, {gone[0]} for one" if gone else None


def _install_python_packages(purpose: str) -> None:
    if any(_stamped(ready) == _wanted_hash(ready) for ready in {purpose, "test"}):
        return
    extra = PYTHON_PACKAGES[purpose]
    steps = [["-e", *extra]]
    if WITHOUT_DEPENDENCIES[purpose]:
        steps.append(["--no-deps", *WITHOUT_DEPENDENCIES[purpose]])
    for file in VENV.glob("setup-*.json"):
        file.unlink()
    with stage(f"Python packages ({purpose})", f", a few minutes the first time; log: {LOG.relative_to(ROOT)}"):
        UNFINISHED.touch()
        LOG.write_text("")
        for step in steps:
            _pip_install(step)
        UNFINISHED.unlink()
    _write_stamp(purpose)


def _pip_install(requirements: Sequence[str]) -> None:
    command = [str(venv_program("python")), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "-c", str(CONSTRAINTS), *requirements]
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(command)}\n")
        log.flush()
        # close_fds=False: pip holds the lock of _only_one, so that a new set-up waits for one whose parent was killed.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, close_fds=False)
    if done.returncode == 0:
        return
    if done.returncode > 0:  # pip itself gave up, and left everything as it was
        UNFINISHED.unlink()
    text = LOG.read_text(encoding="utf-8", errors="replace")
    print(_last_lines(text), file=sys.stderr)
    offline = any(
        sign in text for sign in ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ProxyError")
    )
    what = (
        "pip cannot reach its package index: is there a network?" if offline else "pip could not install the packages."
    )
    fail(f"{what} Its whole log is in {LOG}.", f"{_this_command()}    # once that is mended")


def _this_command() -> str:
    return shlex.join(["python3", *sys.argv])


def _stamp(purpose: str) -> Path:
    return VENV / f"setup-{purpose}.json"


def _stamped(purpose: str) -> str | None:
    file = _stamp(purpose)
    return json.loads(file.read_text())["hash"] if file.exists() else None


def _write_stamp(purpose: str) -> None:
    content = {"hash": _wanted_hash(purpose), "installed": sorted(_distributions())}
    draft = VENV / "setup-stamp.draft"
    draft.write_text(json.dumps(content, indent=1))
    draft.replace(_stamp(purpose))


def _wanted_hash(purpose: str) -> str:
    wanted = [(ROOT / "pyproject.toml").read_text(), CONSTRAINTS.read_text()]
    wanted += [repr((PYTHON_PACKAGES[purpose], WITHOUT_DEPENDENCIES[purpose])), str(ROOT)]
    return hashlib.sha256("\0".join(wanted).encode()).hexdigest()


def _distributions() -> set[str]:
    """Names of the packages that lie in ``.venv``, found without starting its Python."""
    pattern = "Lib/site-packages/*.dist-info" if os.name == "nt" else "lib/python*/site-packages/*.dist-info"
    return {folder.name.split("-")[0] for folder in VENV.glob(pattern)}


def _last_lines(text: str, count: int = 15) -> str:
    return "\n".join(text.splitlines()[-count:])


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Let a second set-up of the same folder wait for the first."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with CONSTRAINTS.open() as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this folder")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
