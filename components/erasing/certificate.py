"""The certificate on the page: the answer, the curves, what is guaranteed, measured and left, and its exports."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from analysis.background import KINDS, Background
from analysis.certificates.as_json import to_json
from analysis.certificates.certificate import Certificate
from analysis.data.labelled_sets import labelled_sets
from analysis.methods.erase import Fitted
from analysis.probing.measures import Score
from components import session
from components.erasing.requests import certificate_key, certificate_of
from components.figures.certificate import draw_certificate
from components.figures.certificate_html import certificate_html
from components.frame import BESIDE, Frame, draw_layer_slider
from components.literal import plain
from components.origin import draw_origin
from components.waiting import result_of

OTHERS = ("sentiment", "number", "tense")
"""Sets that are probed beside the erased one, where nobody chooses."""


def draw(frame: Frame, fitted: Fitted, key: str, usual: Background) -> None:
    """The part of the page; `key` names the fit."""
    with st.container(horizontal=True):
        asked = st.button("Measure the certificate", type="primary", icon=":material/verified:")
        others, kind = _draw_settings(fitted)
    wanted = certificate_key(key, others, kind)
    if asked:
        st.session_state.certificate_asked = wanted
    if st.session_state.get("certificate_asked") != wanted:
        st.caption(
            "Runs every example with the erasure and with a random subspace in its place, fits fresh probes at every "
            "layer from the erased one up, and reads ordinary text. About a minute on two cores; what was read is kept "
            "if you cancel."
        )
        return
    job = certificate_of(frame.model, fitted, wanted, usual, others, kind)
    certificate = result_of(job, key="certificate", height=360)
    if certificate is not None:
        _draw(frame, certificate)


def _draw_settings(fitted: Fitted) -> tuple[tuple[str, ...], str]:
    names = {each.id: each.name for each in labelled_sets() if each.id != fitted.given.id}
    with st.popover("What is measured", icon=":material/tune:"):
        others = st.multiselect(
            "Concepts that should not be hurt",
            list(names),
            default=[each for each in OTHERS if each in names],
            format_func=names.get,
            key="certificate_others",
            help="Each takes a quarter of a minute.",
        )
        kind = st.radio(
            "Random subspaces are drawn from", list(KINDS), format_func=KINDS.get, key="certificate_kind"
        )
    return tuple(others), kind


def _draw(frame: Frame, certificate: Certificate) -> None:
    st.markdown(certificate.summary())
    top = certificate.layers[-1].layer
    first = certificate.layers[0].layer
    layer = frame.layer if frame.layer is not None and first <= frame.layer <= top else certificate.last.layer
    picture, panel = st.columns(BESIDE, gap="medium")
    with panel:
        draw_layer_slider(frame.model, layer)
        st.dataframe(_at_layer(certificate, layer), hide_index=True, height="content")
        st.caption(
            "Scores with 95 % intervals; new ones: probes among held-out examples alone. Below the first erased layer "
            "nothing changes."
        )
    with picture:
        chosen = draw_certificate(certificate, layer, key="certificate_curve")
    if chosen is not None and chosen != layer and chosen != st.session_state.get("certificate_clicked"):
        st.session_state.certificate_clicked = chosen
        session.change(layer=chosen)
        st.rerun()
    _draw_words(certificate)
    _draw_tables(certificate)
    _draw_exports(certificate)
    draw_origin(certificate.provenance)


def _at_layer(certificate: Certificate, layer: int) -> pd.DataFrame:
    found = certificate.at(layer)
    rows = [
        ("before", _in_words(certificate, found.before)),
        ("after", _in_words(certificate, found.after)),
        ("random subspace", _in_words(certificate, found.random)),
        ("new ones, before", _in_words(certificate, found.fresh_before)),
        ("new ones, after", _in_words(certificate, found.fresh_after)),
        ("chance", certificate.show(certificate.chance)),
        ("moved, of variance", f"{found.moved:.1%}"),
        ("of it, on concept", "" if found.inside != found.inside else f"{found.inside:.0%}"),
    ]
    return pd.DataFrame(rows, columns=[f"layer {layer}", certificate.measure])


def _in_words(certificate: Certificate, score: Score) -> str:
    """A score and its interval, as short as the panel is narrow."""
    show = certificate.show
    low, high = (show(edge).rstrip("%") for edge in (score.low, score.high))
    return f"{show(score.value)} ({low} to {high})"


def _draw_words(certificate: Certificate) -> None:
    columns = st.columns(3, gap="medium")
    for column, (title, icon, sentences) in zip(columns, parts_of(certificate), strict=True):
        with column:
            st.markdown(f"{icon} **{title}**")
            for sentence in sentences:
                st.markdown(plain(sentence))


def parts_of(certificate: Certificate) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Title, icon and sentences of the three things a certificate says."""
    return (
        ("Guaranteed", ":material/lock:", certificate.guaranteed()),
        ("Measured", ":material/straighten:", certificate.measured()),
        ("Not hidden", ":material/visibility:", certificate.unhidden()),
    )


def _draw_tables(certificate: Certificate) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("Other concepts, before and after")
        if certificate.others:
            st.dataframe(others_table(certificate), hide_index=True, height="content")
        else:
            st.caption("None was chosen.")
    with right:
        st.markdown("A small network, and the cost on ordinary text")
        if certificate.networks:
            st.dataframe(networks_table(certificate), hide_index=True, height="content")
        st.dataframe(cost_table(certificate), hide_index=True, height="content")


def others_table(certificate: Certificate) -> pd.DataFrame:
    """One row per concept and layer."""
    return pd.DataFrame(
        [
            {
                "concept": each.name,
                "layer": each.layer,
                "before": str(each.before),
                "after": str(each.after),
                "chance": f"{each.baseline:.2f}",
            }
            for each in certificate.others
        ]
    )


def networks_table(certificate: Certificate) -> pd.DataFrame:
    """One row per layer at which a small network was tried."""
    return pd.DataFrame(
        [
            {"small network at layer": each.layer, "before": str(each.before), "after": str(each.after)}
            for each in certificate.networks
        ]
    )


def cost_table(certificate: Certificate) -> pd.DataFrame:
    """Ordinary text under no edit, the erasure and the control."""
    return pd.DataFrame(
        [
            {"ordinary text": name, "KL, bits a token": f"{bits:.3f}", "perplexity": f"{perplexity:.2f}"}
            for name, bits, perplexity in (
                ("nothing erased", 0.0, certificate.perplexity),
                ("erased", certificate.cost.bits, certificate.cost.perplexity),
                ("random subspace", certificate.random_cost.bits, certificate.random_cost.perplexity),
            )
        ]
    )


def _draw_exports(certificate: Certificate) -> None:
    exports: tuple[tuple[str, Callable[[], str], str, str], ...] = (
        ("HTML", lambda: certificate_html(certificate), "bathyscope-certificate.html", "text/html"),
        ("JSON", lambda: to_json(certificate), "bathyscope-certificate.json", "application/json"),
    )
    with st.container(horizontal=True):
        for label, make, name, kind in exports:
            st.download_button(label, make, name, kind, on_click="ignore", icon=":material/download:")
