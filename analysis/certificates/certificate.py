"""What an erasure hides, what it does not, and what it costs: figures, and what may be said of them."""

from dataclasses import dataclass

from analysis.directions import span
from analysis.erasers import ERASERS
from analysis.erasers.erasure import Erasure
from analysis.neutral import Cost
from analysis.probing.measures import Score
from analysis.results import Provenance


@dataclass(frozen=True)
class LayerEvidence:
    """What linear probes read at one layer."""

    layer: int
    before: Score
    """Learned from the examples that the eraser was fitted to, tested on held-out ones, without the erasure."""
    after: Score
    """The same in the erased run: a fresh probe, not the one from before."""
    random: Score
    """The same after random subspaces of the same ranks were taken out at the same layers."""
    fresh_before: Score
    """Learned and tested among held-out examples only, without the erasure."""
    fresh_after: Score
    """The same in the erased run: neither probe nor test has met the eraser's examples."""
    moved: float
    """Mean squared change of a state over the states' variance."""
    inside: float
    """Share of that change within the span of the classes' means, 0 to 1; NaN where nothing moved."""


@dataclass(frozen=True)
class Guarded:
    """How much states know linearly of the examples that the eraser was fitted to, where the promise is exact."""

    layer: int
    before: float
    """Largest correlation of a state's number with a label or an indicator of a class, 0 to 1."""
    after: float


@dataclass(frozen=True)
class NetworkEvidence:
    """What a small network reads at one layer of held-out examples."""

    layer: int
    before: Score
    after: Score


@dataclass(frozen=True)
class OtherConcept:
    """What is left of a concept that was not to be erased."""

    name: str
    layer: int
    baseline: float
    before: Score
    after: Score


@dataclass(frozen=True, eq=False)
class Certificate:
    """Everything measured of one erasure."""

    erasure: Erasure
    question: str
    """What the erased concept answers."""
    numbers: bool
    """True if R2 of numbers was measured, False for accuracy."""
    sequence: bool
    learned: int
    """Examples the erasers were fitted to."""
    tested: int
    """Held-out examples."""
    left_out: int
    """Examples not used because they are read at a text's first token."""
    chance: float
    """Score on held-out examples of always naming what is most frequent, or the mean."""
    layers: tuple[LayerEvidence, ...]
    """From the first erased layer to the last of the model."""
    guarded: tuple[Guarded, ...]
    networks: tuple[NetworkEvidence, ...]
    others: tuple[OtherConcept, ...]
    perplexity: float
    """Of the unedited model on ordinary text."""
    cost: Cost
    random_cost: Cost
    """Of the random subspaces."""
    seconds: float
    """That the fit took."""
    provenance: Provenance

    @property
    def measure(self) -> str:
        """What scores are."""
        return "R2" if self.numbers else "accuracy"

    def at(self, layer: int) -> LayerEvidence:
        """The evidence of one layer, which must be one of `layers`."""
        return next(each for each in self.layers if each.layer == layer)

    def hidden(self, score: Score) -> bool:
        """True if a score's interval reaches down to chance."""
        return not score.low > self.chance

    @property
    def last(self) -> LayerEvidence:
        """At the last erased layer."""
        return self.at(self.erasure.layers[-1])

    @property
    def rebuilt(self) -> LayerEvidence | None:
        """The first layer above the erased ones where a probe reads the concept again; None if none does."""
        above = (each for each in self.layers if each.layer > self.erasure.layers[-1])
        return next((each for each in above if not self.hidden(each.after)), None)

    def show(self, value: float) -> str:
        """A score as a person writes it."""
        return f"{round(value, 2) + 0.0:.2f}" if self.numbers else f"{value:.0%}"

    def summary(self) -> str:
        """The answer in plain sentences."""
        return " ".join([self._hiding(), self._rebuilding(), self._costing()])

    def _hiding(self) -> str:
        last, show = self.last, self.show
        where = f"layer {last.layer}"
        if self.hidden(last.before):
            return f"At {where} no linear probe read it to begin with ({show(last.before.value)})."
        fall = (
            f"from {show(last.before.value)} to {show(last.after.value)}, where chance is {show(self.chance)}"
        )
        if self.hidden(last.after):
            return f"**Hidden from linear probes** at {where}: {fall}.{self._reading_new()}"
        return f"**Not hidden** at {where}: linear probes fall {fall}."

    def _reading_new(self) -> str:
        if self.hidden(self.last.fresh_after):
            return ""
        return f" A probe that learns from new examples still reads {self.show(self.last.fresh_after.value)}."

    def _rebuilding(self) -> str:
        top, back = self.layers[-1], self.rebuilt
        if self.last is top:
            return ""
        if back is None:
            return f"Up to layer {top.layer} no probe reads it again."
        return (
            f"The network **rebuilds it**: from layer {back.layer} on probes read it again, "
            f"{self.show(top.after.value)} at layer {top.layer}."
        )

    def _costing(self) -> str:
        return (
            f"Ordinary text changes by {self.cost.bits:.2f} bits a token ({self.random_cost.bits:.2f} for a random "
            f"subspace of the same rank)."
        )

    def guaranteed(self) -> tuple[str, ...]:
        """What holds by the method's construction, and of what."""
        kind, layers = ERASERS[self.erasure.method], self.erasure.layers
        exact = layers if self.sequence else layers[:1]
        several = f"layers {span(exact)}" if len(exact) > 1 else f"layer {exact[0]}"
        found = [
            f"{kind.guarantee} This holds for the {self.learned} examples it was fitted to, at {several}."
            if not kind.guarantee.startswith("None")
            else kind.guarantee
        ]
        if len(layers) > len(exact):
            found.append(
                "The erasers above the first were fitted to unedited states, and there is no guarantee where layers "
                "below them are erased as well. Fit in sequence for that."
            )
        return tuple(found)

    def measured(self) -> tuple[str, ...]:
        """What was found by trying, and is true of these examples."""
        last, show = self.last, self.show
        found = [
            f"A probe that learned from the same {self.learned} examples reads {show(last.after.value)} of the "
            f"{self.tested} held-out ones at layer {last.layer} ({show(last.after.low)} to {show(last.after.high)}).",
            f"A fresh probe, learned and tested among the held-out examples, reads {show(last.fresh_after.value)} "
            f"({show(last.fresh_after.low)} to {show(last.fresh_after.high)}); before it read "
            f"{show(last.fresh_before.value)}.",
            f"After a random subspace of the same rank the probe still reads {show(last.random.value)}.",
        ]
        return tuple(found)

    def unhidden(self) -> tuple[str, ...]:
        """What the erasure leaves open."""
        found = []
        for each in self.networks:
            if not self.hidden(each.after) and self.hidden(self.at(each.layer).after):
                found.append(
                    f"A small network still reads {self.show(each.after.value)} at layer {each.layer} (before: "
                    f"{self.show(each.before.value)}): it is there, though not linearly."
                )
        if not self.hidden(self.last.fresh_after):
            found.append(
                f"New examples: a fresh probe still reads {self.show(self.last.fresh_after.value)} of them at layer "
                f"{self.last.layer}. More examples to fit to would make the eraser more exact."
            )
        if self.rebuilt is not None:
            found.append(
                f"Later layers: from layer {self.rebuilt.layer} on it is linearly there again. Later blocks can read "
                "it off other tokens, or off what was left in a form that is not linear."
            )
        if not found:
            found.append(
                "Nothing was found to be left, which is not proof: other texts, tokens and probes were not tried."
            )
        return tuple(found)
