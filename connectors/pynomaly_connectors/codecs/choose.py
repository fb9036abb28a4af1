"""Which JSON decoder a flow gets."""

from __future__ import annotations

from typing import Literal

from pynomaly.application.spec.record import RecordSpec
from pynomaly_connectors.codecs.identified import IdentifiedDecoder
from pynomaly_connectors.codecs.json_fast import FastJsonDecoder, is_scannable
from pynomaly_connectors.codecs.json_portable import PortableJsonDecoder
from pynomaly_connectors.codecs.json_scanner import scan as compiled_scan
from pynomaly_connectors.codecs.payload import Decoder
from pynomaly_connectors.codecs.scanned import Scan

DecoderChoice = Literal["auto", "fast", "portable"]


def json_decoder(
    spec: RecordSpec, choice: DecoderChoice = "auto", scan: Scan = compiled_scan, ids: RecordSpec | None = None
) -> Decoder:
    """Return the decoder of a choice; `auto` is the fast one wherever the record's fields let it be used.

    With ``ids`` the records have ids, which are read as that says.

    Raises
    ------
    ConfigError
        When `fast` is asked for and a field lies in a nested object or a header, or has a name that needs escapes.
    """
    if ids is not None:
        return IdentifiedDecoder(json_decoder(spec, choice, scan), json_decoder(ids, choice, scan))
    if choice == "portable" or (choice == "auto" and not is_scannable(spec)):
        return PortableJsonDecoder(spec)
    return FastJsonDecoder(spec, scan)
