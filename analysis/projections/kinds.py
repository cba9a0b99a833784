"""Every way to draw a cloud of states in two or three axes, and what can be turned on it."""

from dataclasses import dataclass, fields

from analysis.errors import AnalysisError
from analysis.knobs import knob, require_in_range, switch

CHAIN = (
    "Start from the layer below",
    "Each layer's picture starts from that of the layer below, so that points move only as far as they must; "
    "otherwise each starts from its own principal axes, and points jump.",
)
NEIGHBOURS = (
    "Neighbours",
    "How many nearest points each point is held to, itself among them: few draw small groups apart, many draw the "
    "large shape.",
)
MIN_DIST = (
    "Least distance",
    "How close together points may be drawn: small packs groups tightly, large spreads them evenly.",
)


@dataclass(frozen=True)
class NoKnobs:
    """Of a projection with nothing to turn."""


@dataclass(frozen=True)
class UmapKnobs:
    """Of UMAP."""

    neighbours: int = knob(15, 2, 200, 1, *NEIGHBOURS)
    min_dist: float = knob(0.1, 0.0, 0.99, 0.01, *MIN_DIST)
    chained: bool = switch(True, *CHAIN)


@dataclass(frozen=True)
class AlignedKnobs:
    """Of aligned UMAP."""

    neighbours: int = knob(15, 2, 200, 1, *NEIGHBOURS)
    min_dist: float = knob(0.1, 0.0, 0.99, 0.01, *MIN_DIST)
    alignment: float = knob(
        0.01,
        1e-4,
        0.1,
        1e-4,
        "Alignment",
        "How hard a point is pulled to where it is drawn at other layers: 0.01 holds the picture still, and 0.1 also "
        "hides movement that is real.",
        logarithmic=True,
    )
    window: int = knob(
        3, 1, 5, 1, "Window", "How many layers below and above a point is pulled to, of those that are drawn."
    )


@dataclass(frozen=True)
class TsneKnobs:
    """Of t-SNE."""

    perplexity: float = knob(
        30.0,
        2.0,
        100.0,
        1.0,
        "Perplexity",
        "About how many neighbours each point is held to: few draw many small groups, many draw fewer and larger ones.",
    )
    chained: bool = switch(True, *CHAIN)


@dataclass(frozen=True)
class PacmapKnobs:
    """Of PaCMAP."""

    neighbours: int = knob(
        10, 2, 100, 1, "Neighbours", "How many near points each point is held to: more draw larger groups."
    )
    mid_near: float = knob(
        0.5,
        0.1,
        5.0,
        0.1,
        "Middle pairs",
        "Points at middle distance that each is held to at first, per neighbour: more keep the large shape better.",
    )
    further: float = knob(
        2.0,
        0.5,
        10.0,
        0.1,
        "Far pairs",
        "Far points that each is pushed away from, per neighbour: more spread groups further apart.",
    )
    chained: bool = switch(True, *CHAIN)


@dataclass(frozen=True)
class Projection:
    """One way to draw states, and when it misleads."""

    id: str
    title: str
    params: type
    """The class of its knobs."""
    explains: str
    """What it does, in one or two plain sentences."""
    misleads_when: str
    source: str
    linear: bool
    """True if coordinates are products of states with axes: computed at once, and new points lie in them exactly."""
    most_axes: int = 3


PROJECTIONS = {
    each.id: each
    for each in (
        Projection(
            "pca",
            "PCA of each layer",
            NoKnobs,
            "Draws each layer along the two or three directions in which its states differ most, turned onto the layer "
            "below so that points move as little as possible.",
            "Positions in different layers are compared: every layer has axes of its own. What varies little is not "
            "seen at all, however much it means.",
            "principal components, Pearson 1901; Procrustes rotation, Schoenemann 1966, 10.1007/BF02289451",
            True,
        ),
        Projection(
            "pooled",
            "PCA of all layers",
            NoKnobs,
            "Draws all layers along the same two or three directions, those in which the states of all layers together "
            "differ most: here movement is movement.",
            "Layers lie further apart than states do within them: the axes then tell layers apart, and little of each "
            "layer is seen.",
            "principal components, Pearson 1901, 10.1080/14786440109462720",
            True,
        ),
        Projection(
            "umap",
            "UMAP",
            UmapKnobs,
            "Draws points near each other that are neighbours in the full space, layer after layer.",
            "Distances between groups, their sizes and empty space are read as if they meant something; it draws "
            "groups in noise too, as the random twin shows.",
            "McInnes, Healy & Melville 2018, arXiv 1802.03426",
            False,
        ),
        Projection(
            "aligned",
            "aligned UMAP",
            AlignedKnobs,
            "Draws several layers at once as UMAP does, and holds each point near to where it is drawn at the layers "
            "around, so that what still moves had to move.",
            "The alignment is strong: it then hides real movement. Look at what is lost at each layer, and compare "
            "with UMAP.",
            "the aligned UMAP of umap-learn; McInnes, Healy & Melville 2018, arXiv 1802.03426",
            False,
        ),
        Projection(
            "tsne",
            "t-SNE",
            TsneKnobs,
            "Draws points near each other that are neighbours in the full space, and keeps the very nearest better "
            "than the others do.",
            "Distances between groups and sizes of groups are read: they mean nothing, and chance clumps are drawn "
            "as groups where the perplexity is small.",
            "van der Maaten & Hinton 2008, JMLR 9; openTSNE, Policar, Strazar & Zupan 2019, 10.1101/731877",
            False,
            2,
        ),
        Projection(
            "pacmap",
            "PaCMAP",
            PacmapKnobs,
            "Holds each point to its neighbours and to a few points at middle distance, which keeps more of the large "
            "shape.",
            "Small differences within a group are read: it evens them out.",
            "Wang, Huang, Rudin & Shaposhnik 2021, arXiv 2012.04456",
            False,
        ),
    )
}
"""Every projection, by id; the first is drawn at once and is the default."""


def require_projection(id: str, params: object | None, n_axes: int) -> object:
    """The projection's parameters, its defaults where none are given.

    Args:
        id: one of `PROJECTIONS`.
        params: of its class.
        n_axes: 2 or 3.

    Raises:
        AnalysisError: there is no such projection, the parameters are of another one or out of range, or it cannot
            draw so many axes.
    """
    if id not in PROJECTIONS:
        raise AnalysisError(f"{id!r} is no projection; there are {', '.join(PROJECTIONS)}.")
    kind = PROJECTIONS[id]
    params = kind.params() if params is None else params
    if not isinstance(params, kind.params):
        names = ", ".join(each.name for each in fields(kind.params)) or "nothing to set"
        raise AnalysisError(f"{kind.title} has {names}; given {type(params).__name__}.")
    require_in_range(params)
    if not 2 <= n_axes <= kind.most_axes:
        able = "2 axes" if kind.most_axes == 2 else "2 or 3 axes"
        raise AnalysisError(f"{kind.title} draws {able}; given {n_axes}.")
    return params
