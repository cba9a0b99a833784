"""Measures of geometry that say something of every token of a text, as colours of its map."""

from analysis import LoadedModel, Tokens
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.methods.geometry import of_run
from components import tints
from components.requests import held, trace_of
from components.tints import Tint

OF_MANY_TEXTS = ("kept", "position", "convex")
"""Questions that one text cannot answer token by token."""


def offered() -> dict[str, str]:
    """The colours by id, with their names."""
    return {id: f"colour: {name}" for id, name in tints.offered(OF_MANY_TEXTS).items()}


def tint_of(model: LoadedModel, tokens: Tokens, color: str) -> Job[Tint]:
    """The measure of a colour, from the run that the map was drawn from.

    Args:
        model: the model.
        tokens: the text that is drawn.
        color: an id of `offered`.
    """
    measure = tints.measure_of(color)

    def work(report: Report) -> Tint:
        cloud = of_run(model, trace_of(model, tokens))
        return tints.tint(model, cloud, measure, cloud.position, len(tokens), report)

    key = fingerprint("map tint", model.fingerprint, tokens.ids, measure.id)
    return held(key, f"Measuring {tints.lower(measure.title)}", work)
