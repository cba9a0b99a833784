"""What the map of many texts asks of the analysis, as shared jobs keyed by the request's fingerprint."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from analysis import LoadedModel
from analysis.captures import States
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.methods.corpus_map import CorpusMap, corpus_map
from analysis.projections import client
from analysis.projections.kinds import PROJECTIONS
from analysis.projections.limits import key_layers
from components.requests import held

FIRST_PAINT = "pca"


@dataclass(frozen=True, eq=False)
class Wanted:
    """Everything that decides where points lie."""

    projection: str
    params: object
    rows: Int64[np.ndarray, " point"]
    """The examples that are drawn."""
    scale: str = "unit"
    seed: int = 0
    twin: str = ""
    n_axes: int = 2
    anyway: bool = False
    """Draw what takes very long all the same."""

    @property
    def at_once(self) -> bool:
        """True if it takes no process and hardly any time."""
        return PROJECTIONS[self.projection].linear


def warm() -> None:
    """Have the process that computes maps ready before it is asked; returns at once and may be called at every run."""
    client.warm()


def drawn_layers(states: States, projection: str) -> tuple[int, ...]:
    """The layers that get a picture: all that were read, and of an aligned map a dozen spread over them."""
    return key_layers(states.layers) if projection == "aligned" else states.layers


def drawn_key(model: LoadedModel, states: States, wanted: Wanted, layers: Sequence[int]) -> str:
    """One name for a map."""
    seeded = not wanted.at_once or wanted.twin
    choices = (
        wanted.projection,
        wanted.params,
        wanted.scale,
        wanted.n_axes,
        wanted.twin,
        wanted.seed if seeded else None,
    )
    return fingerprint("corpus map", model.fingerprint, states.key, choices, wanted.rows, tuple(layers))


def drawn_of(
    model: LoadedModel,
    states: States,
    wanted: Wanted,
    labels: Sequence[str] | None = None,
    layers: Sequence[int] | None = None,
) -> Job[CorpusMap]:
    """The map at all layers it draws, or at some of them.

    Args:
        model: the model.
        states: of all examples.
        wanted: how they are drawn.
        labels: one name per drawn point; they follow from what is drawn.
        layers: None is all that the projection draws.
    """
    layers = drawn_layers(states, wanted.projection) if layers is None else tuple(layers)

    def work(report: Report) -> CorpusMap:
        return corpus_map(
            model,
            states,
            wanted.projection,
            wanted.params,
            layers=layers,
            scale=wanted.scale,
            rows=wanted.rows,
            labels=labels,
            n_axes=wanted.n_axes,
            seed=wanted.seed,
            twin=wanted.twin,
            anyway=wanted.anyway,
            report=report,
        )

    title = f"Drawing {PROJECTIONS[wanted.projection].title} of {len(wanted.rows):,} points"
    return held(drawn_key(model, states, wanted, layers), title, work)


def first_paint_of(
    model: LoadedModel, states: States, wanted: Wanted, layer: int, labels: Sequence[str] | None = None
) -> Job[CorpusMap]:
    """PCA of one layer, to look at while the map that is wanted is on its way."""
    kind = PROJECTIONS[FIRST_PAINT]
    at_once = replace(wanted, projection=kind.id, params=kind.params())
    return drawn_of(model, states, at_once, labels, (layer,))
