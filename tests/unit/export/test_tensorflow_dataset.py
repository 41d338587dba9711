"""The tf.data pipeline: shapes, types and values of what recordings hold; without PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.errors import GameOnError
from gameon_env.export.tensorflow_buffers import Buffers
from gameon_env.export.tensorflow_export import create_tf_dataset
from tests.unit.data_processing.painted_video import number_in
from tests.unit.datasets.played_session import CONTROLS, PERIOD_NS, SIZE, catalogue_of, expected_inputs, played

tf = pytest.importorskip("tensorflow")

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras on numpy 2
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning"),  # Keras' own default
]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    (data / "sessions").mkdir()
    played(data / "sessions" / "a", 40, id="aa01", gaps=((13, 16),), sound=True)
    played(data / "sessions" / "b", 30, id="bb02", first=50)
    return catalogue_of(data)


def dataset(source: Path, **options: Any) -> Any:
    return create_tf_dataset(source, **({"sequence_length": 4, "target_size": SIZE, "batch_size": 8} | options))


def numbers(frames: Any) -> list[int]:
    """What ``(T, H, W, C)`` shows."""
    pixels = np.asarray(frames)
    if pixels.dtype != np.uint8:
        pixels = (pixels * 255).round().astype(np.uint8)
    return [number_in(np.ascontiguousarray(picture)) for picture in pixels]


def shown(data: Any) -> list[int]:
    """The first number of each window, in order."""
    return [numbers(window)[0] for frames, *_ in data.as_numpy_iterator() for window in frames]


def test_batches_are_as_the_guide_says(catalogue: Path) -> None:
    data = create_tf_dataset(db_path=catalogue, game_name="Dots", batch_size=32, sequence_length=16, prefetch=True)
    frames, inputs, audio = data.element_spec
    assert frames == tf.TensorSpec((None, 16, 224, 224, 3), tf.float32)
    assert inputs == tf.TensorSpec((None, 16, 4), tf.float32)
    assert audio == tf.TensorSpec((None, 16, 128), tf.float32)
    assert data.controls == CONTROLS
    assert data.num_actions == 4
    assert len(data) == -(-len(data.windows) // 32)
    for frames, inputs, audio in data.take(1):
        assert frames.shape[1:] == (16, 224, 224, 3)
        assert inputs.shape[1:] == (16, 4)
        assert audio.shape[1:] == (16, 128)
        assert 0 <= float(tf.reduce_min(frames)) < 0.3 < 0.7 < float(tf.reduce_max(frames)) <= 1


def test_frames_inputs_and_sound_belong_together(catalogue: Path) -> None:
    data = dataset(catalogue)
    seen = 0
    for frames, inputs, audio in data.as_numpy_iterator():
        for window in range(len(frames)):
            there = numbers(frames[window])
            assert there == list(range(there[0], there[0] + 4))
            np.testing.assert_allclose(inputs[window], [expected_inputs(n) for n in there], rtol=1e-6)
            if there[-1] >= 22:  # a tone, but only in the first session's second half
                assert audio[window].any() == (there[0] < 50)
            seen += 1
    assert seen == len(data.windows) == 10 + 21 + 27


def test_the_values_are_those_of_the_windows(catalogue: Path) -> None:
    data = dataset(catalogue, shuffle=False, as_dict=True, dtype="uint8", prefetch=False)
    expected = data.windows.batch(np.arange(8))
    for batch in data.take(1):
        for name, value in batch.items():
            if name == "session_id":
                assert tuple(text.decode() for text in value.numpy()) == expected.session_id
            else:
                np.testing.assert_array_equal(value, getattr(expected, name))
        assert batch["timestamps"][1].numpy().tolist() == [PERIOD_NS * n for n in range(1, 5)]


def test_each_epoch_has_all_windows_in_an_order_of_its_own(catalogue: Path) -> None:
    data = dataset(catalogue, stride=3)
    in_order = shown(dataset(catalogue, stride=3, shuffle=False))
    first, second = shown(data), shown(data)
    assert sorted(first) == sorted(second) == sorted(in_order)
    assert first != second
    assert first != in_order
    assert shown(dataset(catalogue, stride=3)) == first
    assert shown(dataset(catalogue, stride=3, seed=1)) != first
    assert sorted(shown(dataset(catalogue, stride=3, deterministic=False, workers=3))) == sorted(in_order)


def test_one_step_has_no_axis_of_time(catalogue: Path) -> None:
    for target in ("all", "last"):
        frames, inputs, audio = dataset(catalogue, sequence_length=1, target=target).element_spec
        assert frames.shape == (None, *SIZE, 3)
        assert inputs.shape == (None, 4)
        assert audio.shape == (None, 128)
    for frames, inputs, _ in dataset(catalogue, sequence_length=1).take(2):
        np.testing.assert_allclose(inputs, [expected_inputs(n) for n in numbers(frames)], rtol=1e-6)


def test_the_last_action_alone_can_be_the_target(catalogue: Path) -> None:
    for frames, inputs, _ in dataset(catalogue, target="last").take(2):
        assert inputs.shape == (8, 4)
        np.testing.assert_allclose(inputs, [expected_inputs(numbers(window)[-1]) for window in frames], rtol=1e-6)


def test_keras_takes_it_as_supervised(catalogue: Path) -> None:
    (frames, audio), inputs = dataset(catalogue, as_supervised=True).element_spec
    assert (frames.shape[1:], audio.shape[1:], inputs.shape[1:]) == ((4, *SIZE, 3), (4, 128), (4, 4))
    frames, inputs = dataset(catalogue, as_supervised=True, include_audio=False).element_spec
    assert (frames.shape[1:], inputs.shape[1:]) == ((4, *SIZE, 3), (4, 4))
    assert len(dataset(catalogue, include_audio=False).element_spec) == 2

    train = dataset(catalogue, as_supervised=True, include_audio=False, sequence_length=1, target_size=(24, 48))
    keras = tf.keras
    model = keras.Sequential(
        [keras.Input((24, 48, 3)), keras.layers.Flatten(), keras.layers.Dense(train.num_actions, activation="sigmoid")]
    )
    model.compile("adam", "mse")
    history = model.fit(train, validation_data=train, epochs=3, verbose=0).history
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert np.isfinite(history["loss"]).all()


def test_padded_windows_come_with_weights(catalogue: Path) -> None:
    data = dataset(catalogue, sequence_length=16, pad=True, as_supervised=True, stride=16)
    weights = np.concatenate([mask for _, _, mask in data.as_numpy_iterator()])
    assert weights.sum() == 13 + 24 + 30
    assert not weights.all()
    with pytest.raises(GameOnError, match="as_supervised=True"):
        dataset(catalogue, pad=True)


def test_the_last_action_of_a_padded_window_needs_no_weight(catalogue: Path) -> None:
    options: dict[str, Any] = {"sequence_length": 16, "stride": 16, "target": "last", "pad": True}
    data = dataset(catalogue, as_supervised=True, include_audio=False, target_size=(12, 24), **options)
    keras = tf.keras
    model = keras.Sequential([keras.Input((16, 12, 24, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    model.compile("adam", "mse")
    assert np.isfinite(model.fit(data, verbose=0).history["loss"]).all()
    read = dataset(catalogue, as_dict=True, **options)
    for batch in read.as_numpy_iterator():
        ends = [
            numbers(window)[int(mask.sum()) - 1] for window, mask in zip(batch["frames"], batch["mask"], strict=True)
        ]
        np.testing.assert_allclose(batch["inputs"], [expected_inputs(number) for number in ends], rtol=1e-6)


def test_what_is_drawn_at_random_changes_from_epoch_to_epoch(catalogue: Path) -> None:
    data = dataset(catalogue, augment=True, shuffle=False, batch_size=60)
    (first,), (second,) = ([frames for frames, *_ in data.as_numpy_iterator()] for _ in range(2))
    (again,) = (f for f, *_ in dataset(catalogue, augment=True, shuffle=False, batch_size=60).as_numpy_iterator())
    assert (first != second).any()
    np.testing.assert_array_equal(first, again)


def test_a_transform_may_give_floats_of_another_size(catalogue: Path) -> None:
    def half(frame: np.ndarray) -> np.ndarray:
        return frame[::2, ::2].astype(np.float32) - 100

    data = dataset(catalogue, transform=half, shuffle=False, include_audio=False)
    assert data.element_spec[0] == tf.TensorSpec((None, 4, SIZE[0] // 2, SIZE[1] // 2, 3), tf.float32)
    for frames, _ in data.take(1):
        np.testing.assert_array_equal(frames[0], data.windows.item(0).frames)
        assert float(tf.reduce_min(frames)) < 0


def test_a_transform_of_pytorch_has_its_channels_turned(catalogue: Path) -> None:
    torch = pytest.importorskip("torch")
    data = dataset(
        catalogue, transform=lambda frame: torch.from_numpy(frame).permute(2, 0, 1).float() / 255, shuffle=False
    )
    assert data.element_spec[0].shape == (None, 4, *SIZE, 3)
    for frames, *_ in data.take(1):
        assert [numbers(window) for window in frames] == [list(range(n, n + 4)) for n in range(8)]


def test_batches_of_one_size_have_a_static_one(catalogue: Path) -> None:
    data = dataset(catalogue, batch_size=7, drop_remainder=True)
    assert data.element_spec[0].shape[0] == 7
    assert len(data) == len(data.windows) // 7 == len(list(data))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number, 1 or more; got 0"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"workers": -1}, "workers"),
        ({"prefetch": -1}, "prefetch"),
        ({"sequence_length": 0}, "sequence_length"),
        ({"game_name": "Dotz"}, "Dots"),
        ({"as_supervised": True, "as_dict": True}, "choose one"),
        ({"sequence_length": 99}, "no window"),
    ],
)
def test_what_cannot_be_is_an_error(catalogue: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(GameOnError, match=says):
        dataset(catalogue, **options)


def test_memory_is_used_again_only_when_nothing_refers_to_it() -> None:
    buffers = Buffers()
    first = buffers.lend((2, 3))
    place = first.ctypes.data
    kept = first[1:].reshape(3)
    assert place % 64 == 0
    del first
    second = buffers.lend((2, 3))
    assert second.ctypes.data != place
    del kept
    assert buffers.lend((2, 3)).ctypes.data == place


def test_batches_that_are_kept_stay_as_they_are(catalogue: Path) -> None:
    data = dataset(catalogue, shuffle=False, dtype="uint8", include_audio=False, batch_size=2)
    for start, (frames, _) in enumerate(list(data)):
        np.testing.assert_array_equal(frames, data.windows.batch([2 * start, 2 * start + 1]).frames)


def test_a_process_ends_while_a_pipeline_reads_on(catalogue: Path) -> None:
    code = f"""
from gameon_env.export.tensorflow_export import create_tf_dataset
batches = iter(create_tf_dataset({str(catalogue)!r}, sequence_length=2, batch_size=1))
next(batches)
"""
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=120)


def test_it_needs_no_pytorch(catalogue: Path) -> None:
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError("no PyTorch here")
sys.meta_path.insert(0, Refuse())
from gameon_env.export.tensorflow_export import create_tf_dataset
import gameon_env.learning.keras_cloning
data = create_tf_dataset({str(catalogue)!r}, sequence_length=2, target_size=(24, 48), batch_size=5)
print([tuple(part.shape) for part in next(iter(data))], "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[(5, 2, 24, 48, 3), (5, 2, 4), (5, 2, 128)] False", done.stderr
