"""The PyTorch examples of the export guide, word for word but for the package's name, on sessions that were recorded.

What else is edited is said at each: names that the guide leaves undefined are given, and sizes that its layers need.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from gameon_env.desktop.display import PrivateDisplay
from gameon_env.export.pytorch_export import GameOnDataset
from gameon_env.recording.recorder import SessionRecorder
from tests.physical import PhysicalDevices

COUNTER = Path(__file__).with_name("counter_game.py")

PROFILE = """
fps = 20
[launch]
command = ["{{python}}", "{script}", "{log}", "--fps", "20", "--size", "640x360"]
screen_size = [360, 640]
gl = false
[controls]
names = {names}
[reset]
mode = "relaunch"
"""
KEYS = ["key:w", "key:a", "key:s", "key:d", "mouse:left", "mouse:right"]

PYTORCH_EXPORT = """
from src.export.pytorch_export import GameOnDataset

# Create PyTorch dataset
dataset = GameOnDataset(
    db_path='data/gameon.db',
    game_name='Fortnite',  # Optional: filter by game
    transform=None,        # Optional: custom transforms
    frame_skip=1,          # Sample every N frames
    sequence_length=16     # Number of frames per sample
)

# Use with DataLoader
from torch.utils.data import DataLoader

dataloader = DataLoader(
    dataset,
    batch_size=32,
    shuffle=True,
    num_workers=4
)

# Training loop
for batch in dataloader:
    frames = batch['frames']      # (B, T, C, H, W)
    inputs = batch['inputs']      # (B, T, num_actions)
    audio = batch['audio']        # (B, T, audio_channels)
    
    # Your model here
    predictions = model(frames, audio)
    loss = criterion(predictions, inputs)
    # ...
"""  # noqa: W293

BEHAVIORAL_CLONING = """
import torch
from src.export.pytorch_export import GameOnDataset

# Load dataset
dataset = GameOnDataset(
    db_path='data/gameon.db',
    game_name='Fortnite',
    sequence_length=1  # Single frame
)

# Simple CNN model
class BehavioralCloning(torch.nn.Module):
    def __init__(self, num_actions):
        super().__init__()
        self.cnn = torch.nn.Sequential(
            torch.nn.Conv2d(3, 32, 8, 4),
            torch.nn.ReLU(),
            torch.nn.Conv2d(32, 64, 4, 2),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(64 * 22 * 22, 512),
            torch.nn.ReLU(),
            torch.nn.Linear(512, num_actions)
        )
    
    def forward(self, x):
        return self.cnn(x)

# Train
model = BehavioralCloning(num_actions=10)
optimizer = torch.optim.Adam(model.parameters())

for epoch in range(10):
    for batch in dataloader:
        frames = batch['frames']
        actions = batch['inputs']
        
        predictions = model(frames)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            predictions, actions
        )
        
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""  # noqa: W293

SEQUENCE_MODEL = """
import torch
from src.export.pytorch_export import GameOnDataset

dataset = GameOnDataset(
    db_path='data/gameon.db',
    game_name='Fortnite',
    sequence_length=16  # 16 frame sequences
)

class SequenceModel(torch.nn.Module):
    def __init__(self, num_actions):
        super().__init__()
        self.cnn = torch.nn.Conv2d(3, 64, 8, 4)
        self.lstm = torch.nn.LSTM(64 * 53 * 53, 256, 2)
        self.fc = torch.nn.Linear(256, num_actions)
    
    def forward(self, x):
        # x: (B, T, C, H, W)
        B, T = x.shape[:2]
        
        # Process each frame
        x = x.view(B * T, *x.shape[2:])
        x = self.cnn(x)
        x = x.view(B, T, -1)
        
        # LSTM
        x, _ = self.lstm(x)
        
        # Predict last action
        return self.fc(x[:, -1])
"""  # noqa: W293

CUSTOM_PREPROCESSING = """
from torchvision import transforms

# Define preprocessing pipeline
transform = transforms.Compose([
    transforms.ToPILImage(),
    transforms.Resize((224, 224)),
    transforms.RandomHorizontalFlip(),  # Augmentation
    transforms.ColorJitter(0.2, 0.2),   # Augmentation
    transforms.ToTensor(),
    transforms.Normalize(
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225]
    )
])

dataset = GameOnDataset(
    db_path='data/gameon.db',
    transform=transform
)
"""

