"""The TensorFlow examples of the export guide, word for word but for the package's name, on recorded sessions.

What else is edited is said at each: names that the guide leaves undefined are given, Keras' ``fit`` takes pairs of what
is seen and what is to be answered, and an LSTM takes no pictures.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.desktop.display import PrivateDisplay
from gameon_env.export import tfrecord_reader
from gameon_env.export.tensorflow_export import create_tf_dataset
from gameon_env.recording.recorder import SessionRecorder
from tests.physical import PhysicalDevices

tf = pytest.importorskip("tensorflow")

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras on numpy 2
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning"),  # Keras' own default
]

COUNTER = Path(__file__).with_name("counter_game.py")

PROFILE = """
fps = 20
[launch]
command = ["{{python}}", "{script}", "{log}", "--fps", "20", "--size", "640x360"]
screen_size = [360, 640]
gl = false
[controls]
names = ["key:w", "key:a", "key:s", "key:d", "mouse:dx", "mouse:dy"]
[reset]
mode = "relaunch"
"""
KEYS = ("key:w", "key:a", "key:s", "key:d")

TENSORFLOW_EXPORT = """
from src.export.tensorflow_export import create_tf_dataset

# Create TensorFlow dataset
dataset = create_tf_dataset(
    db_path='data/gameon.db',
    game_name='Fortnite',
    batch_size=32,
    sequence_length=16,
    prefetch=True
)
"""
FIT = """
# Training
model.fit(
    dataset,
    epochs=10,
    validation_data=val_dataset
)
"""
LOOP = """
# Or iterate manually
for batch in dataset:
    frames, inputs, audio = batch
    # frames: (B, T, H, W, C)
    # inputs: (B, T, num_actions)
    # audio: (B, T, audio_features)

    with tf.GradientTape() as tape:
        predictions = model(frames, audio)
        loss = loss_fn(inputs, predictions)
    # ...
"""
WITH_AUDIO = """
import tensorflow as tf
from src.export.tensorflow_export import create_tf_dataset

dataset = create_tf_dataset(
    db_path='data/gameon.db',
    game_name='CS:GO',
    include_audio=True,
    sequence_length=8
)

# Multi-modal model
video_input = tf.keras.Input(shape=(8, 224, 224, 3))
audio_input = tf.keras.Input(shape=(8, 128))

# Video branch
x = tf.keras.layers.TimeDistributed(
    tf.keras.layers.Conv2D(32, 3)
)(video_input)
x = tf.keras.layers.LSTM(128)(x)

# Audio branch
y = tf.keras.layers.LSTM(64)(audio_input)

# Combine
z = tf.keras.layers.Concatenate()([x, y])
output = tf.keras.layers.Dense(num_actions, activation='sigmoid')(z)

model = tf.keras.Model(
    inputs=[video_input, audio_input],
    outputs=output
)
"""
COMMAND = 'python -m src.export.tensorflow_export --game "Fortnite" --output fortnite_tf/'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data/gameon.db``, and a session of each of two games in it."""
    folder = tmp_path_factory.mktemp("recorded")
    game = folder / "game.toml"
    game.write_text(PROFILE.format(script=COUNTER, log=folder / "log.json"))
    for title in ("Fortnite", "CS:GO"):
        with PrivateDisplay((360, 640), gl=False) as display, PhysicalDevices(display.name) as person:
            recorder = SessionRecorder(
                game, title=title, display=display.name, data_dir=folder / "data", gamepads=False
            )
            with recorder:
                end = time.monotonic() + 20
                while recorder.status.frames < 5 and time.monotonic() < end:
                    time.sleep(0.02)
                for turn in range(30):
                    person.press(KEYS[turn % len(KEYS)])
                    person.move(3, -2)
                    time.sleep(0.08)
                    person.release(KEYS[turn % len(KEYS)])
            assert recorder.status.frames >= 24
    return folder


def edited(example: str, *edits: tuple[str, str]) -> str:
    """An example of the guide with the package's name, and with edits whose texts must be there."""
    for old, new in (("src.export", "gameon_env.export"), *edits):
        assert old in example, old
        example = example.replace(old, new)
    return example


