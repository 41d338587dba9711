"""The cloned player's network: the numbers that go past its hidden layers, and policies made before it had them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gameon_env.errors import PolicyError
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.behavioral_cloning import CloningConfig, clone
from gameon_env.learning.network import CloneNetwork, weights_of
from gameon_env.learning.policy import Policy, PolicySpec, read_policy, save_policy
from gameon_env.learning.sb3 import make_agent, make_sb3_env, start_from_policy
from tests.unit.learning.dot_env import DotEnv
from tests.unit.learning.dot_task import CONTROLS, SIZE, draw, write_episodes

ONE_EPOCH = CloningConfig(epochs=1, batch_size=32, shift_px=0, threads=1)


def saved(path: Path, controls: tuple[str, ...], size: int, linear: int | None) -> Path:
    """An untrained policy; None: as it was saved before networks had ``linear``."""
    head = ActionHead(controls)
    network = CloneNetwork((size, size), 1, head.outputs, linear=linear or 0)
    kwargs = {name: value for name, value in network.kwargs.items() if name != "linear" or linear is not None}
    spec = PolicySpec(
        head=head, observation_size=(size, size), stack=1, spacing=1, network="clone_cnn", network_kwargs=kwargs,
        game="dots", fps=15.0, mouse_scale_px=None,
    )  # fmt: skip
    save_policy(path, spec, weights_of(network))
    return path


def test_each_linear_number_moves_its_own_axis() -> None:
    head = ActionHead(CONTROLS)
    network = CloneNetwork((SIZE, SIZE), 1, head.outputs, linear=2).eval()
    network.let_lean(len(head.buttons), head.bins)
    frame = torch.from_numpy(draw(0.2, -0.5, lit=False)[None])

    def aims() -> np.ndarray:
        with torch.inference_mode():
            return head.axis_values(head.probabilities(network(frame).numpy())[1])[0]

    before = aims()
    assert network.straight is not None
    with torch.no_grad():
        network.straight.bias[1] += 0.5
    after = aims()
    assert after[1] > before[1] + 0.1
    assert after[0] == pytest.approx(before[0], abs=0.02)


def test_a_clone_with_axes_has_a_number_for_each(tmp_path: Path) -> None:
    made = clone(write_episodes(tmp_path / "data", 3, 40), tmp_path / "policy.safetensors", ONE_EPOCH, progress=False)
    assert read_policy(made.policy_path)[0].network_kwargs["linear"] == 2


def test_an_older_policy_plays_and_is_trained_on_as_it_is(tmp_path: Path) -> None:
    old = saved(tmp_path / "old.safetensors", CONTROLS, SIZE, None)
    assert Policy.load(old).act(draw(0.5, 0.5, lit=False)).shape == (len(CONTROLS),)
    episodes = write_episodes(tmp_path / "data", 3, 40)
    on = clone(episodes, tmp_path / "on.safetensors", ONE_EPOCH, start=old, progress=False)
    assert read_policy(on.policy_path)[0].network_kwargs["linear"] == 0


def test_an_agent_begins_as_a_clone_and_as_an_older_one_where_it_is_made_for_it(tmp_path: Path) -> None:
    env = make_sb3_env(DotEnv, "ppo")
    controls, size = DotEnv().controls.names, DotEnv().observation_space.shape[0]
    agent = make_agent("ppo", env, device="cpu")
    start_from_policy(agent, saved(tmp_path / "new.safetensors", controls, size, 1))
    old = saved(tmp_path / "old.safetensors", controls, size, None)
    with pytest.raises(PolicyError, match=r"linear: policy 0, agent 1.*network_kwargs"):
        start_from_policy(agent, old)
    start_from_policy(make_agent("ppo", env, network_kwargs={"linear": 0}, device="cpu"), old)
