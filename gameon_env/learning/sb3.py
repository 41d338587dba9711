"""Stable-Baselines3 agents on live games and on recordings: all of it in one place.

>>> env = make_sb3_env("rescue", "ppo", observation_size=(64, 64))
>>> agent = make_agent("ppo", env, n_steps=512)
>>> pretrain(agent, "data/gameon.db")            # begins as a clone of what was recorded
>>> agent.learn(20_000)
>>> save_agent(agent, "agent.safetensors")       # goes on by load_agent("agent.safetensors", env)
>>> export_policy(agent, "policy.safetensors")   # for gameon play

A live game goes on while an agent learns between its steps: choose small ``n_steps``, or lockstep.
"""

from __future__ import annotations

from gameon_env.learning.sb3_agents import AgentActor, AgentSpec, make_agent
from gameon_env.learning.sb3_env import ALGORITHMS, make_sb3_env
from gameon_env.learning.sb3_export import export_policy, exportable
from gameon_env.learning.sb3_imitation import Imitation
from gameon_env.learning.sb3_network import coding_of, start_from_policy
from gameon_env.learning.sb3_pretraining import PretrainConfig, PretrainRecord, PretrainResult, pretrain
from gameon_env.learning.sb3_replay import fill_replay_buffer
from gameon_env.learning.sb3_storage import load_agent, read_agent_spec, save_agent

__all__ = [
    "ALGORITHMS",
    "AgentActor",
    "AgentSpec",
    "Imitation",
    "PretrainConfig",
    "PretrainRecord",
    "PretrainResult",
    "coding_of",
    "export_policy",
    "exportable",
    "fill_replay_buffer",
    "load_agent",
    "make_agent",
    "make_sb3_env",
    "pretrain",
    "read_agent_spec",
    "save_agent",
    "start_from_policy",
]