def run(example: str, **given: Any) -> dict[str, Any]:
    """Run it with the names that the guide leaves undefined."""
    exec(compile(example, "guide", "exec"), given)
    return given


def some_model(num_actions: int) -> Any:
    """Any model of frames and sound."""
    layers = tf.keras.layers
    frames, audio = tf.keras.Input((16, 224, 224, 3)), tf.keras.Input((16, 128))
    seen = layers.TimeDistributed(layers.AveragePooling2D(56))(frames)
    seen = layers.Dense(num_actions)(layers.TimeDistributed(layers.Flatten())(seen))
    return tf.keras.Model([frames, audio], layers.Add()([seen, layers.Dense(num_actions)(audio)]))


def test_fit(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As supervised; with a validation dataset."""
    monkeypatch.chdir(recorded)
    example = edited(TENSORFLOW_EXPORT, ("prefetch=True", "prefetch=True,\n    as_supervised=True"))
    names = run(example)
    assert names["dataset"].controls == (*KEYS, "mouse:dx", "mouse:dy")
    model = some_model(names["dataset"].num_actions)
    model.compile("adam", "mse")
    val_dataset = create_tf_dataset(
        "data/gameon.db", game_name="Fortnite", batch_size=32, as_supervised=True, shuffle=False
    )
    run(FIT.replace("epochs=10", "epochs=10, verbose=0"), model=model, val_dataset=val_dataset, **names)
    history = model.history.history
    assert len(history["loss"]) == 10
    assert history["val_loss"][-1] < history["val_loss"][0]


def test_the_loop_by_hand(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recorded)
    names = run(edited(TENSORFLOW_EXPORT))
    dataset = names["dataset"]
    model = some_model(dataset.num_actions)
    names = run(
        LOOP,
        tf=tf,
        dataset=dataset,
        model=lambda frames, audio: model([frames, audio]),
        loss_fn=tf.keras.losses.MeanSquaredError(),
    )
    frames, inputs, audio = names["batch"]
    assert frames.shape[1:] == (16, 224, 224, 3)
    assert inputs.shape[1:] == (16, dataset.num_actions)
    assert audio.shape[1:] == (16, 128)
    gradients = names["tape"].gradient(names["loss"], model.trainable_variables)
    assert any(np.abs(gradient).max() > 0 for gradient in gradients)
    pressed = np.concatenate([inputs for _, inputs, _ in dataset.as_numpy_iterator()]).max(axis=(0, 1))
    assert (pressed[:4] == 1).all()
    assert pressed[4] > 0


def test_with_audio(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the pictures pooled before the LSTM; the last step's action is the target."""
    monkeypatch.chdir(recorded)
    pooled = "x = tf.keras.layers.TimeDistributed(tf.keras.layers.GlobalAveragePooling2D())(x)\n"
    before, after = edited(WITH_AUDIO, ("x = tf.keras.layers.LSTM", f"{pooled}x = tf.keras.layers.LSTM")).split(
        "# Multi-modal model"
    )
    names = run(before)
    dataset = names["dataset"]
    model = run(after, num_actions=dataset.num_actions, **names)["model"]
    model.compile("adam", "mse")
    last = dataset.map(lambda frames, inputs, audio: ((frames, audio), inputs[:, -1])).unbatch().batch(2)
    history = model.fit(last, steps_per_epoch=3, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for (frames, audio), inputs in last.take(1):
        assert model((frames, audio)).shape == inputs.shape == (2, dataset.num_actions)


def test_the_command(recorded: Path) -> None:
    words = shlex.split(COMMAND.replace("src.", "gameon_env."))
    subprocess.run([sys.executable, *words[1:]], cwd=recorded, check=True, capture_output=True)
    info = tfrecord_reader.read_info(recorded / "fortnite_tf")
    assert {episode["game"] for episode in info["episodes"]} == {"Fortnite"}
    frames, inputs, *_ = next(iter(tfrecord_reader.read_dataset(recorded / "fortnite_tf", sequence_length=4)))
    assert frames.shape[1:] == (4, 360, 640, 3)
    assert inputs.shape[1:] == (4, 6)
