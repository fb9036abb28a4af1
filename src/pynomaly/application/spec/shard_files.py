"""Output files of a flow that runs as several processes: a file has one writer, so each process writes its own."""

from __future__ import annotations

from pathlib import PurePath

from pynomaly.application.shard import Shard
from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.sink import FileSink


def with_own_files(spec: FlowSpec, shard: Shard) -> FlowSpec:
    """Return the flow as one shard runs it: ``alerts.jsonl`` becomes ``alerts.shard-0-of-2.jsonl``.

    Outputs do not count for the fingerprint, so state, scores and alert ids are those of the flow.
    """
    output = spec.output
    named = {name: getattr(output, name) for name in type(output).model_fields}
    own = {name: _own(sink, shard) for name, sink in named.items() if isinstance(sink, FileSink)}
    return spec.model_copy(update={"output": output.model_copy(update=own)})


def _own(sink: FileSink, shard: Shard) -> FileSink:
    path = PurePath(sink.path)
    return sink.model_copy(update={"path": str(path.with_name(f"{path.stem}.{shard.name}{path.suffix}"))})
