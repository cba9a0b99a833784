"""What probes read of an erased concept, layer by layer: before, after, and after a random subspace."""

import plotly.graph_objects as go
import streamlit as st

from analysis.certificates.certificate import Certificate, LayerEvidence
from analysis.probing.measures import Score
from components.figures.against_null import mode
from components.kinds import ASKED, BASE, EDITED, NULL, Kind

LINES: tuple[tuple[str, str, Kind, bool], ...] = (
    ("after a random one", "random", NULL, False),
    ("before", "before", BASE, True),
    ("after, new examples", "fresh_after", ASKED, False),
    ("after", "after", EDITED, True),
)
"""Name, field of `LayerEvidence`, looks, and whether its interval is drawn; the last lies on top."""


def draw_certificate(certificate: Certificate, layer: int, key: str) -> int | None:
    """The scores over layers; answers a layer that was clicked."""
    figure, layers = go.Figure(), [each.layer for each in certificate.layers]
    form = ".2f" if certificate.numbers else ".0%"
    for name, field, kind, banded in LINES:
        scores: list[Score] = [getattr(each, field) for each in certificate.layers]
        if banded:
            _add_band(figure, layers, scores, kind)
        figure.add_scatter(
            x=layers,
            y=[each.value for each in scores],
            name=name,
            mode="lines+markers" if len(layers) == 1 or kind is EDITED else "lines",
            line={"color": kind.color(mode()), "dash": kind.dash, "width": kind.width},
            marker={"symbol": kind.symbol, "size": 7},
            customdata=[[each.low, each.high] for each in scores],
            hovertemplate=f"layer %{{x}}: %{{y:{form}}} (%{{customdata[0]:{form}}} to %{{customdata[1]:{form}}})"
            f"<extra>{name}</extra>",
        )
    _add_marks(figure, certificate, layer)
    figure.update_layout(
        height=360,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "reversed"},
    )
    figure.update_xaxes(title_text="layer (shaded: erased)", range=[layers[0] - 0.8, layers[-1] + 0.5])
    figure.update_yaxes(
        title_text=f"held-out {certificate.measure}", tickformat=form, range=_reach(certificate)
    )
    last = certificate.last
    chosen = st.plotly_chart(
        figure,
        key=key,
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Held-out {certificate.measure} by layer; at layer {last.layer} {last.before.value:.2f} before and "
        f"{last.after.value:.2f} after, chance {certificate.chance:.2f}.",
    )
    points = chosen.selection.points if chosen else []
    return int(points[0]["x"]) if points else None


def _add_band(figure: go.Figure, layers: list[int], scores: list[Score], kind: Kind) -> None:
    figure.add_scatter(
        x=layers + layers[::-1],
        y=[each.high for each in scores] + [each.low for each in scores][::-1],
        fill="toself",
        mode="none",
        fillcolor=kind.color(mode()),
        opacity=0.18,
        showlegend=False,
        hoverinfo="skip",
    )


def _add_marks(figure: go.Figure, certificate: Certificate, layer: int) -> None:
    """The erased layers, chance, and the cursor."""
    erased = certificate.erasure.layers
    figure.add_vrect(
        erased[0] - 0.5, erased[-1] + 0.5, fillcolor="gray", opacity=0.14, line_width=0, layer="below"
    )
    name = "mean" if certificate.numbers else "most frequent class"
    figure.add_hline(
        certificate.chance,
        line_width=1,
        line_dash="dot",
        line_color=NULL.color(mode()),
        annotation_text=f"chance: always the {name}",
        annotation_position="bottom right",
        annotation_font_color=NULL.color(mode()),
    )
    figure.add_vline(x=layer, line_width=1, line_dash="dot", line_color="gray")


def _reach(certificate: Certificate) -> list[float]:
    lowest = min(_lowest(each) for each in certificate.layers)
    return (
        [max(-0.5, lowest - 0.05), 1.03]
        if certificate.numbers
        else [min(lowest, certificate.chance) - 0.08, 1.03]
    )


def _lowest(each: LayerEvidence) -> float:
    return min(getattr(each, field).low for _, field, _, _ in LINES)
