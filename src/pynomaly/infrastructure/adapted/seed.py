"""Seeds that a replay finds again: hashes of where a model lives."""

from __future__ import annotations

import hashlib
import json

from pynomaly.domain.adapted import PartContext


def derive_seed(context: PartContext, *details: int | str) -> int:
    """Return a seed in [0, 2**32), equal for equal arguments on every platform.

    No ambient randomness: without a seed of its own a detector would draw from the operating system and a replay
    would get another model.
    """
    stream = context.stream
    identity = json.dumps([context.flow, stream.name, stream.partition, context.part, *details])
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=4).digest(), "big")
