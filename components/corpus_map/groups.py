"""A group of points, and where its questions are asked."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from analysis import LoadedModel
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from components.corpus_map.reading import Read
from components.requests import held


@dataclass(frozen=True, eq=False)
class Group:
    """Points that are asked about, against the rest."""

    model: LoadedModel
    read: Read
    """All points."""
    rows: Int64[np.ndarray, " inside"]
    layer: int
    among: Bool[np.ndarray, " point"] | None
    """Points that count; None takes all."""
    scale: str
    lens: str
    """Id of the lens that reads means."""
    seed: int

    def job(self, what: str, title: str, work: Callable[[Report], object], *more: object) -> Job:
        """The shared job of one question about these points."""
        return held(key_of(what, self.read, self.rows, self.among, self.seed, *more), title, work)


def key_of(what: str, read: Read, rows, among, *more: object) -> str:
    """One name for a question about some points."""
    counted = np.zeros(0, bool) if among is None else among
    return fingerprint(
        "corpus", what, read.states.key, read.corpus.fingerprint, np.asarray(rows), counted, *more
    )
