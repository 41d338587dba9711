"""The arrays' headers, as NumPy reads them."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gameon_env.web.server_parts import FRAME_SHAPE, HEADER_BYTES, array_header


@given(st.sampled_from(["frames", "timestamps"]), st.integers(0, 2**40))
def test_numpy_reads_the_header(stream: str, samples: int) -> None:
    header = array_header(stream, samples)
    file = io.BytesIO(header)
    assert len(header) == HEADER_BYTES
    assert HEADER_BYTES % 64 == 0
    assert np.lib.format.read_magic(file) == (1, 0)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    assert file.tell() == HEADER_BYTES
    assert shape == ((samples, *FRAME_SHAPE) if stream == "frames" else (samples,))
    assert not fortran
    assert dtype == (np.uint8 if stream == "frames" else np.dtype("<f4"))


def test_it_is_what_numpy_writes() -> None:
    for stream, array in (("frames", np.zeros((600, 128, 128, 3), np.uint8)), ("timestamps", np.zeros(600, "<f4"))):
        file = io.BytesIO()
        np.save(file, array)
        assert file.getvalue()[:HEADER_BYTES] == array_header(stream, 600)