COMMAND = 'python -m src.export.pytorch_export --game "Fortnite" --output fortnite_torch.pt'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with ``data/gameon.db``: ``keys`` of a game with keys and buttons only, ``mouse`` of one with motion."""
    folders = {}
    for name, controls in (("keys", KEYS), ("mouse", [*KEYS, "mouse:dx", "mouse:dy"])):
        folder = folders[name] = tmp_path_factory.mktemp(name)
        game = folder / "game.toml"
        game.write_text(PROFILE.format(script=COUNTER, log=folder / "log.json", names=controls))
        with PrivateDisplay((360, 640), gl=False) as display, PhysicalDevices(display.name) as person:
            recorder = SessionRecorder(
                game, title="Fortnite", display=display.name, data_dir=folder / "data", gamepads=False
            )
            with recorder:
                end = time.monotonic() + 20
                while recorder.status.frames < 5 and time.monotonic() < end:
                    time.sleep(0.02)
                play(person, 2.5)
            assert recorder.status.frames >= 30
    return folders


def play(person: PhysicalDevices, seconds: float) -> None:
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        control = KEYS[turn % len(KEYS)]
        person.press(control)
        person.move(3, -2)
        time.sleep(0.08)
        person.release(control)
        turn += 1


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


class Model(torch.nn.Module):
    """Any model of frames and sound."""

    def __init__(self, num_actions: int) -> None:
        super().__init__()
        self.seen, self.heard = torch.nn.Linear(3, num_actions), torch.nn.Linear(128, num_actions)

    def forward(self, frames: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        predicted: torch.Tensor = self.seen(frames.mean(dim=(3, 4))) + self.heard(audio)
        return predicted


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")  # on machines with fewer cores
def test_pytorch_export(recorded: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recorded["mouse"])
    names = run(edited(PYTORCH_EXPORT), model=Model(8), criterion=torch.nn.MSELoss())
    dataset, frames, inputs, audio = (names[name] for name in ("dataset", "frames", "inputs", "audio"))
    assert dataset.controls == (*KEYS, "mouse:dx", "mouse:dy")
    assert frames.shape[1:] == (16, 3, 224, 224)
    assert inputs.shape[1:] == (16, dataset.num_actions)
    assert audio.shape[1:] == (16, 128)
    pressed = torch.stack([dataset[i]["inputs"] for i in range(0, len(dataset), 8)]).amax(dim=(0, 1))
    assert (pressed[:6] == 1).all()
    assert pressed[6] > 0


def test_behavioral_cloning(recorded: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """At 190x190, which its linear layer needs; with as many actions as there are, and a loader."""
    monkeypatch.chdir(recorded["keys"])
    example = edited(
        BEHAVIORAL_CLONING,
        ("sequence_length=1  # Single frame", "sequence_length=1,  # Single frame\n    target_size=(190, 190)"),
        ("num_actions=10", "num_actions=dataset.num_actions"),
    )
    before, train = example.split("# Train\n")
    names = run(before)
    names["dataloader"] = DataLoader(names["dataset"], batch_size=32, shuffle=True)
    names = run(train, **names)
    with torch.inference_mode():
        batch = next(iter(DataLoader(names["dataset"], batch_size=len(names["dataset"]))))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(names["model"](batch["frames"]), batch["inputs"])
    rate = batch["inputs"].mean(dim=0).clamp(1e-3, 1 - 1e-3)
    chance = -(rate * rate.log() + (1 - rate) * (1 - rate).log()).mean()
    assert loss < chance, "it learned no more than how often each key is pressed"


def test_sequence_model(recorded: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """At 217x217, which its LSTM needs."""
    monkeypatch.chdir(recorded["mouse"])
    names = run(
        edited(
            SEQUENCE_MODEL,
            ("sequence_length=16  # 16", "target_size=(217, 217),\n    sequence_length=16  # 16"),
        )
    )
    dataset = names["dataset"]
    with torch.inference_mode():
        model = names["SequenceModel"](num_actions=dataset.num_actions)
        batch = next(iter(DataLoader(dataset, batch_size=2)))
        assert model(batch["frames"]).shape == (2, dataset.num_actions)


def test_custom_preprocessing(recorded: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import_torchvision()
    monkeypatch.chdir(recorded["mouse"])
    dataset = run(CUSTOM_PREPROCESSING, GameOnDataset=GameOnDataset)["dataset"]
    torch.manual_seed(1)
    plain = GameOnDataset(db_path="data/gameon.db")
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    flipped = set()
    for _ in range(12):
        frames, recorded_frames = (data[0]["frames"] for data in (dataset, plain))
        assert frames.shape == (16, 3, 224, 224)
        seen = frames * std + mean
        each = [
            bool(((a.flip(-1) - b).abs().mean() < (a - b).abs().mean()).item())
            for a, b in zip(seen, recorded_frames, strict=True)
        ]
        assert len(set(each)) == 1, "one draw for all frames of a window"
        flipped |= set(each)
    assert flipped == {True, False}
    batch = next(iter(DataLoader(dataset, batch_size=2, num_workers=2, shuffle=True)))
    assert batch["frames"].shape == (2, 16, 3, 224, 224)


def test_the_command(recorded: dict[str, Path]) -> None:
    words = shlex.split(COMMAND.replace("src.", "gameon_env."))
    subprocess.run([sys.executable, *words[1:]], cwd=recorded["mouse"], check=True, capture_output=True)
    data = torch.load(recorded["mouse"] / "fortnite_torch.pt", weights_only=True)
    assert data["video"].shape[1:] == (360, 640, 3)
    assert len(data["video"]) == len(data["inputs"]) >= 30
    assert data["metadata"][0]["game"] == "Fortnite"


_torchvision_operators: list[torch.library.Library] = []


def import_torchvision() -> None:
    """The index's build has no operators beside PyTorch's CPU build, and does not import until they have names."""
    pytest.importorskip("PIL")
    try:
        import torchvision
    except ImportError as error:
        pytest.skip(f"torchvision cannot be imported: {error}")
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _torchvision_operators.append(library)
        import torchvision  # noqa: F401
