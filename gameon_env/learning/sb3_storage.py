"""Agents in files that hold arrays and JSON, and nothing that could run.

Stable-Baselines3's own ``save`` writes pickles into its zip, and its ``load`` runs what they say: a file from somewhere
else can do anything. So agents are kept here as safetensors, with how they were made as JSON, and its zip is neither
written nor read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError, StorageError
from gameon_env.learning.policy import AGENT_KEY
from gameon_env.learning.sb3_agents import AgentSpec, make_agent, spec_of
from gameon_env.learning.sb3_network import coding_of
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
import torch  # noqa: E402
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.save_util import recursive_getattr  # noqa: E402
from stable_baselines3.common.vec_env import VecEnv  # noqa: E402

FORMAT_VERSION = 1
HEADER_KEY = AGENT_KEY


def save_agent(agent: BaseAlgorithm, path: str | Path) -> None:
    """Keep an agent: networks, optimizers, how far it is, and how it was made. Its replay buffer is not kept.

    Args:
        agent: of :func:`~gameon_env.learning.sb3.make_agent`.
        path: the file, ``.safetensors``; an older one stays whole until the new one is complete.

    Raises:
        PolicyError: it was made elsewhere, or with what JSON cannot say (a schedule as a function ...).
        StorageError: the file cannot be written.
    """
    spec, arrays = spec_of(agent), dict[str, npt.NDArray[Any]]()
    parameters = _pack(agent.get_parameters(), "p", arrays)
    variables = {name: recursive_getattr(agent, name) for name in agent._get_torch_save_params()[1]}
    header = {
        "version": FORMAT_VERSION,
        "agent": asdict(spec),
        "coding": coding_of(agent).to_json(),
        "observation_shape": agent.observation_space.shape,
        "num_timesteps": agent.num_timesteps,
        "updates": getattr(agent, "_n_updates", 0),
        "parameters": parameters,
        "variables": _pack(variables, "v", arrays),
    }
    try:
        text = json.dumps(header)
    except TypeError as error:
        raise PolicyError(
            f"the agent's hyperparameters {dict(spec.hyperparameters)} cannot be kept as JSON: {error}. Use numbers "
            "and texts"
        ) from error
    target = Path(path)
    partial = target.with_name(f".{target.name}.partial")
    data = require("safetensors.numpy", "Saving an agent").save(arrays, metadata={HEADER_KEY: text})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(data)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"the agent cannot be written to {target}: {error}") from error


def read_agent_spec(path: str | Path) -> AgentSpec:
    """How the agent in a file was made, so that an environment can be made for it.

    Raises:
        PolicyError: as :func:`load_agent`.
    """
    return _spec(_read(path)[0])


def load_agent(path: str | Path, env: VecEnv, **hyperparameters: Any) -> BaseAlgorithm:
    """An agent as :func:`save_agent` kept it, ready to go on. No code in the file is run.

    Args:
        path: the file.
        env: of :func:`~gameon_env.learning.sb3.make_sb3_env`, with the same actions and frames.
        hyperparameters: in place of those that were kept.

    Raises:
        PolicyError: there is no such file, it is damaged, or the environment is another one.
    """
    header, arrays = _read(path)
    try:
        spec = _spec(header)
        made = {**spec.hyperparameters, **hyperparameters}
        agent = make_agent(
            spec.algorithm,
            env,
            network=spec.network,
            network_kwargs=spec.network_kwargs,
            separate_values=spec.separate_values,
            frozen_sight=spec.frozen_sight,
            **made,
        )
        _check_env(header, agent, path)
        agent.set_parameters(_unpack(header["parameters"], arrays), device=agent.device)
        for name, tensor in _unpack(header["variables"], arrays).items():
            recursive_getattr(agent, name).data.copy_(tensor)
        agent.num_timesteps = int(header["num_timesteps"])
        vars(agent)["_n_updates"] = int(header["updates"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        if isinstance(error, PolicyError):
            raise
        raise PolicyError(f"{path} is damaged, or of other versions of these libraries: {error!r}") from error
    return agent


def _check_env(header: Mapping[str, Any], agent: BaseAlgorithm, path: str | Path) -> None:
    shape = agent.observation_space.shape
    if tuple(header["observation_shape"]) != shape:
        raise PolicyError(
            f"{path} sees frames {tuple(header['observation_shape'])} (channels, height, width), the environment "
            f"gives {shape}: make it with the same observation_size and stack"
        )
    coding = json.loads(json.dumps(coding_of(agent).to_json()))
    if coding != header["coding"]:
        differing = [key for key in coding if coding[key] != header["coding"].get(key)]
        raise PolicyError(
            f"the actions of {path} are others than the environment's: {', '.join(differing)} differ. It learned with "
            f"{ {key: header['coding'].get(key) for key in differing} }"
        )


def _spec(header: Mapping[str, Any]) -> AgentSpec:
    spec = AgentSpec(**header["agent"])
    if spec.network == "clone":  # an agent that was kept before its network knew of these has none
        return replace(spec, network_kwargs={"linear": 0, **spec.network_kwargs})
    return spec


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    safetensors = require("safetensors", "Loading an agent")
    if not Path(path).is_file():
        raise PolicyError(f"there is no agent at {path}")
    if str(path).endswith(".zip"):
        raise PolicyError(
            f"{path} is a zip of Stable-Baselines3, which holds pickles that run when they are loaded. It is not read "
            "here: if you trust it, load it by the library's own load(), and keep agents by save_agent()"
        )
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            text = (file.metadata() or {}).get(HEADER_KEY)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, safetensors.SafetensorError) as error:
        raise PolicyError(f"{path} is damaged or no agent: {error}") from error
    try:
        header = None if text is None else json.loads(text)
        version = None if header is None else int(header["version"])
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"{path} has a damaged header: {error!r}") from error
    if header is None or version is None:
        raise PolicyError(
            f"{path} is a safetensors file, but no agent of GameOn env; policies are played by gameon play"
        )
    if version > FORMAT_VERSION:
        raise PolicyError(f"{path} has format version {version}, this gameon-env reads up to {FORMAT_VERSION}")
    return header, arrays


def _pack(value: Any, name: str, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """A nested value as JSON; its tensors go into ``arrays`` under names that begin with ``name``."""
    if isinstance(value, torch.Tensor):
        arrays[name] = np.array(value.detach().cpu().numpy())
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"map": [[key, _pack(item, f"{name}.{key}", arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_pack(item, f"{name}.{place}", arrays) for place, item in enumerate(value)]}
    return {"value": value}


def _unpack(packed: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    if "tensor" in packed:
        return torch.from_numpy(np.array(arrays[packed["tensor"]]))
    if "map" in packed:
        return {key: _unpack(item, arrays) for key, item in packed["map"]}
    if "list" in packed:
        return [_unpack(item, arrays) for item in packed["list"]]
    return packed["value"]
