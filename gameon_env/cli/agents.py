"""What `gameon play` and `gameon evaluate` share: a saved policy, and the environment it was trained for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym

from gameon_env.errors import PolicyError
from gameon_env.learning.policy import Policy


def load_agent(path: Path, game: str | None, display: str, device: str | None) -> tuple[Policy, gym.Env[Any, Any]]:
    """Load a policy and make the environment it plays in, checked against it.

    Raises:
        PolicyError: the policy cannot be loaded, names no game, or was trained for other controls.
        GameOnError: the environment cannot be made.
    """
    agent = Policy.load(path, device=device)
    name = game or agent.spec.game
    if name is None:
        raise PolicyError(f"{path} does not say which game it is for: name one with --game")
    size = agent.spec.observation_size
    env = gym.make("GameOn-Desktop-v0", game=name, display=display, fps=agent.spec.fps, observation_size=size)
    try:
        agent.check_env(env)
    except PolicyError:
        env.close()
        raise
    return agent, env
