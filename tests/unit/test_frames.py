"""Data in memory as record batches."""
# ruff: noqa: PD011 - a batch has values, which are not those of pandas

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pynomaly.domain.error import ConfigError
from pynomaly.domain.outcome import Reason
from pynomaly.domain.record import RecordBatch
from pynomaly_connectors.frames import batches_from

T = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
T_NS = 1_700_000_000_000_000_000
HOUR_NS = 3_600_000_000_000
TIMES = [T + timedelta(hours=hour) for hour in range(3)]
TIMES_NS = [T_NS + hour * HOUR_NS for hour in range(3)]
COLUMNS: dict[str, Any] = {"at": TIMES, "host": ["a", "b", "a"], "x": [1.0, 2.0, 3.0], "n": [4, 5, 6]}
ROLES: dict[str, Any] = {"time": "at", "series": "host", "values": ("x", "n")}


def whole(data: Any, **roles: Any) -> RecordBatch:
    """Return data as one batch."""
    (batch,) = batches_from(data, **roles)
    return batch


def keys(batch: RecordBatch) -> list[bytes]:
    """Return all keys."""
    return [batch.key[row] for row in range(len(batch))]


FRAMES = {
    "pandas": pd.DataFrame(COLUMNS),
    "pandas naive": pd.DataFrame({**COLUMNS, "at": [time.replace(tzinfo=None) for time in TIMES]}),
    "pandas east": pd.DataFrame({**COLUMNS, "at": [t.astimezone(timezone(timedelta(hours=5))) for t in TIMES]}),
    "pandas text": pd.DataFrame({**COLUMNS, "at": [time.isoformat() for time in TIMES]}),
    "pandas nullable": pd.DataFrame(COLUMNS).convert_dtypes(),
    "pandas category": pd.DataFrame(COLUMNS).astype({"host": "category"}),
    "pandas objects": pd.DataFrame(COLUMNS).astype(object),
    "polars": pl.DataFrame(COLUMNS),
    "polars naive": pl.DataFrame({**COLUMNS, "at": [time.replace(tzinfo=None) for time in TIMES]}),
    "polars text": pl.DataFrame({**COLUMNS, "at": [time.isoformat() for time in TIMES]}),
    "polars category": pl.DataFrame(COLUMNS).with_columns(pl.col("host").cast(pl.Categorical)),
    "lists": COLUMNS,
    "arrays": {**COLUMNS, "at": np.array(TIMES_NS, "datetime64[ns]"), "x": np.array([1, 2, 3], np.float32)},
    "rows": [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
    "structured": np.array(
        list(zip(np.array(TIMES_NS, "datetime64[ns]"), *list(COLUMNS.values())[1:], strict=True)),
        [("at", "datetime64[ns]"), ("host", "U1"), ("x", "f8"), ("n", "i4")],
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame_gives_the_same_columns(kind: str) -> None:
    """Whatever the data came in."""
    batch = whole(FRAMES[kind], **ROLES, stream_name="lab")
    assert batch.refusal.tolist() == [0, 0, 0]
    assert batch.time_ns.tolist() == TIMES_NS
    assert keys(batch) == [b"a", b"b", b"a"]
    assert batch.values.tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    assert batch.offset.tolist() == [0, 1, 2]
    assert str(batch.stream) == "lab[0]"
    assert batch.time_ns.dtype == np.int64
    assert batch.refusal.dtype == np.uint8


@pytest.mark.parametrize("kind", ["pandas", "polars", "lists", "rows"])
def test_batches_are_cut_to_size(kind: str) -> None:
    """Offsets run on through them."""
    batches = list(batches_from(FRAMES[kind], **ROLES, batch_records=2))
    assert [batch.offset.tolist() for batch in batches] == [[0, 1], [2]]
    assert [batch.values[:, 0].tolist() for batch in batches] == [[1.0, 2.0], [3.0]]


def test_without_time_there_is_no_clock() -> None:
    """Time is 0 throughout; order is all there is."""
    batch = whole({"x": [1.0, 2.0]}, values="x")
    assert batch.time_ns.tolist() == [0, 0]
    assert batch.refusal.tolist() == [0, 0]
    assert keys(batch) == [b"0", b"0"]


def test_without_value_names_every_other_column_is_a_value() -> None:
    """Other than time and series."""
    batch = whole(FRAMES["pandas"], time="at", series="host")
    assert batch.values.tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]


@pytest.mark.parametrize(
    "data",
    [
        np.array([1.5, 2.5]),
        np.array([[1.5], [2.5]]),
        [1.5, 2.5],
        iter([1.5, 2.5]),
        pd.Series([1.5, 2.5]),
        pl.Series([1.5, 2.5]),
    ],
    ids=["1-D", "2-D", "list", "iterator", "pandas", "polars"],
)
def test_plain_numbers_are_one_series(data: Any) -> None:
    """The shortest way to try a detector."""
    assert whole(data).values.tolist() == [[1.5], [2.5]]


def test_columns_of_a_matrix_have_numbers() -> None:
    """From 0 on."""
    batch = whole(np.array([[T_NS, 7, 1.5], [T_NS, 8, 2.5]]), time=0, time_format="ns", values=2)
    assert batch.values.tolist() == [[1.5], [2.5]]
    assert batch.time_ns.tolist() == [T_NS, T_NS]


def test_an_endless_iterable_is_read_batch_by_batch() -> None:
    """Nothing is read ahead of the batch asked for."""
    taken: list[int] = []

    def endless() -> Iterator[dict[str, float]]:
        while True:
            taken.append(len(taken))
            yield {"x": float(len(taken))}

    batches = batches_from(endless(), values="x", batch_records=10)
    assert next(batches).values[:, 0].tolist() == list(range(1, 11))
    assert len(taken) == 10
    assert next(batches).offset.tolist() == list(range(10, 20))


NAN = float("nan")


@pytest.mark.parametrize(
    ("cells", "reasons"),
    [
        ([1.0, NAN, float("inf")], [0, Reason.NOT_FINITE, Reason.NOT_FINITE]),
        ([1, None, NAN], [0, Reason.MISSING_FIELD, Reason.NOT_FINITE]),
        ([1, "1", True], [0, Reason.NOT_A_NUMBER, Reason.NOT_A_NUMBER]),
        ([10**400, Decimal("1.5"), np.float32(2)], [Reason.NOT_FINITE, 0, 0]),
        (np.array([True, False, True]), [Reason.NOT_A_NUMBER] * 3),
        (np.array(["1", "2", "3"]), [Reason.NOT_A_NUMBER] * 3),
        (pd.Series([1.0, NAN, 2.0]), [0, Reason.NOT_FINITE, 0]),
        (pd.Series([1, None, 2], dtype="Int64"), [0, Reason.MISSING_FIELD, 0]),
        (pd.Series([1, pd.NA, 2], dtype=object), [0, Reason.MISSING_FIELD, 0]),
        (pl.Series([1, None, 2]), [0, Reason.MISSING_FIELD, 0]),
        (pl.Series([1.0, None, NAN]), [0, Reason.MISSING_FIELD, Reason.NOT_FINITE]),
        (pl.Series([True, None, False]), [Reason.NOT_A_NUMBER, Reason.MISSING_FIELD, Reason.NOT_A_NUMBER]),
    ],
)
def test_cells_that_are_no_numbers(cells: Any, reasons: list[int]) -> None:
    """NaN is not finite; only what is null is missing; their rows hold nothing."""
    batch = whole({"x": cells}, values="x")
    assert batch.refusal.tolist() == reasons
    bad = batch.refusal != 0
    assert np.isnan(batch.values[bad]).all()
    assert np.isfinite(batch.values[~bad]).all()
    assert [key for key, refused in zip(keys(batch), bad, strict=True) if refused] == [b""] * int(bad.sum())


@pytest.mark.parametrize(
    ("cells", "reasons"),
    [
        ([T, None, "2023-11-14"], [0, Reason.MISSING_FIELD, 0]),
        ([date(2023, 11, 14), pd.NaT, pd.Timestamp(T)], [0, Reason.MISSING_FIELD, 0]),
        ([1.7e9, NAN, True], [Reason.BAD_TIME, Reason.BAD_TIME, Reason.BAD_TIME]),
        (pd.Series([T, None, datetime(1950, 1, 1, tzinfo=UTC)]), [0, Reason.MISSING_FIELD, Reason.TIME_OUT_OF_RANGE]),
        (pl.Series([T, None, datetime(1950, 1, 1, tzinfo=UTC)]), [0, Reason.MISSING_FIELD, Reason.TIME_OUT_OF_RANGE]),
        (
            np.array(["2023-11-14", "NaT", "9999-01-01"], "datetime64[s]"),
            [0, Reason.MISSING_FIELD, Reason.TIME_OUT_OF_RANGE],
        ),
        (np.array(["2023-11-14", "1600-01-01", "2023"], "datetime64[D]"), [0, Reason.TIME_OUT_OF_RANGE, 0]),
    ],
)
def test_cells_that_are_no_times(cells: Any, reasons: list[int]) -> None:
    """Null is missing, the rest is judged as in every other format."""
    batch = whole({"at": cells, "x": [1.0, 2.0, 3.0]}, time="at", values="x")
    assert batch.refusal.tolist() == reasons
    assert batch.time_ns[batch.refusal != 0].tolist() == [0] * sum(reason != 0 for reason in reasons)


def test_datetimes_keep_their_nanoseconds() -> None:
    """A pandas timestamp knows more than a datetime."""
    stamps = [pd.Timestamp(T_NS + 1, unit="ns", tz="UTC"), T]
    assert whole({"at": stamps, "x": [1, 2]}, time="at").time_ns.tolist() == [T_NS + 1, T_NS]
    column = pd.Series(pd.to_datetime([T_NS + 1, T_NS], unit="ns", utc=True))
    assert whole({"at": column, "x": [1, 2]}, time="at").time_ns.tolist() == [T_NS + 1, T_NS]


@pytest.mark.parametrize(
    ("cells", "reasons"),
    [
        ([7, "b", None], [0, 0, Reason.MISSING_FIELD]),
        (["", 1.5, True], [Reason.BAD_SERIES] * 3),
        (["\ud800", "x" * 1025, np.int64(3)], [Reason.BAD_SERIES, Reason.BAD_SERIES, 0]),
        (pd.Series(["a", None, "c"]), [0, Reason.MISSING_FIELD, 0]),
        (pl.Series(["a", None, "c"]), [0, Reason.MISSING_FIELD, 0]),
    ],
)
def test_cells_that_are_no_series(cells: Any, reasons: list[int]) -> None:
    """Strings and integers name series, nothing else does."""
    assert whole({"k": cells, "x": [1.0, 2.0, 3.0]}, series="k", values="x").refusal.tolist() == reasons


def test_the_first_reason_in_the_written_order_stands() -> None:
    """Time, then series, then values in their order."""
    data = {"at": ["?", T, T], "k": ["", "", "a"], "x": ["?", "?", None], "y": ["?", "?", "?"]}
    batch = whole(data, time="at", series="k", values=("x", "y"))
    assert batch.refusal.tolist() == [Reason.BAD_TIME, Reason.BAD_SERIES, Reason.MISSING_FIELD]


def test_rows_may_lack_a_field() -> None:
    """What the first dict lacks is missing there, not unknown."""
    batch = whole([{"x": 1}, {"x": 2, "y": 3}, {}], values=("x", "y"))
    assert batch.refusal.tolist() == [Reason.MISSING_FIELD, 0, Reason.MISSING_FIELD]


@pytest.mark.parametrize("data", [pd.DataFrame({"x": []}), pl.DataFrame({"x": []}), [], np.zeros((0, 2)), {"x": []}])
def test_no_rows_give_no_batches(data: Any) -> None:
    """And no error."""
    assert list(batches_from(data)) == []


def test_an_unknown_column_is_named_with_those_there_are() -> None:
    """All problems at once."""
    with pytest.raises(ConfigError, match="must be among at, host, x, n, was 'y'") as caught:
        whole(FRAMES["pandas"], time="when", values="y")
    assert len(caught.value.problems) == 2


def test_a_frame_of_nothing_but_time_has_no_values() -> None:
    """There is nothing to detect in it."""
    with pytest.raises(ConfigError, match="values: must be at least one column beside time and series, had at"):
        whole({"at": TIMES}, time="at")


def test_columns_must_be_equally_long() -> None:
    """A mapping can be wrong in this way, a frame cannot."""
    with pytest.raises(ConfigError, match=r"columns: must be equally long, had \[2, 3\] rows"):
        whole({"x": [1, 2], "y": [1, 2, 3]})


@pytest.mark.parametrize("data", [7, "text", None, np.zeros((2, 2, 2)), pl.LazyFrame({"x": [1]}).collect_schema])
def test_what_is_no_data_is_said_to_be_none(data: Any) -> None:
    """The text lists what would be."""
    with pytest.raises(TypeError, match="must"):
        whole(data)
