"""What each layer of a model knows of a labelled set: states read once, a probe fitted at every layer.

A probe says that something can be read, not that the model uses it: its direction can be handed on to steering.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from threadpoolctl import threadpool_limits

from analysis.captures import SPOTS, capture
from analysis.directions import Direction, weights_of
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.models.loaded import LoadedModel
from analysis.probing import PROBES
from analysis.probing.curves import LayerScore, ProbeCurve, probe_layers
from analysis.probing.nonlinear import SmallNetwork

ON_NEURONS = ("sparse",)
"""Probes that choose single numbers of a state, and so need a basis in which single numbers mean something."""


@dataclass(frozen=True, eq=False)
class Probed:
    """A probe over the layers of one model."""

    given: LabelledSet
    spot: str
    """Where examples were read, one of `captures.SPOTS`."""
    curve: ProbeCurve
    layers: tuple[int, ...]
    """The layer of each place of the curve: 0 to L, or 1 to L where neurons were read."""

    @property
    def scores(self) -> tuple[tuple[int, LayerScore], ...]:
        """Layer and score of every finished layer."""
        return tuple((self.layers[each.layer], each) for each in self.curve.layers)

    def at(self, layer: int) -> LayerScore:
        """The score of one layer.

        Raises:
            AnalysisError: it was not probed.
        """
        if layer not in self.layers:
            raise AnalysisError(
                f"Layer {layer} was not probed; there are layers {self.layers[0]} to {self.layers[-1]}."
            )
        return self.curve.at(self.layers.index(layer))

    def hardest(self, layer: int, most: int = 10) -> tuple[int, ...]:
        """Held-out examples that a layer reads worst, the worst first."""
        return self.curve.hardest(self.layers.index(layer), most)

    @property
    def best(self) -> int:
        """The layer of the highest score, of equal ones the first.

        Misleads when: its score is reported as if the layer had been chosen beforehand.
        """
        return self.layers[self.curve.best().layer]

    @property
    def emerges(self) -> int | None:
        """The layer from which on the score's interval stays above baseline, every shuffle and the control task.

        None where the last layer's does not. Misleads when: a single unlucky layer in between moves it up.
        """
        above = None
        for layer, each in reversed(self.scores):
            if each.low <= max(self._chance(each)):
                break
            above = layer
        return above

    @property
    def has_control(self) -> bool:
        """True if the control task can be learned at all: some held-out words were learned from."""
        return self.curve.control_ceiling > 0

    def _chance(self, found: LayerScore) -> tuple[float, ...]:
        """What scores without reading the concept."""
        control = (found.control,) if self.has_control else ()
        return (self.curve.baseline, *found.shuffled, *control)

    def summary(self) -> str:
        """Whether it is linearly there, and from which layer on, in plain sentences."""
        layer, found = self.best, self.at(self.best)
        share = _percent if self.given.classes else _plain
        what = (
            "of held-out examples are told right"
            if self.given.classes
            else "of held-out variance (R2) is told"
        )
        name = "always naming the most frequent class" if self.given.classes else "always naming the mean"
        verdict = (
            f"At layer {layer}, {share(found.score)} {what} ({share(found.low)} to {share(found.high)}), against "
            f"{share(self.curve.baseline)} for {name} and {share(found.shuffled_mean)} with shuffled labels."
        )
        if found.low <= max(self.curve.baseline, found.shuffled_mean):
            return f"{verdict} **This probe cannot tell it from chance** on {len(found.predicted):,} held-out examples."
        memory = f" {_memory(found, share)}" if self.has_control else ""
        since = "" if self.emerges is None else f" From layer {self.emerges} on it stays above all of these."
        return f"{verdict}{memory}{since}"


def probe(
    model: LoadedModel,
    given: LabelledSet,
    spot: str,
    kind: str,
    *,
    seed: int = 0,
    done: ProbeCurve | None = None,
    keep: Callable[[ProbeCurve], None] | None = None,
    report: Report = silent,
) -> Probed:
    """Read the examples' states, or find them on disk, and fit one probe at every layer.

    Args:
        model: the model.
        given: the examples.
        spot: where they are read, one of `captures.SPOTS`.
        kind: one of `probing.PROBES`.
        seed: of split, shuffles and control task.
        done: finished layers to go on from.
        keep: called after every layer with what is finished.
        report: progress; raises `Cancelled` to stop, and what was read and finished is kept.

    Raises:
        AnalysisError: as `capture` and `probe_layers` do.
    Source: see `probing.PROBES`. Misleads when: layer 0 scores as high: the word itself gives the label away.
    """
    stream = "neurons" if kind in ON_NEURONS else "residual"
    states = capture(model, given, spot, stream=stream, report=report)
    # small matrices: beside a model at work, two threads wait for one another a hundred times as long as one computes
    with threadpool_limits(1, user_api="blas"):
        curve = probe_layers(states.values, given, kind, seed=seed, done=done, keep=keep, report=report)
    return Probed(given, spot, curve, states.layers)


def direction(model: LoadedModel, probed: Probed, which: int = 0) -> Direction:
    """What a linear probe reads, as a direction to steer with, at every layer where it has one.

    Args:
        model: the model that was probed.
        probed: a probe on the residual stream.
        which: the class or number it points to; of two classes there is one direction, towards the second.

    Raises:
        AnalysisError: the probe has no directions in the residual stream.
    Misleads when: it is taken for what the model uses: what separates best need not be.
    """
    kind = PROBES[probed.curve.probe]
    found = [(layer, unit_direction(each, which)) for layer, each in probed.scores]
    kept = [(layer, vector) for layer, vector in found if vector is not None]
    if probed.curve.probe in ON_NEURONS or not kept:
        raise AnalysisError(f"A {kind.title} has no direction in the residual stream. Choose a linear probe.")
    best = probed.best if probed.best in [layer for layer, _ in kept] else kept[0][0]
    return Direction(
        name=f"{probed.given.name}: {names_of(probed.given)[which]}",
        layers=tuple(layer for layer, _ in kept),
        values=np.stack([vector for _, vector in kept]),
        weights=weights_of(model),
        how=f"The {kind.title} that reads “{probed.given.question}” from {len(probed.given):,} examples, at "
        f"{SPOTS[probed.spot]}.",
        source=kind.source,
        layer=best,
        why=f"Layer {best} has the highest held-out score.",
    )


def unit_direction(found: LayerScore, which: int = 0) -> Float32[np.ndarray, " width"] | None:
    """What one layer's linear probe reads, at length 1; None for a network, and where it reads nothing."""
    if isinstance(found.probe, SmallNetwork):
        return None
    vector = found.probe.directions[which]  # in float64: the weights of classes that do not vary are huge
    length = np.linalg.norm(vector)
    return (vector / length).astype(np.float32) if length > 0 else None


def names_of(given: LabelledSet) -> tuple[str, ...]:
    """What each direction of a probe points to."""
    if given.numbers:
        return given.numbers
    return given.classes[1:] if len(given.classes) == 2 else given.classes


def token_scores(
    states: Float32[np.ndarray, "position d_model"], vector: Float32[np.ndarray, " d_model"]
) -> Float64[np.ndarray, " position"]:
    """How far each token of a text lies along a direction, in standard deviations of the text's tokens.

    The first token, an attention sink, is left out of mean and deviation. Misleads when: all tokens are alike: then
    small differences are drawn large.
    """
    along = states.astype(np.float64) @ vector.astype(np.float64)
    usual = along[1:] if len(along) > 2 else along
    return (along - usual.mean()) / max(usual.std(), 1e-12)


def _memory(found: LayerScore, share: Callable[[float], str]) -> str:
    if found.selectivity <= 0:
        return (
            f"But a control task of random labels scores as high ({share(found.control)}): it may be memory."
        )
    return f"A control task of random labels reaches {share(found.control)}."


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _plain(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # no minus before a zero
