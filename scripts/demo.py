"""Sets everything up and runs the main job: ``python3 scripts/demo.py``.

Needs only a Python; the job itself is scripts/_live_demo.py, which runs inside ``.venv`` and takes the same arguments.
"""

from __future__ import annotations

import sys

import _setup

if __name__ == "__main__":
    python = _setup.prepare("demo")
    _setup.hand_over(python, _setup.ROOT / "scripts" / "_live_demo.py", sys.argv[1:])
