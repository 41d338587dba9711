"""The loader of ReActure downloads: the document's snippets, the samples, the batches, what is mended."""

from __future__ import annotations

import io
import json
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.errors import DatasetError
from gameon_env.export.reacture import ReActureDataset, ReActureWarning, main
from tests.unit.export.reacture_download import (
    PREFIX,
    Download,
    broken_npy,
    held_in,
    marked,
    original_download,
    our_download,
    picture,
    state,
)
from tests.unit.export.recipient import load_elsewhere

MODEL_KEYS = ("W", "A", "S", "D", "inspect", "destroy")

SNIPPETS = {
    "direct": """
import numpy as np

# Load all frames at once
frames = np.load('reacture_1731177600000_frames.npy')
print(frames.shape)  # (600, 128, 128, 3) for 1-minute game

# Load timestamps
timestamps = np.load('reacture_1731177600000_timestamps.npy')
print(timestamps.shape)  # (600,)

# Access specific frame
frame_10 = frames[10]  # Frame at index 10
time_10 = timestamps[10]  # Timestamp for that frame
print(f"Frame {10} at {time_10}ms: {frame_10.shape}")

# Visualize a frame
import matplotlib.pyplot as plt
plt.imshow(frames[0])
plt.title(f'First Frame (t={timestamps[0]}ms)')
plt.show()
""",
    "loader": """
from load_reacture_dataset import ReActureDataset

# Load dataset (automatically loads .npy files)
dataset = ReActureDataset('reacture_1731177600000_metadata.json')

# Frames loaded automatically
print(dataset.frames_array.shape)  # (N, 128, 128, 3)
print(dataset.frame_timestamps.shape)  # (N,)

# Iterate with frames included
for i, sample in enumerate(dataset):
    frame = sample['frame']  # NumPy array (128, 128, 3)
    timestamp = sample['frame_timestamp_ms']
    battery = sample['battery']

    if i >= 5:
        break

    print(f"Sample {i}: t={timestamp}ms, battery={battery}%, frame shape={frame.shape}")
""",
    "synchronised": """
import json
import numpy as np

i = 20  # Sample index

with open('reacture_1731177600000_data.jsonl', 'r') as f:
    samples = [json.loads(line) for line in f]
    sample_50 = samples[i]

frames = np.load('reacture_1731177600000_frames.npy')
frame_50 = frames[i]

timestamps = np.load('reacture_1731177600000_timestamps.npy')
time_50 = timestamps[i]

# All synchronized!
print(f"Sample {i}:")
print(f"  JSONL timestamp: {sample_50['timestamp_ms']}ms")
print(f"  Frame timestamp: {time_50}ms")
print(f"  Frame shape: {frame_50.shape}")
print(f"  Battery: {sample_50['battery']}%")
assert sample_50['timestamp_ms'] == time_50
""",
    "first and last": """
import numpy as np
import matplotlib.pyplot as plt

frames = np.load('reacture_1731177600000_frames.npy')
timestamps = np.load('reacture_1731177600000_timestamps.npy')

print(f"Loaded {len(frames)} frames")
print(f"Shape: {frames.shape}")
print(f"Duration: {timestamps[-1]/1000:.1f}s")

fig, axes = plt.subplots(1, 2, figsize=(12, 5))

axes[0].imshow(frames[0])
axes[0].set_title(f'First Frame (t={timestamps[0]}ms)')
axes[0].axis('off')

axes[1].imshow(frames[-1])
axes[1].set_title(f'Last Frame (t={timestamps[-1]}ms)')
axes[1].axis('off')

plt.tight_layout()
plt.savefig('first_last_frames.png', dpi=150)
plt.show()
""",
    "video": """
import cv2
import numpy as np

frames = np.load('reacture_1731177600000_frames.npy')

# Create video at 10 FPS (matches 10Hz capture)
out = cv2.VideoWriter('gameplay.mp4',
                      cv2.VideoWriter_fourcc(*'mp4v'),
                      10,  # 10 FPS
                      (128, 128))

for frame in frames:
    # Convert RGB to BGR for OpenCV
    bgr_frame = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    out.write(bgr_frame)

out.release()
print(f"Saved gameplay.mp4 ({len(frames)} frames)")
""",
}
"""The guide's, with imports added and the prefix filled in."""

