"""``gameon train``: make a policy, from recordings or by playing."""

from __future__ import annotations

import typer

from gameon_env.cli import train_bc, train_dagger, train_rl

app = typer.Typer(help="Make a policy, from recordings or by playing.", no_args_is_help=True)


@app.callback()
def train() -> None:
    """Make a policy: from recordings (bc), by playing (ppo, a2c, sac, dqn, recurrent_ppo), or from somebody who takes
    over (dagger)."""


app.command(name="bc")(train_bc.command)
for name in train_rl.ALGORITHMS:
    app.command(name=name, short_help=train_rl.ALGORITHMS[name])(train_rl.make_command(name))
app.command(name="dagger")(train_dagger.command)
