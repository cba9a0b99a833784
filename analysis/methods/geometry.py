"""Curves over the layers: how the shape of what a model represents changes with depth."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from jaxtyping import Float32
from threadpoolctl import ThreadpoolController

from analysis.errors import AnalysisError
from analysis.geometry.cloud import Cloud
from analysis.geometry.measure import Found, Given, Measure
from analysis.geometry.reading import TOKENS, of_run, read, shipped_text
from analysis.jobs import Report, silent
from analysis.knobs import require_in_range, said
from analysis.models.loaded import LoadedModel
from analysis.results import LayerCurve, Provenance

__all__ = ["TOKENS", "Measured", "measured", "of_run", "read", "shipped_text"]


@dataclass(frozen=True, eq=False)
class Measured:
    """One measure of one subject at every layer."""

    measure: Measure
    params: object
    name: str
    """What was measured."""
    count: int
    """Points, or texts where it is taken on views."""
    layers: tuple[int, ...]
    curve: LayerCurve
    """One row; NaN where the measure is not defined."""
    per_point: Float32[np.ndarray, "layer point"] | None
    """Each point's share, see `Measure.per_point`."""
    beside: Mapping[str, Float32[np.ndarray, " layer"]]
    """Companions of the value by what they are called, such as the quality of a fit."""
    notes: tuple[str, ...]
    """Why layers have no value, in sentences."""

    @property
    def values(self) -> Float32[np.ndarray, " layer"]:
        """The curve."""
        return self.curve.values[0]


def measured(
    model: LoadedModel,
    given: Given,
    measure: Measure,
    params: object = None,
    *,
    report: Report = silent,
) -> Measured:
    """One measure at every layer of what was read.

    Args:
        model: that was read, for provenance.
        given: a `Cloud`, or the `Views` or `Skips` that the measure reads.
        measure: one of `analysis.geometry.measures.MEASURES`.
        params: its knobs; None takes their defaults.
        report: progress in layers; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the measure cannot be taken on this: what it needs and what there is; or no layer has a value.
    """
    params = measure.params() if params is None else params
    require_in_range(params)
    if sentence := measure.needs(given, params):
        raise AnalysisError(sentence)
    # many small products are faster on one thread, a few large ones on all
    with _libraries().limit(limits=1, user_api="blas") if len(given) < MANY else nullcontext():
        found, notes = _by_layer(given, measure, params, report)
    if not any(np.isfinite(each.value) for each in found):
        raise AnalysisError(notes[0] if notes else f"{measure.title} is not defined at any of these layers.")
    return Measured(
        measure=measure,
        params=params,
        name=given.name,
        count=len(given),
        layers=given.layers,
        curve=LayerCurve(
            measure.title,
            measure.unit,
            measure.bounds,
            _provenance(model, given, measure, params),
            np.array([[each.value for each in found]], np.float32),
            (given.name,),
        ),
        per_point=_per_point(found),
        beside=_beside(found),
        notes=notes,
    )


@cache
def _libraries() -> ThreadpoolController:
    """Looking for them takes longer than some curves."""
    return ThreadpoolController()


NOTHING = Found(np.nan)
MANY = 500
"""Points from which on products are large."""


def _by_layer(
    given: Given, measure: Measure, params: object, report: Report
) -> tuple[list[Found], tuple[str, ...]]:
    """What is found at each layer, and why there is nothing at others."""
    found, notes = [], []
    for number, layer in enumerate(given.layers):
        report(f"Measuring: {measure.title.lower()}", number, len(given.layers))
        if measure.is_step and number == 0:
            found.append(NOTHING)
            continue
        try:
            found.append(measure.at(given, layer, params))
        except AnalysisError as error:
            found.append(NOTHING)
            notes.append(f"Layer {layer}: {error}")
    return found, tuple(notes)


def _per_point(found: list[Found]) -> Float32[np.ndarray, "layer point"] | None:
    known = [each.per_point for each in found if each.per_point is not None]
    if not known:
        return None
    empty = np.full(len(known[0]), np.nan, np.float32)
    values = np.stack([empty if each.per_point is None else each.per_point for each in found])
    values.flags.writeable = False
    return values


def _beside(found: list[Found]) -> Mapping[str, Float32[np.ndarray, " layer"]]:
    names = dict.fromkeys(name for each in found for name in each.beside)
    return MappingProxyType(
        {name: np.array([each.beside.get(name, np.nan) for each in found], np.float32) for name in names}
    )


def _provenance(model: LoadedModel, given: Given, measure: Measure, params: object) -> Provenance:
    settings = [("of", given.name), ("count", f"{len(given):,} {_UNITS[measure.reads]}")]
    if isinstance(given, Cloud):
        settings.append(("left out", given.left_out_in_words()))
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        measure.title,
        measure.source,
        measure.misleads_when,
        (*settings, ("formula", measure.formula), *said(params)),
    )


_UNITS = {"cloud": "tokens", "views": "texts", "skips": "tokens"}
