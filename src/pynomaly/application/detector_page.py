"""The page of native detectors: ``python -m pynomaly.application.detector_page > docs/detectors.md``.

What a detector catches, when it fails, its cost and source stand in the docstring of its options, once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from pynomaly.domain.detectors import DetectorDescription, OptionDescription, describe_all

_HEAD: Final = """\
# Native detectors

These run inside the compiled loop of a flow; `pynomaly detectors list` and `pynomaly detectors show NAME` print the
same facts. Every one of them scores a record before it learns it, keeps a state of fixed size for each series, and
gives no score (not 0, but none) while it warms up. Detectors of [River](detectors-river.md)
and [PyOD](detectors-pyod.md) are slower and have pages of their own.

A detector's **score** is its own number. Scores of the kind *raw* are compared with the series' own past by the
calibrator, which adds 1,072 bytes a series and its own warm-up of 150 scores; scores of the kind *severity* are
-log10 of a tail probability already and are taken as they are. Evidence adds up min(max(severity - 1, 0), 5) of all
parts of a flow. Scores of the kind *evidence* are in the unit of the alert levels; such a part is added to no other and
alerts by itself. `auto`, the default of `pynomaly detect`, is several of these together; its bytes count calibrators.

All of them take values of any size: beyond 1e150 a value counts as 1e150, so that its square is still a number. What
is learned of a deviation at once is bounded: one corrupt value does not blind a detector, and a shift that lasts is
still adopted. Where a standard deviation is below 1e-12 of the mean there is no scale; the score is then 0 for the same
value again and 10 for any other. This page is made from the program's own descriptions.

| detector | looks at | kind of score | bytes a series | what it does |
|---|---|---|---|---|
"""


def detector_page() -> str:
    """Return the page as Markdown."""
    described = describe_all()
    overview = "\n".join(map(_overview, described))
    return f"{_HEAD}{overview}\n\n" + "\n\n".join("\n".join(_section(one)) for one in described) + "\n"


def _overview(one: DetectorDescription) -> str:
    looks_at = "several fields together" if one.takes_vector else "one field"
    size = "" if one.bytes_per_series is None else f"{one.bytes_per_series:,}"
    return f"| [`{one.name}`](#{one.name}) | {looks_at} | {one.scale} | {size} | {one.summary} |"


def _section(one: DetectorDescription) -> Iterator[str]:
    yield f"## `{one.name}`\n"
    yield f"{one.summary}\n\n{one.details}\n"
    yield "| option | default | range | meaning |\n|---|---|---|---|"
    yield from map(_row, one.options)


def _row(option: OptionDescription) -> str:
    given = option.default
    default = "none" if given is None else f"`{given if isinstance(given, str) else format(given, 'g')}`"
    span = ", ".join(f"`{choice}`" for choice in option.choices) or f"{option.low:g} to {option.high:g}"
    return f"| `{option.name}` | {default} | {span} | {option.meaning} |"


if __name__ == "__main__":
    sys.stdout.write(detector_page())
