"""One fit: what goes in, what comes out, and how both travel between processes."""

from __future__ import annotations

import re
import warnings
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pynomaly.domain.record import Float64Matrix
from pynomaly.domain.state import StateImage, pack, unpack
from pynomaly.infrastructure.adapted.model_image import content_hash, dump_model, load_model
from pynomaly.infrastructure.adapted.pyod_catalogue import new_detector
from pynomaly.infrastructure.adapted.score_scale import ScoreScale

_LONGEST_ERROR = 300
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True)
class FitTask:
    """A fit to do: everything its result depends on.

    Parameters
    ----------
    detector, params
        A detector of `PYOD_KINDS` and its arguments.
    seed
        For the detector and for the global generators of the process that fits.
    rows
        ``(n, d)`` training window.
    """

    detector: str
    params: dict[str, object]
    seed: int
    rows: Float64Matrix

    def encode(self) -> bytes:
        """Return the task as bytes; no pickle."""
        header = {"detector": self.detector, "params": self.params, "seed": self.seed}
        return pack(StateImage(header, {"rows": self.rows}))

    @classmethod
    def decode(cls, data: bytes) -> FitTask:
        """Read what `encode` wrote."""
        image = unpack(data)
        header = cast("dict[str, Any]", image.header)
        # A copy: the view is read-only, and some detectors shuffle their input.
        return cls(header["detector"], header["params"], header["seed"], image.sections["rows"].copy())


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A model at rest.

    Parameters
    ----------
    image
        Bytes of `dump_model`.
    content
        `content_hash` of the model.
    scale
        What its scores become.
    """

    image: bytes
    content: str
    scale: ScoreScale


@dataclass(frozen=True, slots=True)
class FitFailure:
    """A fit that failed and would fail again: `error` depends on the task alone."""

    error: str


FitResult = FittedModel | FitFailure


class Fits(Protocol):
    """Does fits, in the order of `submit`; one owner."""

    def submit(self, task: FitTask) -> Future[FitResult]:
        """Start or queue a fit without waiting for it.

        The future gives the result of `fit`, the same for equal tasks, or raises TransientError when the fit was
        lost for a reason outside the task.
        """
        ...

    def close(self) -> None:
        """Abandon running fits and release everything; may be called twice."""
        ...


def fit(task: FitTask) -> FitResult:
    """Fit, look whether the model is sane and can be kept, and serialise it.

    Whatever the detector raises is a `FitFailure`, except that memory ran out: that says nothing of the task.
    """
    try:
        model = new_detector(task.detector, task.params, task.seed)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks of libraries on each other; what counts is judged on the model
            model.fit(task.rows)
        scale = ScoreScale.of(np.asarray(model.decision_scores_, np.float64))
        image = dump_model(model)
        load_model(image)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - detectors raise what they like; the flow goes on with the old model
        text = f"{type(error).__name__}: {error}"
        return FitFailure(_ADDRESS.sub("0x", text)[:_LONGEST_ERROR])
    return FittedModel(image, content_hash(model), scale)


def encode_result(result: FitResult) -> bytes:
    """Return a result as bytes; no pickle."""
    if isinstance(result, FitFailure):
        return pack(StateImage({"error": result.error}, {}))
    header = {"content": result.content, "low": result.scale.low, "width": result.scale.width}
    return pack(StateImage(header, {"image": as_array(result.image)}))


def decode_result(data: bytes) -> FitResult:
    """Read what `encode_result` wrote."""
    image = unpack(data)
    header = cast("dict[str, Any]", image.header)
    if "error" in header:
        return FitFailure(header["error"])
    scale = ScoreScale(header["low"], header["width"])
    return FittedModel(image.sections["image"].tobytes(), header["content"], scale)


def as_array(data: bytes) -> NDArray[np.uint8]:
    """Return bytes as an array, for a section of a state."""
    return np.frombuffer(data, np.uint8)
