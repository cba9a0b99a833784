"""What the probe page asks of the analysis, as shared jobs keyed by the request's fingerprint."""

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from jaxtyping import Float32
from threadpoolctl import threadpool_limits

from analysis import LoadedModel, Tokens
from analysis.captures import EACH, capture, each_token, usable
from analysis.data.labelled_sets import labelled_set
from analysis.edits import Site
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.labelled import LabelledSet
from analysis.methods.probe import ON_NEURONS, Probed, probe
from analysis.next_token import promoted
from analysis.probing.curves import ProbeCurve
from analysis.probing.sparse import SparseCurve, output_row, sparse_curve
from analysis.probing.splits import merged
from components.probe_link import BROUGHT, ProbeView
from components.requests import held

MOST_FINISHED = 8
"""Stopped probes that a session remembers."""


def given_set(view: ProbeView) -> LabelledSet | None:
    """The examples that are chosen; None where a set of one's own is still to be brought."""
    return st.session_state.get(f"{view.data}_set") if view.data in BROUGHT else labelled_set(view.data)


def probed_key(model: LoadedModel, given: LabelledSet, view: ProbeView) -> str:
    """One name for a request."""
    examples = (given.texts, given.targets, given.groups, given.spans, given.classes, given.numbers)
    return fingerprint("probe", model.fingerprint, examples, view.spot, view.probe)


@dataclass(frozen=True, eq=False)
class _Finished:
    """Layers a probe was fitted at before it was stopped."""

    given: LabelledSet
    curve: ProbeCurve


def probed_of(model: LoadedModel, given: LabelledSet, view: ProbeView) -> Job[Probed]:
    """The probe over all layers; what a cancelled one had finished is gone on from."""
    key = probed_key(model, given, view)
    finished = _finished()

    def work(report: Report) -> Probed:
        examples = _examples(model, given, view.spot, report)

        done = finished[key].curve if key in finished else None

        def keep(curve: ProbeCurve) -> None:
            finished.pop(key, None)
            finished[key] = _Finished(examples, curve)
            for old in list(finished)[:-MOST_FINISHED]:
                del finished[old]

        return probe(model, examples, view.spot, view.probe, done=done, keep=keep, report=report)

    return held(key, f"Probing {given.name}", work)


def _examples(model: LoadedModel, given: LabelledSet, spot: str, report: Report) -> LabelledSet:
    """What is probed: the examples or all their tokens, without those at a text's first token; its source says so."""
    examples = each_token(model, given, report=report) if spot == EACH else given
    found = usable(model, examples, spot)
    if found.left_out:
        said = (
            f" {found.left_out:,} examples at the first token of their text, an attention sink, are left out."
        )
    elif found.at_first:
        said = (
            " Some examples are read at the first token of their text, an attention sink whose state is far longer "
            "than others and decides means; no class could do without them."
        )
    else:
        return examples
    return replace(found.given, source=f"{found.given.source}{said}")


def partly_probed(model: LoadedModel, given: LabelledSet, view: ProbeView) -> Probed | None:
    """What a probe had finished when it was stopped; None where that is not one layer."""
    found = _finished().get(probed_key(model, given, view))
    if found is None:
        return None
    first = 1 if view.probe in ON_NEURONS else 0
    layers = tuple(range(first, first + found.curve.count))
    return Probed(found.given, view.spot, found.curve, layers)


def _finished() -> dict[str, _Finished]:
    return st.session_state.setdefault("probed_layers", {})


def sparse_of(model: LoadedModel, probed: Probed, key: str, layer: int) -> Job[SparseCurve]:
    """How few neurons of one layer tell the classes apart, on the split of a probe that is done.

    Args:
        model: the model.
        probed: the probe.
        key: of the request that made it.
        layer: 1 to L.
    """

    def work(report: Report) -> SparseCurve:
        given = probed.given
        states = capture(model, given, probed.spot, stream="neurons", report=report).at(layer)
        groups = merged(given.texts, given.groups)[0]
        with threadpool_limits(1, user_api="blas"):
            return sparse_curve(states, given.targets, probed.curve.held_out, groups=groups, report=report)

    return held(fingerprint("sparse", key, layer), f"Probing with few neurons of layer {layer}", work)


def activations_of(
    model: LoadedModel, tokens: Tokens, layer: int
) -> Job[Float32[np.ndarray, "position neuron"]]:
    """All neurons of one layer over one text."""
    site = Site(layer, "neurons")

    def work(report: Report) -> np.ndarray:
        report(f"Reading the neurons of layer {layer}")
        return model.run(tokens, read=[site]).at(site)

    return held(fingerprint("neurons", model.fingerprint, tokens.ids, layer), "Reading neurons", work)


Promoted = tuple[tuple[str, float], ...]
"""Tokens and their gains, the largest first."""


def written_of(model: LoadedModel, layer: int, neuron: int) -> Job[tuple[Promoted, Promoted]]:
    """The tokens that one neuron raises, and those it lowers, where its activation is positive."""

    def work(report: Report) -> tuple[Promoted, Promoted]:
        report("Reading what the neuron writes")
        row = output_row(model, layer, neuron)
        return promoted(model, row, 8), promoted(model, -row, 8)

    return held(
        fingerprint("written", model.fingerprint, layer, neuron), "Reading what a neuron writes", work
    )
