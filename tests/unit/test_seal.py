"""A seal holds for one content at one place under a known key, and for nothing else."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.domain.seal import UNSEALED, SealError, SealKey, Seals, key_id

OLD, NEW = SealKey.of(b"o" * 32), SealKey.of(b"n" * 32)
SEALS = Seals((NEW,), ("pumps", "store"))
CONTENT = b'{"offset":7}'
SEALED = SEALS.seal(CONTENT, "records", "readings:0")


def test_the_layout_is_the_documented_one() -> None:
    """Anybody with the key can check a seal with nothing but HMAC-SHA256."""
    derived = hmac.digest(b"n" * 32, b"pynomaly-seal 1", hashlib.sha256)
    body = b'["pumps","store","records","readings:0"]\n' + CONTENT
    code = hmac.new(derived, body, hashlib.sha256).hexdigest()
    assert f"pynomaly-seal 1 {NEW.id} {code}\n".encode() + body == SEALED


def test_what_was_sealed_comes_back() -> None:
    """At its place, and only its content."""
    assert SEALS.open(SEALED, "records", "readings:0") == CONTENT
    assert SEALS.within("records").open(SEALED, "readings:0") == CONTENT


@given(st.binary(max_size=300), st.data())
def test_no_bit_can_be_flipped(content: bytes, data: st.DataObject) -> None:
    """Wherever it lies: in the head, the place or the content."""
    sealed = bytearray(SEALS.seal(content, "engine", "a"))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealError):
        SEALS.open(bytes(sealed), "engine", "a")


@given(st.integers(0, len(SEALED) - 1))
def test_nothing_can_be_cut_off(length: int) -> None:
    """A part of what was sealed is not sealed."""
    with pytest.raises(SealError):
        SEALS.open(SEALED[:length], "records", "readings:0")


@pytest.mark.parametrize(
    ("seals", "place", "text"),
    [
        (SEALS, ("records", "readings:1"), "must be sealed for pumps store records readings:1, was for .* readings:0"),
        (Seals((NEW,), ("pumps", "other")), ("records", "readings:0"), "must be sealed for pumps other"),
        (Seals((NEW,), ("valves", "store")), ("records", "readings:0"), "must be sealed for valves store"),
        (Seals((OLD,), SEALS.scope), ("records", "readings:0"), f"was with key {NEW.id}.*earlier_keys"),
        (UNSEALED, ("records", "readings:0"), f"was sealed with key {NEW.id}: give the flow that key"),
    ],
    ids=["row", "store", "flow", "key", "no-key"],
)
def test_it_holds_nowhere_else(seals: Seals, place: tuple[str, ...], text: str) -> None:
    """Rows, stores and flows cannot stand for one another."""
    with pytest.raises(SealError, match=text):
        seals.open(SEALED, *place)


def test_names_of_places_do_not_run_together() -> None:
    """Two names are not one with the same letters."""
    with pytest.raises(SealError, match="moved here"):
        SEALS.open(SEALS.seal(b"", "a", "b"), "ab")


@pytest.mark.parametrize("content", [CONTENT, b"", b"PNST"])
def test_what_carries_no_seal_is_refused_unless_it_is_adopted(content: bytes) -> None:
    """The complaint names the command."""
    with pytest.raises(SealError, match=r"carried none.*pynomaly state seal"):
        SEALS.open(content, "x")
    with pytest.raises(SealError, match="carried none"):
        SEALS.renewed(content, "x")
    assert SEALS.open(SEALS.renewed(content, "x", adopt=True), "x") == content


def test_adopting_takes_nothing_with_a_bad_seal() -> None:
    """Only what never had a seal can be adopted."""
    broken = SEALED[:-1] + b"!"
    with pytest.raises(SealError, match="was altered"):
        SEALS.renewed(broken, "records", "readings:0", adopt=True)


def test_a_changed_key_opens_the_old_and_seals_anew() -> None:
    """Once everything was renewed the old key is not needed."""
    old = Seals((OLD,)).seal(CONTENT, "x")
    both = Seals((NEW, OLD))
    assert both.open(old, "x") == CONTENT
    renewed = both.renewed(old, "x")
    assert key_id(renewed) == NEW.id
    assert Seals((NEW,)).open(renewed, "x") == CONTENT
    assert both.renewed(renewed, "x") == renewed


def test_without_a_key_nothing_changes() -> None:
    """Not one byte."""
    assert UNSEALED.seal(CONTENT, "x") == UNSEALED.open(CONTENT, "x") == UNSEALED.renewed(CONTENT, "x") == CONTENT


def test_a_seal_of_a_later_format_is_told() -> None:
    """It is not called damage."""
    later = SEALED.replace(b"pynomaly-seal 1", b"pynomaly-seal 2")
    with pytest.raises(SealError, match="must be of format 1, was of 2: use a newer"):
        SEALS.open(later, "records", "readings:0")


def test_a_key_does_not_show_itself() -> None:
    """Neither the secret nor what is derived from it."""
    assert NEW.code.hex() not in repr(NEW)
    assert repr(NEW.code) not in repr(SEALS)
