"""Where labelled series come from."""

from __future__ import annotations

from typing import Literal, Protocol

from pynomaly.application.quality.trial import LabelledSeries

Records = Literal["series", "table"]


class Corpus(Protocol):
    """A fixed set of labelled series, read one at a time.

    Reading is blocking and repeatable: the same name gives the same series. A corpus can be pickled, so that processes
    share the work.
    """

    @property
    def name(self) -> str:
        """What the corpus is called."""
        ...

    @property
    def records(self) -> Records:
        """Whether its records follow each other in time; of a table only the ranking means anything."""
        ...

    def series(self) -> tuple[str, ...]:
        """Name the series, sorted.

        Raises
        ------
        MissingInputError
            When the corpus is not where it should be.
        """
        ...

    def read(self, name: str) -> LabelledSeries:
        """Read one of them.

        Raises
        ------
        PynomalyError
            When it cannot be read, or is not of the corpus's form.
        """
        ...
