"""GameOn env: any game on your desktop as a Gymnasium environment.

``import gameon_env`` registers ``GameOn-Desktop-v0``; it needs no display and imports nothing heavy.
"""

from __future__ import annotations

import gymnasium

__version__ = "0.1.0"

ENV_ID = "GameOn-Desktop-v0"

if ENV_ID not in gymnasium.registry:
    # A live screen is never the same twice to the byte: Gymnasium's checker must know.
    gymnasium.register(
        id=ENV_ID,
        entry_point="gameon_env.envs.desktop_env:DesktopEnv",
        vector_entry_point="gameon_env.envs.vector:GameVectorEnv",
        nondeterministic=True,
    )
