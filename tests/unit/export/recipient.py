"""Somebody who was given a file, and has nothing of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_HEAD = """
import sys
sys.path[:] = [p for p in sys.path if "site-packages" in p or "lib" in p or "Frameworks" in p]
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("gameon_env", "wrappers"):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Refuse())
import json
"""


def load_elsewhere(code: str, folder: Path) -> Any:
    """Run ``code`` in an isolated process where ``gameon_env`` cannot be imported; what it puts into ``result``."""
    text = f"{_HEAD}\n{code}\nassert 'gameon_env' not in sys.modules\nprint(json.dumps(result))"
    done = subprocess.run([sys.executable, "-I", "-c", text], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
