"""Keys of the state: from the flow, the environment or files; never shown, never weak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pynomaly.application.spec.flow import FlowSpec
from pynomaly.application.spec.state import StateSpec
from pynomaly.domain.error import ConfigError
from pynomaly.domain.seal import SealKey
from pynomaly.infrastructure.flow_file import load_flow
from pynomaly.infrastructure.state_keys import state_keys

_KEY = "c4nary-" * 5
_TREE: dict[str, Any] = {
    "flow": "pumps",
    "source": {"kind": "memory", "topic": "t"},
    "record": {"time": {"field": "ts"}, "values": ["v"]},
    "detectors": ["ew_zscore"],
    "output": {"alerts": {"kind": "terminal"}},
}


def _flow(folder: Path, **state: object) -> Path:
    path = folder / "flow.yaml"
    path.write_text(yaml.safe_dump(_TREE | {"state": state}))
    return path


def test_keys_come_from_everywhere(tmp_path: Path) -> None:
    """The present one first; a line feed at the end of a file does not count."""
    (tmp_path / "key").write_text("f" * 32 + "\n")
    path = _flow(tmp_path, key="${KEY}", earlier_keys=["e" * 32], earlier_key_files=[str(tmp_path / "key")])
    keys = state_keys(load_flow(path, {"KEY": _KEY}).state)
    assert keys == tuple(SealKey.of(secret) for secret in (_KEY.encode(), b"e" * 32, b"f" * 32))
    assert state_keys(StateSpec()) == ()


def test_keys_are_not_shown_and_change_no_fingerprint(tmp_path: Path) -> None:
    """A flow may get another key without losing its state."""
    flow = load_flow(_flow(tmp_path, key=_KEY, earlier_keys=[_KEY]), {})
    assert _KEY not in f"{flow!r}{flow.model_dump()}{flow.model_dump_json()}{state_keys(flow.state)}"
    assert flow.fingerprint() == FlowSpec.model_validate(_TREE).fingerprint()


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"key": "short"}, "state.key: must have at least 32 characters"),
        ({"key": _KEY, "earlier_keys": ["short"]}, r"state.earlier_keys\[0\]: must have at least 32"),
        ({"key": _KEY, "key_file": "x"}, "state.key_file: must be left out: `key` is given"),
        ({"earlier_keys": [_KEY]}, "state.key: must be given .* with earlier keys"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, state: dict[str, Any], text: str) -> None:
    """By `flows validate`, and without showing it."""
    with pytest.raises(ConfigError, match=text) as refused:
        load_flow(_flow(tmp_path, **state), {})
    assert _KEY not in str(refused.value)


@pytest.mark.parametrize(("content", "text"), [(None, "No such file"), ("short", "fewer than 32"), ("", "fewer")])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: str | None, text: str) -> None:
    """All of them at once."""
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=text) as refused:
        state_keys(StateSpec(key_file=str(file), earlier_key_files=(str(file),)))
    assert [problem.path for problem in refused.value.problems] == ["state.key_file", "state.earlier_key_files[0]"]
