"""Saved state is verified before it is read, and equal states are equal bytes."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.domain.error import StateError
from pynomaly.domain.state import StateImage, pack, unpack

_ROW = np.dtype([("mean", "f8"), ("count", "i4"), ("bins", "f4", (4,)), ("slot", [("x", "u1"), ("y", "f8", (2, 3))])])


def _image() -> StateImage:
    rows = np.zeros(3, _ROW)
    rows["bins"] = 7
    rows["slot"]["y"] = 0.25
    return StateImage(
        {"version": 1, "flow": "pumps"},
        {"rows": rows, "keys": np.arange(5, dtype=np.uint8), "nothing": np.zeros((0, 2))},
    )


def test_everything_comes_back() -> None:
    """Header, values, dtypes and shapes survive."""
    image = unpack(pack(_image()))
    assert image.header == {"version": 1, "flow": "pumps"}
    assert image.sections["rows"].dtype == _ROW
    assert image.sections["rows"]["bins"].tolist() == [[7.0] * 4] * 3
    assert image.sections["rows"]["slot"]["y"][2, 1, 2] == 0.25
    assert image.sections["keys"].tolist() == [0, 1, 2, 3, 4]
    assert image.sections["nothing"].shape == (0, 2)


def test_equal_states_are_equal_bytes() -> None:
    """The order in which sections were added leaves no trace."""
    image = _image()
    reverse = StateImage(dict(reversed(image.header.items())), dict(reversed(image.sections.items())))
    assert pack(image) == pack(reverse)


def test_every_single_bit_counts() -> None:
    """A flip of any byte is noticed."""
    data = pack(_image())
    for position in range(0, len(data), 7):
        torn = bytearray(data)
        torn[position] ^= 0x10
        with pytest.raises(StateError, match="must"):
            unpack(bytes(torn))


@pytest.mark.parametrize("size", [0, 3, 37, 60, 200])
def test_a_cut_state_is_refused(size: int) -> None:
    """A file cut short is not read."""
    with pytest.raises(StateError, match="must"):
        unpack(pack(_image())[:size])


def test_a_newer_format_says_so() -> None:
    """State of a later version is told from a damaged one."""
    data = bytearray(pack(_image()))
    data[4:6] = (9).to_bytes(2, "little")
    with pytest.raises(StateError, match="format must be at most 1, was 9: written by a newer pynomaly"):
        unpack(bytes(data))


def test_python_objects_are_no_state() -> None:
    """An array of objects would need pickle, which is never used."""
    with pytest.raises(TypeError, match="must not hold Python objects"):
        pack(StateImage({}, {"objects": np.array([object()])}))
