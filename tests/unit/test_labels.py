"""Label files: what they say, and what is wrong with bad ones."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.application.quality.labels import LabelFormat, Labels, parse_labels
from pynomaly.domain.error import ConfigError

_NOON_NS = 1_772_366_400_000_000_000  # 2026-03-01T12:00:00Z
_MINUTE_NS = 60_000_000_000
_SPAN = (_NOON_NS, _NOON_NS + 30 * _MINUTE_NS)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("csv", "series,start,end\npump,2026-03-01T12:00:00Z,2026-03-01T12:30:00Z\n"),
        ("csv", "note,end,start,series\nodd,2026-03-01 13:30+01:00,2026-03-01 12:00,pump\n"),
        ("json", '[{"series": "pump", "start": "2026-03-01T12:00:00Z", "end": "2026-03-01T12:30:00Z"}]'),
        ("json", '{"pump": [["2026-03-01 12:00:00.000000", "2026-03-01 12:30:00.000000"]], "fan": []}'),
    ],
)
def test_all_forms_say_the_same(form: LabelFormat, text: str) -> None:
    """CSV in any order of columns, a list of objects, windows by series."""
    assert parse_labels(text, form) == Labels(in_rows=False, spans={"pump": (_SPAN,)})


def test_rows_and_single_moments() -> None:
    """Row numbers instead of times; no end means one row."""
    text = "series,start,end\na,10,19\na,30,\n"
    assert parse_labels(text, "csv") == Labels(in_rows=True, spans={"a": ((10, 19), (30, 30))})


def test_a_file_without_spans_labels_nothing() -> None:
    """It says that there is no anomaly."""
    labels = parse_labels("series,start,end\n", "csv")
    assert labels.windows("a", np.arange(5)) == ()


def test_windows_hold_the_records_inside_a_span() -> None:
    """Both ends count; spans that overlap are one window; one without records is none."""
    times = _NOON_NS + _MINUTE_NS * np.array([0, 10, 20, 30, 40, 50])
    minutes = [(10, 20), (20, 35), (41, 49), (50, 90)]
    spans = tuple((_NOON_NS + first * _MINUTE_NS, _NOON_NS + last * _MINUTE_NS) for first, last in minutes)
    assert Labels(in_rows=False, spans={"a": spans}).windows("a", times) == ((1, 3), (5, 5))
    assert Labels(in_rows=True, spans={"a": ((2, 3), (5, 99))}).windows("a", times) == ((2, 3), (5, 5))


@pytest.mark.parametrize(
    ("form", "text", "complaint"),
    [
        ("csv", "", "labels: must have the columns series, start, end, had none"),
        ("csv", "series,begin\n", "labels: must have the columns series, start, end, had series, begin"),
        ("csv", "series,start,end\na,noon,\n", "labels, line 2: start: must be a time such as"),
        ("csv", "series,start,end\na,20,10\n", "labels, line 2: end: must not lie before the start '20', was '10'"),
        ("csv", "series,start,end\na,1,2026-03-01\n", "labels, line 2: must be two times or two row numbers"),
        ("csv", "series,start,end\n,1,2\n", "labels, line 2: series must be the name of a series, was empty"),
        ("csv", "series,start,end\na,2026-03-01,\na,7,\n", "labels, line 3: must be a time, as in labels, line 2"),
        ("json", "{", "labels: must be JSON"),
        ("json", "7", "labels: must be a list or an object, was int"),
        ("json", '{"a": 7}', "labels['a']: must be a list of windows, was int"),
        ("json", '{"a": [[1, 2, 3]]}', "labels['a'][0]: must be [start, end], was [1, 2, 3]"),
        ("json", '[{"start": 1}]', "labels[0]: must be an object with series, start and maybe end"),
        ("json", '[{"series": "a", "start": true}]', "labels[0]: start: must be a time such as"),
        ("json", '[{"series": "a", "start": -1}]', "labels[0]: start: must be at least 0 and below 2^62, was -1"),
    ],
)
def test_bad_files_are_refused_with_their_place(form: LabelFormat, text: str, complaint: str) -> None:
    """The line or the entry stands before what must hold."""
    with pytest.raises(ConfigError) as caught:
        parse_labels(text, form)
    assert str(caught.value).startswith(complaint)


def test_everything_wrong_is_told_at_once() -> None:
    """One run of the program shows all lines to mend."""
    with pytest.raises(ConfigError) as caught:
        parse_labels("series,start,end\na,x,\nb,1,0\nc,1,2\n", "csv")
    assert [problem.path for problem in caught.value.problems] == ["labels, line 2: start", "labels, line 3: end"]
