"""What is asked of a group of points, and how points are found that have something in common."""

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Bool

from analysis import AnalysisError, LoadedModel
from analysis.groups.membership import membership
from components.corpus_map.direction import draw_direction
from components.corpus_map.groups import Group
from components.corpus_map.meaning import draw_neurons, draw_saying
from components.corpus_map.point import draw_neighbours, marked, neighbours_of
from components.corpus_map.reading import Read
from components.corpus_map.shared import draw_shared, draw_words
from components.literal import plain
from components.waiting import result_of

ROWS_SHOWN = 1_000
ANY = "any"


def draw_search(read: Read) -> tuple[int, ...]:
    """A search in the texts and a filter by one column.

    Returns:
        Rows of the points that fit, ascending; empty where nothing is asked for.
    """
    words, by, value = st.columns([2, 1, 1.2])
    wanted = words.text_input("Search the texts", key="corpus_search", placeholder="a word, or part of one")
    fits = np.ones(len(read), bool)
    if read.classes:
        column = by.selectbox("Column", list(read.classes), key="corpus_filter_column")
        classes = read.classes[column]
        names = [ANY, *sorted(classes.unique())]
        if st.session_state.get("corpus_filter_value") not in names:
            st.session_state.corpus_filter_value = ANY
        chosen = value.selectbox("Value", names, key="corpus_filter_value")
        if chosen != ANY:
            fits &= (classes == chosen).to_numpy()
    if wanted.strip():
        fits &= read.points["text"].str.contains(wanted.strip(), case=False, regex=False).to_numpy(bool)
    if fits.all() and not wanted.strip():
        return ()
    rows = np.flatnonzero(fits)
    st.caption(f"{len(rows):,} of {len(read):,} points fit.")
    return tuple(rows.tolist())


def draw_group(
    model: LoadedModel,
    read: Read,
    rows: tuple[int, ...],
    layer: int,
    *,
    among: Bool[np.ndarray, " point"] | None = None,
    scale: str = "unit",
    lens: str = "shortcut",
    seed: int = 0,
) -> None:
    """A group of points against the rest: one question at a time.

    Args:
        model: the model.
        read: all points.
        rows: the group.
        layer: one that was read.
        among: points that count, in the group and in the rest; None takes all.
        scale: of distances.
        lens: id of the lens that reads means.
        seed: of everything random.
    """
    try:
        group, rest = membership(len(read), np.asarray(rows, np.int64), among)
    except AnalysisError as error:
        st.caption(plain(str(error)))
        return
    texts = read.points["text_number"].iloc[group].nunique()
    st.markdown(
        f"**{len(group):,} points** of {texts:,} texts, beside {len(rest):,} others, **layer {layer}**"
    )
    part = st.segmented_control(
        "Question",
        list(QUESTIONS),
        default=next(iter(QUESTIONS)),
        key="corpus_question",
        required=True,
        label_visibility="collapsed",
    )
    QUESTIONS[part](Group(model, read, group, layer, among, scale, lens, seed))


def _draw_points(group: Group) -> None:
    """The group as a table, to be taken away."""
    rows = group.read.points.iloc[group.rows]
    shown = rows[:ROWS_SHOWN]
    marks = [marked(shown, number) for number in range(len(shown))]
    st.dataframe(
        pd.DataFrame({"text": marks}).join(
            group.read.given.iloc[group.rows[:ROWS_SHOWN]].reset_index(drop=True)
        ),
        hide_index=True,
        height=300,
    )
    if len(rows) > ROWS_SHOWN:
        st.caption(f"The first {ROWS_SHOWN:,} are shown; the file holds all.")
    st.download_button(
        "CSV",
        lambda: rows.assign(point=group.rows).to_csv(index=False),
        "bathyscope-points.csv",
        "text/csv",
        on_click="ignore",
    )


def _draw_nearest(group: Group) -> None:
    """The points nearest to the group's mean."""
    rows = tuple(group.rows.tolist())
    found = result_of(neighbours_of(group.read, rows, group.among, group.scale), "corpus group neighbours")
    if found is not None:
        draw_neighbours(group.read, found, group.layer)


QUESTIONS = {
    "Points": _draw_points,
    "What they share": draw_shared,
    "Words": draw_words,
    "Would say next": draw_saying,
    "Neurons": draw_neurons,
    "Nearest others": _draw_nearest,
    "Direction": draw_direction,
}
"""What can be asked of a group, by its name on the page."""
