"""``python -m gameon_env`` is ``gameon``."""

from gameon_env.cli import main

main()
