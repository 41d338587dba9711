"""``load_reacture_dataset.py``: the loader of ReActure downloads as one file that needs numpy alone.

The modules are put one after the other as they are; their imports come first, and of the package's other parts only
what they use of them is brought along.
"""

from __future__ import annotations

import ast
from pathlib import Path

NAME = "load_reacture_dataset.py"
MODULES = (
    "reacture_npy",
    "reacture_files",
    "reacture_rows",
    "reacture_frames",
    "reacture_checks",
    "reacture_batches",
    "reacture_statistics",
    "reacture_vector",
    "reacture",
)
"""In an order in which each comes after those that it uses."""

HEAD = '''#!/usr/bin/env python3
"""Load a ReActure download: put this file beside the five files. It needs Python 3.10 and numpy; PyTorch and TensorFlow
where used.

    python load_reacture_dataset.py reacture_1731177600000_metadata.json

>>> from load_reacture_dataset import ReActureDataset
>>> dataset = ReActureDataset("reacture_1731177600000_metadata.json")
>>> for sample in dataset:
...     print(sample["frame"].shape, sample["frame_timestamp_ms"], sample["battery"])
>>> for batch in dataset.to_pytorch_dataloader(batch_size=32, shuffle=True):
...     print(batch["frame"].shape, batch["keys"].shape)

Made of the package gameon-env, ``gameon_env.export.reacture``, by scripts/make_reacture_loader.py: change it there.
"""
'''
STAND_INS = '''class DatasetError(ValueError):
    """A download cannot be used; the message says why, and what to do."""


def require(module: str, purpose: str) -> ModuleType:
    """Import and return the optional ``module``, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{purpose} needs {package} ({error}): pip install {package}") from error
'''
"""In place of the package's errors and its helper for optional parts."""

EXTRA_IMPORTS = ("import importlib", "from types import ModuleType")


def reacture_loader() -> str:
    """The text of the file."""
    imports = set(EXTRA_IMPORTS)
    bodies = [STAND_INS]
    for name in MODULES:
        text = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(text)
        lines = text.splitlines()
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                _take(node, imports)
        first = next(node for node in tree.body if not _is_head(node))
        bodies.append("\n".join(lines[first.lineno - 1 - len(getattr(first, "decorator_list", ())) :]).rstrip() + "\n")
    body = "\n\n".join(bodies)
    return f"{HEAD}\nfrom __future__ import annotations\n\n{_sorted(imports)}\n\n\n{body}"


def _take(node: ast.Import | ast.ImportFrom, imports: set[str]) -> None:
    module = node.module if isinstance(node, ast.ImportFrom) else None
    if module == "__future__" or (module or "").startswith("gameon_env") or module == "typing":
        if module == "typing":
            imports.update(f"from typing import {name.name}" for name in node.names if name.name != "TYPE_CHECKING")
        return
    if module is None:
        imports.add(ast.unparse(node))
    else:
        imports.update(f"from {module} import {name.name}" for name in node.names)


def _is_head(node: ast.stmt) -> bool:
    """The docstring, imports, and imports for type checkers alone."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    return isinstance(node, ast.Import | ast.ImportFrom)


def _sorted(imports: set[str]) -> str:
    plain = sorted(line for line in imports if line.startswith("import ") and "numpy" not in line)
    from_: dict[str, list[str]] = {}
    for line in imports - set(plain):
        if line.startswith("from "):
            module, _, name = line.removeprefix("from ").partition(" import ")
            from_.setdefault(module, []).append(name)
    named = [f"from {module} import {', '.join(sorted(names, key=_like_isort))}" for module, names in from_.items()]
    return "\n".join([*plain, *sorted(named), "", "import numpy as np"])


def _like_isort(name: str) -> tuple[bool, str]:
    return (not name[0].isupper(), name)
