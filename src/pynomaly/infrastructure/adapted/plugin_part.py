"""Adapted detectors of other distributions, held to what the engine relies on."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.plugin import Plugin
from pynomaly.domain.adapted import AcceptedRows, AdaptedDetector, AdaptedPart, AdaptedPartFactory, PartContext
from pynomaly.domain.event import Event
from pynomaly.domain.option import Options
from pynomaly.domain.record import Int64Column
from pynomaly.domain.state import StateImage
from pynomaly.infrastructure.adapted.calls import CallLedger
from pynomaly.infrastructure.adapted.origin import Origin


class PluginPart:
    """A part of somebody else's making, as an `AdaptedPart`.

    What it raises is not caught: it may have learned half a batch, so the stream stops, and a restart resumes before
    that batch. Scores that break the contract stop it too, before anything learns from them.

    Parameters
    ----------
    part
        What does the work; belongs to this one from now on.
    context
        Where the part lives.
    origin
        Who wrote a state: another version of the distribution or other options refuse it.
    calls
        Is told of every batch that the part is asked about.
    """

    def __init__(self, part: AdaptedPart, context: PartContext, origin: Origin, calls: CallLedger) -> None:
        self._part = part
        self._context = context
        self._origin = origin
        self._calls = calls.open(context)

    def process(self, rows: AcceptedRows) -> tuple[NDArray[np.float64], tuple[Event, ...]]:
        """Score, then learn.

        Raises
        ------
        ValueError
            When its answer is no column of non-negative numbers.
        Exception
            Whatever the part raises, with a note of which part it was.
        """
        self._calls.begun += 1
        try:
            scores, events = self._part.process(rows)
            self._require_scores(scores, len(rows))
        except Exception as error:
            error.add_note(f"raised by part {self._context.part} of flow {self._context.flow}, {self._made_by()}")
            raise
        finally:
            self._calls.ended += 1
        return scores, events

    def forget(self, series: Int64Column) -> None:
        """Drop what was learned of some series."""
        self._part.forget(series)

    def snapshot(self) -> StateImage:
        """Return the part's own state, with who wrote it."""
        image = self._part.snapshot()
        return StateImage({**self._origin.header(), "state": image.header}, image.sections)

    def restore(self, image: StateImage) -> None:
        """Take over a state; another version of the distribution is another detector and raises StateError."""
        self._origin.check(self._context.part, image.header)
        self._part.restore(StateImage(cast("dict[str, object]", image.header["state"]), image.sections))

    def close(self) -> None:
        """Let the part release what it holds."""
        self._part.close()

    def _require_scores(self, scores: NDArray[np.float64], count: int) -> None:
        if scores.shape != (count,) or scores.dtype != np.float64:
            raise ValueError(f"scores must be {count} of float64, was {scores.shape} of {scores.dtype}")
        if (scores < 0.0).any() or np.isposinf(scores).any():
            raise ValueError("scores must be finite and at least 0, or NaN while unknown, was negative or infinite")

    def _made_by(self) -> str:
        return ", ".join(f"{name} {version}" for name, version in self._origin.libraries.items())


def plugin_part(
    detector: AdaptedDetector,
    options: Options,
    fields: tuple[str, ...],
    plugin: Plugin | None,
    calls: CallLedger | None = None,
) -> AdaptedPartFactory:
    """Return a factory of `PluginPart`, after the detector has checked its options and fields.

    Raises
    ------
    ConfigError
        When they do not fit.
    """
    make = detector.build(options, fields)
    ledger = CallLedger() if calls is None else calls
    settings = {"kind": "plugin", "detector": detector.name, "options": asdict(options), "fields": list(fields)}
    origin = Origin(settings, {} if plugin is None else {plugin.distribution: plugin.version})
    return lambda context: PluginPart(make(context), context, origin, ledger)
