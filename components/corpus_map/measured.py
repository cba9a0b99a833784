"""What is measured of every point at every layer that was read: its norm, its way from the layer before."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32

from analysis.captures import States
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.maps.outliers import sinks
from analysis.maps.scaling import scaled
from components.corpus_map.reading import Read
from components.requests import held


def norms_of(states: States) -> Job[Float32[np.ndarray, "layer point"]]:
    """The residual norm of every point."""

    def work(report: Report) -> np.ndarray:
        found = np.empty(states.values.shape[:2], np.float32)
        for number, layer in enumerate(states.layers):
            report("Measuring norms", number, len(states.layers))
            found[number] = np.linalg.norm(states.at(layer), axis=1)
        found.flags.writeable = False
        return found

    return held(fingerprint("norms", states.key), "Measuring norms", work)


def left_out(read: Read, norms: Float32[np.ndarray, "layer point"]) -> Bool[np.ndarray, " point"]:
    """True for points at the first token of their text, and for outliers of norm."""
    return sinks(read.points["position"].to_numpy(), norms)


def moved_of(
    states: States, rows: np.ndarray, layers: Sequence[int], scale: str
) -> Job[Float32[np.ndarray, "layer point"]]:
    """How far every point has come from the drawn layer before, in the full space; NaN at the first one."""

    def work(report: Report) -> np.ndarray:
        found = np.full((len(layers), len(rows)), np.nan, np.float32)
        before = None
        for number, layer in enumerate(layers):
            report("Measuring distances", number, len(layers))
            here = scaled(np.ascontiguousarray(states.at(layer)[rows]), scale)
            if before is not None:
                found[number] = np.linalg.norm(here - before, axis=1)
            before = here
        found.flags.writeable = False
        return found

    key = fingerprint("moved", states.key, rows, tuple(layers), scale)
    return held(key, "Measuring distances", work)
