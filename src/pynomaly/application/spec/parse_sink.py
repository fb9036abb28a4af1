"""From a tree of plain values to one output, or to everything that is wrong with it."""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter, ValidationError

from pynomaly.application.spec.complaint import complaints_of
from pynomaly.application.spec.sink import SinkSpec
from pynomaly.domain.error import ConfigError

_SINK: Final[TypeAdapter[SinkSpec]] = TypeAdapter(SinkSpec)


def parse_sink(tree: object) -> SinkSpec:
    """Return the output that a tree describes, as one under `output` of a flow's file.

    Raises
    ------
    ConfigError
        With every problem.
    """
    try:
        return _SINK.validate_python(tree)
    except ValidationError as error:
        raise ConfigError(*(complaint.problem({}) for complaint in complaints_of(error, tree))) from None
