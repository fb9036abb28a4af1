"""What a dead letter keeps of a record that is too large for a message."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RawRecord
from pynomaly_connectors.codecs.kept_record import kept_record
from pynomaly_connectors.codecs.payload import RawBatch

MIB = 1 << 20


def headers(size: int) -> tuple[tuple[str, bytes | None], ...]:
    """Return headers that take a number of bytes, of which 10 each are for their framing."""
    return (("a", b"x" * (size - 22)), ("b", None))


@pytest.mark.parametrize(
    "raw",
    [
        RawRecord(None),
        RawRecord(b"x" * 1_000_000),
        RawRecord(b"x" * 899_990, b"k" * 10, headers(100_000)),
        RawRecord(None, b"k" * 1_000_000),
    ],
)
def test_a_record_within_the_bound_is_kept_whole(raw: RawRecord) -> None:
    """And no header speaks of what is missing."""
    assert kept_record(raw, Reason.MALFORMED) == (raw, {})


@pytest.mark.parametrize(
    ("raw", "kept", "missing"),
    [
        (RawRecord(b"x" * 1_000_001, b""), RawRecord(b"x" * 1_000_000, b""), "value"),
        (
            RawRecord(b"x" * 3 * MIB, b"k" * 10, headers(499_990)),
            RawRecord(b"x" * 500_000, b"k" * 10, headers(499_990)),
            "value",
        ),
        (RawRecord(b"x" * 500_000, b"k" * 11, headers(499_990)), RawRecord(b"x" * 500_000), "key,headers"),
        (RawRecord(None, b"k" * MIB), RawRecord(b""), "key,headers"),
        (RawRecord(b"x" * 3 * MIB, None, headers(MIB)), RawRecord(b"x" * 1_000_000), "key,headers,value"),
    ],
)
def test_a_larger_record_is_cut_and_says_so(raw: RawRecord, kept: RawRecord, missing: str) -> None:
    """The mark names what is not whole, and how long the value was."""
    marks = {"pynomaly.truncated": missing, "pynomaly.value_bytes": str(len(raw.value or b""))}
    assert kept_record(raw, Reason.MALFORMED) == (kept, marks)


def test_a_record_rejected_for_its_size_is_cut_shorter() -> None:
    """Its beginning tells which it was; a thousand of them must not fill a topic."""
    kept, marks = kept_record(RawRecord(b"x" * 3 * MIB, b"k"), Reason.TOO_LARGE)
    assert kept == RawRecord(b"x" * (MIB // 4 - 1), b"k")
    assert marks == {"pynomaly.truncated": "value", "pynomaly.value_bytes": str(3 * MIB)}
    small = RawRecord(b"x" * 3_000, b"k")
    assert kept_record(small, Reason.TOO_LARGE) == (small, {})


def test_a_large_value_is_cut_where_it_is_read() -> None:
    """A batch of large records does not stand in memory twice; how long each was is still told."""
    raw = RawBatch.of([b"x" * 3 * MIB, None], np.arange(2), [b"k", b"k"]).record(0)
    assert raw == RawRecord(b"x" * 1_000_000, b"k", (), 3 * MIB)
    kept, marks = kept_record(raw, Reason.MALFORMED)
    assert len(kept.value or b"") == 999_999
    assert marks == {"pynomaly.truncated": "value", "pynomaly.value_bytes": str(3 * MIB)}
