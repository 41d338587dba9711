"""A saved policy: weights, control names and preprocessing in one safetensors file, ready to play."""

from __future__ import annotations

import importlib
import json
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError, StorageError
from gameon_env.learning.action_head import ActionDecoder, ActionHead, AxisDecoding
from gameon_env.learning.repeats import Repeats
from gameon_env.optional import require

FORMAT_VERSION = 1
HEADER_KEY = "gameon_policy"
AGENT_KEY = "gameon_agent"
"""In the header of an agent's file, see ``sb3_storage``."""

Runner = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
RUNNERS = {
    "clone_cnn": "gameon_env.learning.network",
    "coded_cnn": "gameon_env.learning.coded_network",
    "keras_clone_cnn": "gameon_env.learning.keras_network",
}
"""Which module builds the runner of which kind of network: its ``build_runner(kwargs, weights, device)``."""


@dataclass(frozen=True)
class PolicySpec:
    """All that a policy's file says beside its weights.

    Attributes:
        head: control names and how the network's outputs become actions.
        observation_size: ``(height, width)`` the policy was trained on.
        stack: frames the network sees at once.
        spacing: steps between them.
        network: kind of network, a key of :data:`RUNNERS`.
        network_kwargs: what builds it, as JSON.
        game: the profile's name.
        fps: steps per second it was trained at; None where unknown.
        mouse_scale_px: mouse counts that 1.0 stands for; None where unknown or without a mouse.
        training: a summary of the training, as JSON.
        play: how it is played unless asked otherwise, ``sample_buttons`` and ``axis_decoding`` as in
            :class:`~gameon_env.learning.action_head.ActionDecoder`: an agent that learned while its actions were
            drawn is only as good when they are. ``draw_at_repeats``: an action is drawn where the policy sees again
            what it saw a moment ago: it has no memory, would do again what it did, and never leave.
    """

    head: ActionHead
    observation_size: tuple[int, int]
    stack: int
    spacing: int
    network: str
    network_kwargs: Mapping[str, Any]
    game: str | None = None
    fps: float | None = None
    mouse_scale_px: float | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    play: Mapping[str, Any] = field(default_factory=dict)

    @property
    def controls(self) -> tuple[str, ...]:
        return self.head.controls

    def to_json(self) -> str:
        return json.dumps(
            {
                "version": FORMAT_VERSION,
                "controls": self.controls,
                "head": self.head.to_json(),
                "preprocessing": {
                    "observation_size": self.observation_size,
                    "stack": self.stack,
                    "spacing": self.spacing,
                },
                "network": {"kind": self.network, "kwargs": dict(self.network_kwargs)},
                "game": self.game,
                "fps": self.fps,
                "mouse_scale_px": self.mouse_scale_px,
                "training": dict(self.training),
                "play": dict(self.play),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> PolicySpec:
        data = json.loads(text)
        preprocessing = data["preprocessing"]
        height, width = preprocessing["observation_size"]
        return cls(
            head=ActionHead.from_json(data["controls"], data["head"]),
            observation_size=(int(height), int(width)),
            stack=int(preprocessing["stack"]),
            spacing=int(preprocessing["spacing"]),
            network=data["network"]["kind"],
            network_kwargs=data["network"]["kwargs"],
            game=data["game"],
            fps=data["fps"],
            mouse_scale_px=data["mouse_scale_px"],
            training=data["training"],
            play=data.get("play", {}),
        )


class Policy:
    """Plays: observation in, action out. Keeps the frame stack itself.

    Args:
        spec: what the file says.
        weights: the network's arrays by name.
        device: PyTorch's name of a device; the accelerator where there is one, if not given.
        sample_buttons, axis_decoding, seed: see :class:`~gameon_env.learning.action_head.ActionDecoder`; what the
            file says where not given, and where it says nothing, the most likely action.

    Raises:
        PolicyError: the network is of an unknown kind, or the weights do not fit it.
    """

    name = "agent"

    def __init__(
        self,
        spec: PolicySpec,
        weights: Mapping[str, npt.NDArray[Any]],
        *,
        device: str | None = None,
        sample_buttons: bool | None = None,
        axis_decoding: AxisDecoding | None = None,
        seed: int | None = None,
    ) -> None:
        if spec.network not in RUNNERS:
            raise PolicyError(f"this policy's network is of kind {spec.network!r}; known are {sorted(RUNNERS)}")
        try:
            builder = importlib.import_module(RUNNERS[spec.network]).build_runner
            kwargs = dict(spec.network_kwargs)
            if sample_buttons is not None and "sample" in kwargs:
                kwargs["sample"] = sample_buttons
            self._run: Runner = builder(kwargs, weights, device)
        except (KeyError, TypeError, RuntimeError) as error:
            raise PolicyError(f"the policy's weights do not fit its network: {error}. Train it again.") from error
        self.spec = spec
        said = spec.play
        self._decode = ActionDecoder(
            spec.head,
            sample_buttons=bool(said.get("sample_buttons", False)) if sample_buttons is None else sample_buttons,
            axis_decoding=axis_decoding or said.get("axis_decoding", "expectation"),
            seed=seed,
        )
        as_it_says = sample_buttons is None and axis_decoding is None
        self._draw_at_repeats = as_it_says and bool(said.get("draw_at_repeats", False))
        self._repeats = Repeats()
        self._frames: deque[npt.NDArray[np.uint8]] = deque(maxlen=(spec.stack - 1) * spec.spacing + 1)

    @classmethod
    def load(cls, path: str | Path, device: str | None = None, **options: Any) -> Policy:
        """Load a policy's file. No code in the file is run: it holds arrays and JSON.

        Raises:
            PolicyError: there is no such file, it is damaged, or of a newer version.
            MissingPartError: PyTorch or safetensors is not installed.
        """
        spec, weights = read_policy(path)
        return cls(spec, weights, device=device, **options)

    def check_env(self, env: gym.Env[Any, Any]) -> None:
        """Check that ``env`` is one this policy can play. Other fps than in training are only warned about.

        Raises:
            PolicyError: the environment's controls, their order, mouse scale or observation size differ.
        """
        check_controls(self.spec.controls, env)
        spec, metadata = self.spec, getattr(env.unwrapped, "recording_metadata", {})
        shape = getattr(env.observation_space, "shape", None)
        if shape != (*spec.observation_size, 3):
            raise PolicyError(
                f"the policy sees observations of shape {(*spec.observation_size, 3)}, the environment gives {shape}: "
                f"make it with observation_size={spec.observation_size}"
            )
        scale = metadata.get("mouse_scale_px")
        if None not in (scale, spec.mouse_scale_px) and scale != spec.mouse_scale_px:
            raise PolicyError(
                f"the policy learned with mouse_scale_px={spec.mouse_scale_px}, the environment has {scale}: "
                "its mouse would move too far or too little. Use the same value in the profile, or train again."
            )
        fps = metadata.get("fps")
        if None not in (fps, spec.fps) and fps != spec.fps:
            warnings.warn(
                f"the policy learned at {spec.fps} steps per second and now plays at {fps}: make the environment "
                f"with fps={spec.fps} for what it learned",
                stacklevel=2,
            )

    def reset(self, seed: int | None = None) -> None:
        """Start a new episode: forget the frames. With a seed, what is drawn is the same each time."""
        self._frames.clear()
        self._repeats.reset()
        self._decode.reset(seed)
        draws_itself = getattr(self._run, "reset", None)
        if seed is not None and draws_itself is not None:
            draws_itself(seed)

    def act(self, observation: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """``(H, W, 3) uint8 RGB`` to an action ``(A,) float32``: buttons 0 or 1, axes in [-1, 1].

        Raises:
            PolicyError: the observation has another shape or type.
        """
        if observation.shape != (*self.spec.observation_size, 3) or observation.dtype != np.uint8:
            raise PolicyError(
                f"the policy sees {(*self.spec.observation_size, 3)} uint8, got {observation.shape} {observation.dtype}"
            )
        self._frames.append(observation.copy())
        last = len(self._frames) - 1
        ages = range((self.spec.stack - 1) * self.spec.spacing, -1, -self.spec.spacing)
        stacked = np.concatenate([self._frames[max(last - age, 0)] for age in ages], axis=2)
        return self._decode(self._run(stacked), draw=self._draw_at_repeats and self._repeats.are_near(stacked))


def save_policy(path: str | Path, spec: PolicySpec, weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a policy's file; an older one at ``path`` stays whole until the new one is complete.

    Raises:
        StorageError: it cannot be written.
    """
    data = require("safetensors.numpy", "Saving a policy").save(dict(weights), metadata={HEADER_KEY: spec.to_json()})
    target = Path(path)
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(data)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"the policy cannot be written to {target}: {error}") from error


def read_policy(path: str | Path) -> tuple[PolicySpec, dict[str, npt.NDArray[Any]]]:
    """What is in a policy's file: its description and its arrays, without building the network.

    Raises:
        PolicyError: there is no such file, it is damaged, no policy, or of a newer version.
    """
    safetensors = require("safetensors", "Loading a policy")
    if not Path(path).is_file():
        raise PolicyError(f"there is no policy at {path}. 'gameon train bc DATA... --output {path}' makes one.")
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            told = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, safetensors.SafetensorError) as error:
        raise PolicyError(f"{path} is damaged or no policy: {error}. Train it again, or copy it anew.") from error
    header = told.get(HEADER_KEY)
    if header is None and AGENT_KEY in told:
        raise PolicyError(
            f"{path} is an agent to go on training with, no policy: sb3.export_policy(sb3.load_agent(path, env), ...) "
            "makes one of it, and gameon train writes one beside it, policy.safetensors"
        )
    if header is None:
        raise PolicyError(f"{path} is a safetensors file, but no policy of GameOn env: its header names no controls")
    try:
        version = json.loads(header)["version"]
        if version > FORMAT_VERSION:
            raise PolicyError(f"{path} has format version {version}, this gameon-env reads up to {FORMAT_VERSION}")
        return PolicySpec.from_json(header), weights
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, PolicyError):
            raise
        raise PolicyError(f"{path} has a damaged header: {error!r}. Train it again, or copy it anew.") from error


def check_controls(controls: Sequence[str], env: gym.Env[Any, Any]) -> None:
    """Check that ``env`` has exactly these controls in this order.

    Raises:
        PolicyError: it has not; the message lists the differences.
    """
    theirs = getattr(getattr(env.unwrapped, "controls", None), "names", None)
    if theirs is None:
        raise PolicyError(
            f"{env.unwrapped} has no named controls, so that a policy cannot be checked against it: "
            "use an environment made with gym.make('GameOn-Desktop-v0', game=...)"
        )
    if tuple(theirs) == tuple(controls):
        return
    missing = [name for name in controls if name not in theirs]
    extra = [name for name in theirs if name not in controls]
    differences = [f"the environment lacks {missing}"] if missing else []
    differences += [f"the policy does not know {extra}"] if extra else []
    differences = differences or [f"the order differs: policy {list(controls)}, environment {list(theirs)}"]
    raise PolicyError(f"this policy was trained for other controls: {'; '.join(differences)}")
