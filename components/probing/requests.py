"""What the probe page asks of the analysis, as shared jobs keyed by the request's fingerprint."""

import streamlit as st

from analysis import LoadedModel
from analysis.data.labelled_sets import labelled_set
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.labelled import LabelledSet
from analysis.methods.probe import Probed, probe
from components.probe_link import OWN, ProbeView
from components.requests import held


def given_set(view: ProbeView) -> LabelledSet | None:
    """The examples that are chosen; None where a set of one's own is still to be brought."""
    return st.session_state.get("own_set") if view.data == OWN else labelled_set(view.data)


def probed_key(model: LoadedModel, given: LabelledSet, view: ProbeView) -> str:
    """One name for a request."""
    examples = (given.texts, given.targets, given.groups, given.spans, given.classes, given.numbers)
    return fingerprint("probe", model.fingerprint, examples, view.spot, view.probe)


def probed_of(model: LoadedModel, given: LabelledSet, view: ProbeView) -> Job[Probed]:
    """The probe over all layers; what a cancelled one had finished is gone on from."""
    key = probed_key(model, given, view)
    finished: dict = st.session_state.setdefault("probed_layers", {})

    def work(report: Report) -> Probed:
        def keep(curve) -> None:
            finished[key] = curve

        return probe(model, given, view.spot, view.probe, done=finished.get(key), keep=keep, report=report)

    return held(key, f"Probing {given.name}", work)
