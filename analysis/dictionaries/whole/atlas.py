"""A map of a dictionary's directions in two dimensions, how far it can be trusted, and its random twin."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from analysis.dictionaries.whole.spectral import unit
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.maps.basis import per_layer
from analysis.maps.quality import Quality, neighbours_for, quality
from analysis.projections.kinds import PROJECTIONS
from analysis.projections.layers import lay_out

MISLEADS = (
    "Distances between groups, their sizes and empty space mean nothing in UMAP, and it draws groups in noise too: "
    "look at random directions beside it. Two axes keep few of the neighbours there are in hundreds of dimensions."
)
DRAWN_BY = ("umap", "pca")
Twin = Literal["own", "random"]


@dataclass(frozen=True, eq=False)
class Atlas:
    """Directions as points."""

    projection: str
    """`umap` or `pca`."""
    coordinates: Float32[np.ndarray, "feature 2"]
    quality: Quality | None
    """None for fewer than three directions."""
    twin: bool
    """True if these are random directions."""

    def __post_init__(self):
        self.coordinates.flags.writeable = False


def atlas(
    directions: Float32[np.ndarray, "feature d_model"],
    projection: str = "umap",
    *,
    twin: bool = False,
    seed: int = 0,
    client: object | None = None,
    report: Report = silent,
) -> Atlas:
    """Draw directions so that those are near each other whose cosine is high.

    Rows are drawn at length 1, where distances order pairs as cosines do.

    Args:
        directions: what one unit of each feature adds.
        projection: `umap` or `pca`.
        twin: draw as many random directions in their place.
        seed: of the projection and of random directions.
        client: the process that computes UMAP; None is the app's.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: another projection, fewer than four different directions, or the process ended.

    Source: McInnes, Healy & Melville 2018, arXiv 1802.03426; principal components, Pearson 1901.
    Misleads when: see `MISLEADS`.
    """
    if projection not in DRAWN_BY:
        raise AnalysisError(f"Directions are drawn by {' or '.join(DRAWN_BY)}; given {projection!r}.")
    rows = random_directions(*directions.shape, seed) if twin else unit(directions)
    if projection == "pca":
        basis = per_layer(lambda layer: rows, [0], 2, "unit", report)
        coordinates, explained = basis.project(rows, 0), float(np.sum(basis.explained))
    else:
        params = PROJECTIONS["umap"].params(chained=False)
        drawn = lay_out(
            lambda layer: rows, [0], "umap", params, scale="raw", seed=seed, client=client, report=report
        )
        coordinates, explained = drawn.coordinates[0], None
    report("Comparing neighbours")
    k = neighbours_for(len(rows))
    measured = quality(rows, coordinates, k, seed=seed, explained=explained) if k else None
    return Atlas(projection, coordinates.astype(np.float32), measured, twin)


def nearest(
    directions: Float32[np.ndarray, "feature d_model"], feature: int, most: int = 8
) -> tuple[tuple[int, float], ...]:
    """The other features whose directions point most alike, with the cosine; the most alike first, ties by number."""
    cosines = unit(directions) @ unit(directions[feature : feature + 1])[0]
    order = np.argsort(-cosines, kind="stable")
    return tuple((int(each), float(cosines[each])) for each in order[order != feature][:most])


def random_directions(count: int, width: int, seed: int = 0) -> Float32[np.ndarray, "feature d_model"]:
    """Directions drawn evenly from the sphere."""
    rows = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return unit(rows)
