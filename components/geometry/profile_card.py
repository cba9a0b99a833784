"""The profile of a model: asked for once, measured as one job, and taken away as a page or as JSON."""

import streamlit as st

from analysis import LoadedModel
from analysis.fingerprint import fingerprint
from analysis.geometry.profile import Profile, to_json
from analysis.geometry.profiling import take_profile
from analysis.jobs import Job, Report
from components.figures.geometry_profile_html import profile_html
from components.geometry.snippet import profile_snippet
from components.literal import plain
from components.requests import held
from components.waiting import result_of

ASKED = "geometry_profile_of"
"""Fingerprint of the model whose profile was asked for in this session."""
SIGNS = {
    "found": ":material/check:",
    "not found": ":material/close:",
    "cannot tell": ":material/question_mark:",
}


def draw_profile(model: LoadedModel) -> None:
    """A button, then progress, then what is found and the files."""
    st.markdown("**Profile of this model**")
    st.caption(
        "One printable page: the curves of every question on the text that ships, beside shuffled tokens, a "
        "random-weights model and a standard normal cloud; what papers report, found or not; a table of values. A "
        "model of 135 million weights takes a few minutes."
    )
    if st.session_state.get(ASKED) != model.fingerprint:
        st.button(
            "Profile of this model",
            icon=":material/lab_profile:",
            key="geometry_profile",
            on_click=lambda: st.session_state.update({ASKED: model.fingerprint}),
        )
        return
    profile = result_of(profile_of(model), "geometry_profile_job", again_label="Go on")
    if profile is not None:
        _draw_files(profile)
        _draw_findings(profile)


def profile_of(model: LoadedModel) -> Job[Profile]:
    """The profile, measured once; what a cancelled one has read stays on disk."""

    def work(report: Report) -> Profile:
        return take_profile(model, report=report)

    return held(fingerprint("geometry profile", model.fingerprint), f"The profile of {model.title}", work)


def _draw_files(profile: Profile) -> None:
    with st.container(horizontal=True, key="geometry_profile_files"):
        st.download_button(
            "Profile (HTML)",
            lambda: profile_html(profile, profile_snippet(profile.revision)),
            "bathyscope-profile.html",
            "text/html",
            on_click="ignore",
            icon=":material/html:",
            help="One page to print, with every curve, finding, source and this code. Opens without a server.",
        )
        st.download_button(
            "Profile (JSON)",
            lambda: to_json(profile),
            "bathyscope-profile.json",
            "application/json",
            on_click="ignore",
            help="All values of all subjects, with N, companions and sources.",
        )


def _draw_findings(profile: Profile) -> None:
    for finding in profile.findings:
        st.markdown(
            f"{SIGNS[finding.verdict]} **{plain(finding.title)}**: {finding.verdict}",
            help=plain(f"{finding.claim} {finding.sentence} Source: {finding.source}"),
        )
    for what, why in profile.missing:
        st.caption(plain(f"Not measured: {what}. {why}"))
