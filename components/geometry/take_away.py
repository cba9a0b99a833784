"""Taking curves away: a page of its own, pictures, every number, every token's own, and the code."""

from collections.abc import Mapping, Sequence

import streamlit as st

from analysis.geometry.cloud import Cloud
from analysis.geometry.measures import QUESTIONS
from components.figures.geometry_html import geometry_html
from components.figures.geometry_svg import Shown, curves_svg
from components.figures.geometry_table import has_tokens, parquet, table, token_table
from components.frame import Frame
from components.geometry.profile_card import draw_profile
from components.geometry.snippet import snippet
from components.geometry_link import GeometryView
from components.save_picture import save_picture

NAME = "bathyscope-geometry"


def draw_take_away(
    frame: Frame, shown: Sequence[Shown], view: GeometryView, clouds: Mapping[str, Cloud] | None = None
) -> None:
    """The buttons, the code, and the profile of the model.

    Args:
        frame: model and prompt.
        shown: name, kind and measure of every curve that is drawn.
        view: which texts are read, and how.
        clouds: the points of subjects by name, which name the tokens of the table of tokens.
    """
    if shown:
        _draw_buttons(shown, view, clouds or {}, code := snippet(frame, shown, view))
        st.code(code, language="python")
    draw_profile(frame.model)


def _draw_buttons(shown: Sequence[Shown], view: GeometryView, clouds: Mapping[str, Cloud], code: str) -> None:
    svg = curves_svg(shown, note=note(shown))
    with st.container(horizontal=True, key="geometry_away"):
        st.download_button(
            "HTML",
            lambda: geometry_html(shown, title=title_of(shown), answer=answer_of(shown), code=code),
            f"{NAME}.html",
            "text/html",
            on_click="ignore",
            icon=":material/html:",
            help="One file with the curves, every value, what each measure is and this code. Opens without a server.",
        )
        st.download_button(
            "CSV", lambda: table(shown).to_csv(index=False), f"{NAME}.csv", "text/csv", on_click="ignore"
        )
        st.download_button(
            "Parquet",
            lambda: parquet(table(shown)),
            f"{NAME}.parquet",
            "application/vnd.apache.parquet",
            on_click="ignore",
        )
        if has_tokens(shown):
            st.download_button(
                "Tokens (Parquet)",
                lambda: parquet(token_table(shown, clouds)),
                f"{NAME}-tokens.parquet",
                "application/vnd.apache.parquet",
                on_click="ignore",
                help="The share of every token in those measures that have one, at every layer.",
            )
        st.download_button("SVG", svg, f"{NAME}.svg", "image/svg+xml", on_click="ignore")
        save_picture(svg, name=NAME, key="save_geometry_png")


def title_of(shown: Sequence[Shown]) -> str:
    """The question that the curves answer."""
    return QUESTIONS[shown[0][2].measure.question]


def answer_of(shown: Sequence[Shown]) -> tuple[str, ...]:
    """What one sees."""
    subjects = dict.fromkeys(name for name, _, _ in shown)
    return (
        f"Every curve runs over the layers of {shown[0][2].curve.provenance.model}: layer 0 is the embedding, the "
        "highest the last block before the final norm. Where models of different depth are drawn, the axis is the "
        "share of the depth.",
        f"Drawn: {', '.join(subjects)}. A shape that a control has, too, says nothing about what was learned.",
    )


def note(shown: Sequence[Shown]) -> str:
    """Where the numbers come from, in a line."""
    origin = shown[0][2].curve.provenance
    return f"{origin.model}, revision {origin.revision}, {origin.dtype}; {shown[0][0]}, N = {shown[0][2].count:,}"
