"""Superposition: how much a model's words, and features, overlap, beside chance and the least there can be."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.shelf import offered, open_dictionary
from analysis.fingerprint import fingerprint
from analysis.geometry.superposition import (
    EDGES,
    SOURCE,
    WHICH,
    Overlaps,
    chance_density,
    overlaps,
    parts_of,
    tied,
    words_of,
)
from analysis.jobs import Job, Report
from components.figures.against_null import mode
from components.kinds import BASE, EDITED, NULL, Kind
from components.requests import held
from components.waiting import result_of

HEIGHT = 260
MOST_DICTIONARIES = 6
MEANING = (
    "A model keeps a vector for every word it reads and one for every word it writes, and a sparse dictionary has a "
    "direction for every feature: far more vectors than dimensions, so they overlap. The mean squared cosine between "
    "two of them says how much; 1 / m is what random directions in m dimensions give, and the Welch bound the least "
    "that so many can have."
)
MISLEADS = (
    "the vectors share a mean: it adds to every pair alike and has nothing to do with crowding, so look at the centred "
    "number. Words that are rare keep the vectors they began with; training pushes the features of a dictionary apart."
)

Found = dict[tuple[str, bool], Overlaps]
"""By matrix, or name of a dictionary, and whether its mean row was subtracted."""


def draw_overlaps(model: LoadedModel) -> None:
    """The card: the numbers of words and dictionaries, the cosines between their rows, and their spectra."""
    st.markdown("**How much do the vectors of words, and of features, overlap?**")
    st.caption(MEANING)
    found = result_of(overlaps_of(model), "geometry overlaps", height=HEIGHT)
    if found is None:
        return
    st.markdown(told(found, tied(model)))
    st.dataframe(table(found), hide_index=True, width="stretch")
    which = _chosen(found)
    left, right = st.columns(2, gap="medium")
    with left:
        _draw_cosines(found[which, False], found[which, True], which)
    with right:
        _draw_spectra(found[which, False], found[which, True], which)
    st.caption(f"Source: {SOURCE}. Misleads when {MISLEADS}")


def overlaps_of(model: LoadedModel) -> Job[Found]:
    """The shared job that measures both matrices, or the one where they are the same, and dictionaries on the shelf."""
    offers = [each for each in offered(model) if each.origin != "neurons"][:MOST_DICTIONARIES]

    def work(report: Report) -> Found:
        parts = {which: words_of(model, which) for which in (["unembedding"] if tied(model) else WHICH)}
        for each in offers:
            parts[each.name] = parts_of(
                open_dictionary(model, each.id).directions(list(range(each.features)))
            )
        return {
            (name, centred): overlaps(own, centred=centred, report=report)
            for name, own in parts.items()
            for centred in (False, True)
        }

    key = fingerprint("overlaps", model.fingerprint, [each.id for each in offers])
    return held(key, "Measuring how vectors overlap", work)


def told(found: Found, is_tied: bool) -> str:
    """What the numbers say, in a sentence or two."""
    raw, centred = found["unembedding", False], found["unembedding", True]
    shared = " The model reads and writes words with one matrix, so it is measured once." if is_tied else ""
    return (
        f"Two rows of the unembedding overlap {raw.mean_square * raw.width:.1f} times as much as random directions "
        f"would, and {centred.mean_square * centred.width:.1f} times once the mean row is subtracted (mean cosine "
        f"{_rounded(raw.mean_cosine)}).{shared}"
    )


def _rounded(cosine: float) -> str:
    return f"{round(cosine, 2) + 0.0:.2f}"  # no -0.00


def table(found: Found) -> pd.DataFrame:
    """One row per matrix, as it is and centred."""
    return pd.DataFrame(
        {
            "matrix": [which for which, _ in found],
            "mean row": ["subtracted" if centred else "in it" for _, centred in found],
            "rows": [each.rows for each in found.values()],
            "numbers in a row": [each.width for each in found.values()],
            "mean squared overlap": [f"{each.mean_square:.4g}" for each in found.values()],
            "random rows": [f"{each.by_chance:.4g}" for each in found.values()],
            "times random": [f"{each.mean_square * each.width:.2f}" for each in found.values()],
            "Welch bound": [f"{each.welch:.4g}" for each in found.values()],
            "mean cosine": [f"{each.mean_cosine:.3f}" for each in found.values()],
        }
    )


def _chosen(found: Found) -> str:
    """What is drawn; the only one, or the one that is asked for."""
    names = list(dict.fromkeys(which for which, _ in found))
    if len(names) == 1:
        return names[0]
    usual = names.index("unembedding")
    return st.selectbox("Drawn", names, index=usual, key="geometry_overlaps_which")


def _lines(raw: Overlaps, centred: Overlaps) -> tuple[tuple[str, Kind, Overlaps], ...]:
    return (("as they are", BASE, raw), ("mean row subtracted", EDITED, centred))


def _draw_cosines(raw: Overlaps, centred: Overlaps, which: str) -> None:
    middle, width = (EDGES[1:] + EDGES[:-1]) / 2, float(EDGES[1] - EDGES[0])
    figure = go.Figure()
    _add(figure, "random directions", NULL, middle, chance_density(raw.width) * width, "%{x:.2f}: %{y:.2%}")
    for name, kind, each in _lines(raw, centred):
        _add(figure, name, kind, middle, each.histogram / each.histogram.sum(), "%{x:.2f}: %{y:.2%}")
    figure.update_xaxes(title_text="cosine between two rows, of a sample")
    figure.update_yaxes(title_text="share of pairs", tickformat=".0%", rangemode="tozero")
    _show(
        figure,
        "geometry_overlaps_cosines",
        f"Cosines between rows of the {which}: mean {raw.mean_cosine:.2f} as they are, {centred.mean_cosine:.2f} "
        "without the mean row, 0 for random directions.",
    )


def _draw_spectra(raw: Overlaps, centred: Overlaps, which: str) -> None:
    figure = go.Figure()
    even = np.full(raw.width, 1 / raw.width)
    ranks = np.arange(1, raw.width + 1)
    _add(figure, "even", NULL, ranks, even, "axis %{x}: %{y:.2e}")
    for name, kind, each in _lines(raw, centred):
        _add(
            figure,
            name,
            kind,
            ranks,
            np.where(each.spectrum > 0, each.spectrum, np.nan),
            "axis %{x}: %{y:.2e}",
        )
    figure.update_xaxes(title_text="principal axis, from zero", type="log", dtick=1)
    figure.update_yaxes(title_text="share of the squared length", type="log", exponentformat="power")
    _show(
        figure,
        "geometry_overlaps_spectra",
        f"Spectrum of the {which}'s rows at length 1: the first axis holds {raw.spectrum[0]:.1%} as they are, "
        f"{centred.spectrum[0]:.1%} without the mean row.",
    )


def _add(figure: go.Figure, name: str, kind: Kind, x: np.ndarray, y: np.ndarray, hover: str) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"color": kind.color(mode()), "dash": kind.dash, "width": min(kind.width, 2)},
        hovertemplate=f"{hover}<extra>{name}</extra>",
    )


def _show(figure: go.Figure, key: str, alt: str) -> None:
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)
