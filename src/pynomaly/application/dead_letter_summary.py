"""Dead letters counted: by reason and by partition, with the time that they span and one to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pynomaly.application.dead_letter import DeadLetter
from pynomaly.application.redrive import Selection


@dataclass(slots=True)
class ReasonSummary:
    """Letters of one reason.

    Parameters
    ----------
    message
        What the reason means.
    letters
        How many there are, repeats included.
    by_partition
        The same by partition of the input.
    redriven
        How many are of records that had been produced again.
    first_ns, last_ns
        When the earliest and the latest was written; None where the store does not say.
    sample
        The newest one in the order of the store.
    """

    message: str
    sample: DeadLetter
    letters: int = 0
    by_partition: Counter[int] = field(default_factory=Counter[int])
    redriven: int = 0
    first_ns: int | None = None
    last_ns: int | None = None

    def take(self, letter: DeadLetter) -> None:
        """Count a letter."""
        self.sample = letter
        self.letters += 1
        self.by_partition[letter.place.partition] += 1
        self.redriven += letter.redrives > 0
        if letter.written_ns is not None:
            self.first_ns = letter.written_ns if self.first_ns is None else min(self.first_ns, letter.written_ns)
            self.last_ns = letter.written_ns if self.last_ns is None else max(self.last_ns, letter.written_ns)


@dataclass(slots=True)
class LetterSummary:
    """What a store holds for one flow.

    Parameters
    ----------
    by_reason
        Commonest reason first.
    others
        Letters of other flows.
    foreign
        What is no dead letter of any flow.
    """

    by_reason: dict[str, ReasonSummary] = field(default_factory=dict[str, ReasonSummary])
    others: int = 0
    foreign: int = 0

    @property
    def letters(self) -> int:
        """Letters of all reasons."""
        return sum(one.letters for one in self.by_reason.values())


def summarise(letters: Iterable[DeadLetter | None], selection: Selection) -> LetterSummary:
    """Count the letters of a selection; memory grows with the number of reasons only."""
    summary = LetterSummary()
    for letter in letters:
        if letter is None:
            summary.foreign += 1
        elif letter.flow != selection.flow:
            summary.others += 1
        elif selection.takes(letter):
            summary.by_reason.setdefault(letter.reason, ReasonSummary(letter.message, letter)).take(letter)
    summary.by_reason = dict(sorted(summary.by_reason.items(), key=lambda item: -item[1].letters))
    return summary
