"""``import gameon_env`` is for everybody: training servers, machines without a display, other people's scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

HEAVY = {
    "torch",
    "tensorflow",
    "stable_baselines3",
    "cv2",
    "mss",
    "Xlib",
    "h5py",
    "pyarrow",
    "pygame",
    "av",
    "pynput",
    "sounddevice",
}


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter without a display has loaded after ``code``."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    report = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", report], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_brings_nothing_heavy_and_needs_no_display() -> None:
    loaded = modules_after("import gameon_env")
    assert "gameon_env" in loaded
    assert loaded & HEAVY == set()


def test_import_adds_nearly_nothing_to_gymnasium() -> None:
    ours = modules_after("import gameon_env") - modules_after("import gymnasium")
    assert {name for name in ours if name not in sys.stdlib_module_names} == {"gameon_env"}


def test_import_registers_the_environment() -> None:
    modules_after("import gymnasium, gameon_env\nassert 'GameOn-Desktop-v0' in gymnasium.registry")
