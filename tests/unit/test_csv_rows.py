"""CSV: which lines make a row, and what its cells mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pynomaly.application.spec.record import NoTime, RecordSpec
from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RawRecord, RecordBatch, Stream
from pynomaly_connectors.codecs.csv_rows import CsvDecoder, split_rows
from pynomaly_connectors.codecs.payload import RawBatch

STREAM = Stream("rows.csv")
T_NS = 1_700_000_000_000_000_000
HEADER = ["time", "host", "value"]


def spec(**changes: Any) -> RecordSpec:
    """Return a record of an ISO time, one series column and one value, with changes."""
    fields = {"time": {"field": "time"}, "series": ("host",), "values": ("value",)}
    return RecordSpec.model_validate({**fields, **changes})


def decode(*rows: list[str] | None, record: RecordSpec | None = None) -> RecordBatch:
    """Decode rows whose bytes are their cells joined by commas."""
    payloads: list[bytes | None] = [",".join(cells or ["?"]).encode() for cells in rows]
    raw = RawBatch.of(payloads, np.arange(len(rows)))
    return CsvDecoder(record or spec(), HEADER, "rows.csv").decode(STREAM, rows, raw)


def row(time: str = "2023-11-14T22:13:20Z", host: str = "a", value: str = "1") -> list[str]:
    """Return a good row with changes."""
    return [time, host, value]


def test_good_rows_become_columns() -> None:
    """Spaces around a cell are no part of it."""
    batch = decode(row(), row(" 2023-11-14 23:13:20.5+01:00 ", " b c ", " -2.5e1 "), row(value="+.5"))
    assert batch.refusal.tolist() == [0, 0, 0]
    assert batch.time_ns.tolist() == [T_NS, T_NS + 500_000_000, T_NS]
    assert [batch.key[index] for index in range(3)] == [b"a", b"b c", b"a"]
    assert batch.values.tolist() == [[1.0], [-25.0], [0.5]]


REFUSED = [
    (None, Reason.MALFORMED),
    (["2023-11-14", "a"], Reason.MALFORMED),
    (["2023-11-14", "a", "1", ""], Reason.MALFORMED),
    (row(time=""), Reason.MISSING_FIELD),
    (row(time="  "), Reason.MISSING_FIELD),
    (row(time="yesterday"), Reason.BAD_TIME),
    (row(time="1700000000"), Reason.BAD_TIME),
    (row(time="1970-01-01"), Reason.TIME_OUT_OF_RANGE),
    (row(host=""), Reason.MISSING_FIELD),
    (row(host="x" * 1025), Reason.BAD_SERIES),
    (row(value=""), Reason.MISSING_FIELD),
    (row(value="high"), Reason.NOT_A_NUMBER),
    (row(value="1_000"), Reason.NOT_A_NUMBER),
    (row(value="1,5"), Reason.NOT_A_NUMBER),
    (row(value="0x1p3"), Reason.NOT_A_NUMBER),
    (row(value="\u0661"), Reason.NOT_A_NUMBER),
    (row(value="true"), Reason.NOT_A_NUMBER),
    (row(value="nan"), Reason.NOT_FINITE),
    (row(value="-Infinity"), Reason.NOT_FINITE),
    (row(value="inf"), Reason.NOT_FINITE),
    (row(value="1e400"), Reason.NOT_FINITE),
    (row(time="x", host="", value="y"), Reason.BAD_TIME),
    (row(host="", value="y"), Reason.MISSING_FIELD),
]


@pytest.mark.parametrize(("cells", "reason"), REFUSED)
def test_a_bad_row_fails_alone(cells: list[str] | None, reason: Reason) -> None:
    """Its neighbours are whole, it has nothing in it, and its bytes are kept."""
    batch = decode(row(), cells, row(value="3"))
    assert batch.refusal.tolist() == [0, reason, 0]
    assert batch.values[[0, 2], 0].tolist() == [1.0, 3.0]
    assert (batch.time_ns[1], batch.key[1]) == (0, b"")
    assert np.isnan(batch.values[1, 0])
    assert batch.refused() == {1: RawRecord(",".join(cells or ["?"]).encode())}


def test_a_row_larger_than_allowed_is_refused_before_anything_else() -> None:
    """The size is that of its bytes."""
    batch = decode(row(), row(value="1" * 100), None, record=spec(max_bytes=60))
    assert batch.refusal.tolist() == [0, Reason.TOO_LARGE, Reason.MALFORMED]


@pytest.mark.parametrize(
    ("time_format", "text", "time_ns"),
    [
        ("s", "1700000000", T_NS),
        ("s", "1700000000.123456789", T_NS + 123_456_789),
        ("s", "1700000000.1234567895", T_NS + 123_456_790),
        ("s", "1.7e9", T_NS),
        ("ms", "1700000000000.000001", T_NS + 1),
        ("us", " 1700000000000000 ", T_NS),
        ("ns", "1700000000000000001", T_NS + 1),
        ("ns", "1700000000000000000.5", T_NS),
    ],
)
def test_times_that_are_numbers_are_exact(time_format: str, text: str, time_ns: int) -> None:
    """Text keeps every digit, where JSON has only a double."""
    record = spec(time={"field": "time", "format": time_format})
    assert decode(row(time=text), record=record).time_ns.tolist() == [time_ns]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("12:30", Reason.BAD_TIME),
        ("nan", Reason.BAD_TIME),
        ("1_700_000_000", Reason.BAD_TIME),
        ("1e999999999", Reason.TIME_OUT_OF_RANGE),
        ("1e-999999999", Reason.TIME_OUT_OF_RANGE),
        ("-" + "9" * 400, Reason.TIME_OUT_OF_RANGE),
    ],
)
def test_numbers_that_are_no_times(text: str, reason: Reason) -> None:
    """Absurd exponents cost nothing."""
    batch = decode(row(time=text), record=spec(time={"field": "time", "format": "s"}))
    assert batch.refusal.tolist() == [reason]


def test_without_series_columns_a_file_is_one_series() -> None:
    """The key is the number of the partition."""
    batch = decode(row(), row(), record=spec(series=()))
    assert [batch.key[0], batch.key[1]] == [b"0", b"0"]


def test_several_series_columns_are_joined() -> None:
    """As in JSON."""
    batch = decode(row(host="x|y"), record=spec(series=("host", "value")))
    assert batch.key[0] == b"x\\|y|1"


def test_rows_without_time_are_all_at_zero() -> None:
    """No column is needed for it."""
    record = RecordSpec(time=NoTime(field="none"), values=("value",))
    batch = decode(row(), row(time="?"), record=record)
    assert batch.time_ns.tolist() == [0, 0]
    assert batch.refusal.tolist() == [0, 0]


@pytest.mark.parametrize("header", [["time", "host"], ["time", "host", "value", "value"], []])
def test_a_header_must_have_each_needed_column_once(header: list[str]) -> None:
    """The error lists what there is."""
    with pytest.raises(ConfigError, match=r"must be one column of rows\.csv .*was 'value'"):
        CsvDecoder(spec(), header, "rows.csv")


def test_spaces_in_a_header_are_no_part_of_a_name() -> None:
    """Files written by hand have a space behind the comma."""
    raw = RawBatch.of([b"2023-11-14, a, 1"], np.arange(1))
    decoder = CsvDecoder(spec(), ["time", " host", " value "], "rows.csv")
    assert decoder.decode(STREAM, [["2023-11-14", " a", " 1"]], raw).refusal.tolist() == [0]


def split(text: str, *, ended: bool = True, most: int = 1000) -> list[tuple[list[str] | None, int]]:
    """Split text into rows of cells."""
    lines = [line + "\n" for line in text.split("\n")]
    return [tuple(found) for found in split_rows(lines, ",", most_characters=most, ended=ended)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\nc,d", [(["a", "b"], 1), (["c", "d"], 1)]),
        ("a,b\r\nc,d\r", [(["a", "b"], 1), (["c", "d"], 1)]),
        ('"a,b",c', [(["a,b", "c"], 1)]),
        ('"say ""hi""",c', [(['say "hi"', "c"], 1)]),
        ('"one\ntwo",c\nd', [(["one\ntwo", "c"], 2), (["d"], 1)]),
        ('5" pipe,c\nd', [(['5" pipe', "c"], 1), (["d"], 1)]),
        ("a\x0bb,c\u2028d", [(["a\x0bb", "c\u2028d"], 1)]),
        ("a\n\nb", [(["a"], 1), ([], 1), (["b"], 1)]),
        ('"a"b,c\nd', [(None, 1), (["d"], 1)]),
        ("a\rb,c\nd", [(None, 1), (["d"], 1)]),
        ('a,"open\nb,c\nd', [(None, 1), (["b", "c"], 1), (["d"], 1)]),
        ('"x\ny"z\nd', [(None, 1), (['y"z'], 1), (["d"], 1)]),
    ],
)
def test_which_lines_make_a_row(text: str, rows: list[tuple[list[str] | None, int]]) -> None:
    """Quotes hold rows together; a broken row is one line and takes no other with it."""
    assert split(text) == rows


def test_an_open_quote_waits_for_more_lines() -> None:
    """Unless the input has ended the last row may go on."""
    assert split('a\n"open\nb', ended=False) == [(["a"], 1)]


def test_an_open_quote_does_not_wait_for_ever() -> None:
    """Behind the limit the line that opened it is the broken row, and no other."""
    text = '"open\n' + "\n".join(["x" * 20] * 10)
    assert split(text, ended=False, most=100) == [(None, 1), *[(["x" * 20], 1)] * 10]


def test_where_the_input_was_cut_does_not_matter() -> None:
    """A row over the limit is broken the same way, whether its end has been seen or not."""
    text = '"open\n' + "\n".join(["x" * 20] * 10) + '\nend"'
    assert split(text, most=100)[:11] == [(None, 1), *[(["x" * 20], 1)] * 10]
