"""The map of one text: every token at every layer as a point, in axes that do not move.

In a basis that is the same at all layers a movement in the picture is a movement in the model. A recipe's run is
drawn in the basis of the unedited one, beside its random controls; a random twin shows what the same procedure
draws where there is nothing to see.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32

from analysis.activations import Trace
from analysis.background import KINDS, Background, require_kind
from analysis.controls import Control, control_of, variants_of
from analysis.directions import Direction, span
from analysis.edits import BASE
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.maps import basis as bases
from analysis.maps.basis import BASES, Basis, Read
from analysis.maps.outliers import sinks
from analysis.maps.quality import Quality, neighbours_for, quality
from analysis.maps.scaling import SCALES, require_scale, scaled
from analysis.maps.shifts import Shifts
from analysis.maps.twins import dealt, gaussian
from analysis.models.loaded import LoadedModel
from analysis.recipes import Recipe
from analysis.results import Bounds, PointCloud, Provenance
from analysis.tokens import Tokens

TWINS = {
    "gaussian": "random points with the same mean and covariance",
    "shuffled": "the text's own tokens in another order",
}
"""Controls without the content, by id."""
UNITS = {"unit": "state lengths", "raw": "units of the residual stream"}
"""What a coordinate counts, by scale."""
LENGTHS = {"unit": "distance between directions, 0 to 2", "raw": "units of the residual stream"}
"""What a distance between states counts, by scale."""
POOLED_MOST = 1000
"""Points of all layers together among which neighbours are compared."""


@dataclass(frozen=True, eq=False)
class PromptMap:
    """One text on a map."""

    tokens: Tokens
    """What ran: the text, or its own tokens shuffled."""
    positions: tuple[int, ...]
    """The token each point is."""
    fitted: Bool[np.ndarray, " point"]
    """False for points that are drawn and had no say in the axes: first tokens and outliers of norm."""
    left_out: tuple[int, ...]
    """The positions of all such tokens, drawn or not."""
    cloud: PointCloud
    basis: Basis
    states: Float32[np.ndarray, "layer point d_model"]
    """As they are, for neighbours in the full space."""
    qualities: tuple[Quality | None, ...]
    """By layer, of the fitted points among themselves; None where they are fewer than three."""
    shifts: Shifts | None
    """Where a recipe was given."""
    twin: str
    """One of `TWINS`, or empty for the text itself."""

    def __post_init__(self):
        self.fitted.flags.writeable = False
        self.states.flags.writeable = False

    @property
    def layers(self) -> tuple[int, ...]:
        """What is drawn."""
        return self.cloud.layers

    @cached_property
    def norms(self) -> Float32[np.ndarray, "layer point"]:
        """Length of every state."""
        return np.linalg.norm(self.states, axis=-1)

    @cached_property
    def moved(self) -> Float32[np.ndarray, "layer point"]:
        """How far each state is from itself one layer below, in the full space and the map's scale; NaN at layer 0."""
        states = scaled(self.states, self.basis.scale)
        steps = np.linalg.norm(np.diff(states, axis=0), axis=-1)
        return np.concatenate([np.full((1, steps.shape[1]), np.nan, np.float32), steps])

    @cached_property
    def distortion(self) -> Float32[np.ndarray, "layer point"]:
        """Share of each point's true neighbours that its layer's picture loses; NaN where it was not measured."""
        found = np.full(self.states.shape[:2], np.nan, np.float32)
        for layer, own in enumerate(self.qualities):
            if own is not None:
                found[layer, self.fitted] = own.distortion
        return found

    def seen(self, layer: int) -> float:
        """Share of the layer's variance that the axes carry, 0 to 1; NaN where its points coincide."""
        own = self.qualities[self.layers.index(layer)]
        if own is not None and own.explained is not None:
            return own.explained
        return _seen(self.states[self.layers.index(layer), self.fitted], self.basis, layer)

    def nearest(self, layer: int, point: int, count: int) -> list[tuple[int, float, float]]:
        """The points nearest to one in the full space at one layer: point, distance in the map's scale, cosine."""
        states = scaled(self.states[self.layers.index(layer)], self.basis.scale).astype(np.float64)
        distance = np.linalg.norm(states - states[point], axis=-1)
        lengths = np.linalg.norm(states, axis=-1)
        cosine = states @ states[point] / np.maximum(lengths * lengths[point], 1e-30)
        order = [int(other) for other in np.argsort(distance, kind="stable") if other != point]
        return [(other, float(distance[other]), float(cosine[other])) for other in order[:count]]


