"""The page's files among themselves: nothing is missing, nothing comes from elsewhere, all is asked for at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gameon_env

STATIC = Path(gameon_env.__file__).parent / "web" / "static"
MODULES = sorted(path.name for path in STATIC.glob("*.js"))
IMPORT = re.compile(r"""(?:^import\b[^;]*?from\s*|\bimport\()"\./([\w./-]+)"\)?""", re.MULTILINE)


def reached(module: str, found: set[str] | None = None) -> set[str]:
    """A module and all that it imports."""
    found = set() if found is None else found
    if module not in found:
        found.add(module)
        for name in IMPORT.findall((STATIC / module).read_text(encoding="utf-8")):
            reached(name, found)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_imports_is_there(module: str) -> None:
    for name in IMPORT.findall((STATIC / module).read_text(encoding="utf-8")):
        assert (STATIC / name).is_file(), f"{module} imports {name}"


def test_the_page_asks_for_all_its_modules_at_once() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    asked = set(re.findall(r'<link rel="modulepreload" href="([^"]+)">', page))
    needed = (reached("main.js") - {"main.js"}) | {"vendor/three.module.min.js", "vendor/three.core.min.js"}
    assert asked == needed


@pytest.mark.parametrize("name", ["index.html", "app.css", *MODULES])
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    addresses = set(re.findall(r"""["'(](?:https?:)?//[\w.-]+[^"')\s]*""", text))
    assert {address for address in addresses if "www.w3.org" not in address} == set()


def test_three_comes_with_its_licence() -> None:
    assert "three.js authors" in (STATIC / "vendor" / "three.LICENSE").read_text(encoding="utf-8")


def test_the_rules_know_no_clock_no_page_and_no_chance_of_their_own() -> None:
    rules = reached("sim.js")
    assert "three" not in rules
    for name in rules:
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", (STATIC / name).read_text(encoding="utf-8"), flags=re.DOTALL)
        assert (
            re.findall(
                r"Math\.(?:random|sin|cos|tan|atan2?|exp|log|pow|hypot)|\bDate\b|performance|document|window", code
            )
            == []
        )
