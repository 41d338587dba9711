"""The README beside exported shards, for people who have nothing of this project."""

from __future__ import annotations

from typing import Any

_MEANING = {
    "video": "one frame, encoded as {encoding}: {height} x {width} RGB",
    "inputs": "what was done in the step, one value a control: keys and buttons 0 or 1, axes -1 to 1 (not clipped)",
    "presses": "how often each control was pressed in the step",
    "audio": "128 log-mel bins of what was heard up to the frame's moment",
    "audio_mask": "1 where sound was recorded",
    "timestamps": "ns since the episode's first row",
    "rewards": "the result of the step",
    "is_first": "1 in an episode's first row",
    "is_last": "1 in its last row, which has no action",
    "is_terminal": "1 in the last row where the game was over",
    "is_valid": "1 where the row has an action",
    "episode": "number of the episode; its description is in dataset_info.json",
    "row": "number of the row in its episode",
}


def page(info: dict[str, Any]) -> str:
    """The text, in Markdown, for what ``dataset_info.json`` holds."""
    height, width = info["frames"]["size"]
    games = sorted({str(episode.get("game") or "unknown") for episode in info["episodes"]})
    meaning = {"encoding": info["frames"]["encoding"].upper(), "height": height, "width": width}
    table = "\n".join(
        f"| `{name}` | {feature['type']} | {feature['shape'] or ''} | {_MEANING.get(name, '').format(**meaning)} |"
        for name, feature in info["features"].items()
    )
    controls = ", ".join(f"`{name}`" for name in info["controls"])
    third = ", audio (B, T, F)" if info["audio_width"] else ""
    return f"""# Recorded play: {", ".join(games)}

{info["rows"]} rows of {len(info["episodes"])} episodes in {len(info["shards"])} TFRecord files. To read them takes
TensorFlow alone; `read_dataset.py` is an example to copy:

```python
from read_dataset import read_dataset

for batch in read_dataset(".", batch_size=32, sequence_length=16):
    frames, inputs = batch[:2]      # (B, T, H, W, 3) float32 in [0, 1], (B, T, A) float32{third}
model.fit(read_dataset(".", as_supervised=True), epochs=10)
```

Only the files that `dataset_info.json` names belong to it. Each record is a `tf.train.Example` with

| feature | type | shape | what |
|---|---|---|---|
{table}

The action of a row is what was done from its frame until the next one. The {len(info["controls"])} controls, in the
order of `inputs`: {controls}.
"""
