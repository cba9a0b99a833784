"""One line that says what is being measured, or of how much it was; it keeps its height, so that nothing jumps."""

import time

import streamlit as st

from analysis.methods.geometry import Measured
from components.geometry.requests import Plan, Refused, go_on
from components.literal import plain
from components.waiting import POLL, draw_last, rerun_once

HEIGHT = 44
EVERY = 1.0
"""Seconds between two runs of the page that draw what has come meanwhile."""


def draw_progress(plan: Plan) -> None:
    """Progress with a button to pause while curves are to come; else what they are of, or why it stopped."""
    running = plan.job.state == "running"
    unread = "" if running or plan.stopped else _unread(plan)
    height = "content" if unread else HEIGHT  # why something could not be read may be long
    with st.container(height=height, border=False, vertical_alignment="center", key="geometry_progress"):
        if running:
            draw_last(lambda: _running(plan))
        elif plan.stopped:
            _draw_way_on(plan, "Paused. What was measured and read stays.", "Go on")
        elif unread:
            _draw_way_on(plan, unread, "Try again")
        else:
            st.caption(plain(_of(plan)))


@st.fragment(run_every=POLL)
def _running(plan: Plan) -> None:
    if plan.job.state != "running":
        rerun_once(plan.job)
        return
    if len(plan.found) > plan.drawn and time.monotonic() - plan.drawn_at > EVERY:
        plan.mark_drawn()  # a tick that comes late must not ask again
        st.rerun()
    bar, button = st.columns([6, 1], vertical_alignment="center")
    share = (len(plan.found) + (plan.job.progress.fraction or 0)) / len(plan.wanted)
    seconds = time.monotonic() - plan.job.started
    bar.progress(min(share, 1.0), text=plain(f"{plan.job.progress.message}, {seconds:.0f} s"))
    button.button("Pause", key="geometry_pause", on_click=plan.stop, width="stretch")


def _draw_way_on(plan: Plan, sentence: str, label: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(sentence))
        st.button(label, icon=":material/play_arrow:", key="geometry_go_on", on_click=go_on, args=(plan,))


def _unread(plan: Plan) -> str:
    """Why something could not be read, and whose it was; empty where all was."""
    for wanted in plan.wanted:
        found = plan.of(wanted)
        if isinstance(found, Refused) and found.may_change:
            return f"{wanted.subject.name}: {found.sentence}"
    return ""


def _of(plan: Plan) -> str:
    """How many points the curves are of, and how many do not count."""
    for wanted in plan.wanted:
        found = plan.of(wanted)
        if wanted.subject.id == "base" and wanted.measure.reads == "cloud" and isinstance(found, Measured):
            said = dict(found.curve.provenance.settings)
            return f"{wanted.subject.name}: {said['count']}; left out: {said['left out']}."
    return ""
