"""``gameon export``: recordings as files that others can read, each format with the command line of its module."""

from __future__ import annotations

import importlib

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Recordings as a file to train from, or to pass on."
)

FORMATS = {
    "hdf5": ("hdf5_export", "One HDF5 file, of any size: pictures, input, sound. Plain h5py reads it."),
    "npz": ("npz_export", "One npz file, for data that fits into memory. Plain numpy reads it."),
    "torch": ("pytorch_export", "One .pt file. Plain torch.load reads it."),
    "cache": ("cache_command", "No file: the frames decoded into the cache, so that trainings start at once."),
    "reacture": ("reacture_export", "Five .npy, .jsonl and .json files a session, as the browser game downloads them."),
    "minari": ("minari_export", "A Minari dataset, which minari.load_dataset reads."),
    "robomimic": ("robomimic_export", "One HDF5 file, which robomimic's SequenceDataset reads."),
    "lerobot": ("lerobot_export", "A LeRobot dataset (v3.0) in a folder: videos and Parquet tables."),
    "tensorflow": ("tensorflow_export", "TFRecord files in a folder, and a snippet that reads them."),
}
"""Format -> its module in :mod:`gameon_env.export`, imported when it is used; its line in ``gameon export --help``."""


def _add(name: str, module: str, line: str) -> None:
    # The words after the format go to the module's own command line as they are, --help too.
    raw = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

    @app.command(name, short_help=line, context_settings=raw, add_help_option=False)
    def export(context: typer.Context) -> None:
        command = importlib.import_module(f"gameon_env.export.{module}").command
        raise typer.Exit(command.main(context.args, prog=f"gameon export {name}"))


for _name, (_module, _line) in FORMATS.items():
    _add(_name, _module, _line)
