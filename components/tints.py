"""Measures of geometry that say something of every token, as colours of a map."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from analysis import AnalysisError, LoadedModel
from analysis.geometry import measures
from analysis.geometry.cloud import Cloud
from analysis.geometry.measure import Measure
from analysis.jobs import Report
from analysis.methods.geometry import measured

MEASURE = "measure."
"""What the id of such a colour begins with; the measure's id follows."""


@dataclass(frozen=True, eq=False)
class Tint:
    """One measure of every token at every layer."""

    title: str
    of_token: str
    """What the number is, in a few words with its unit."""
    values: Float32[np.ndarray, "layer token"] | None
    """NaN for tokens that do not count and where it is not defined; None where it cannot be measured."""
    why: str = ""
    """Why it cannot be measured."""


def offered(without: Collection[str] = ()) -> dict[str, str]:
    """The colours by id, with their names, but for those of some questions."""
    return {
        f"{MEASURE}{each.id}": lower(each.title)
        for each in measures.MEASURES
        if each.per_point and each.reads == "cloud" and each.question not in without
    }


def measure_of(color: str) -> Measure:
    """The measure of a colour."""
    return measures.measure(color.removeprefix(MEASURE))


def tint(
    model: LoadedModel, cloud: Cloud, measure: Measure, places: np.ndarray, count: int, report: Report
) -> Tint:
    """A measure of a cloud's points among all tokens of a map.

    Args:
        model: the model.
        cloud: the points that count.
        measure: what is measured, with its knobs as they are at first.
        places: number of each point's token on the map.
        count: tokens of the map.
        report: progress.
    """
    try:
        found = measured(model, cloud, measure, report=report)
    except AnalysisError as error:
        return Tint(measure.title, measure.per_point, None, str(error))
    if found.per_point is None:
        return Tint(
            measure.title, measure.per_point, None, "It says nothing of single tokens with these settings."
        )
    values = np.full((len(found.layers), count), np.nan, np.float32)
    values[:, places] = found.per_point
    return Tint(measure.title, measure.per_point, values)


def lower(title: str) -> str:
    """A title within a sentence; names in capitals keep them."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]
