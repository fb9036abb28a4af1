"""What is known of schema ids, and the search for those that are not.

An id means the same schema for ever, so what was found once is never asked for again and the registry may go away.
Searches run in threads of their own: a reader must not stand still while a registry is slow.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final, Generic, TypeVar

from pynomaly.domain.error import TransientError
from pynomaly_connectors.codecs.payload import NotYetDecodableError
from pynomaly_connectors.registry.client import RegistryAwayError, patiently

MeaningT = TypeVar("MeaningT")

_LOOK_S: Final = 0.03  # of the 50 ms that a poll may take
_ASK_AGAIN_S: Final = 10.0  # an id without schema: the registry may get it late


class SchemaStore(Generic[MeaningT]):
    """What schema ids mean to a decoder.

    Holds one entry for each id that the registry has, and one for each that it does not have for 10 s.

    Parameters
    ----------
    find
        Asks the registry; None if it has no such schema. Raises `RegistryAwayError` while it is away.
    patience_s
        How long to go on asking a registry that is away [s].
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        find: Callable[[int], MeaningT | None],
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._patience_s = patience_s
        self._clock = clock
        self._known: dict[int, MeaningT] = {}
        self._unknown: dict[int, float] = {}
        self._searches: dict[int, Future[MeaningT | None]] = {}
        self._lock = threading.Lock()

    def get(self, schema_id: int) -> MeaningT | None:
        """Return what an id means; None if the registry does not know it.

        Raises
        ------
        NotYetDecodableError
            While the search goes on: ask again.
        TransientError
            When the registry has been away for longer than our patience.
        UnavailableError
            When it refuses us.
        """
        with self._lock:
            if schema_id in self._known:
                return self._known[schema_id]
            if schema_id in self._unknown:
                return None
            search = self._searches.get(schema_id) or self._search(schema_id)
        wait([search], _LOOK_S)
        if not search.done():
            raise NotYetDecodableError
        return self._take(schema_id, search)

    def forget_unknown(self) -> None:
        """Let ids be asked for again that the registry did not know some time ago."""
        stale = self._clock() - _ASK_AGAIN_S
        with self._lock:
            self._unknown = {schema_id: since for schema_id, since in self._unknown.items() if since > stale}

    def _take(self, schema_id: int, search: Future[MeaningT | None]) -> MeaningT | None:
        with self._lock:
            self._searches.pop(schema_id, None)
            meaning = search.result()
            if meaning is None:
                self._unknown[schema_id] = self._clock()
            else:
                self._known[schema_id] = meaning
        return meaning

    def _search(self, schema_id: int) -> Future[MeaningT | None]:
        search: Future[MeaningT | None] = Future()
        self._searches[schema_id] = search
        threading.Thread(target=self._run, args=(schema_id, search), name=f"schema-{schema_id}", daemon=True).start()
        return search

    def _run(self, schema_id: int, search: Future[MeaningT | None]) -> None:
        try:
            search.set_result(patiently(lambda: self._find(schema_id), self._patience_s, self._clock))
        except RegistryAwayError as away:
            search.set_exception(TransientError(f"schema {schema_id} must be found, was not: {away}"))
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            search.set_exception(error)
