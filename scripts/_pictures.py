"""The demo's pictures: frames with the actions drawn in, a contact sheet, a video, and the learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import matplotlib
import numpy as np
import numpy.typing as npt

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from _live import Moment

from gameon_env.learning.behavioral_cloning import EpochRecord

Frame = npt.NDArray[np.uint8]
STRIP = 56


def annotate(moment: Moment, names: Sequence[str]) -> Frame:
    """The frame ``(H, W, 3) uint8`` with a strip below it: keys lit when held, the mouse's motion as an arrow."""
    frame, action, score = moment
    height, width = frame.shape[:2]
    picture = np.zeros((height + STRIP, width, 3), np.uint8)
    picture[:height] = frame
    x, values = 10, dict(zip(names, action, strict=True))
    for name, value in values.items():
        if name in ("mouse:dx", "mouse:dy"):
            continue
        label = name.partition(":")[2].upper()
        box = 20 + 13 * len(label)
        color = (255, 210, 60) if value >= 0.5 else (60, 64, 76)
        cv2.rectangle(picture, (x, height + 12), (x + box, height + 44), color, -1)
        ink = (20, 20, 20) if value >= 0.5 else (190, 190, 200)
        cv2.putText(picture, label, (x + 9, height + 34), cv2.FONT_HERSHEY_SIMPLEX, 0.55, ink, 2, cv2.LINE_AA)
        x += box + 8
    if "mouse:dx" in values and "mouse:dy" in values:
        center = (width - 150, height + STRIP // 2)
        tip = (round(center[0] + 26 * values["mouse:dx"]), round(center[1] + 26 * values["mouse:dy"]))
        cv2.circle(picture, center, 26, (60, 64, 76), 1, cv2.LINE_AA)
        cv2.arrowedLine(picture, center, tip, (80, 255, 160), 2, cv2.LINE_AA, tipLength=0.3)
    text = f"score {score:.0f}"
    cv2.putText(
        picture, text, (width - 112, height + 34), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (240, 240, 240), 1, cv2.LINE_AA
    )
    return picture


def contact_sheet(film: Sequence[Moment], names: Sequence[str], path: Path, columns: int = 4, rows: int = 4) -> None:
    """Frames of an episode, evenly spaced, as one PNG."""
    chosen = np.linspace(0, len(film) - 1, columns * rows).round().astype(int)
    tiles = [annotate(film[i], names) for i in chosen]
    tiles = [
        np.asarray(cv2.resize(tile, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), np.uint8) for tile in tiles
    ]
    tiles = [np.pad(tile, ((2, 2), (2, 2), (0, 0))) for tile in tiles]
    sheet = np.vstack([np.hstack(tiles[row * columns : (row + 1) * columns]) for row in range(rows)])
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def video(film: Sequence[Moment], names: Sequence[str], fps: float, path: Path) -> None:
    """An episode as an MP4 (H.264)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        for i, moment in enumerate(film):
            picture = annotate(moment, names)
            if i == 0:
                stream.height, stream.width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[: stream.height, : stream.width]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def learning_curve(curve: Sequence[EpochRecord], path: Path) -> None:
    """Losses, and how well each control is predicted, over the epochs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5))
    epochs = [record.epoch for record in curve]
    left.plot(epochs, [record.train_loss for record in curve], label="training")
    left.plot(epochs, [record.validation_loss for record in curve], label="validation")
    left.set(xlabel="epoch", ylabel="loss", title="Behavioral cloning")
    left.legend()
    for name in (name for name, f1 in curve[0].f1.items() if f1 is not None):
        right.plot(epochs, [record.f1[name] for record in curve], label=name)
    right.set(xlabel="epoch", ylabel="F1 on episodes kept aside", ylim=(0, 1), title="Keys and buttons")
    right.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
