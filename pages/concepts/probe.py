"""Is this concept linearly there, and from which layer on?"""

from dataclasses import replace

import pandas as pd
import streamlit as st

from analysis.captures import EACH
from analysis.labelled import LabelledSet
from analysis.methods.probe import Probed
from analysis.probing import PROBES
from components import session
from components.figures.probe_curve import draw_probe_curve
from components.frame import BESIDE, Frame, draw_layer_slider
from components.literal import plain
from components.probe_link import HIERARCHY, PARTS, SETS
from components.probing.choices import draw_choices, draw_examples
from components.probing.layer import draw_layer
from components.probing.requests import partly_probed, probed_key, probed_of
from components.waiting import result_of

QUESTION = "Is this concept linearly there, and from which layer on?"
FEW_HELD_OUT = 20
"""Examples below which one of them is a large share."""
NAMES = {SETS: "Labelled sets", HIERARCHY: "Hierarchy"}


def draw(frame: Frame) -> None:
    """The page."""
    if _part() == HIERARCHY:
        from components.probing import hierarchy  # what it needs is loaded by those who look at it

        hierarchy.draw(frame)
    else:
        _draw_sets(frame)


def _part() -> str:
    state = st.session_state
    state.probe_part = session.view().probe.part
    st.segmented_control(
        "Part",
        PARTS,
        format_func=NAMES.get,
        key="probe_part",
        required=True,
        label_visibility="collapsed",
        on_change=lambda: _change(part=state.probe_part),
    )
    return state.probe_part


def _change(**fields: object) -> None:
    session.change(probe=replace(session.view().probe, **fields))


def _draw_sets(frame: Frame) -> None:
    heading = st.container(gap="xxsmall")
    heading.subheader(QUESTION, anchor=False)
    given = draw_choices()
    if given is None:
        return
    key = probed_key(frame.model, given, session.view().probe)
    st.button("Probe all layers", type="primary", icon=":material/troubleshoot:", on_click=_ask, args=(key,))
    draw_examples(given)
    if _is_asked(key):
        _draw_answer(frame, given, key, heading)
    else:
        st.caption(
            "Reads every example once (the states stay on disk), then fits the probe at every layer, beside shuffled "
            "labels and a control task. Half a minute on two cores, for a network or for every token some minutes; "
            "cancel any time, and what is done is kept."
        )


def _ask(key: str) -> None:
    st.session_state.probe_asked = key


def _is_asked(key: str) -> bool:
    """True if this very request was asked for, here or by the link that opened the page."""
    state, view = st.session_state, session.view().probe
    if view.asked:
        state.setdefault("probe_asked", key)
    asked = state.get("probe_asked") == key
    if asked != view.asked:
        _change(asked=asked)
        session.write_address()  # the frame has written it before
    return asked


def _draw_answer(frame: Frame, given: LabelledSet, key: str, heading) -> None:
    """The probe, or while it is stopped the layers it had finished."""
    view = session.view().probe
    job = probed_of(frame.model, given, view)
    probed = result_of(job, "probing", height=360, again_label="Go on")
    if probed is not None:
        heading.markdown(probed.summary())
    elif job.state != "running" and (probed := partly_probed(frame.model, given, view)) is not None:
        done = len(probed.scores)
        heading.markdown(f"So far, after {done} of {len(probed.layers)} layers: {probed.summary()}")
    if probed is not None:
        _draw_result(frame, given, probed, key)
        _draw_take_away(probed)


def _draw_result(frame: Frame, given: LabelledSet, probed: Probed, key: str) -> None:
    finished = [layer for layer, _ in probed.scores]
    layer = frame.layer if frame.layer in finished else probed.best
    picture, panel = st.columns(BESIDE, gap="medium")
    with panel:
        draw_layer_slider(frame.model, layer)
        if frame.layer not in (None, layer):
            st.caption(f"Layer {frame.layer} was not probed; this is layer {layer}, the best one.")
        _draw_numbers(given, probed, layer)
    with picture:
        draw_probe_curve(
            probed, layer, key="probe_curve", on_choose=lambda chosen: session.change(layer=chosen)
        )
    draw_layer(frame, probed, key, layer)


def _draw_numbers(given: LabelledSet, probed: Probed, layer: int) -> None:
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
    for sentence in _notes(given, probed, len(found.predicted)):
        st.caption(plain(sentence))


def _notes(given: LabelledSet, probed: Probed, held_out: int) -> list[str]:
    """What has to be known to read the numbers."""
    used, merged, notes = probed.given, probed.curve.merged, []
    if probed.spot == EACH:
        notes.append(
            f"{len(used):,} tokens of {len(set(used.texts)):,} texts, each an example. Those of one text are right or "
            "wrong together, so the interval is too narrow."
        )
    if changed := used.source.removeprefix(given.source).strip():  # what was drawn or left out
        notes.append(changed)
    if held_out < FEW_HELD_OUT:
        notes.append(f"Only {held_out} examples are held out: one more or less is {1 / held_out:.0%}.")
    if not probed.has_control:
        notes.append("Without a control task: no word that is tested comes again among those learned from.")
    if merged:
        shared = "1 group shares" if merged == 1 else f"{merged:,} groups share"
        notes.append(f"{shared} a text with another one and stayed on its side of the split.")
    return notes


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
