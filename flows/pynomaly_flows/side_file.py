"""What the recovery store keeps instead of a large state: a reference to a file that is named by its content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pynomaly.domain.error import StateError
from pynomaly.domain.state_frame import frame, unframe

WAYS_OUT: Final = "restore the state folder from a backup, or start over with --reset-state"
_NAME: Final = re.compile(r"[0-9a-f]{64}\.state")


@dataclass(frozen=True, slots=True)
class SideFile:
    """What the store says of a file.

    Parameters
    ----------
    name
        The content's checksum in hexadecimal, with a suffix.
    size
        Length of the file [bytes].
    """

    name: str
    size: int

    @classmethod
    def referred_to(cls, state: bytes) -> SideFile | None:
        """Read a state of the store; None when it is not a reference but the state itself.

        Raises
        ------
        StateError
            When the bytes are no state.
        """
        return cls._of(unframe(state).header)

    @classmethod
    def _of(cls, header: Mapping[str, object]) -> SideFile | None:
        if "side_file" not in header:
            return None
        name, size = str(header["side_file"]), int(str(header["size"]))
        if _NAME.fullmatch(name) is None:
            raise StateError(f"side file must be named by its checksum, was {name!r}: {WAYS_OUT}")
        return cls(name, size)

    def reference(self) -> bytes:
        """Return what the store keeps instead of the content."""
        return b"".join(frame({"side_file": self.name, "size": self.size}, {}, []).buffers)
