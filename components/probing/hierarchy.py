"""Categories and their parents as vectors: chosen, estimated, drawn beside shuffled kinds, and taken away."""

import pandas as pd
import streamlit as st

from analysis import LoadedModel
from analysis.causal import Whitening, whitening
from analysis.fingerprint import fingerprint
from analysis.hierarchy.geometry import ConceptGeometry
from analysis.hierarchy.plane import Plane, plane
from analysis.hierarchy.sets import FEWEST, STABLE
from analysis.hierarchy.words import shipped_hierarchy
from analysis.jobs import Job, Report
from analysis.methods.hierarchy import concept_geometry
from components.cache import results
from components.figures.hierarchy import draw_cosines, draw_plane, draw_right_angles
from components.frame import Frame
from components.literal import plain
from components.requests import held
from components.waiting import result_of

QUESTION = "Does a concept stand at a right angle to its parent?"
FIRST = ("animal", "plant", "artefact")
PICTURES = {"angles": "Right angles", "cosines": "All cosines", "plane": "Between siblings"}
MOST_CORNERS = 4


def draw(frame: Frame) -> None:
    """The question, its choices, and the answer once it is asked for."""
    heading = st.container(gap="xxsmall")
    heading.subheader(QUESTION, anchor=False)
    chosen = _draw_choices()
    if not chosen:
        st.caption("Choose one parent at least.")
        return
    key = _key(frame.model, chosen)
    if st.button("Find the vectors", type="primary", icon=":material/account_tree:", key="hierarchy find"):
        st.session_state.hierarchy_asked = key
    if st.session_state.get("hierarchy_asked") != key:
        st.caption(
            "Gives every category a vector, read off the unembedding of its words; the model does not run. Beside "
            "random words and shuffled kinds, it takes seconds for a small vocabulary."
        )
        return
    found = result_of(_geometry_of(frame.model, chosen), key="hierarchy", height=400)
    if found is not None:
        _draw_result(found, heading)


def _draw_choices() -> tuple[str, ...]:
    state, names = st.session_state, [parent.name for parent in shipped_hierarchy().parents]
    state.hierarchy_parents = state.get("hierarchy_kept", list(FIRST))

    def keep() -> None:
        state.hierarchy_kept = list(state.hierarchy_parents)

    st.pills("Words for", names, selection_mode="multi", key="hierarchy_parents", on_change=keep)
    return tuple(name for name in names if name in state.hierarchy_parents)


def _key(model: LoadedModel, chosen: tuple[str, ...]) -> str:
    return fingerprint("hierarchy", model.fingerprint, chosen)


def _geometry_of(model: LoadedModel, chosen: tuple[str, ...]) -> Job[ConceptGeometry]:
    def work(report: Report) -> ConceptGeometry:
        product = _whitening_of(model, report)
        return concept_geometry(model, shipped_hierarchy().only(chosen), product=product, report=report)

    return held(_key(model, chosen), "Finding the vectors of categories", work)


def _whitening_of(model: LoadedModel, report: Report) -> Whitening:
    """One for all choices: it reads the whole vocabulary."""
    key = fingerprint("whitening", model.fingerprint)
    job = results().ask(key, "Whitening the unembedding", lambda inner: whitening(model, inner))
    while job.state == "running" and not job.wait(0.2):
        report(job.progress.message, job.progress.done, job.progress.total)
    return job.result()


def _draw_result(found: ConceptGeometry, heading) -> None:
    heading.markdown(found.summary())
    state = st.session_state
    state.hierarchy_picture = state.get("hierarchy_shown", "angles")

    def keep() -> None:
        state.hierarchy_shown = state.hierarchy_picture or "angles"

    st.segmented_control(
        "Picture",
        list(PICTURES),
        format_func=PICTURES.get,
        key="hierarchy_picture",
        on_change=keep,
        label_visibility="collapsed",
    )
    shown = {"cosines": _draw_cosines, "plane": _draw_plane}.get(state.hierarchy_picture, _draw_angles)
    _draw_take_away(found, shown(found))


def _draw_angles(found: ConceptGeometry) -> pd.DataFrame:
    draw_right_angles(found, key="hierarchy angles")
    st.caption(
        "Left: the cosine between a parent's vector and what the child adds to it; bars reach from the lowest to the "
        "highest of the controls, and between the dotted lines directions are as good as unrelated. Random words are "
        "no part of the parent, so they lie far from 0; shuffled kinds are, so they lie at 0 whatever they mean. "
        "Right: the same question where that is no help, with no word in both."
    )
    return edges_table(found)


def _draw_cosines(found: ConceptGeometry) -> pd.DataFrame:
    draw_cosines(found, key="hierarchy cosines")
    st.caption(
        "Siblings share their parent, and have little in common with the others; a concept and its parent also share "
        "tokens, which makes them alike by itself. With shuffled kinds every set holds something of everything, so "
        "all are alike, the larger the more."
    )
    names = [each.name for each in found.sets.concepts]
    table = pd.DataFrame(found.cosines, columns=names)
    table.insert(0, "concept", names)
    return table


