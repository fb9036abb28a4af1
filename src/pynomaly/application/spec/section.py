"""What every section of a flow specification shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, cast, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from pynomaly.application.spec.key_docstring import key_docstrings


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """Stands in for the value of a key that its section does not know, so that the complaint can say which it does."""

    known: tuple[str, ...]
    reason: str | None


class Section(BaseModel):
    """A section of a flow: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    absent: ClassVar[Mapping[str, str]] = {}
    """Keys that an operator may look for here, with the reason why there are none."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the keys by what stands below them in the source: only a schema is worth the time to read it."""
        schema = handler(core_schema)
        keys = handler.resolve_ref_schema(schema).get("properties", {})
        names = {name: field.alias or name for name, field in cls.model_fields.items()}
        for name, text in key_docstrings(cls).items():
            if names.get(name) in keys:
                keys[names[name]].setdefault("description", text)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _read_keys(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        keys = {field.alias or name: field for name, field in cls.model_fields.items()}
        given = cast("Mapping[object, object]", data)
        return {key: cls._read(str(key), value, keys) for key, value in given.items()}

    @classmethod
    def _read(cls, key: str, value: object, keys: Mapping[str, FieldInfo]) -> object:
        if key not in keys:
            return UnknownKey(tuple(keys), cls.absent.get(key))
        if isinstance(value, bool) and _is_number(keys[key].annotation):
            return str(value).lower()  # else `true` would count as 1
        return value


def _is_number(annotation: object) -> bool:
    kinds = {annotation, *get_args(annotation)}
    return bool(kinds & {int, float}) and bool not in kinds


@dataclass(frozen=True, slots=True)
class ReadBy:
    """Annotates a field that a function reads, and that is written by what it holds.

    Parameters
    ----------
    read
        From what the file says, or from a value of the field, to a value of the field; raises ValueError.
    written
        Type of what the file may say, for the JSON Schema.
    """

    read: Callable[[object], object]
    written: Any

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, json_schema_input_schema=handler.generate_schema(self.written)
        )


def _read_scalar(given: object) -> object:
    if not isinstance(given, str | int | float):
        raise ValueError("must be text, a number, true or false")  # noqa: TRY004 - pydantic collects ValueErrors
    return given


def _with_kind(given: object) -> object:
    return {"kind": None, **cast("Mapping[str, object]", given)} if isinstance(given, Mapping) else given


#: Makes a missing `kind` a wrong one, so that the complaint lists the kinds there are.
KIND = BeforeValidator(_with_kind)

#: A setting or argument of another library.
Scalar = Annotated[str | int | float | bool, ReadBy(_read_scalar, str | float | bool)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(gt=0, le=86_400 * 366, allow_inf_nan=False)]
BatchRecords = Annotated[int, Field(ge=1, le=1_000_000)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
