"""What the commands check before an agent plays, and how they say what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.cli.agents import check_device, load_agent, shell_words
from gameon_env.controls import Controls
from gameon_env.errors import DisplayError, EmergencyStop, GameOnError, PolicyError, UnknownNameError
from gameon_env.games.profile import load_profile
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.network import CloneNetwork, weights_of
from gameon_env.learning.policy import PolicySpec, save_policy


def save(path: Path, controls: Controls, game: str) -> Path:
    """An untrained policy."""
    names = controls.names
    head = ActionHead(names, bins=5, thresholds=(0.5,) * len(names), max_hold_steps=(90,) * len(names))
    network = CloneNetwork((48, 64), 1, head.outputs)
    spec = PolicySpec(
        head, (48, 64), 1, 1, "clone_cnn", network.kwargs, game=game, fps=20.0, mouse_scale_px=controls.mouse_scale_px
    )
    save_policy(path, spec, weights_of(network))
    return path


def test_a_device_that_is_not_here_is_refused_with_those_that_are() -> None:
    check_device(None)
    check_device("cpu")
    absent = ["banana", "", "meta", "cuda:99"] + ([] if torch.cuda.is_available() else ["cuda"])
    for name in absent:
        with pytest.raises(UnknownNameError, match=rf"--device must be one of .* has here: cpu.*; it is '{name}'"):
            check_device(name)


@pytest.mark.parametrize("words", [["play", "p"], ["evaluate", "p"], ["train", "bc", "data"]])
def test_each_command_checks_the_device_first(words: list[str]) -> None:
    result = CliRunner().invoke(make_app([words[0], "games"]), [*words, "--device", "banana"])
    assert isinstance(result.exception, UnknownNameError)


@pytest.mark.parametrize("words", [["evaluate", "p"], ["train", "bc", "data"]])
def test_a_negative_seed_is_refused(words: list[str]) -> None:
    result = CliRunner().invoke(make_app([words[0], "games"]), [*words, "--seed", "-3"])
    assert result.exit_code == 2
    assert "--seed" in result.output


def test_a_policy_for_a_game_that_is_not_known_here_asks_for_its_file(tmp_path: Path) -> None:
    aliens = load_profile("aliens")
    policy = save(tmp_path / "p.safetensors", aliens.controls, game="alienz")
    with pytest.raises(PolicyError, match=r"'alienz', which is none of .*--game FILE\.toml"):
        load_agent(policy, None, "private", "cpu")
    agent, env = load_agent(policy, str(aliens.path), "private", "cpu")
    env.close()
    assert agent.spec.game == "alienz"


def test_play_without_a_desktop_names_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    policy = save(tmp_path / "p.safetensors", load_profile("aliens").controls, game="aliens")
    result = CliRunner().invoke(make_app(["play", "games"]), ["play", str(policy), "--device", "cpu"])
    assert isinstance(result.exception, DisplayError)
    assert "--display private" in str(result.exception)
    assert "display=" not in str(result.exception)


def test_other_errors_stay_as_they_are() -> None:
    error = EmergencyStop("stopped")
    with pytest.raises(GameOnError) as caught, shell_words():
        raise error
    assert caught.value is error
