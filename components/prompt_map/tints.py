"""Measures of geometry that say something of every token of a text, as colours of its map."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from analysis import AnalysisError, LoadedModel, Tokens
from analysis.fingerprint import fingerprint
from analysis.geometry import measures
from analysis.geometry.measure import Measure
from analysis.jobs import Job, Report
from analysis.methods.geometry import measured, of_run
from components.prompt_map_link import MEASURE
from components.requests import held, trace_of

OF_MANY_TEXTS = ("kept", "position", "convex")
"""Questions that one text cannot answer token by token."""


@dataclass(frozen=True, eq=False)
class Tint:
    """One measure of every token at every layer."""

    title: str
    of_token: str
    """What the number is, in a few words with its unit."""
    values: Float32[np.ndarray, "layer position"] | None
    """NaN for tokens that do not count and where it is not defined; None where it cannot be measured."""
    why: str = ""
    """Why it cannot be measured."""


def offered() -> dict[str, str]:
    """The colours by id, with their names."""
    return {f"{MEASURE}{each.id}": f"colour: {_lower(each.title)}" for each in _able()}


def tint_of(model: LoadedModel, tokens: Tokens, color: str) -> Job[Tint]:
    """The measure of a colour, from the run that the map was drawn from.

    Args:
        model: the model.
        tokens: the text that is drawn.
        color: an id of `offered`.
    """
    measure = measures.measure(color.removeprefix(MEASURE))
    key = fingerprint("map tint", model.fingerprint, tokens.ids, measure.id)
    return held(
        key, f"Measuring {_lower(measure.title)}", lambda report: _tint(model, tokens, measure, report)
    )


def _able() -> list[Measure]:
    return [
        each
        for each in measures.MEASURES
        if each.per_point and each.reads == "cloud" and each.question not in OF_MANY_TEXTS
    ]


def _tint(model: LoadedModel, tokens: Tokens, measure: Measure, report: Report) -> Tint:
    try:
        cloud = of_run(model, trace_of(model, tokens))
        found = measured(model, cloud, measure, report=report)
    except AnalysisError as error:
        return Tint(measure.title, measure.per_point, None, str(error))
    if found.per_point is None:
        return Tint(
            measure.title, measure.per_point, None, "It says nothing of single tokens with these settings."
        )
    values = np.full((len(found.layers), len(tokens)), np.nan, np.float32)
    values[:, cloud.position] = found.per_point
    return Tint(measure.title, measure.per_point, values)


def _lower(title: str) -> str:
    """A title within a sentence; names in capitals keep them."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]
