"""What is compared: a list of detectors or a flow, and the baselines that any of them must beat."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pynomaly.application.spec.adhoc import Columns, adhoc_flow
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.parse import parse_flow

View = Literal["values", "differences", "noise"]
Levels = tuple[tuple[str, float], ...]

_SOURCE: Final = {"kind": "memory", "topic": "series"}
_OUTPUT: Final = {"alerts": {"kind": "terminal"}}
_DECIDES: Final = {"detectors", "combine", "persistence", "alert"}


@dataclass(frozen=True, slots=True)
class Contender:
    """One thing that judges series.

    Parameters
    ----------
    name
        Unique in a comparison.
    detectors
        Entries as `pynomaly detect` reads them; none: its defaults.
    levels
        Evidence of its alert levels; None: the defaults.
    view
        What its detectors see: the values, their differences from row to row, or seeded noise in their place.
    sections
        What decides of a flow, as `sections_of` tells it, in JSON; takes the place of detectors and levels. As text,
        and not as the flow itself, a contender is told from others and goes to other processes.
    """

    name: str
    detectors: tuple[str, ...] = ()
    levels: Levels | None = None
    view: View = "values"
    sections: str | None = None

    @classmethod
    def of_flow(cls, flow: FlowSpec, name: str | None = None) -> Contender:
        """Return the contender that judges as a flow does, by the name of the flow or another one."""
        return cls(name or flow.flow, sections=json.dumps(sections_of(flow)))

    def spec(self, fields: Sequence[str], *, has_clock: bool) -> FlowSpec:
        """Return the flow that judges series of these fields.

        Raises
        ------
        ConfigError
            With everything that is wrong with it.
        """
        seen = ("noise",) if self.view == "noise" else tuple(fields)
        columns = Columns(seen, "time" if has_clock else None)
        plain = adhoc_flow(_SOURCE, columns, self.detectors, None if self.levels is None else dict(self.levels))
        if self.sections is None:
            return plain
        decides = cast("dict[str, object]", json.loads(self.sections))
        tree = {"flow": plain.flow, "source": _SOURCE, "record": plain.record, "output": _OUTPUT}
        return parse_flow({**tree, "limits": plain.limits, **decides})

    def seen(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what its detectors see of a series: ``(n, d)``, of noise ``(n, 1)``.

        Parameters
        ----------
        name
            Of the series; seeds the noise.
        values
            ``(n, d)``.
        """
        match self.view:
            case "values":
                return values
            case "differences":
                return np.diff(values, axis=0, prepend=values[:1])
            case "noise":
                seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
                return np.random.default_rng(seed).normal(size=(len(values), 1))


def sections_of(flow: FlowSpec) -> dict[str, object]:
    """Return the sections of a flow that decide what is an alert, as its file may say them: only what is given."""
    return flow.model_dump(mode="json", by_alias=True, exclude_unset=True, include=_DECIDES)


def contender_of(text: str, levels: Levels | None = None) -> Contender:
    """Return the contender that entries of detectors make, with blanks between them, called as they are.

    Examples
    --------
    >>> contender_of("ew_zscore  jump:window=9").detectors
    ('ew_zscore', 'jump:window=9')
    """
    entries = tuple(text.split())
    return Contender(" ".join(entries), entries, levels)


def baselines(levels: Mapping[str, float] | None) -> tuple[Contender, ...]:
    """Return the four baselines: chance, the last value as forecast, new extremes, and deviations from a moving mean.

    They go through the same calibration, combination and alert policy as everything else: chance is the z-score of
    noise that takes the place of the values, and the last value is the z-score of the differences.

    Parameters
    ----------
    levels
        Evidence of their alert levels: those of what they are compared with.
    """
    bars = None if levels is None else tuple(levels.items())
    return (
        Contender("random", ("ew_zscore",), bars, "noise"),
        Contender("last value", ("ew_zscore",), bars, "differences"),
        Contender("running range", ("running_range",), bars),
        Contender("EW z", ("ew_zscore",), bars),
    )