def prompt_map(
    model: LoadedModel,
    text: str | Tokens,
    basis: str | Basis = "pooled",
    *,
    scale: str = "unit",
    n_axes: int = 2,
    concepts: Sequence[Direction] = (),
    recipe: Recipe | None = None,
    usual: Background | None = None,
    nulls: int = 8,
    kind: str = "isotropic",
    seed: int = 0,
    first: bool = False,
    twin: str = "",
    base: Trace | None = None,
    report: Report = silent,
) -> PromptMap:
    """Draw every token of a text at every layer in one basis.

    The basis is fitted to the unedited run, without the first token and outliers of norm; a recipe's run and its
    random controls are drawn in it.

    Args:
        model: the model.
        text: what it reads.
        basis: one of `BASES`; or a basis that is there already, to draw several texts in the same axes.
        scale: one of `SCALES`.
        n_axes: 2 or 3; for directions of concepts their number counts.
        concepts: the axes of a `concept_plane`.
        recipe: an edit whose run is drawn as well.
        usual: usual norms and states of the model; a recipe needs them.
        nulls: random imitations of the recipe, 0 to 32.
        kind: how they are drawn, one of `background.KINDS`.
        seed: of the imitations and of the twin.
        first: draw the first token and outliers of norm too; they still have no say in the axes.
        twin: draw one of `TWINS` in the text's place; it has no edited run.
        base: the unedited run of the same tokens, if it is there already.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: nothing is left to draw, a name is none of those above, or the recipe or a direction belongs to
            another model.

    Source: see `BASES`; trustworthiness and continuity: Venna & Kaski 2001; norm-matched random controls, e.g. Arditi
        et al. 2024, arXiv 2406.11717.
    Misleads when: two axes carry little of the variance: near in the picture is then not near. See the basis.
    """
    _require(model, basis, scale, twin, recipe, usual, nulls, kind)
    tokens = model.tokenize(text) if isinstance(text, str) else text
    if twin == "shuffled":
        tokens, base = _shuffled(model, tokens, seed), None
    base = _base(model, tokens, base, report)
    points, fitted, out = _points(base.residuals(), first)
    states = base.residuals()[:, points]
    if twin == "gaussian":
        states = _gaussian(scaled(states, scale), fitted, seed)
    found = _basis(model, basis, scale, n_axes, concepts, lambda layer: states[layer][fitted], report)
    shown = tokens.labels
    labels = tuple(
        str(number) if twin == "gaussian" else shown[point] for number, point in enumerate(points, 1)
    )
    cloud = PointCloud(
        "Map of a text",
        UNITS[scale],
        Bounds(None, None),
        _provenance(model, found, len(out), first, twin, seed),
        found.layers,
        np.stack([found.project(own, layer) for own, layer in zip(states, found.layers, strict=True)]),
        found.names,
        labels,
    )
    shifts = None
    if recipe is not None:
        recipe.require_fit(model)
        report("Running the text under the recipe and its random controls")
        trace = model.rerun(base, variants=variants_of(recipe, usual, nulls=nulls, kind=kind, seed=seed))
        about = _with_recipe(cloud.provenance, recipe, nulls, kind, seed)
        shifts = _shifts(trace, points, cloud, found, control_of(recipe), about, report)
    qualities = _qualities(states[:, fitted], cloud.coordinates[:, fitted], found, report)
    return PromptMap(tokens, tuple(points), fitted, out, cloud, found, states, qualities, shifts, twin)