LOADER = Path(__file__).resolve().parents[3] / "scripts" / "load_reacture_dataset.py"


@pytest.fixture
def ours(tmp_path: Path) -> Download:
    return our_download(tmp_path)


def dataset_of(download: Download, **options: Any) -> ReActureDataset:
    return ReActureDataset(download.write(), **options)


def told_by(download: Download, **options: Any) -> tuple[ReActureDataset, str]:
    with pytest.warns(ReActureWarning) as caught:
        dataset = dataset_of(download, **options)
    assert [str(warning.message) for warning in caught] == [f"{PREFIX}: {repair}" for repair in dataset.repairs]
    return dataset, " ".join(dataset.repairs)


@pytest.mark.parametrize("name", SNIPPETS)
def test_the_guides_snippets_run_on_a_download(ours: Download, name: str) -> None:
    ours.write()
    (ours.folder / LOADER.name).write_bytes(LOADER.read_bytes())
    head = f"import sys\nsys.path.insert(0, {str(ours.folder)!r})\nimport matplotlib\nmatplotlib.use('agg')\n"
    quiet = "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as told:\n    exec(code)\n"
    printed = load_elsewhere(f"{head}code = {SNIPPETS[name]!r}\n{quiet}result = told.getvalue()", ours.folder)
    assert printed or name == "video"
    made = {"first and last": "first_last_frames.png", "video": "gameplay.mp4"}.get(name)
    assert made is None or (ours.folder / made).stat().st_size > 1000


def test_the_guides_pytorch_snippet(ours: Download) -> None:
    torch = pytest.importorskip("torch")
    dataset = dataset_of(our_download(ours.folder, 40))
    dataloader = dataset.to_pytorch_dataloader(batch_size=32, shuffle=True)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 8, 8), torch.nn.Flatten(), torch.nn.Linear(1024, 6))
    sizes = []
    for batch in dataloader:
        frames, keys, battery = batch["frame"], batch["keys"], batch["battery"]
        assert model(frames).shape == keys.shape
        assert battery.shape == (len(frames), 1)
        sizes.append(tuple(frames.shape))
    assert sizes == [(32, 3, 128, 128), (8, 3, 128, 128)]


def test_a_sample_is_its_row_its_frame_and_its_time(ours: Download) -> None:
    dataset = dataset_of(ours)
    assert (len(dataset), dataset.frames_array.shape, dataset.frame_timestamps.dtype) == (
        24, (24, 128, 128, 3), np.float32,
    )  # fmt: skip
    assert dataset.repairs == ()
    for i, sample in enumerate(dataset):
        held = held_in(i)
        assert (sample["frame"] == picture(i)).all()
        assert sample["frame_timestamp_ms"] == sample["timestamp_ms"] == 100.0 * (i + 1)
        assert sample["keys"].tolist() == [float(held[name]) for name in MODEL_KEYS]
        assert sample["position"].tolist() == [i * 0.5, 1.0, -i * 0.25]
        assert sample["velocity"].tolist() == [5.0, 0.0, -2.5]
        assert sample["accelerometer"].tolist() == pytest.approx([0.0, 9.81, 0.125 * i])
        assert (sample["battery"], sample["damage"]) == (100 - i * 0.5, i / 100)
        assert sample["key_presses"] == held
        assert sample["event"] == "periodic_update_10hz"
    assert dataset[-1]["timestamp_ms"] == 2400.0
    with pytest.raises(IndexError, match="24 samples"):
        dataset[24]


@pytest.mark.parametrize("make", [our_download, original_download])
@pytest.mark.filterwarnings("ignore::gameon_env.export.reacture.ReActureWarning")
def test_a_samples_arrays_become_tensors(tmp_path: Path, make: Any) -> None:
    torch = pytest.importorskip("torch")
    dataset = dataset_of(make(tmp_path))
    for name in ("frame", "keys", "position", "velocity", "accelerometer"):
        tensor = torch.from_numpy(dataset[2][name])
        assert tensor.numpy().tolist() == dataset[2][name].tolist()
        tensor.zero_()  # in memory of its own: the dataset stays as it is
    assert (torch.from_numpy(dataset[2]["frame"]).numpy() == picture(2)).all()
    assert dataset[2]["velocity"].tolist() == [5.0, 0.0, -2.5]


