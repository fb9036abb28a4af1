"""The detectors of a flow: native ones, adapted ones of other distributions, and those of River and PyOD."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal, TypeVar, cast

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from pynomaly.application.plugin import Plugin
from pynomaly.application.spec.option import from_options, to_options
from pynomaly.application.spec.section import Name, NonNegative, ReadBy, Section
from pynomaly.domain.adapted import AdaptedDetector
from pynomaly.domain.calibration import CalibrationOptions
from pynomaly.domain.decision import Channel
from pynomaly.domain.detectors import Detector
from pynomaly.domain.detectors.auto import AlertDefaults
from pynomaly.domain.learning_guard import GuardOptions
from pynomaly.domain.option import Options
from pynomaly.domain.plan import Direction

ValueT = TypeVar("ValueT")

_DEVIATION: Final = ("direction", "minimum_absolute", "minimum_relative")
_ALREADY: Final = {"severity": "severities", "evidence": "evidence"}
PartName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
ClassName = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
ScalarOrNone = str | int | float | bool | None
Listed = ScalarOrNone | tuple[ScalarOrNone, ...]
Argument = Listed | dict[str, Listed]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


def _read_argument(given: object) -> object:
    if isinstance(given, Mapping):
        return {str(name): _read_listed(value) for name, value in cast("Mapping[object, object]", given).items()}
    return _read_listed(given)


def _read_listed(given: object) -> Listed:
    entries = tuple(cast("list[object]", given)) if isinstance(given, list | tuple) else (given,)
    scalars = [entry for entry in entries if entry is None or isinstance(entry, str | int | float)]
    if len(scalars) < len(entries):
        raise ValueError("must be text, a number, true, false, null, or a list or mapping of such")
    return tuple(scalars) if isinstance(given, list | tuple) else scalars[0]


Arguments = dict[str, Annotated[Argument, ReadBy(_read_argument, Argument)]]


class PartSpec(Section):
    """What every entry of `detectors` can say."""

    plugin: ClassVar[Plugin | None] = None
    """Where the detector comes from, if another distribution brought it under a name."""

    name: Annotated[PartName | None, Field(alias="as")] = None
    """Name of the part in alerts; by default the detector's."""
    fields: Annotated[tuple[Name, ...] | None, Field(min_length=1)] = None
    """Fields it looks at (with a window `<field>.<aggregate>`); by default all of them."""
    calibration: Annotated[CalibrationOptions, from_options(CalibrationOptions)] = CalibrationOptions()
    """How its scores become severities."""

    @property
    @abstractmethod
    def detects_with(self) -> str:
        """What the detector is called where it comes from."""

    @property
    def title(self) -> str:
        """Name of the part, or what its part names begin with if there is one part for each field."""
        return self.name or self.detects_with

    @property
    def takes_vector(self) -> bool:
        """Whether one part sees all fields together."""
        return True

    @property
    def facets(self) -> tuple[str, ...]:
        """Names of its scores, where it has several."""
        return ()

    def field_count(self, known: tuple[str, ...]) -> int:
        """Return how many fields it looks at, of those that a flow knows."""
        return len(self.fields or known)

    def stands_for(self, fields: int, *, has_clock: bool) -> tuple[PartSpec, ...]:  # noqa: ARG002 - bundles ask
        """Return what is scored of so many fields: itself, or the members of a bundle."""
        return (self,)

    def alert_defaults(self, fields: int, *, has_clock: bool) -> AlertDefaults:  # noqa: ARG002 - bundles ask
        """Return the alert levels that suit it."""
        return AlertDefaults()

    @field_validator("fields")
    @classmethod
    def _named_once(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError("must name every field once")
        return names


class NativePart(PartSpec):
    """A detector that is compiled into the flow's kernel; subclasses add its options as further keys."""

    native: ClassVar[Detector]

    detector: str
    """Which detector."""
    direction: Direction = "both"
    """Side of the expected value on which a deviation counts."""
    minimum_absolute: NonNegative = 0.0
    """Smaller deviations from the expected value do not count, in the field's unit."""
    minimum_relative: NonNegative = 0.0
    """Smaller deviations do not count, as a ratio of the expected value's size; with both, both must be exceeded."""
    guard: Annotated[GuardOptions, from_options(GuardOptions)] | None = None
    """Learning guard: what scores as anomalous is not learned, for a while; none: every record is learned."""

    @property
    def detects_with(self) -> str:
        """What the detector is called where it comes from."""
        return self.detector

    @property
    def takes_vector(self) -> bool:
        """Whether one part sees all fields together."""
        return self.native.takes_vector

    @property
    def facets(self) -> tuple[str, ...]:
        """Names of its scores, where it has several."""
        return self.native.facets

    @property
    def options(self) -> Options:
        """The detector's own options."""
        return to_options(self.native.options, self)

    @field_validator(*_DEVIATION)
    @classmethod
    def _knows_an_expected_value(cls, given: ValueT, info: ValidationInfo) -> ValueT:
        if cls.native.expect is None and not cls._is_default(given, info):
            raise ValueError(f"must be left out: {cls.native.name} expects no value to deviate from")
        return given

    @field_validator("guard")
    @classmethod
    def _has_one_score(cls, given: GuardOptions | None) -> GuardOptions | None:
        if given is not None and cls.native.facets:
            raise ValueError(f"must be left out: {cls.native.name} has several scores, each with its own calibration")
        return given

    @field_validator("calibration")
    @classmethod
    def _has_raw_scores(cls, given: CalibrationOptions, info: ValidationInfo) -> CalibrationOptions:
        if cls.native.scale != "raw" and not cls._is_default(given, info):
            raise ValueError(f"must be left out: scores of {cls.native.name} are {_ALREADY[cls.native.scale]} already")
        return given

    @classmethod
    def _is_default(cls, given: object, info: ValidationInfo) -> bool:
        return bool(given == cls.model_fields[str(info.field_name)].default)

    @model_validator(mode="after")
    def _options_agree(self) -> NativePart:
        _ = self.options
        return self


class AdaptedPartSpec(PartSpec):
    """A detector that scores batches in Python and learns on its own."""

    absent: ClassVar = {
        "guard": "detectors of other libraries learn on their own, out of the guard's reach",
        **dict.fromkeys(_DEVIATION, "detectors of other libraries expect no value to deviate from"),
    }


class AdaptedDetectorPart(AdaptedPartSpec):
    """An adapted detector with a name of its own; subclasses add its options as further keys."""

    adapted: ClassVar[AdaptedDetector]

    detector: str
    """Which detector."""

    @property
    def detects_with(self) -> str:
        """What the detector is called where it comes from."""
        return self.detector

    @property
    def takes_vector(self) -> bool:
        """Whether one part sees all fields together."""
        return self.adapted.takes_vector

    @property
    def options(self) -> Options:
        """The detector's own options."""
        return to_options(self.adapted.options, self)

    @model_validator(mode="after")
    def _options_agree(self) -> AdaptedDetectorPart:
        _ = self.options
        return self


class LibraryPart(AdaptedPartSpec):
    """A detector of another library, by the name of its class."""

    params: Arguments = Field(default_factory=dict[str, Argument])
    """Arguments of the detector's class, by its own names."""


class StepSpec(Section):
    """A transformer of `river.preprocessing`, which sees a record before the detector does."""

    step: ClassName
    """Name of the class, such as StandardScaler."""
    params: Arguments = Field(default_factory=dict[str, Argument])
    """Its arguments, by its own names."""


def _read_step(given: object) -> StepSpec:
    return StepSpec.model_validate({"step": given} if isinstance(given, str) else given)


class RiverPart(LibraryPart):
    """A detector of `river.anomaly` or `river.drift`: one model for each series, which learns record by record."""

    river: ClassName
    """Name of the class, such as HalfSpaceTrees."""
    preprocessing: Annotated[
        tuple[Annotated[StepSpec, ReadBy(_read_step, ClassName | StepSpec)], ...], Field(max_length=20)
    ] = ()
    """Transformers of `river.preprocessing` that records go through first, in this order: names, or mappings."""

    @property
    def detects_with(self) -> str:
        """What the detector is called where it comes from."""
        return self.river

    @model_serializer(mode="wrap")
    def _as_before_there_were_steps(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out that there are none: such a flow keeps the fingerprint under which its state is saved."""
        written: dict[str, object] = write(self)
        return written if self.preprocessing else {key: written[key] for key in written if key != "preprocessing"}


class PyodPart(LibraryPart):
    """A detector of PyOD, fitted again and again on the last records while the one before it goes on scoring."""

    pyod: ClassName
    """Name of the class, such as IForest."""
    window: Annotated[int, Field(ge=16, le=1_000_000)] = 1_000
    """Records that a fit sees: the last ones of its group; also the records before the first fit."""
    refit_every: Count = 500
    """Records of the group from one fit to the next."""
    adopt_after: Count = 250
    """Records of the group from the start of a fit to the one from which its model scores, whatever the clock says."""
    group_by: Literal["series", "stream"] = "series"
    """One model for each series, or one for all series of an input partition."""

    @property
    def detects_with(self) -> str:
        """What the detector is called where it comes from."""
        return self.pyod

    @field_validator("adopt_after")
    @classmethod
    def _one_fit_at_a_time(cls, adopt_after: int, info: ValidationInfo) -> int:
        if adopt_after > info.data.get("refit_every", adopt_after):
            raise ValueError("must be at most `refit_every`")
        return adopt_after


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """One part of a flow: a detector on the fields that it looks at.

    Parameters
    ----------
    name
        Unique in the flow; ``<entry>:<field>`` where an entry makes one part for each of several fields.
    fields
        Names of the fields.
    entry
        Number of the entry in `detectors`.
    spec
        The entry, or the member of a bundle that the entry names.
    facet
        Which of the detector's scores it is; those after the first share its state.
    """

    name: str
    fields: tuple[str, ...]
    entry: int
    spec: PartSpec
    facet: int = 0

    @property
    def has_state(self) -> bool:
        """Whether it holds the detector's state, which the facets after the first share."""
        return self.facet == 0

    @property
    def own_channel(self) -> Channel | None:
        """How it alerts by itself; None: it adds to the common evidence."""
        return self.spec.native.channel if isinstance(self.spec, NativePart) else None


def place_parts(
    detectors: tuple[PartSpec, ...], known_fields: tuple[str, ...], *, has_clock: bool
) -> tuple[PlacedPart, ...]:
    """Return the parts of a flow in the order in which their severities stand in an outcome."""
    return tuple(
        part
        for entry, given in enumerate(detectors)
        for spec in given.stands_for(given.field_count(known_fields), has_clock=has_clock)
        for part in _placed(entry, spec, known_fields)
    )


def _placed(entry: int, spec: PartSpec, known_fields: tuple[str, ...]) -> Iterator[PlacedPart]:
    names = spec.fields or known_fields
    facets = [f".{facet}" for facet in spec.facets] or [""]
    for seen in [names] if spec.takes_vector else [(name,) for name in names]:
        field = "" if len(seen) == len(names) else f":{seen[0]}"
        for number, facet in enumerate(facets):
            yield PlacedPart(f"{spec.title}{facet}{field}", seen, entry, spec, number)
