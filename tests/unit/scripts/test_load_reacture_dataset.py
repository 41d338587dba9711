"""``scripts/load_reacture_dataset.py``: one file beside a download, where there is numpy and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gameon_env.export.reacture_loader import reacture_loader
from tests.unit.export.reacture_download import PREFIX, Download, original_download, our_download

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
LOADER = SCRIPTS / "load_reacture_dataset.py"

NUMPY_ALONE = """
import sys
class NumpyAlone:
    def find_spec(self, name, path=None, target=None):
        first = name.split(".")[0]
        if first not in sys.stdlib_module_names | {"numpy", "load_reacture_dataset"}:
            raise ModuleNotFoundError(f"No module named {first!r}", name=first)
sys.meta_path.insert(0, NumpyAlone())
"""


@pytest.fixture
def beside(tmp_path: Path) -> Download:
    """A download with the loader beside it."""
    download = our_download(tmp_path)
    download.write()
    (tmp_path / LOADER.name).write_bytes(LOADER.read_bytes())
    return download


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """An interpreter that sees neither this repository nor the environment."""
    return subprocess.run([sys.executable, "-I", *words], cwd=folder, capture_output=True, text=True, timeout=120)


def run(folder: Path, code: str) -> str:
    done = python(folder, "-c", f"{NUMPY_ALONE}\nsys.path.insert(0, '.')\n{code}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``python load_reacture_dataset.py ...`` where there is numpy alone."""
    code = f"{NUMPY_ALONE}\nimport runpy\nsys.argv = {['load_reacture_dataset.py', *words]!r}\n"
    return python(folder, "-c", f"{code}runpy.run_path('load_reacture_dataset.py', run_name='__main__')")


def test_it_is_what_the_package_makes_it() -> None:
    assert LOADER.read_text(encoding="utf-8") == reacture_loader(), "run scripts/make_reacture_loader.py"


def test_it_is_made_by_the_script(tmp_path: Path) -> None:
    made = tmp_path / "made.py"
    subprocess.run([sys.executable, SCRIPTS / "make_reacture_loader.py", made], check=True, timeout=120)
    assert made.read_bytes() == LOADER.read_bytes()


def test_as_a_module(beside: Download) -> None:
    out = run(
        beside.folder,
        f"""
from load_reacture_dataset import ReActureDataset
dataset = ReActureDataset("{PREFIX}_metadata.json")
foreign = sorted(set(sys.modules) & {{"torch", "gameon_env"}})
print(len(dataset), dataset.frames_array.shape, dataset[3]["battery"], foreign)
print([sample["frame_timestamp_ms"] for sample in dataset.get_time_range(0.2, 0.4)])
""",
    )
    assert out.splitlines() == ["24 (24, 128, 128, 3) 98.5 []", "[200.0, 300.0, 400.0]"]


def test_as_a_command(beside: Download) -> None:
    done = command(beside.folder, f"{PREFIX}_metadata.json")
    assert (done.returncode, done.stderr) == (0, "")
    for said in ("24 samples, 128x128 RGB", "Earthquake", "final_score 120", "10 Hz", "W 75 %", "88.5 to 100"):
        assert said in done.stdout


def test_as_a_command_on_the_originals_files(tmp_path: Path) -> None:
    original_download(tmp_path).write()
    (tmp_path / LOADER.name).write_bytes(LOADER.read_bytes())
    done = command(tmp_path, f"{PREFIX}_metadata.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "note: frames.npy has the original's broken header" in done.stdout


def test_a_command_that_fails(beside: Download) -> None:
    frames = beside.paths["frames.npy"]
    frames.write_bytes(frames.read_bytes()[:-100])
    done = command(beside.folder, f"{PREFIX}_metadata.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds 23 whole frames of the 24" in done.stderr
    assert "Traceback" not in done.stderr
    partial = command(beside.folder, "--partial", f"{PREFIX}_metadata.json")
    assert (partial.returncode, partial.stdout.splitlines()[0]) == (0, f"{PREFIX}: 23 samples, 128x128 RGB frames")
    assert command(beside.folder).returncode == 2
    assert command(beside.folder, "--help").returncode == 0


def test_pytorch_and_tensorflow_are_asked_for_where_they_are_used(beside: Download) -> None:
    out = run(
        beside.folder,
        f"""
from load_reacture_dataset import ReActureDataset
dataset = ReActureDataset("{PREFIX}_metadata.json")
for make in (dataset.to_pytorch_dataloader, dataset.to_tensorflow_dataset):
    try:
        make()
    except ImportError as error:
        print(error)
""",
    )
    first, second = out.splitlines()
    assert first.endswith("pip install torch")
    assert second.endswith("pip install tensorflow")


def test_its_batches_are_the_packages(beside: Download) -> None:
    torch = pytest.importorskip("torch")
    sys.modules["load_reacture_dataset"] = module = ModuleType("load_reacture_dataset")
    try:
        exec(compile(LOADER.read_text(encoding="utf-8"), str(LOADER), "exec"), module.__dict__)
        from gameon_env.export.reacture import ReActureDataset

        for ours, its in zip(
            ReActureDataset(beside.folder).to_pytorch_dataloader(7, shuffle=False),
            module.ReActureDataset(beside.folder).to_pytorch_dataloader(7, shuffle=False),
            strict=True,
        ):
            assert ours.keys() == its.keys()
            assert all(torch.equal(ours[name], its[name]) for name in ours)
    finally:
        del sys.modules["load_reacture_dataset"]
