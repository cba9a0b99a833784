"""Axes in which states of all layers are drawn: one basis for all, one per layer, or directions that mean something.

Whatever the axes are, a point's coordinates are products of its scaled state with them. So points that were not
there when a basis was made, those of an edited run or of another text, lie in it exactly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Float64
from threadpoolctl import threadpool_limits

from analysis.causal import moments
from analysis.directions import Direction
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.maps.procrustes import rotation
from analysis.maps.scaling import require_scale, scaled
from analysis.models.loaded import LoadedModel
from analysis.next_token import norm_gain

Read = Callable[[int], Float32[np.ndarray, "point d_model"]]
"""Gives the states of one layer, so that not all of them need to be in memory."""


@dataclass(frozen=True)
class BasisKind:
    """One way to choose axes."""

    title: str
    fixed: bool
    """True if all layers are drawn in the same axes."""
    source: str
    misleads_when: str


BASES = {
    "pooled": BasisKind(
        "one PCA of all layers",
        True,
        "principal components, Pearson 1901, 10.1080/14786440109462720",
        "layers differ more than tokens do within them: the axes then tell layers apart, and little of what differs "
        "between tokens is seen. Look at the share of variance at the layer.",
    ),
    "per_layer": BasisKind(
        "a PCA per layer, aligned",
        False,
        "principal components, Pearson 1901; Procrustes rotation, Schoenemann 1966, 10.1007/BF02289451",
        "positions are compared across layers: every layer has axes and a centre of its own, so a point may move in "
        "the picture and not in the model.",
    ),
    "unembedding": BasisKind(
        "the unembedding's main axes",
        True,
        "principal components of the unembedding's rows",
        "early layers are read: they do not write words yet. The largest axes separate rare tokens from frequent ones "
        "before they separate meanings.",
    ),
    "concept_plane": BasisKind(
        "directions of concepts",
        True,
        "projections on directions, e.g. Zou et al. 2023, arXiv 2310.01405",
        "the directions are far from orthogonal, as a state along one then seems to carry the other too; or a "
        "direction found at one layer means something else at another.",
    ),
}
"""Ways to choose axes, by id."""
POOLED = "Principal axes of the states of all layers together, every layer counting alike."
UNEMBEDDING = (
    "Principal axes of the rows of the unembedding, centred, through the final norm's gain; they belong to the model, "
    "not to this text."
)
PER_LAYER = (
    "Principal axes of each layer by itself, turned onto the layer below; positions in different layers are not in the "
    "same axes."
)
ONE_THREAD = threadpool_limits.wrap(limits=1, user_api="blas")
"""Many small products: two threads that wait for each other were ten times slower on a busy machine."""
ROWS_AT_ONCE = 1024
"""Rows from which on a product is worth its call; layers of few points are taken together."""
FEW_NUMBERS = 200
"""Widths up to which all of a covariance is decomposed; of wider ones only the axes that are drawn."""
NOTHING = 1e-10
"""Of a cloud's mean square: a variance below this is rounding, and its points are one."""


@dataclass(frozen=True, eq=False)
class Basis:
    """The axes of a map, at every layer it draws."""

    id: str
    """One of `BASES`."""
    names: tuple[str, ...]
    """What each axis is."""
    layers: tuple[int, ...]
    centres: Float32[np.ndarray, "layer d_model"]
    """The scaled state that is drawn at zero."""
    axes: Float32[np.ndarray, "layer axis d_model"]
    """Unit vectors; orthogonal, but for directions of concepts, which are taken as they are."""
    scale: str
    """One of `scaling.SCALES`."""
    fixed: bool
    """True if centre and axes are the same at all layers: then a difference between layers is a movement."""
    explained: Float32[np.ndarray, "layer axis"] | None
    """Share of a layer's variance along each axis, 0 to 1; NaN where all points of a layer coincide, and None where
    no states were given."""
    how: str
    """One or two sentences: how the axes were found, and what to know of them."""

    def __post_init__(self):
        require_scale(self.scale)
        for values in (self.centres, self.axes, *(() if self.explained is None else (self.explained,))):
            values.flags.writeable = False

    def project(
        self, states: Float32[np.ndarray, "*points d_model"], layer: int
    ) -> Float32[np.ndarray, "*points axis"]:
        """Coordinates of states of one layer, which may be of any text or run.

        Args:
            states: as they are; they are scaled here.
            layer: whose states.

        Raises:
            AnalysisError: the basis has no such layer, or states have another width.
        """
        if layer not in self.layers:
            raise AnalysisError(
                f"This map has layers {self.layers[0]} to {self.layers[-1]}; layer {layer} is none of them."
            )
        if states.shape[-1] != self.axes.shape[-1]:
            raise AnalysisError(
                f"This map is of states of {self.axes.shape[-1]} numbers; given {states.shape[-1]}."
            )
        at = self.layers.index(layer)
        return (scaled(states, self.scale) - self.centres[at]) @ self.axes[at].T


@ONE_THREAD
def pooled(
    read: Read, layers: Sequence[int], n_axes: int = 2, scale: str = "unit", report: Report = silent
) -> Basis:
    """Principal axes of the states of all layers together: every layer in the same axes.

    The covariance is summed layer by layer, each layer counting alike, so that states are held one layer at a time.

    Args:
        read: gives a layer's states.
        layers: what to pool.
        n_axes: 2 or 3.
        scale: one of `scaling.SCALES`.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there are no layers or points, or all points coincide.

    Source: principal components, Pearson 1901, 10.1080/14786440109462720.
    Misleads when: layers differ more than tokens do within them: with raw states the first axis is often the layer's
        norm, and the shares of variance at single layers tell how little of them is seen.
    """
    mean, covariance = _moments(read, layers, scale, report)
    width = len(mean)
    _require_axes(n_axes, width)
    if np.trace(covariance) <= NOTHING * (np.trace(covariance) + mean @ mean):
        raise AnalysisError(
            "All points are one and the same, so there is nothing to draw. Give a longer text."
        )
    axes = _largest(covariance, n_axes)
    basis = _fixed("pooled", _component_names(n_axes), layers, mean, _signed(axes), scale, POOLED)
    return measured(basis, read, report)


@ONE_THREAD
def per_layer(
    read: Read, layers: Sequence[int], n_axes: int = 2, scale: str = "unit", report: Report = silent
) -> Basis:
    """Principal axes of each layer's own states, turned so that points move as little as possible from layer to layer.

    Each picture is rotated, or reflected, onto the one below after that was turned itself. The turn is part of the
    axes, so that projecting stays a product.

    Args:
        read: gives a layer's states, of the same points in the same order at every layer.
        layers: ascending.
        n_axes: 2 or 3.
        scale: one of `scaling.SCALES`.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there are no more points than axes.

    Source: principal components, Pearson 1901; Procrustes rotation, Schoenemann 1966, 10.1007/BF02289451.
    Misleads when: positions are compared across layers: every layer has axes and a centre of its own, and a point that
        moves in the picture may not have moved.
    """
    centres, axes, shares, below = [], [], [], None
    for number, layer in enumerate(layers):
        report("Finding each layer's axes", number, len(layers))
        states = scaled(read(layer), scale)
        centre, own = _principal_axes(states, n_axes)
        drawn = (states - centre) @ own.T
        if below is not None:
            turn = rotation(drawn, below)
            own, drawn = turn.T @ own, drawn @ turn
        below = drawn
        centres.append(centre)
        axes.append(own)
        shares.append(variance_shares(states, own.astype(np.float32)))
    return Basis(
        "per_layer",
        _component_names(n_axes, "this layer's "),
        tuple(layers),
        np.stack(centres).astype(np.float32),
        np.stack(axes).astype(np.float32),
        scale,
        False,
        np.stack(shares),
        PER_LAYER,
    )


def unembedding(
    model: LoadedModel,
    n_axes: int = 2,
    scale: str = "unit",
    *,
    layers: Sequence[int] | None = None,
    read: Read | None = None,
    report: Report = silent,
) -> Basis:
    """Principal axes of what the model writes words with: its unembedding, centred, through the final norm's gain.

    The axes belong to the model and not to a text: maps of all texts are in the same ones.

    Args:
        model: whose unembedding.
        n_axes: 2 or 3.
        scale: one of `scaling.SCALES`.
        layers: what will be drawn; None is all of them.
        read: gives a layer's states, to tell how much of their variance the axes carry.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the final norm is followed by another map.
    Misleads when: early layers are drawn: they do not write words yet. The largest axes of an unembedding separate rare
        tokens from frequent ones before they separate meanings.
    """
    _require_axes(n_axes, model.d_model)
    gain = norm_gain(model)
    _, covariance, _ = moments(model, report)
    covariance = gain[:, None] * covariance * gain
    axes = _largest(covariance, n_axes)
    names = tuple(f"unembedding axis {number}" for number in range(1, n_axes + 1))
    layers = tuple(range(model.n_layers + 1)) if layers is None else layers
    centre = np.zeros(model.d_model)
    basis = _fixed("unembedding", names, layers, centre, _signed(axes), scale, UNEMBEDDING)
    return measured(basis, read, report)


def concept_plane(
    directions: Sequence[Direction],
    at: Sequence[int | None] | None = None,
    scale: str = "unit",
    *,
    layers: Sequence[int] | None = None,
    read: Read | None = None,
    report: Report = silent,
) -> Basis:
    """Directions of concepts as axes: a coordinate is the product of a state with a direction at length 1.

    They are taken as they are and drawn at right angles, whatever the angle between them is. With unit states a
    coordinate is a cosine, with raw states a length in the units of the residual stream.

    Args:
        directions: two or three.
        at: the layer of each direction; None is the one it proposes.
        scale: one of `scaling.SCALES`.
        layers: what will be drawn; None is those of the first direction.
        read: gives a layer's states, to tell how much of their variance the axes carry.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there are not two or three directions, two of them lie along each other, their widths differ, or
            one has no vector at its layer.
    Misleads when: directions are far from orthogonal: a state along one then seems to carry the other too. A direction
        found at one layer need not mean the same at another.
    """
    if len(directions) not in (2, 3):
        raise AnalysisError(
            f"A map of concepts has two or three directions as axes; given {len(directions)}. Choose another one."
        )
    at = at or [None] * len(directions)
    chosen = [each.layer if layer is None else layer for each, layer in zip(directions, at, strict=True)]
    vectors = [each.unit(layer) for each, layer in zip(directions, chosen, strict=True)]
    if len({len(vector) for vector in vectors}) > 1:
        raise AnalysisError("These directions have different widths: they were found in different models.")
    axes = np.stack(vectors).astype(np.float32)
    cosines = _cosines(axes)
    _require_plane(directions, cosines)
    unit = "cosine" if scale == "unit" else "residual units"
    names = tuple(
        f"{each.name}, layer {layer} ({unit})" for each, layer in zip(directions, chosen, strict=True)
    )
    between = "cosine between them is" if len(cosines) == 1 else "cosines between them are"
    how = (
        f"{' and '.join(f'“{each.name}”' for each in directions)} as axes, taken as they are; the {between} "
        f"{', '.join(f'{cosine:+.2f}' for cosine in cosines.values())}."
    )
    layers = directions[0].layers if layers is None else layers
    basis = _fixed("concept_plane", names, layers, np.zeros(axes.shape[1]), axes, scale, how)
    return measured(basis, read, report)


def measured(basis: Basis, read: Read | None, report: Report = silent) -> Basis:
    """The basis with the share of each layer's variance that its axes carry.

    Args:
        basis: any; one that was made from another text is as good.
        read: gives a layer's states; None leaves the basis as it is.
        report: progress; raises `Cancelled` to stop.
    """
    if read is None:
        return basis
    shares = np.empty((len(basis.layers), len(basis.names)), np.float32)
    for number, layer in enumerate(basis.layers):
        report("Measuring how much of each layer is seen", number, len(basis.layers))
        shares[number] = variance_shares(scaled(read(layer), basis.scale), basis.axes[number])
    return replace(basis, explained=shares)


def variance_shares(
    states: Float32[np.ndarray, "point d_model"], axes: Float32[np.ndarray, "axis d_model"]
) -> Float32[np.ndarray, " axis"]:
    """Share of the states' variance along each axis, 0 to 1; NaN where they all coincide."""
    mean = states.mean(0, dtype=np.float64)
    centred = states - mean
    total = np.vdot(centred, centred)
    if total <= NOTHING * (total + len(states) * (mean @ mean)):
        return np.full(len(axes), np.nan, np.float32)
    return (np.square(centred @ axes.T).sum(0) / total).astype(np.float32)


def share_seen(
    states: Float32[np.ndarray, "point d_model"], axes: Float32[np.ndarray, "axis d_model"]
) -> float:
    """Share of the states' variance within the space the axes span, 0 to 1; axes need not be orthogonal."""
    return float(variance_shares(states, np.linalg.qr(axes.T)[0].T).sum())


def _moments(
    read: Read, layers: Sequence[int], scale: str, report: Report
) -> tuple[Float64[np.ndarray, " d_model"], Float64[np.ndarray, "d_model d_model"]]:
    """Mean and covariance over all layers, each of the same weight."""
    if not len(layers):
        raise AnalysisError("No layer was given, so there is nothing to draw.")
    means, second, pending = [], 0, []
    for number, layer in enumerate(layers):
        report("Finding axes for all layers", number, len(layers))
        states = scaled(read(layer), scale)
        if not len(states):
            raise AnalysisError(
                "No point is left to draw. Give a longer text, or let the points that were left out in."
            )
        mean = states.mean(0, dtype=np.float64)
        # about each layer's own mean, as sums of large squares would cancel; then float32 is exact enough, and faster
        pending.append((states - mean.astype(np.float32)) / np.float32(np.sqrt(len(states))))
        means.append(mean)
        if sum(map(len, pending)) >= ROWS_AT_ONCE or number == len(layers) - 1:
            rows, pending = np.concatenate(pending), []
            second = second + (rows.T @ rows).astype(np.float64)
    between = np.stack(means) - np.mean(means, 0)
    return np.mean(means, 0), (second + between.T @ between) / len(layers)


def _largest(
    covariance: Float64[np.ndarray, "d_model d_model"], n_axes: int
) -> Float64[np.ndarray, "axis d_model"]:
    """Eigenvectors of the largest eigenvalues, the largest first."""
    width = len(covariance)
    if width > FEW_NUMBERS:
        from scipy.sparse.linalg import eigsh  # from one start, so that it ends the same every time

        values, vectors = eigsh(covariance, n_axes, v0=np.ones(width))
        return vectors.T[np.argsort(-values)]
    from scipy.linalg import eigh

    return eigh(covariance, subset_by_index=(width - n_axes, width - 1))[1].T[::-1]


def _principal_axes(
    states: Float32[np.ndarray, "point d_model"], n_axes: int
) -> tuple[Float64[np.ndarray, " d_model"], Float64[np.ndarray, "axis d_model"]]:
    """Mean and leading principal axes of one layer."""
    from sklearn.decomposition import PCA

    if len(states) <= n_axes:
        raise AnalysisError(
            f"{len(states)} points were given. {n_axes} axes of a layer's own need at least {n_axes + 1}: give a "
            "longer text, or take one basis for all layers."
        )
    _require_axes(n_axes, states.shape[1])
    solver = "covariance_eigh" if len(states) > states.shape[1] else "full"
    with np.errstate(invalid="ignore"):  # shares of no variance at all, which are not used
        fitted = PCA(n_axes, svd_solver=solver).fit(states.astype(np.float64))
    return fitted.mean_, _signed(fitted.components_)


def _fixed(
    id: str,
    names: tuple[str, ...],
    layers: Sequence[int],
    centre: Float[np.ndarray, " d_model"],
    axes: Float[np.ndarray, "axis d_model"],
    scale: str,
    how: str,
) -> Basis:
    """A basis that is the same at all layers; it is kept once."""

    def everywhere(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values.astype(np.float32), (len(layers), *values.shape))

    return Basis(id, names, tuple(layers), everywhere(centre), everywhere(axes), scale, True, None, how)


def _signed(axes: Float64[np.ndarray, "axis d_model"]) -> Float64[np.ndarray, "axis d_model"]:
    """Axes whose largest loading is positive; of equally large ones the first decides."""
    largest = np.abs(axes).argmax(1)
    return axes * np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)[:, None]


def _component_names(n_axes: int, whose: str = "") -> tuple[str, ...]:
    return tuple(f"{whose}principal axis {number}" for number in range(1, n_axes + 1))


def _require_axes(n_axes: int, width: int) -> None:
    if n_axes not in (2, 3) or n_axes > width:
        raise AnalysisError(f"A map has 2 or 3 axes; given {n_axes} for states of {width} numbers.")


def _cosines(axes: Float32[np.ndarray, "axis d_model"]) -> dict[tuple[int, int], float]:
    return {(i, j): float(axes[i] @ axes[j]) for i in range(len(axes)) for j in range(i + 1, len(axes))}


def _require_plane(directions: Sequence[Direction], cosines: dict[tuple[int, int], float]) -> None:
    for (i, j), cosine in cosines.items():
        if abs(cosine) > 0.999:
            raise AnalysisError(
                f"“{directions[i].name}” and “{directions[j].name}” lie along each other (cosine {cosine:+.3f}), so "
                "they are one axis and not two. Choose another direction or another layer."
            )
