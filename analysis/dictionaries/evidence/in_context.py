"""A feature's activation at every token around its examples, read off the model again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32

from analysis.dictionaries.dictionary import Dictionary
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.tokens import Tokens

BEFORE, AFTER = 18, 8
"""Tokens that are shown around an example's."""
TOGETHER = 6
"""Texts of one batch."""


@dataclass(frozen=True, eq=False)
class Context:
    """One example with the tokens around it."""

    tokens: Tokens
    """The stretch it is part of, from its beginning."""
    position: int
    """Of the example's token in the stretch."""
    activations: Float32[np.ndarray, " position"] | None
    """Of the stretch up to the last token that is shown; None where they were not read."""

    @property
    def shown(self) -> range:
        """Positions of the tokens that are shown."""
        return range(max(self.position - BEFORE, 0), min(self.position + AFTER + 1, len(self.tokens)))

    def activation(self, position: int) -> float:
        """At one token; 0 for first tokens, which do not count, and where it was not read."""
        return 0.0 if self.activations is None or not position else float(self.activations[position])

    @property
    def before_and_token(self) -> str:
        """The text up to the example's token and with it, to be read as a prompt."""
        return self.tokens.cut(self.position + 1).text

    @property
    def text(self) -> str:
        """The text up to the last token that is shown."""
        return self.tokens.cut(self.shown.stop).text


def in_context(
    model: LoadedModel,
    dictionary: Dictionary,
    feature: int,
    places: Sequence[tuple[Tokens, int]],
    report: Report = silent,
) -> tuple[Context, ...]:
    """Run the stretches of examples up to the last token that is shown and read one feature everywhere.

    Args:
        model: the model.
        dictionary: of this model.
        feature: its number.
        places: stretches as they were run, and the example's position in each.
        report: progress in examples; raises `Cancelled` to stop.
    """
    given = [Context(tokens, at, None) for tokens, at in places]
    order = sorted(
        range(len(given)), key=lambda number: given[number].shown.stop
    )  # like lengths: little padding
    found: dict[int, Context] = {}
    for start in range(0, len(order), TOGETHER):
        report("Reading the examples", start, len(order))
        numbers = order[start : start + TOGETHER]
        own = [given[number] for number in numbers]
        trace = model.run([each.tokens.cut(each.shown.stop) for each in own], read=[dictionary.site])
        for row, (number, each) in enumerate(zip(numbers, own, strict=True)):
            states = torch.from_numpy(trace.at(dictionary.site, row).copy())
            with torch.inference_mode():
                activations = dictionary.encode(states)[:, feature].numpy().copy()
            found[number] = Context(each.tokens, each.position, activations)
    return tuple(found[number] for number in range(len(given)))
