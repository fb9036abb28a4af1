"""Message types from the text of `.proto` files, compiled by protoc itself in a process of its own."""

from __future__ import annotations

import base64
import binascii
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from pynomaly_connectors.registry.client import RegisteredSchema, UnusableSchemaError

_MAIN: Final = "pynomaly-schema.proto"  # no reference may have this name
_COMPILE_S: Final = 30.0


def compile_proto(schema: RegisteredSchema) -> FileDescriptor:
    """Return the file that a schema describes; costs about 0.2 s.

    Raises
    ------
    UnusableSchemaError
        When protoc refuses it.
    """
    files = _from_descriptors(schema) or _compiled({**schema.references, _MAIN: schema.text})
    pool = DescriptorPool()
    try:
        for file in files:
            pool.Add(file)  # those first that others import
        return pool.FindFileByName(files[-1].name)
    except (TypeError, KeyError) as error:
        raise UnusableSchemaError(f"must be a Protobuf schema, was none: {error}") from None


def message_type(file: FileDescriptor, path: Sequence[int]) -> Descriptor:
    """Return the message that indexes lead to: the first is that among the file's, further ones go into messages.

    Raises
    ------
    IndexError
        When there is no such message.
    """
    message: Descriptor = list(file.message_types_by_name.values())[path[0]]
    for index in path[1:]:
        message = message.nested_types[index]
    return message


def _from_descriptors(schema: RegisteredSchema) -> list[FileDescriptorProto]:
    """Read a schema that was entered as serialized descriptors, as Confluent's client for Python does; else nothing."""
    files = [_descriptor(name, text) for name, text in {**schema.references, _MAIN: schema.text}.items()]
    known = [file for file in files if file is not None]
    if len(known) < len(files):
        return []
    foreign = {name for file in known for name in file.dependency} - {file.name for file in known}
    imports = "".join(f'import "{name}";\n' for name in sorted(foreign))
    return [*_compiled({_MAIN: f'syntax = "proto3";\n{imports}'})[:-1], *known]


def _descriptor(name: str, text: str) -> FileDescriptorProto | None:
    try:
        file = FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, DecodeError):
        return None
    file.name = name
    return file


def _compiled(files: dict[str, str]) -> list[FileDescriptorProto]:
    with tempfile.TemporaryDirectory(prefix="pynomaly-proto-") as name:
        folder = Path(name).resolve()
        for file, text in files.items():
            _write(folder, file, text)
        out = folder / "descriptors"
        options = [f"-I{folder}", f"--descriptor_set_out={out}", "--include_imports", str(folder / _MAIN)]
        command = [sys.executable, "-I", "-m", "grpc_tools.protoc", *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_S, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise UnusableSchemaError(f"must compile within {_COMPILE_S:g} s, did not") from None
        if done.returncode != 0:
            raise UnusableSchemaError(f"must be a Protobuf schema, was none: {done.stderr.strip()[:500]}")
        return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def _write(folder: Path, name: str, text: str) -> None:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise UnusableSchemaError(f"must refer to files inside its folder, refers to {name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
