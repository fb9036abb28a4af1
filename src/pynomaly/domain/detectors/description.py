"""What a person wants to know of a detector, taken from its options and their docstring."""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import cleandoc

from pynomaly.domain.detectors.seam import Detector, Scale
from pynomaly.domain.option import Options


@dataclass(frozen=True, slots=True)
class OptionDescription:
    """One option: what it means, and its default and closed range (for words: its choices)."""

    name: str
    meaning: str
    default: float | str | bool | None
    low: float
    high: float
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DetectorDescription:
    """One detector under given options.

    Parameters
    ----------
    name
        What a flow calls it.
    summary
        One sentence.
    details
        Paragraphs: what it catches, when it fails, its source and cost.
    scale
        What its scores mean (`Scale`).
    takes_vector
        Whether one part sees all its fields together.
    bytes_per_series
        State of one series, without its calibrator [bytes]; None: nobody can say beforehand.
    options
        In the order of their declaration.
    """

    name: str
    summary: str
    details: str
    scale: Scale
    takes_vector: bool
    bytes_per_series: int | None
    options: tuple[OptionDescription, ...]


def describe(detector: Detector, options: Options | None = None, field_count: int = 1) -> DetectorDescription:
    """Describe a detector; its memory under ``options`` (None: the defaults) for ``field_count`` value fields."""
    layout = detector.layout(detector.options() if options is None else options, field_count)
    return described(
        detector.name,
        detector.options(),
        detector.scale,
        takes_vector=detector.takes_vector,
        bytes_per_series=layout.bytes_per_series,
    )


def described(
    name: str, defaults: Options, scale: Scale, *, takes_vector: bool, bytes_per_series: int | None
) -> DetectorDescription:
    """Describe what has these options, in the words of their docstring."""
    summary, _, details = cleandoc(defaults.__doc__ or "").partition("\n\n")
    return DetectorDescription(
        name=name,
        summary=summary.replace("\n", " "),
        details=details,
        scale=scale,
        takes_vector=takes_vector,
        bytes_per_series=bytes_per_series,
        options=tuple(_describe_option(defaults, item.name) for item in fields(defaults)),
    )


def _describe_option(defaults: Options, name: str) -> OptionDescription:
    bound = defaults.bound(name)
    return OptionDescription(name, bound.help, getattr(defaults, name), bound.low, bound.high, bound.choices)
