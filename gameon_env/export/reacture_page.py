"""The README of an exported ReActure recording: what is really in it, and how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_READ = """## Reading it

```python
import numpy as np

frames = np.load("{prefix}_frames.npy", mmap_mode="r")
timestamps = np.load("{prefix}_timestamps.npy")
print(frames.shape, timestamps.shape)
```

With GameOn env, or with its single file `scripts/load_reacture_dataset.py` copied here, which needs numpy alone
(`from load_reacture_dataset import ReActureDataset`):

```python
from gameon_env.export.reacture import ReActureDataset

dataset = ReActureDataset("{prefix}_metadata.json")
for batch in dataset.to_pytorch_dataloader(batch_size=32, shuffle=True):
    print(batch["frame"].shape, batch["keys"].shape)
```
"""


def page(prefix: str, metadata: Mapping[str, Any], count: int, size: tuple[int, int]) -> str:
    """The text of ``README.md``."""
    before = metadata.get("key_interval") == "before"
    missing, controls, recorded = (_words(metadata.get(name)) for name in ("missing", "controls", "recorded_size"))
    name = metadata.get("environment_name") or metadata.get("environment") or "a game"
    seconds = metadata.get("duration_s")
    lasted = f", {seconds:.1f} s" if isinstance(seconds, int | float) and abs(seconds) < 1e9 else ""
    parts = [
        f"# {prefix}",
        f"{count} samples of {name}{lasted}, written by {metadata.get('generator') or 'gameon-env'}.",
        "## The files",
        f"- `{prefix}_frames.npy`: ({count}, {size[0]}, {size[1]}, 3) uint8, RGB, upright\n"
        f"- `{prefix}_timestamps.npy`: ({count},) float32, milliseconds since the start\n"
        f"- `{prefix}_data.jsonl`: a JSON object a line; line i belongs to frame i and timestamp i; lines after "
        f"the first {count} are events without a frame\n"
        f"- `{prefix}_metadata.json`: who, when, what",
        "## Keys",
        "`key_presses` of line i say what was held at any time since the frame before it, mouse motion summed."
        if before
        else "`key_presses` of line i are samples of what was held at its time.",
    ]
    if controls:
        parts.append(
            f"`inputs` names all controls that were used: of {', '.join(controls)}. Keys and buttons are 1, mouse "
            "motion is in counts, the wheel in notches; what is not named is 0."
        )
    if missing:
        parts.append(f"Not known of this game, and null in every line: {', '.join(missing)}. The loader gives NaN.")
    if len(recorded) == 2 and recorded != ["128", "128"]:
        how = "with black beside it" if metadata.get("letterbox") else "stretched"
        parts.append(f"The picture was recorded at {recorded[1]}x{recorded[0]} and averaged down to 128x128, {how}.")
    return "\n\n".join([*parts, _READ.format(prefix=prefix)])


def _words(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []
