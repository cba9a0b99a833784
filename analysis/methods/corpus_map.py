"""The map of many texts: their states at every layer, in pictures that say what they lost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from analysis.captures import States
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.knobs import said
from analysis.maps import basis as bases
from analysis.maps.basis import Basis
from analysis.maps.procrustes import displacement
from analysis.maps.quality import SOURCE, Quality, neighbours_for, quality
from analysis.maps.scaling import SCALES, require_scale, scaled
from analysis.maps.twins import gaussian
from analysis.models.loaded import LoadedModel
from analysis.projections.client import Client
from analysis.projections.distinct import FEWEST, distinct
from analysis.projections.kinds import PROJECTIONS, require_projection
from analysis.projections.layers import Frames, lay_out
from analysis.projections.limits import require_affordable
from analysis.projections.placing import placed
from analysis.results import Bounds, PointCloud, Provenance

TWINS = {
    "gaussian": "at each layer, random points with the mean and covariance of its states",
    "dealt": "the same tokens but for the first ones, dealt anew among all places of all texts",
}
"""Controls without the content, by id. The first is drawn here; the other's states are those of `capture(deal=...)`."""
UNITS = {"unit": "state lengths", "raw": "units of the residual stream"}
"""What a coordinate of a linear picture counts, by scale."""
ARBITRARY = "arbitrary: only what is near counts"
STRANGERS = 1.25
"""Displacement between two pictures in two dimensions that have nothing in common."""


@dataclass(frozen=True, eq=False)
class CorpusMap:
    """Many examples at several layers, one picture each."""

    cloud: PointCloud
    projection: str
    """One of `PROJECTIONS`."""
    params: object
    scale: str
    rows: Int64[np.ndarray, " point"]
    """The example every point is."""
    basis: Basis | None
    """Of a linear projection."""
    qualities: tuple[Quality | None, ...]
    """By drawn layer; None where points are fewer than three."""
    displacement: Float32[np.ndarray, " step"]
    """How far points move from each drawn layer to the next: mean step over the picture's radius. 0 is still; pictures
    with nothing in common have about 1.25 in two dimensions. In axes that are the same at all layers a layer may shift
    as a whole, and this be larger."""
    recall: float | None
    """Share of the true neighbours that a picture was made from, where they were searched with an index."""
    seed: int
    twin: str
    """One of `TWINS`, or empty for the states themselves."""
    states: str
    """Key of the states that are drawn."""

    def __post_init__(self):
        for values in (self.rows, self.displacement):
            values.flags.writeable = False

    @property
    def layers(self) -> tuple[int, ...]:
        """What is drawn."""
        return self.cloud.layers

    def at(self, layer: int) -> Float32[np.ndarray, "point axis"]:
        """The picture of one layer.

        Raises:
            AnalysisError: it is not drawn.
        """
        return self.cloud.coordinates[self._number(layer)]

    def quality_at(self, layer: int) -> Quality | None:
        """How well the picture of one layer keeps neighbours.

        Raises:
            AnalysisError: it is not drawn.
        """
        return self.qualities[self._number(layer)]

    def summary(self) -> str:
        """How far the pictures can be trusted, and how far points move in them, in one sentence."""
        known = [each for each in self.qualities if each is not None]
        where = f"layer {self.layers[0]}" if len(self.layers) == 1 else f"{len(self.layers)} layers"
        kind, twin = PROJECTIONS[self.projection].title, " of the random twin" if self.twin else ""
        if not known:
            return f"{kind}{twin} draws {len(self.rows)} points at {where}: too few to say what is lost."
        trust, kept, chance = (
            float(np.mean([getattr(each, name) for each in known]))
            for name in ("trustworthiness", "kept", "kept_by_chance")
        )
        moves = "" if len(self.layers) == 1 else f"; {self._moves()}"
        return (
            f"At {where} {kind}{twin} keeps {kept:.0%} of the {known[0].k} nearest neighbours (by chance "
            f"{chance:.0%}) at a trustworthiness of {trust:.2f} (1 is faithful, .5 random){moves}."
        )

    def _moves(self) -> str:
        step = float(np.nanmean(self.displacement)) if np.isfinite(self.displacement).any() else 0.0
        against = (
            "in the same axes at all layers, shifts of whole layers included"
            if self.basis is not None and self.basis.fixed
            else f"about {STRANGERS} if pictures had nothing in common"
        )
        return (
            f"from one drawn layer to the next points move by {step:.2f} of the picture's radius ({against})"
        )

    def _number(self, layer: int) -> int:
        if layer not in self.layers:
            raise AnalysisError(
                f"This map draws layers {', '.join(map(str, self.layers))}; layer {layer} is none of them."
            )
        return self.layers.index(layer)


def corpus_map(
    model: LoadedModel,
    states: States,
    projection: str = "pca",
    params: object | None = None,
    *,
    layers: Sequence[int] | None = None,
    scale: str = "unit",
    rows: Int64[np.ndarray, " point"] | None = None,
    labels: Sequence[str] | None = None,
    n_axes: int = 2,
    seed: int = 0,
    twin: str = "",
    anyway: bool = False,
    client: Client | None = None,
    report: Report = silent,
) -> CorpusMap:
    """Draw examples at several layers, so that points do not jump between them.

    PCA is turned onto the layer below, UMAP, t-SNE and PaCMAP start from its picture, and aligned UMAP holds all layers
    together. Equal states are one point. A single layer of PCA is drawn in a fraction of a second.

    Args:
        model: whose states they are.
        states: of all examples.
        projection: one of `PROJECTIONS`.
        params: its knobs; None takes them as they are.
        layers: what to draw, ascending; None is every layer that was read. UMAP, t-SNE and PaCMAP leave out those at
            which fewer than four points differ.
        scale: one of `scaling.SCALES`.
        rows: the examples that are drawn, without those to be left out; None is all.
        labels: one name per point; None numbers them from 1.
        n_axes: 2 or 3; t-SNE draws 2.
        seed: of the projection, of the sample that quality is measured on, and of the twin.
        twin: one of `TWINS`: `gaussian` is drawn in place of the states, `dealt` says what the states are of.
        anyway: draw what takes very long all the same.
        client: the process that computes; None is the app's.
        report: progress in layers; raises `Cancelled` to stop.

    Raises:
        AnalysisError: nothing is left to draw, a name or a parameter is none of those above, points are too many for
            the projection or too few, or its process ended.

    Source: see `PROJECTIONS`; trustworthiness and continuity: Venna & Kaski 2001.
    Misleads when: a picture is believed that keeps few neighbours; see `PROJECTIONS` for each.
    """
    params = require_projection(projection, params, n_axes)
    require_scale(scale)
    layers = _layers(states, layers)
    rows = _rows(states, rows)
    require_affordable(projection, len(rows), len(layers), anyway)
    read = _Read(states, rows, scale, twin, seed)
    basis = frames = None
    if PROJECTIONS[projection].linear:
        build = {"pca": bases.per_layer, "pooled": bases.pooled}[projection]
        basis = build(read, layers, n_axes, scale, report)
        coordinates = np.stack([basis.project(read(layer), layer) for layer in layers])
    else:
        layers = _drawable(read, layers) if projection != "aligned" else layers
        frames = lay_out(
            read, layers, projection, params,
            scale=scale, n_axes=n_axes, seed=seed, client=client, report=report,
        )  # fmt: skip
        coordinates = frames.coordinates
    if not np.ptp(coordinates, axis=1).any():
        raise AnalysisError(
            "All points coincide at every layer, so there is nothing to draw. Give other texts."
        )
    return CorpusMap(
        cloud=PointCloud(
            "Map of many texts",
            UNITS[scale] if basis is not None else ARBITRARY,
            Bounds(None, None),
            _provenance(model, states, projection, params, scale, rows, seed, twin, frames),
            layers,
            coordinates,
            basis.names if basis is not None else _axis_names(projection, n_axes),
            tuple(map(str, range(1, len(rows) + 1))) if labels is None else tuple(labels),
        ),
        projection=projection,
        params=params,
        scale=scale,
        rows=rows,
        basis=basis,
        qualities=_qualities(read, coordinates, layers, basis, seed, report),
        displacement=displacement(coordinates),
        recall=frames.recall if frames is not None and frames.recall < 1 else None,
        seed=seed,
        twin=twin,
        states=states.key,
    )


def place(
    drawn: CorpusMap, states: States, new: Float32[np.ndarray, "new d_model"], layer: int
) -> Float32[np.ndarray, "new axis"]:
    """Where points that are not on a map belong.

    A linear picture has a place for every state, which is exact. In the others a new point lies between those of its
    nearest neighbours in the full space; a state that is on the map already lies on its own point.

    Args:
        drawn: the map.
        states: what it was drawn from.
        new: states of the same layer, as they are.
        layer: one that is drawn.

    Raises:
        AnalysisError: the layer is not drawn, states are not those of the map, or the map is that of a random twin.

    Source: inverse distance weighting, Shepard 1968, 10.1145/800186.810616.
    Misleads when: a new point is unlike all others: outside of linear pictures it is drawn among them all the same.
    """
    coordinates = drawn.at(layer)
    if drawn.twin:
        raise AnalysisError(
            "This is the map of a random twin; texts have no place on it. Draw the states themselves."
        )
    if states.key != drawn.states:
        raise AnalysisError(
            "These are not the states that the map was drawn from. Give those, or draw it again."
        )
    if drawn.basis is not None:
        return drawn.basis.project(new, layer)
    return placed(scaled(new, drawn.scale), scaled(states.at(layer)[drawn.rows], drawn.scale), coordinates)


class _Read:
    """Gives a layer's states or their twin, and remembers the last."""

    def __init__(self, states: States, rows: np.ndarray, scale: str, twin: str, seed: int):
        if twin and twin not in TWINS:
            raise AnalysisError(f"{twin!r} is no twin; there are {', '.join(TWINS)}.")
        self._states, self._rows, self._scale, self._twin, self._seed = states, rows, scale, twin, seed
        self._last: tuple[int, np.ndarray] | None = None

    def __call__(self, layer: int) -> Float32[np.ndarray, "point d_model"]:
        if self._last is None or self._last[0] != layer:
            found = np.ascontiguousarray(self._states.at(layer)[self._rows])
            if self._twin == "gaussian":
                # one seed for all layers, so that a point of the twin stays the same draw
                found = gaussian(scaled(found, self._scale), self._seed)
            self._last = (layer, found)
        return self._last[1]


def _layers(states: States, layers: Sequence[int] | None) -> tuple[int, ...]:
    chosen = states.layers if layers is None else tuple(layers)
    if not chosen or list(chosen) != sorted(set(chosen)):
        raise AnalysisError(f"Layers to draw are one or more in ascending order; given {chosen}.")
    for layer in chosen:
        states.at(layer)  # says which there are
    return chosen


def _drawable(read: "_Read", layers: tuple[int, ...]) -> tuple[int, ...]:
    """The layers at which enough points differ; all where none has, so that what is wrong is said.

    Every occurrence of a word has the same embedding: at layer 0 such points are one.
    """
    found = tuple(layer for layer in layers if len(distinct(read(layer))) >= FEWEST)
    return found or layers


def _rows(states: States, rows: np.ndarray | None) -> Int64[np.ndarray, " point"]:
    count = states.values.shape[1]
    rows = np.arange(count) if rows is None else np.array(rows, np.int64)
    if not len(rows):
        raise AnalysisError("No point is left to draw. Add texts, or let in the points that were left out.")
    if rows.min() < 0 or rows.max() >= count:
        raise AnalysisError(
            f"Rows {rows.min()} to {rows.max()} were to be drawn; there are {count:,} examples, counted from 0."
        )
    return rows


def _qualities(
    read: _Read,
    coordinates: Float32[np.ndarray, "layer point axis"],
    layers: tuple[int, ...],
    basis: Basis | None,
    seed: int,
    report: Report,
) -> tuple[Quality | None, ...]:
    k = neighbours_for(coordinates.shape[1])
    if k is None:
        return (None,) * len(layers)
    scale, found = read._scale, []
    for number, layer in enumerate(layers):
        report("Measuring what the picture keeps", number, len(layers))
        shares = basis.explained[number] if basis is not None and basis.explained is not None else None
        explained = float(shares.sum()) if shares is not None and np.isfinite(shares).all() else None
        states = scaled(read(layer), scale)
        found.append(quality(states, coordinates[number], k, seed=seed, layer=layer, explained=explained))
    return tuple(found)


def _axis_names(projection: str, n_axes: int) -> tuple[str, ...]:
    title = PROJECTIONS[projection].title
    return tuple(f"{title} {number}" for number in range(1, n_axes + 1))


def _provenance(
    model: LoadedModel,
    states: States,
    projection: str,
    params: object,
    scale: str,
    rows: np.ndarray,
    seed: int,
    twin: str,
    frames: Frames | None,
) -> Provenance:
    kind = PROJECTIONS[projection]
    settings = [
        ("points", f"{len(rows):,} of {states.values.shape[1]:,} examples"),
        ("scale", SCALES[scale]),
        ("distance", "Euclidean, of the scaled states in the full space"),
        *said(params),
        ("seed", str(seed)),
    ]
    if frames is not None:
        exact = (
            "all pairs compared" if frames.recall == 1 else f"index, recall {frames.recall:.1%} on a sample"
        )
        settings += [*frames.used, ("neighbours found by", exact)]
    if twin:
        settings.append(("random twin", TWINS[twin]))
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        f"map of many texts: {kind.title}",
        f"{kind.source}; {SOURCE}",
        kind.misleads_when,
        tuple(settings),
    )
