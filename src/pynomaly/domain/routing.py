"""Into which partition a record goes when records are ordered by series: a pure function of the record.

Whatever reads the same record again, after a crash or beside another one, sends it to the same partition. So neither
the number of partitions nor the rule may change under a topic that is in use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.byte_hash import hash_bytes
from pynomaly.domain.jit import compiled
from pynomaly.domain.record import ByteColumn, Int64Column, RecordBatch

_HALF: Final = np.uint64(32)

Route = Callable[..., NDArray[np.int32]]  # the signature of `route`


@compiled
def route(
    data: ByteColumn, start: Int64Column, length: Int64Column, refusal: ByteColumn, home: int, partitions: int
) -> NDArray[np.int32]:
    """Return ``(n,)`` partitions: by the hash of the series, or ``home`` where none can be read.

    The halves of the hash are folded together, as its authors advise: its lowest bits alone know too little of the key.
    """
    target = np.empty(len(start), np.int32)
    for i in range(len(start)):
        if refusal[i] != 0 or length[i] == 0:
            target[i] = home
        else:
            code = hash_bytes(data, start[i], length[i])
            target[i] = np.int32((code ^ (code >> _HALF)) % np.uint64(partitions))
    return target


def partition_of(batch: RecordBatch, partitions: int, kernel: Route = route) -> NDArray[np.int32]:
    """Return the target of each record; one without a readable series goes where its input partition says.

    >>> from pynomaly.domain.record import KeyColumn, Stream
    >>> rows, keys = np.arange(3), KeyColumn.of([b"pump-1", b"pump-1", b""])
    >>> refusal = np.array([0, 0, 61], np.uint8)
    >>> batch = RecordBatch(Stream("readings", 7), rows, rows, keys, np.zeros((3, 0)), refusal)
    >>> partition_of(batch, 4).tolist()
    [0, 0, 3]
    """
    data = batch.key.data.view()
    data.flags.writeable = False  # most are; of the others a second machine code would have to be compiled
    home = batch.stream.partition % partitions
    return kernel(data, batch.key.start, batch.key.length, batch.refusal, home, partitions)
