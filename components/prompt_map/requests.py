"""What the map of a text asks of the analysis, as shared jobs keyed by the request's fingerprint."""

from dataclasses import dataclass

import numpy as np

from analysis import Direction, LoadedModel, Tokens
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.maps import basis as bases
from analysis.maps.basis import Basis
from analysis.maps.quality import Quality
from analysis.methods.prompt_map import PromptMap, across_layers, prompt_map
from analysis.next_token import NATS_PER_BIT, surprises
from components.cache import results
from components.prompt_map_link import PromptMapView
from components.requests import held, trace_of
from components.steering.at_hand import AtHand
from components.steering.requests import recipe_key

NULLS = 8
"""Random controls beside an edited run."""


def map_key(
    model: LoadedModel,
    tokens: Tokens,
    view: PromptMapView,
    concepts: tuple[Direction, ...],
    edit: AtHand | None,
) -> str:
    """One name for a map: everything that decides where its points lie."""
    axes = [(each.name, each.values, each.layers, each.layer) for each in concepts]
    seed = view.seed if edit or view.twin else None
    choices = (view.basis, view.scale, view.axes, view.first, view.twin, seed)
    changed = recipe_key(edit.recipe) if edit else ""
    return fingerprint(
        "prompt map", model.fingerprint, tokens.ids, tokens.prompt_length, choices, axes, changed
    )


def map_of(
    model: LoadedModel,
    tokens: Tokens,
    view: PromptMapView,
    concepts: tuple[Direction, ...] = (),
    edit: AtHand | None = None,
) -> Job[PromptMap]:
    """The text in the axes that are chosen, with its edited run where there is a recipe."""

    def work(report: Report) -> PromptMap:
        basis = _unembedding(model, view, report) if view.basis == "unembedding" else view.basis
        base = None if view.twin == "shuffled" else trace_of(model, tokens)
        return prompt_map(
            model,
            tokens,
            basis,
            scale=view.scale,
            n_axes=view.axes,
            concepts=concepts,
            recipe=edit.recipe if edit else None,
            usual=edit.usual if edit else None,
            nulls=NULLS,
            seed=view.seed,
            first=view.first,
            twin=view.twin,
            base=base,
            report=report,
        )

    return held(map_key(model, tokens, view, concepts, edit), "Drawing the map", work)


def _unembedding(model: LoadedModel, view: PromptMapView, report: Report) -> Basis:
    """The model's own axes, which are the same for every text: found once, however many ask."""
    key = fingerprint("unembedding axes", model.fingerprint, view.axes, view.scale)
    job = results().ask(
        key,
        "Finding the unembedding's axes",
        lambda inner: bases.unembedding(model, view.axes, view.scale, report=inner),
    )
    while job.state == "running":
        report(job.progress.message, job.progress.done, job.progress.total)
        job.wait(0.1)
    return job.result()


@dataclass(frozen=True, eq=False)
class Pooled:
    """How well the layers together keep neighbours; None where they are in different axes."""

    quality: Quality | None


def pooled_of(key: str, drawn: PromptMap) -> Job[Pooled]:
    """The quality of the picture of all layers together.

    Args:
        key: names the map.
        drawn: the map.
    """
    return held(
        fingerprint("pooled quality", key),
        "Comparing neighbours",
        lambda report: Pooled(across_layers(drawn)),
    )


def surprise_of(model: LoadedModel, tokens: Tokens) -> Job[np.ndarray]:
    """How unexpected every token was to the model, in bits; NaN for the first."""

    def work(report: Report) -> np.ndarray:
        report("Reading the last layer")
        last = trace_of(model, tokens).residuals()[-1]
        bits = surprises(model, last[:-1].copy(), tokens.ids[1:]) / NATS_PER_BIT
        return np.concatenate([[np.nan], bits]).astype(np.float32)

    return held(fingerprint("surprise", model.fingerprint, tokens.ids), "Reading surprise", work)
