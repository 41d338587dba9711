from __future__ import annotations

import subprocess
import sys

import pytest

import wrappers


def test_wrappers_are_imported_by_name_when_used() -> None:
    code = (
        "import sys, wrappers; assert 'h5py' not in sys.modules; wrappers.RecordEpisode; assert 'h5py' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"RecordEpisode", "HumanControl"} <= set(dir(wrappers))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = wrappers.Nothing
