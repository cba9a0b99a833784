"""Measure every built-in concept on the default model: does its direction do more than a random push?

Run: python -m analysis.data.measure_presets [--quick] [concept ...]

One line per concept: what its direction does at the smallest strength at which everything that is measured leaves
the band of random directions while the text holds. Exit code 0 if at least five of the built-in concepts (or all
that were named) do.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.background import Background, background
from analysis.data.presets import Concept, concept, concepts
from analysis.directions import Direction
from analysis.methods import contrast
from analysis.methods.dose import DoseResponse, dose_response
from analysis.models.loaded import LoadedModel
from analysis.models.opening import load
from analysis.models.spec import ModelSpec
from analysis.next_token import word_ids
from analysis.recipes import Dose, Recipe
from analysis.results import AgainstNull
from analysis.sides import Sides

STRENGTHS = (0.1, 0.2, 0.3)
KINDS = ("isotropic", "covariance")
ENOUGH = 5


@dataclass(frozen=True)
class Cost:
    """How much is run for one concept."""

    nulls: int
    """Random directions of each kind."""
    prompts: int
    """At most so many of the concept's held-out prompts."""
    new_tokens: int


FULL, QUICK = Cost(8, 8, 20), Cost(4, 3, 12)


@dataclass(frozen=True)
class Measure:
    """One number at one strength, and the band of both kinds of random directions."""

    name: str
    base: float
    edited: float
    low: float
    high: float

    @property
    def leaves(self) -> bool:
        """True if the push moves it beyond all random pushes, towards the positive side."""
        return self.edited > self.high

    def __str__(self) -> str:
        return (
            f"{self.name} {self.base:+.2f} -> {self.edited:+.2f} (random {self.low:+.2f} to {self.high:+.2f})"
        )


@dataclass(frozen=True)
class Place:
    """What a concept does at one strength."""

    strength: float
    measures: tuple[Measure, ...]
    perplexity: tuple[float, float]
    """Of the unedited and of the edited text."""
    holds: bool
    """True if the edited text is not broken."""

    @property
    def leaves(self) -> bool:
        """True if everything measured leaves the band and the text holds."""
        return self.holds and all(measure.leaves for measure in self.measures)


def direction_of(model: LoadedModel, chosen: Concept) -> Direction:
    """The concept's direction as the app builds it: difference of means at the last token."""
    positive, negative = zip(*chosen.pairs, strict=True)
    return contrast.contrast(model, Sides(positive, negative, chat=chosen.chat), name=chosen.name)


def places(
    model: LoadedModel, usual: Background, chosen: Concept, direction: Direction, cost: Cost
) -> tuple[Place, ...]:
    """The concept at every strength, on prompts it was not built from."""
    layers = (direction.layer, direction.layer)
    recipe = Recipe(chosen.name, (Dose(direction, STRENGTHS[0], layers),))
    prompts = [model.tokenize(text, chat=chosen.chat) for text in chosen.prompts[: cost.prompts]]
    plus, minus = (word_ids(model, side, chat=chosen.chat) for side in chosen.words)
    responses = [
        dose_response(
            model,
            prompts,
            recipe,
            usual,
            strengths=STRENGTHS,
            nulls=cost.nulls,
            kind=kind,
            new_tokens=cost.new_tokens,
            plus=plus if minus else (),
            minus=minus if plus else (),
        )
        for kind in KINDS
    ]
    return tuple(_place(responses, number) for number in range(len(STRENGTHS)))


def chosen_place(found: Sequence[Place]) -> Place:
    """The weakest strength that leaves the band, else the one at which most leaves it, the weaker first."""
    return max(
        found,
        key=lambda place: (place.leaves, place.holds, sum(m.leaves for m in place.measures), -place.strength),
    )


def line(chosen: Concept, direction: Direction, place: Place) -> str:
    """Everything about one concept, in one line."""
    separation = next(each for each in direction.separation if each.layer == direction.layer)
    before, after = place.perplexity
    return "; ".join(
        (
            chosen.id,
            f"layer {direction.layer}",
            f"held-out accuracy {separation.accuracy:.0%}",
            f"strength {place.strength:g}",
            *map(str, place.measures),
            f"perplexity {before:.1f} -> {after:.1f}",
            verdict(place),
        )
    )


def verdict(place: Place) -> str:
    """Whether it leaves the band; where it does not, what falls short."""
    if place.leaves:
        return "leaves the band"
    inside = [measure.name for measure in place.measures if not measure.leaves]
    if not inside:
        return "leaves the band, but the text breaks"
    return f"stays inside the band ({' and '.join(inside)})"


def _place(responses: list[DoseResponse], number: int) -> Place:
    first = responses[0]
    measures = (
        _measure("log-odds", [each.odds for each in responses], number, first.base.odds),
        _measure("concept score", [each.score for each in responses], number, first.base.score),
    )
    broken = first.breaks_at[1]
    return Place(
        first.strengths[number],
        tuple(each for each in measures if each is not None),
        (first.base.perplexity, float(first.perplexity.values[number])),
        broken is None or first.strengths[number] < broken,
    )


def _measure(name: str, curves: list[AgainstNull | None], number: int, base: float | None) -> Measure | None:
    if curves[0] is None:
        return None
    nulls = np.concatenate([curve.nulls[:, number] for curve in curves])
    return Measure(
        name, base, float(curves[0].values[number]), float(np.nanmin(nulls)), float(np.nanmax(nulls))
    )


def main() -> int:
    """Measure the named concepts, or all, and say how many do what they are for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ids", nargs="*", metavar="concept", help="all built-in ones if none is named")
    parser.add_argument("--quick", action="store_true", help="fewer prompts, tokens and random directions")
    given = parser.parse_args()
    chosen = [concept(name) for name in given.ids] or list(concepts())
    cost, model = QUICK if given.quick else FULL, load(ModelSpec())
    usual, good = background(model), 0
    for each in chosen:
        direction = direction_of(model, each)
        place = chosen_place(places(model, usual, each, direction, cost))
        good += place.leaves
        sys.stdout.write(line(each, direction, place) + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"{good} of {len(chosen)} leave the band.\n")
    return int(good < min(ENOUGH, len(chosen)))


if __name__ == "__main__":
    sys.exit(main())