def _draw_plane(found: ConceptGeometry) -> pd.DataFrame | None:
    chosen = _draw_corners(found)
    if not 3 <= len(chosen) <= MOST_CORNERS:
        st.caption(f"Choose three or {MOST_CORNERS} concepts of one parent.")
        return None
    real, dealt = plane(found, chosen), plane(found, chosen, shuffled=True)
    draw_plane(found, real, dealt, key="hierarchy plane")
    held_out = "" if real.share > 0.999 else f" The plane holds {real.share:.0%} of the corners' spread."
    st.caption(
        f"The corners are vectors estimated from seven words in ten (faint); the others are held out. Of these "
        f"{real.nearest:.0%} lie nearest to their own corner, and {dealt.nearest:.0%} where words are dealt anew. "
        f"Faint words crowd at their corner even then: in this many dimensions that is free.{held_out}"
    )
    _draw_simplex(found, chosen[0])
    return words_table(found, real)


def _draw_corners(found: ConceptGeometry) -> tuple[int, ...]:
    parents = [each.parent for each in found.simplices if len(each.children) >= 3]
    if not parents:
        return ()
    of, which = st.columns([1, 3])
    with of:
        parent = st.selectbox(
            "Parent", parents, format_func=found.name, key="hierarchy parent", index=min(1, len(parents) - 1)
        )
    children = found.sets.children(parent)
    with which:
        chosen = st.multiselect(
            "Three or four of its concepts",
            children,
            default=children[:3],
            format_func=found.name,
            max_selections=MOST_CORNERS,
            key=f"hierarchy corners {found.name(parent)} {len(children)}",
        )
    return tuple(chosen)


def _draw_simplex(found: ConceptGeometry, child: int) -> None:
    """How all concepts of the parent lie to one another."""
    parent = found.sets.concepts[child].parent
    given = next(each for each in found.simplices if each.parent == parent)
    most = len(given.children) - 1
    st.caption(
        plain(
            f"All {len(given.children)} concepts of {found.name(parent)}: their vectors span {given.dimension:.1f} of "
            f"{most} dimensions evenly (shuffled {given.shuffled_dimension.min():.1f} to "
            f"{given.shuffled_dimension.max():.1f}), and the edges between them vary by {given.uneven:.0%} (shuffled "
            f"{given.shuffled_uneven.min():.0%} to {given.shuffled_uneven.max():.0%}; 0% is a regular simplex)."
        )
    )


def _draw_take_away(found: ConceptGeometry, table: pd.DataFrame | None) -> None:
    small = [
        f"{each.name} ({each.tokens})"
        for each in found.sets.concepts
        if len(each.kinds) == 1 and each.tokens < STABLE
    ]
    origin = dict(found.provenance.lines())
    with st.expander("When this misleads, and what it is"):
        st.markdown(plain(f"Misleads when {origin.pop('misleads when')}"))
        if small:
            st.markdown(plain(f"Fewer than {STABLE} tokens here: {', '.join(small)}."))
        if found.sets.left_out:
            st.markdown(plain(f"Left out, with fewer than {FEWEST} words: {', '.join(found.sets.left_out)}."))
        st.caption(plain(f"{found.given.made} {found.given.note} {found.given.source} {found.given.license}"))
        st.caption(plain("; ".join(f"{name}: {value}" for name, value in origin.items())))
    if table is None:
        return
    with st.expander("The numbers"):
        st.dataframe(table, hide_index=True, height=320)
    st.download_button(
        "CSV",
        lambda: table.assign(**origin).to_csv(index=False),
        "bathyscope-hierarchy.csv",
        "text/csv",
        on_click="ignore",
        key="hierarchy csv",
    )


def edges_table(found: ConceptGeometry) -> pd.DataFrame:
    """One row per concept that has a parent."""
    rows = []
    for i, (down, up) in enumerate(found.sets.edges):
        each = found.sets.concepts[down]
        own, siblings, strangers = found.projected[i]
        rows.append(
            {
                "concept": each.name,
                "parent": found.name(up),
                "words": each.words,
                "tokens": each.tokens,
                "without_a_token": each.missing,
                "cosine": found.right_angle.values[i],
                **_range("random_child", found.right_angle.nulls[:, i]),
                **_range("random_parent", found.other_parents[:, i]),
                **_range("shuffled", found.shuffled[:, i]),
                "parent_carried": found.carried.values[i],
                **_range("parent_carried_splits", found.carried_splits[:, i]),
                **_range("parent_carried_random_child", found.carried.nulls[:, i]),
                "to_the_level_above": found.levels.values[i],
                **_range("to_the_level_above_shuffled", found.levels.nulls[:, i]),
                "held_out_pairs_told": found.told.values[i],
                **_range("held_out_pairs_told_splits", found.told_splits[:, i]),
                **_range("held_out_pairs_told_shuffled", found.told.nulls[:, i]),
                "projected_own": own,
                "projected_siblings": siblings,
                "projected_random_words": strangers,
            }
        )
    return pd.DataFrame(rows)


def words_table(found: ConceptGeometry, given: Plane) -> pd.DataFrame:
    """One row per word of a plane."""
    return pd.DataFrame(
        {
            "token": [found.labels[row] for row in given.rows],
            "token_id": found.sets.ids[given.rows],
            "concept": [found.name(given.concepts[corner]) for corner in given.corner],
            "held_out": given.held_out,
            "x": given.points[:, 0],
            "y": given.points[:, 1],
        }
    )


def _range(name: str, values) -> dict[str, float]:
    return {f"{name}_low": values.min(), f"{name}_high": values.max()}