def across_layers(drawn: PromptMap) -> Quality | None:
    """How well the picture of all layers together keeps neighbours; None where layers are not in the same axes.

    Points that are near one another are then often the same token at neighbouring layers.
    """
    states = drawn.states[:, drawn.fitted].reshape(-1, drawn.states.shape[-1])
    coordinates = drawn.cloud.coordinates[:, drawn.fitted].reshape(len(states), -1)
    k = neighbours_for(min(len(states), POOLED_MOST))
    if not drawn.basis.fixed or k is None:
        return None
    explained = _seen(states, drawn.basis, drawn.layers[0])
    states = scaled(states, drawn.basis.scale)
    return quality(states, coordinates, k, POOLED_MOST, explained=explained)


def _base(model: LoadedModel, tokens: Tokens, base: Trace | None, report: Report) -> Trace:
    """The unedited run."""
    if base is None:
        report("Running the text")
        return model.run(tokens)
    if base.model != model.fingerprint or base.tokens[0].ids != tokens.ids:
        raise AnalysisError("The run given is of another text or model. Give that of these tokens, or none.")
    return base


def _basis(
    model: LoadedModel,
    basis: str | Basis,
    scale: str,
    n_axes: int,
    concepts: Sequence[Direction],
    read: Read,
    report: Report,
) -> Basis:
    if isinstance(basis, Basis):
        return bases.measured(basis, read, report)
    layers = range(model.n_layers + 1)
    if basis == "unembedding":
        return bases.unembedding(model, n_axes, scale, read=read, report=report)
    if basis == "concept_plane":
        for direction in concepts:
            direction.require_fit(model)
        return bases.concept_plane(concepts, None, scale, layers=layers, read=read, report=report)
    fit = bases.pooled if basis == "pooled" else bases.per_layer
    return fit(read, layers, n_axes, scale, report)


def _qualities(
    states: Float32[np.ndarray, "layer point d_model"],
    coordinates: Float32[np.ndarray, "layer point axis"],
    basis: Basis,
    report: Report,
) -> tuple[Quality | None, ...]:
    """Of every layer's points among themselves."""
    k = neighbours_for(states.shape[1])
    if k is None:
        return (None,) * len(states)
    found = []
    for at, layer in enumerate(basis.layers):
        report("Measuring what the picture keeps", at, len(states))
        own = scaled(states[at], basis.scale)
        seen = bases.share_seen(own, basis.axes[at])
        found.append(quality(own, coordinates[at], k, len(own), layer=layer, explained=seen))
    return tuple(found)


def _seen(states: Float32[np.ndarray, "point d_model"], basis: Basis, layer: int) -> float:
    return bases.share_seen(scaled(states, basis.scale), basis.axes[basis.layers.index(layer)])


def _points(
    states: Float32[np.ndarray, "layer position d_model"], first: bool
) -> tuple[list[int], Bool[np.ndarray, " point"], tuple[int, ...]]:
    """Positions that are drawn, which of them the axes are fitted to, and those that stand apart."""
    count = states.shape[1]
    out = sinks(range(count), np.linalg.norm(states, axis=-1))
    points = [position for position in range(count) if first or not out[position]]
    if not points:
        raise AnalysisError(
            f"Of this text's {count} {'token' if count == 1 else 'tokens'} none is left to draw: the first one, and "
            "others with norms far above the rest, stand apart in any text. Give a longer text, or draw them too."
        )
    fitted = ~out[points] if not out.all() else np.ones(count, bool)
    return points, fitted, tuple(np.flatnonzero(out).tolist())


def _shifts(
    trace: Trace,
    points: list[int],
    cloud: PointCloud,
    basis: Basis,
    control: Control,
    about: Provenance,
    report: Report,
) -> Shifts:
    """The recipe's run and its imitations, as moves away from the unedited row of the same batch."""
    before = scaled(trace.residuals(trace.row(BASE.name))[:, points], basis.scale)
    rows = [row.variant for row in trace.rows if row.variant != BASE.name]  # the recipe's comes first
    shape = (len(rows), len(cloud.layers), len(points))
    moves, lengths = np.empty((*shape, len(cloud.axes)), np.float32), np.empty(shape, np.float32)
    for number, variant in enumerate(rows):
        report("Placing the edited runs", number, len(rows))
        steps = scaled(trace.residuals(trace.row(variant))[:, points], basis.scale) - before
        lengths[number] = np.linalg.norm(steps, axis=-1)
        for at, step in enumerate(steps):
            moves[number, at] = step @ basis.axes[at].T
    places = cloud.coordinates + moves
    return Shifts(
        places[0].copy(),
        places[1:].copy(),
        lengths[0].copy(),
        lengths[1:].copy(),
        LENGTHS[basis.scale],
        cloud.layers,
        cloud.labels,
        control,
        about,
    )


