"""Is this concept linearly there, and from which layer on?"""

import pandas as pd
import streamlit as st

from analysis.methods.probe import Probed
from analysis.probing import PROBES
from components import session
from components.figures.probe_curve import draw_probe_curve
from components.frame import Frame, draw_layer_slider
from components.literal import plain
from components.probing.choices import draw_choices, draw_examples
from components.probing.layer import draw_layer
from components.probing.requests import probed_key, probed_of
from components.requests import again
from components.waiting import problem, wait_for

QUESTION = "Is this concept linearly there, and from which layer on?"


def draw(frame: Frame) -> None:
    """The page."""
    heading = st.container(gap="xxsmall")
    heading.subheader(QUESTION, anchor=False)
    given = draw_choices()
    if given is None:
        return
    view = session.view().probe
    key = probed_key(frame.model, given, view)
    if st.button("Probe all layers", type="primary", icon=":material/troubleshoot:"):
        st.session_state.probe_asked = key
    draw_examples(given)
    if st.session_state.get("probe_asked") != key:
        st.caption(
            "Reads every example once (the states stay on disk), then fits the probe at every layer, beside shuffled "
            "labels and a control task. Half a minute on two cores; cancel any time, and what is done is kept."
        )
        return
    job = probed_of(frame.model, given, view)
    if not wait_for(job, key="probing", height=360):
        return
    if (sentence := problem(job)) is not None:
        st.warning(plain(sentence), icon=":material/warning:")
        st.button("Go on", key="probe again", on_click=again, args=(job,))
        return
    _draw_result(frame, job.result(), heading)


def _draw_result(frame: Frame, probed: Probed, heading) -> None:
    heading.markdown(probed.summary())
    layer = frame.layer if frame.layer in probed.layers else probed.best
    picture, panel = st.columns([2.55, 1], gap="medium")
    with panel:
        draw_layer_slider(frame.model, layer)
        _draw_numbers(probed, layer)
    with picture:
        chosen = draw_probe_curve(probed, layer, key="probe_curve")
    if chosen is not None and chosen != layer and chosen != st.session_state.get("probe_clicked"):
        st.session_state.probe_clicked = chosen
        session.change(layer=chosen)
        st.rerun()
    draw_layer(frame, probed, layer)
    _draw_take_away(probed)


def _draw_numbers(probed: Probed, layer: int) -> None:
    found = probed.at(layer)
    rows = [
        ("score", found.score),
        ("95% interval from", found.low),
        ("to", found.high),
        ("balanced accuracy", found.balanced),
        ("baseline", probed.curve.baseline),
        ("shuffled labels", found.shuffled_mean),
        ("control task", found.control if probed.has_control else None),
        ("selectivity", found.selectivity if probed.has_control else None),
    ]
    table = pd.DataFrame([row for row in rows if row[1] is not None], columns=[f"layer {layer}", "value"])
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={"value": st.column_config.NumberColumn(format="%.3f")},
    )
    if not probed.has_control:
        st.caption("Without a control task: no word that is tested comes again among those learned from.")
    if probed.curve.merged:
        st.caption(
            f"{probed.curve.merged} groups shared a text with another and were kept on its side of the split."
        )


def _draw_take_away(probed: Probed) -> None:
    kind = PROBES[probed.curve.probe]
    with st.expander("When this misleads, and what it is"):
        st.markdown(plain(kind.misleads_when))
        st.caption(plain(f"{kind.title}: {kind.source}. Controls: Hewitt & Liang 2019, arXiv 1909.03368."))
    st.download_button(
        "CSV",
        lambda: table_of(probed).to_csv(index=False),
        "bathyscope-probe.csv",
        "text/csv",
        on_click="ignore",
    )


def table_of(probed: Probed) -> pd.DataFrame:
    """One row per layer."""
    return pd.DataFrame(
        [
            {
                "layer": layer,
                "score": each.score,
                "low": each.low,
                "high": each.high,
                "balanced": each.balanced,
                "baseline": probed.curve.baseline,
                "shuffled": each.shuffled_mean,
                "control": each.control,
                "selectivity": each.selectivity,
                "set": probed.given.name,
                "probe": PROBES[probed.curve.probe].title,
                "read_at": probed.spot,
            }
            for layer, each in probed.scores
        ]
    )


draw(st.session_state.frame)