def test_a_samples_vectors_answer_as_the_rows_do(ours: Download) -> None:
    sample = dataset_of(ours)[4]
    acceleration = sample["accelerometer"]
    assert [acceleration[axis] for axis in "xyz"] == acceleration.tolist() == pytest.approx([0.0, 9.81, 0.5])
    assert dict(acceleration) == pytest.approx(ours.rows[4]["accelerometer"])
    assert dict(sample["position"].items()) == ours.rows[4]["robot"]["position"]
    assert json.dumps(acceleration["z"]) == "0.5"
    for wrong in ("w", "", "xy"):
        with pytest.raises(KeyError):
            acceleration[wrong]
    with pytest.raises(KeyError):
        acceleration[:2]["x"]
    copy = pickle.loads(pickle.dumps(acceleration))  # noqa: S301
    assert copy["y"] == acceleration["y"]


def test_slices_are_lists_of_samples(ours: Download) -> None:
    dataset = dataset_of(ours)
    for some in (slice(0, 3), slice(-2, None), slice(None, None, -7), slice(30, 40)):
        times = dataset.frame_timestamps[some].tolist()
        assert [sample["frame_timestamp_ms"] for sample in dataset[some]] == times
    assert dataset[np.int64(3)]["frame_timestamp_ms"] == 400
    with pytest.raises(TypeError, match="float"):
        dataset[1.5]  # type: ignore[call-overload]