def _gaussian(
    states: Float32[np.ndarray, "layer point d_model"], fitted: Bool[np.ndarray, " point"], seed: int
) -> Float32[np.ndarray, "layer point d_model"]:
    """A cloud with the covariance of the fitted points at every layer, and between layers; others stay as they are.

    Layers are drawn together, or points would jump from layer to layer as the text's do not.
    """
    layers, _, width = states.shape
    joint = states[:, fitted].transpose(1, 0, 2).reshape(-1, layers * width)
    drawn = states.copy()
    drawn[:, fitted] = gaussian(joint, seed).reshape(-1, layers, width).transpose(1, 0, 2)
    return drawn


def _shuffled(model: LoadedModel, tokens: Tokens, seed: int) -> Tokens:
    (ids,) = dealt([tokens.ids], seed)
    return model.tokenizer.tokens(ids, prompt_length=len(ids))


def _require(
    model: LoadedModel,
    basis: str | Basis,
    scale: str,
    twin: str,
    recipe: Recipe | None,
    usual: Background | None,
    nulls: int,
    kind: str,
) -> None:
    if isinstance(basis, Basis):
        _require_basis(model, basis, scale)
    elif basis not in BASES:
        raise AnalysisError(f"{basis!r} is no basis; there are {', '.join(BASES)}.")
    if twin and twin not in TWINS:
        raise AnalysisError(f"{twin!r} is no random twin; there are {', '.join(TWINS)}.")
    require_scale(scale)
    require_kind(kind)
    if recipe is None:
        return
    if twin:
        raise AnalysisError("A random twin has no edited run. Draw the text itself, or leave the recipe out.")
    if not recipe:
        raise AnalysisError("The recipe is empty. Add a direction or an erasure to it first.")
    if usual is None:
        raise AnalysisError(
            "A recipe's strength is a share of usual norms: give `usual=background.background(model)` as well."
        )
    if not 0 <= nulls <= 32:
        raise AnalysisError(f"0 to 32 random controls can run beside a recipe; given {nulls}.")


def _require_basis(model: LoadedModel, basis: Basis, scale: str) -> None:
    if basis.scale != scale or basis.layers != tuple(range(model.n_layers + 1)) or not basis.fixed:
        raise AnalysisError(
            f"The basis given is for layers {span(basis.layers)} in the scale {basis.scale!r}; a map of {model.title} "
            f"in the scale {scale!r} needs one basis for all layers 0 to {model.n_layers} in that scale."
        )


def _provenance(model: LoadedModel, basis: Basis, out: int, first: bool, twin: str, seed: int) -> Provenance:
    kind = BASES[basis.id]
    apart = "drawn, but without a say in the axes" if first else "left out"
    settings = [
        ("basis", basis.how),
        ("scale", SCALES[basis.scale]),
        ("axes", "; ".join(basis.names)),
        ("first token and outliers of norm", f"{out} {apart}"),
    ]
    if twin:
        settings += [("random twin", TWINS[twin]), ("seed", str(seed))]
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        f"map of a text: {kind.title}",
        f"{kind.source}; trustworthiness and continuity: Venna & Kaski 2001",
        kind.misleads_when[0].upper() + kind.misleads_when[1:],
        tuple(settings),
    )


def _with_recipe(about: Provenance, recipe: Recipe, nulls: int, kind: str, seed: int) -> Provenance:
    added = (*recipe.lines(), ("random controls", f"{nulls}, {KINDS[kind]}"), ("their seed", str(seed)))
    source = f"{about.source}; controls as in Arditi et al. 2024, arXiv 2406.11717"
    return replace(about, source=source, settings=about.settings + added)
