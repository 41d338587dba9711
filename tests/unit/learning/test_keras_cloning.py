"""Cloning in Keras is tested as that in PyTorch: by what was learned, and by the files that say so."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.cli.agents import load_policy
from gameon_env.errors import PolicyError
from gameon_env.learning.cloning_config import CloningConfig, CloningResult
from tests.unit.learning.dot_task import CONTROLS, answer, draw, write_episodes

tf = pytest.importorskip("tensorflow")

from gameon_env.learning.keras_cloning import clone, cloning_loss  # noqa: E402
from gameon_env.learning.keras_network import build_network  # noqa: E402
from gameon_env.learning.keras_policy import SPEC_NAME, KerasPolicy, read_keras_policy  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on numpy 2

QUICK = CloningConfig(epochs=6, batch_size=32, stack=2, shift_px=0, learning_rate=3e-3)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> CloningResult:
    folder = tmp_path_factory.mktemp("dots")
    return clone(write_episodes(folder / "data", 8, 150), folder / "policy.keras", QUICK, progress=False)


def test_a_task_is_learned(learned: CloningResult) -> None:
    assert min(f1 or 0.0 for f1 in learned.best.f1.values()) > 0.9, learned.best
    assert max(learned.best.axis_error.values()) < 0.06, learned.best
    lines = [json.loads(line) for line in learned.curve_path.read_text().splitlines()]
    assert [line["validation_loss"] for line in lines] == [record.validation_loss for record in learned.curve]


def test_the_saved_policy_plays_what_was_learned(learned: CloningResult) -> None:
    policy = load_policy(learned.policy_path, "cpu")
    assert isinstance(policy, KerasPolicy)
    assert (policy.spec.game, policy.spec.fps, policy.spec.controls, policy.spec.stack) == ("dots", 15.0, CONTROLS, 2)
    assert policy.spec.training["training_steps"] + policy.spec.training["validation_steps"] == 8 * 150
    rng = np.random.default_rng(99)
    buttons, errors = [], []
    for _ in range(100):
        x, y, lit = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.random() < 0.5
        policy.reset()
        action, right = policy.act(draw(x, y, lit)), answer(x, y, lit)
        buttons.append(action[:3] == right[:3])
        errors.append(np.abs(action[3:] - right[3:]))
    assert np.mean(buttons) > 0.93
    assert np.mean(errors) < 0.06


def test_plain_keras_opens_the_file_and_gives_the_same(learned: CloningResult) -> None:
    model = tf.keras.models.load_model(learned.policy_path, safe_mode=True)
    spec, weights = read_keras_policy(learned.policy_path)
    ours = build_network(**spec.network_kwargs)
    for variable, array in zip(ours.variables, weights.values(), strict=True):
        variable.assign(array)
    stacked = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 6), np.uint8)
    np.testing.assert_allclose(model(stacked, training=False), ours(stacked, training=False), atol=1e-4)


def test_the_same_seed_gives_the_same_policy(tmp_path: Path) -> None:
    episodes = write_episodes(tmp_path / "data", 3, 20)
    config = replace(QUICK, epochs=1, shift_px=2, lines=True)
    losses = [
        clone(episodes, tmp_path / f"{number}.keras", replace(config, seed=seed), progress=False).best.validation_loss
        for number, seed in enumerate((0, 0))
    ]
    assert losses[0] == losses[1]


def test_the_loss_is_that_of_pytorch(learned: CloningResult) -> None:
    torch = pytest.importorskip("torch")
    from gameon_env.learning.cloning_loss import CloningLoss

    head = read_keras_policy(learned.policy_path)[0].head
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(7, head.outputs)).astype(np.float32)
    held, where = head.encode(np.stack([answer(*rng.uniform(-1, 1, 2), lit=i % 3 == 0) for i in range(7)]))
    theirs = CloningLoss(head, held, 8.0)(*map(torch.from_numpy, (logits, held, where)))
    assert float(cloning_loss(head, held, 8.0)(logits, held, where)) == pytest.approx(float(theirs), rel=1e-5)


def _without_spec(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


def _with_spec(**changes: Any) -> Any:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        spec = json.loads(members[SPEC_NAME])
        spec["network"]["kwargs"] |= changes.pop("kwargs", {})
        members[SPEC_NAME] = json.dumps(spec | changes).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)

    return write


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "damaged or no policy"),
        (lambda path: path.write_bytes(b"x"), "damaged or no policy"),
        (_without_spec, "is no policy of GameOn env"),
        (_with_spec(version=99), "format version 99"),
        (_with_spec(controls=[1]), f"damaged {SPEC_NAME}"),
        (_with_spec(kwargs={"hidden": 3}), "is damaged"),
        (_with_spec(kwargs={"anything": 3}), "is damaged"),
        (lambda path: path.unlink(), "there is no policy"),
    ],
)
def test_a_damaged_file_is_an_error(learned: CloningResult, tmp_path: Path, damage: Any, says: str) -> None:
    path = tmp_path / "policy.keras"
    path.write_bytes(learned.policy_path.read_bytes())
    damage(path)
    with pytest.raises(PolicyError, match=says):
        KerasPolicy.load(path)


def test_a_device_that_is_not_there_is_an_error(learned: CloningResult) -> None:
    with pytest.raises(PolicyError, match=r"device must be one of .*CPU:0"):
        KerasPolicy.load(learned.policy_path, device="tpu:3")


def test_the_output_must_be_named_as_keras_names_it(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"named \*\.keras"):
        clone(write_episodes(tmp_path / "data", 2, 5), tmp_path / "policy.safetensors", progress=False)