def test_a_relative_path_outlives_a_change_of_folder(
    ours: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.write()
    monkeypatch.chdir(ours.folder)
    dataset = ReActureDataset(f"{PREFIX}_metadata.json")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert (dataset[1]["frame"] == picture(1)).all()
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    assert (copy.frames_array[3] == picture(3)).all()


def test_frames_stay_on_the_disk_and_cannot_be_written(ours: Download) -> None:
    dataset = dataset_of(ours)
    base = dataset.frames_array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base  # type: ignore[assignment]
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        dataset.frames_array[0, 0, 0, 0] = 1


def test_a_folder_or_any_of_the_files_will_do(ours: Download) -> None:
    ours.write()
    for path in (ours.folder, *ours.paths.values(), str(ours.paths["frames.npy"])):
        assert len(ReActureDataset(path)) == 24


def test_the_rows_without_a_frame(ours: Download) -> None:
    rows = list(dataset_of(ours).other_rows())
    assert [row.get("event") or row["action"] for row in rows] == ["zone_change", "rescue", "rescue"]


@pytest.mark.parametrize("make", [our_download, original_download])
@pytest.mark.parametrize("frame_dtype", ["float32", "uint8"])
@pytest.mark.filterwarnings("ignore::gameon_env.export.reacture.ReActureWarning")
def test_pytorch_batches(tmp_path: Path, make: Any, frame_dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    download = make(tmp_path)
    dataset = dataset_of(download)
    loader = dataset.to_pytorch_dataloader(10, shuffle=True, frame_dtype=frame_dtype)
    assert (len(loader), loader.batch_size) == (3, 10)
    seen = []
    for batch in loader:
        assert {name: tuple(values.shape[1:]) for name, values in batch.items()} == {
            "frame": (3, 128, 128), "keys": (6,), "position": (3,), "velocity": (3,), "accelerometer": (3,),
            "battery": (1,), "damage": (1,), "timestamp": (),
        }  # fmt: skip
        assert {values.dtype for name, values in batch.items() if name != "frame"} == {torch.float32}
        assert batch["frame"].dtype == getattr(torch, frame_dtype)
        for i, t in enumerate(batch["timestamp"].tolist()):
            row = int(np.flatnonzero(download.times == t)[0])
            seen.append(row)
            frame = batch["frame"][i].permute(1, 2, 0).numpy()
            if frame_dtype == "float32":
                assert 0 <= frame.min() <= frame.max() <= 1
                frame = np.rint(frame * 255).astype(np.uint8)
            assert (frame == picture(row)).all()
            assert batch["keys"][i].tolist() == [float(held_in(row)[name]) for name in MODEL_KEYS]
            assert float(batch["battery"][i]) == 100 - row * 0.5
    assert sorted(seen) == list(range(24))
    assert seen != sorted(seen)


def test_pytorch_options_reach_the_dataloader(ours: Download) -> None:
    torch = pytest.importorskip("torch")
    dataset = dataset_of(ours)
    orders = [
        torch.cat(
            [b["timestamp"] for b in dataset.to_pytorch_dataloader(5, generator=torch.Generator().manual_seed(3))]
        )
        for _ in range(2)
    ]
    assert torch.equal(*orders)
    assert len(dataset.to_pytorch_dataloader(5, drop_last=True)) == 4
    chosen = dataset.to_pytorch_dataloader(4, shuffle=False, indices=dataset.indices_between(1.0, 1.5))
    assert torch.cat([batch["timestamp"] for batch in chosen]).tolist() == [1000, 1100, 1200, 1300, 1400, 1500]


def test_worker_processes_read_the_file_themselves(ours: Download) -> None:
    pytest.importorskip("torch")
    dataset = dataset_of(ours)
    assert len(pickle.dumps(dataset)) < dataset.frames_array.nbytes / 10
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    assert (copy.frames_array == dataset.frames_array).all()
    loader = dataset.to_pytorch_dataloader(8, shuffle=False, num_workers=2, multiprocessing_context="spawn")
    times = [time for batch in loader for time in batch["timestamp"].tolist()]
    assert times == dataset.frame_timestamps.tolist()


def test_downloads_become_one_dataset_in_pytorch(ours: Download, tmp_path: Path) -> None:
    data = pytest.importorskip("torch.utils.data")
    parts = [dataset_of(our_download(tmp_path / name, count)) for name, count in (("a", 5), ("b", 7))]
    joined = data.ConcatDataset([part.to_pytorch_dataset() for part in parts])
    (batch,) = data.DataLoader(joined, batch_size=12)
    assert batch["frame"].shape == (12, 3, 128, 128)
    assert batch["timestamp"].tolist() == [100 * i for i in (1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6, 7)]


def test_the_samples_are_an_ordinary_dataset_of_pytorch(ours: Download) -> None:
    data = pytest.importorskip("torch.utils.data")
    dataset = dataset_of(ours)
    samples = dataset.to_pytorch_dataset()
    first, second = data.random_split(samples, [20, 4])
    parts = {
        "whole": data.DataLoader(samples, batch_size=5),
        "part": data.DataLoader(data.Subset(samples, [3, 1, 2]), batch_size=3),
        "split": data.DataLoader(data.ConcatDataset([first, second]), batch_size=24),
        "workers": data.DataLoader(samples, batch_size=6, num_workers=1, multiprocessing_context="spawn"),
    }
    seen = {name: [time for batch in part for time in batch["timestamp"].tolist()] for name, part in parts.items()}
    times = dataset.frame_timestamps.tolist()
    assert seen["whole"] == seen["workers"] == sorted(seen["split"]) == times
    assert seen["part"] == [400, 200, 300]
    (batch,) = parts["part"]
    assert batch["frame"].shape == (3, 3, 128, 128)
    assert (np.rint(batch["frame"][0].permute(1, 2, 0).numpy() * 255) == picture(3)).all()
    assert len(list(samples)) == 24


def test_a_collate_function_of_ones_own_gets_a_list_of_samples(ours: Download) -> None:
    pytest.importorskip("torch")
    loader = dataset_of(ours).to_pytorch_dataloader(10, shuffle=False, collate_fn=len)
    assert list(loader) == [10, 10, 4]


@pytest.mark.parametrize(
    "arguments",
    [{"batch_size": 0}, {"batch_size": 2.0}, {"frame_dtype": "float16"}, {"indices": [24]}, {"indices": []}],
)
def test_wrong_arguments_of_a_dataloader(ours: Download, arguments: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    with pytest.raises(DatasetError):
        dataset_of(ours).to_pytorch_dataloader(**arguments)


def test_tensorflow_batches(ours: Download) -> None:
    pytest.importorskip("tensorflow")
    made = dataset_of(ours).to_tensorflow_dataset(batch_size=10, shuffle=True, seed=5)
    assert len(made) == 3
    seen: list[int] = []
    for batch in made:
        shapes = {name: tuple(values.shape[1:]) for name, values in batch.items()}
        assert shapes == {
            "frame": (128, 128, 3), "keys": (6,), "position": (3,), "velocity": (3,), "accelerometer": (3,),
            "battery": (1,), "damage": (1,),
        }  # fmt: skip
        assert {values.dtype.name for values in batch.values()} == {"float32"}
        for i in range(len(batch["frame"])):
            row = round(float(batch["position"][i, 0]) * 2)
            seen.append(row)
            assert (np.rint(batch["frame"][i].numpy() * 255) == picture(row)).all()
    assert sorted(seen) == list(range(24))
    assert [int(batch["battery"][0, 0]) for batch in made] != seen[::10]
    in_order = dataset_of(ours).to_tensorflow_dataset(24, shuffle=False)
    (whole,) = list(in_order)
    assert whole["position"][:, 0].numpy().tolist() == [i * 0.5 for i in range(24)]


def test_trajectory_time_ranges_and_statistics(ours: Download) -> None:
    dataset = dataset_of(ours)
    assert dataset.extract_trajectory().shape == dataset.extract_accelerometer().shape == (24, 3)
    assert dataset.extract_key_presses().shape == (24, 6)
    battery, damage = dataset.extract_battery_damage()
    assert battery.tolist() == [100 - i * 0.5 for i in range(24)]
    assert damage.shape == (24,)
    assert [sample["timestamp_ms"] for sample in dataset.get_time_range(0.95, 1.2)] == [1000, 1100, 1200]
    assert dataset.get_sample_at_time(1.16)["timestamp_ms"] == 1200
    assert dataset.get_time_range(50, 60) == []
    stats = dataset.get_statistics()
    assert json.loads(json.dumps(stats, allow_nan=False)) == stats
    assert (stats["num_samples"], stats["num_frames"], stats["num_other_rows"]) == (24, 24, 3)
    assert stats["duration_s"] == pytest.approx(2.3)
    assert stats["sampling_rate"] == pytest.approx(10.0)
    assert stats["trajectory_stats"]["max_position"] == [11.5, 1.0, 0.0]
    assert stats["trajectory_stats"]["length"] == pytest.approx(23 * np.hypot(0.5, 0.25))
    assert stats["key_press_frequency"]["W"] == 0.75
    assert stats["battery_stats"] == pytest.approx({"mean": 94.25, "std": np.std(battery), "min": 88.5, "max": 100.0})
    assert stats["frame_stats"]["black_frames"] == 0
    assert stats["frame_stats"]["mean_rgb"] == pytest.approx(ours.frames.mean(axis=(0, 1, 2)).tolist())


def test_statistics_of_places_that_are_none(ours: Download) -> None:
    for number, x in ((3, np.inf), (4, np.inf), (5, np.nan)):
        ours.rows[number]["robot"]["position"]["x"] = x
    dataset, _ = told_by(ours)
    stats = dataset.get_statistics()["trajectory_stats"]
    assert stats["max_position"] == [11.5, 1.0, 0.0]
    assert stats["length"] == pytest.approx(19 * np.hypot(0.5, 0.25))


def test_the_originals_download_is_mended_and_left_as_it_is(tmp_path: Path) -> None:
    download = original_download(tmp_path)
    download.write()
    before = {path: path.read_bytes() for path in download.paths.values()}
    dataset, told = told_by(download)
    assert "np.load refuses" in told
    assert "row i is not frame i" in told
    assert len(dataset.repairs) == 2
    assert (dataset.frames_array == download.frames).all()
    framed = [row for row in download.rows if row.get("visual_frame_path")]
    for i, sample in enumerate(dataset):
        assert (sample["frame"] == picture(i)).all()
        assert sample["timestamp_ms"] == framed[i]["timestamp_ms"] == sample["frame_timestamp_ms"]
        assert sample["battery"] == framed[i]["battery"]
    assert len(list(dataset.other_rows())) == len(download.rows) - 24
    assert {path: path.read_bytes() for path in download.paths.values()} == before


def test_rows_and_frames_that_are_not_in_the_order_of_time(ours: Download) -> None:
    order = [*range(12, 24), *range(12)]
    ours.rows[:24] = [ours.rows[i] for i in order]
    ours.frames, ours.times = ours.frames[order], ours.times[order]
    dataset, told = told_by(ours)
    assert "order of time" in told
    assert (dataset[0]["frame"] == picture(12)).all()
    assert dataset[0]["timestamp_ms"] == 1300
    assert [sample["timestamp_ms"] for sample in dataset.get_time_range(1.1, 1.4)] == [1100, 1200, 1300, 1400]
    assert dataset.get_statistics()["trajectory_stats"]["length"] == pytest.approx(23 * np.hypot(0.5, 0.25))


def test_what_is_odd_is_told(ours: Download) -> None:
    ours.times[3] = np.nan
    ours.rows[5]["timestamp_ms"] = 5000.0
    ours.rows[7]["battery"] = float("nan")
    del ours.rows[8]["robot"]["position"]
    ours.rows[9]["accelerometer"] = {"x": None, "y": 10**400, "z": "1"}
    del ours.rows[10]["key_presses"]
    ours.metadata["data_stats"]["total_frames"] = 30
    ours.frames[:] = 0
    dataset, told = told_by(ours)
    assert "1 times in timestamps.npy are no numbers" in told
    assert "1 rows are more than 50 ms from their frame's time, up to 4400 ms" in told
    assert "battery is no number in 1 of 24 rows" in told
    assert "position is no number in 1 of 24 rows" in told
    assert "accelerometer is no number in 1 of 24 rows" in told
    assert "W is no number in 1 of 24 rows" in told
    assert "metadata.json says 30 frames, there are 24" in told
    assert "the frames are black" in told
    assert dataset.frame_timestamps[3] == 400
    assert np.isnan(dataset[8]["position"]).all()
    assert np.isnan(dataset.numbers("keys")[10]).all()
    stats = dataset.get_statistics()
    assert stats["frame_stats"]["black_frames"] == 24
    assert stats["battery_stats"]["min"] == 88.5


def test_nothing_is_told_of_what_another_game_does_not_have(ours: Download) -> None:
    for row in ours.rows[:24]:
        row["battery"] = None
    ours.metadata["missing"] = ["battery"]
    dataset = dataset_of(ours)
    assert dataset.repairs == ()
    assert np.isnan(dataset[0]["battery"])
    assert dataset.get_statistics()["battery_stats"]["mean"] is None


def partly(metadata: Path) -> ReActureDataset:
    return ReActureDataset(metadata, partial=True, warn=False)


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def test_files_that_were_cut_short(ours: Download) -> None:
    metadata = ours.write()
    cut(ours.paths["frames.npy"], 3 * 128 * 128 * 3 + 10)
    with pytest.raises(DatasetError, match=r"holds 20 whole frames of the 24.*Download.*20 samples.*partial=True"):
        ReActureDataset(metadata)
    dataset = partly(metadata)
    assert "only the first 20 samples are whole in all files" in dataset.repairs
    assert (len(dataset), len(list(dataset))) == (20, 20)
    assert (dataset[19]["frame"] == picture(19)).all()
    ours.write()
    cut(ours.paths["timestamps.npy"], 9)
    with pytest.raises(DatasetError, match="21 of the 24 times"):
        ReActureDataset(metadata)
    ours.rows = ours.rows[:24]
    ours.write()
    cut(ours.paths["data.jsonl"], 50)
    with pytest.raises(DatasetError, match=r"line 24 of .*data.jsonl is no JSON.*cut short.*23 samples"):
        ReActureDataset(metadata)
    assert len(partly(metadata)) == 23
    ours.write()
    cut(ours.paths["metadata.json"], 50)
    with pytest.raises(DatasetError, match=r"metadata.json is no JSON.*cut short"):
        ReActureDataset(metadata)
    for part in ("metadata.json", "data.jsonl", "frames.npy", "timestamps.npy"):
        ours.write()
        ours.paths[part].write_bytes(b"")
        with pytest.raises(DatasetError):
            ReActureDataset(metadata)


def test_a_line_within_the_rows_that_is_damaged(ours: Download) -> None:
    metadata = ours.write()
    lines = ours.paths["data.jsonl"].read_bytes().split(b"\n")
    for wrong in (b"\xff\xfe", b"[1, 2]", b'"text"', b"[" * 5000, b'{"a": ' + b"9" * 5000 + b"}", b" " * (2 << 20)):
        ours.paths["data.jsonl"].write_bytes(b"\n".join([*lines[:10], wrong, *lines[10:]]))
        with pytest.raises(DatasetError, match="line 11 "):
            ReActureDataset(metadata)


def test_counts_that_disagree(ours: Download) -> None:
    ours.times = ours.times[:-2]
    with pytest.raises(DatasetError, match=r"24 frames, 22 timestamps and 24 rows.*of another recording.*partial"):
        dataset_of(ours)
    ours.times, ours.rows = our_download(ours.folder).times, ours.rows[3:]
    with pytest.raises(DatasetError, match="24 frames, 24 timestamps and 21 rows"):
        dataset_of(ours)


def test_a_recording_without_a_frame(ours: Download) -> None:
    ours.frames, ours.times, ours.rows = ours.frames[:0], ours.times[:0], ours.rows[24:]
    with pytest.raises(DatasetError, match="ended before its first frame"):
        dataset_of(ours)


def test_files_that_were_swapped(ours: Download) -> None:
    metadata = ours.write()
    frames, times = ours.paths["frames.npy"], ours.paths["timestamps.npy"]
    swapped = frames.read_bytes(), times.read_bytes()
    times.write_bytes(swapped[0])
    with pytest.raises(DatasetError, match=r"timestamps.npy holds uint8 of shape \(24, 128, 128, 3\).*swapped"):
        ReActureDataset(metadata)
    frames.write_bytes(swapped[1])
    with pytest.raises(DatasetError, match=r"frames.npy holds float32 of shape \(24,\).*swapped"):
        ReActureDataset(metadata)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((204, 8)),
        np.zeros((24, 128, 128, 3), np.float32),
        np.zeros((24, 128, 128), np.uint8),
        np.zeros((24, 3, 128, 128), np.uint8),
        np.zeros((24, 128, 128, 4), np.uint8),
        np.asfortranarray(np.zeros((2, 128, 128, 3), np.uint8)),
        np.zeros((1, 5000, 2, 3), np.uint8),
    ],
)
def test_what_are_no_frames(ours: Download, values: np.ndarray) -> None:
    metadata = ours.write()
    np.save(ours.paths["frames.npy"], values)
    with pytest.raises(DatasetError, match=r"these are no frames, which are uint8 of shape \(N, 128, 128, 3\)"):
        ReActureDataset(metadata)


def test_what_are_no_timestamps(ours: Download) -> None:
    metadata = ours.write()
    np.save(ours.paths["timestamps.npy"], np.zeros((24, 2), np.float32))
    with pytest.raises(DatasetError, match="no timestamps"):
        ReActureDataset(metadata)
    ours.times = np.full(24, np.nan, np.float32)
    for row in ours.rows[:24]:
        row["timestamp_ms"] = None
    with pytest.raises(DatasetError, match=r"24 times in timestamps.npy are no numbers"):
        dataset_of(ours)


@pytest.mark.parametrize("mark", [" (1)", "(2)", "-1", " 2", " - Copy", " - Copy (3)", " copy", " copy 2"])
def test_a_second_download_that_the_browser_marked(ours: Download, mark: str) -> None:
    ours.write()
    marked(our_download(ours.folder, 30), mark)
    ours.write()
    second = ours.folder / f"{PREFIX}_metadata{mark}.json"
    for path in (second, second.with_name(f"{PREFIX}_README{mark}.md")):
        dataset = ReActureDataset(path)
        assert (len(dataset), dataset.prefix) == (30, PREFIX)
        assert (dataset[29]["frame"] == picture(29)).all()
    assert len(ReActureDataset(ours.paths["metadata.json"])) == 24
    with pytest.raises(DatasetError, match="holds 2 downloads"):
        ReActureDataset(ours.folder)
    for path in ours.paths.values():
        path.unlink()
    assert len(ReActureDataset(ours.folder)) == 30
    (ours.folder / f"{PREFIX}_data{mark}.jsonl").rename(ours.folder / f"{PREFIX}_data.jsonl")
    with pytest.raises(DatasetError, match=rf"no {PREFIX}_data{re.escape(mark)}.jsonl\. The browser did not mark all"):
        ReActureDataset(second)


def test_files_that_are_missing_or_of_another_download(ours: Download, tmp_path: Path) -> None:
    metadata = ours.write()
    frames = ours.paths["frames.npy"]
    copy = frames.rename(frames.with_name(f"{PREFIX}_frames (1).npy"))
    with pytest.raises(DatasetError, match=r"no .*frames.npy.*frames \(1\).npy, which the browser renamed"):
        ReActureDataset(metadata)
    with pytest.raises(DatasetError, match=f"Rename the browser's copies: {PREFIX}_frames.npy"):
        ReActureDataset(copy)
    copy.rename(frames.with_name("reacture_1731177609999_frames.npy"))
    with pytest.raises(DatasetError, match=r"reacture_1731177609999_frames.npy, of another recording"):
        ReActureDataset(metadata)
    frames.with_name("reacture_1731177609999_frames.npy").unlink()
    with pytest.raises(DatasetError, match="was interrupted"):
        ReActureDataset(metadata)
    part = frames.with_name(f"{PREFIX}_frames.npy.crdownload")
    part.touch()
    with pytest.raises(DatasetError, match=r"npy\.crdownload: the browser has not finished it"):
        ReActureDataset(metadata)
    part.rename(frames.with_name(f"{PREFIX}_frames.npy.gz"))
    with pytest.raises(DatasetError, match=r"frames\.npy\.gz, which is packed: unpack it first"):
        ReActureDataset(metadata)
    for name in ("reacture_1.zip", f"{PREFIX}_data.jsonl.gz"):
        with pytest.raises(DatasetError, match=f"{name} is packed: unpack it first"):
            ReActureDataset(tmp_path / name)
    for name in ("reacture_9_metadata.json", "nowhere/reacture_9_metadata.json"):
        with pytest.raises(DatasetError, match=f"{name} is not there"):
            ReActureDataset(tmp_path / name)
    with pytest.raises(DatasetError, match="no file of a ReActure download"):
        ReActureDataset(tmp_path / "notes.txt")
    with pytest.raises(DatasetError, match=r"no file that ends with _metadata.json"):
        ReActureDataset(LOADER.parent)
    other = our_download(ours.folder)
    other.prefix = "reacture_5"
    other.write()
    with pytest.raises(DatasetError, match="holds 2 downloads"):
        ReActureDataset(ours.folder)


def test_what_macos_puts_beside_a_file_is_no_download(ours: Download) -> None:
    metadata = ours.write()
    metadata.with_name(f"._{metadata.name}").write_bytes(b"\0\5\26\7")
    assert len(ReActureDataset(ours.folder)) == 24


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_a_name_that_the_terminal_does_not_know(ours: Download, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.metadata["player_name"] = "Zoë 漢 \ud83d"
    terminal = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main([str(ours.write())]) == 0
    terminal.flush()
    said = terminal.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert {"utf-8": "Zoë 漢 \\ud83d", "cp1252": "Zoë \\u6f22", "ascii": "Zo\\xeb"}[encoding] in said


@pytest.mark.parametrize("content", [b"[]", b"null", b"{" * 100_000, b"\xff", b"<html>", b'{"a": "' + b"x" * (2 << 20)])
def test_metadata_that_are_none(ours: Download, content: bytes) -> None:
    metadata = ours.write()
    metadata.write_bytes(content)
    with pytest.raises(DatasetError, match="metadata"):
        ReActureDataset(metadata)


def test_a_broken_header_may_be_of_the_timestamps_alone(ours: Download) -> None:
    ours.write()
    ours.paths["timestamps.npy"].write_bytes(broken_npy(ours.times, "<f4"))
    dataset = ReActureDataset(ours.folder)
    assert dataset.frame_timestamps.tolist() == ours.times.tolist()
    assert (dataset.frames_array[3] == picture(3)).all()


def test_rows_are_read_in_flat_memory(ours: Download) -> None:
    """Rows take what their numbers take, whatever else they say."""
    ours.rows[:24] = [state(i, 100.0 * (i + 1), visual_frame_path="x", notes="y" * 100_000) for i in range(24)]
    dataset = dataset_of(ours)
    assert dataset.rows.values.nbytes < 24 * 300
    assert dataset[3]["notes"] == "y" * 100_000
