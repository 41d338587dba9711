"""Make ``scripts/load_reacture_dataset.py``: the package's own loader as one file that needs numpy alone.

    .venv/bin/python scripts/make_reacture_loader.py [OUTPUT]

A test compares the file with what this makes; ``gameon web`` serves the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gameon_env.export.reacture_loader import NAME, reacture_loader


def main() -> None:
    """Write it."""
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name(NAME)
    output.write_text(reacture_loader(), encoding="utf-8")
    print(output)


if __name__ == "__main__":
    main()
