"""The map of directions, coloured by what is known of the features."""

import numpy as np
import pandas as pd
import streamlit as st

from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.labels.rule import SILENT, UNCLEAR, family_of
from analysis.dictionaries.whole import atlas as drawing
from analysis.dictionaries.whole.atlas import Atlas
from analysis.fingerprint import fingerprint
from components.features import choices
from components.features.whole_parts.requests import atlas_job, families_job, known_of, lobes_job, nearest_job
from components.features.whole_parts.seen import Seen, ending, named
from components.frame import BESIDE
from components.literal import plain
from components.point_map import Categories, MapData, Scale, point_map
from components.trust import kept_sentences
from components.view_controls import segments
from components.waiting import result_of

PROJECTIONS = {"umap": "UMAP", "pca": "PCA"}
COLORS = {"frequency": "Frequency", "label": "Kind of label", "lobe": "Lobe", "family": "Family"}
LOBES, LEAST = 3, 0.5
"""Of the colours; the other questions let both be chosen."""
FAMILIES = 11
"""That wear a colour."""
LABEL_KINDS = {
    "token": 0,
    "words": 0,
    "pair": 0,
    "beginning": 1,
    "ending": 1,
    "after": 2,
    "before": 2,
    "near": 3,
    "kind": 4,
}
"""Families of rules by how they are coloured."""
SOURCE = "UMAP: McInnes, Healy & Melville 2018, arXiv 1802.03426; PCA: Pearson 1901"


def draw(seen: Seen) -> None:
    """This question."""
    projection, color, twin = _draw_controls(seen)
    found = result_of(atlas_job(seen.model, seen.dictionary, projection, twin), "whole atlas", height=560)
    if found is None:
        return
    known = known_of(seen)
    painted = _twin_color(seen) if twin else _color(seen, known, color)
    left, right = st.columns(BESIDE, gap="medium")
    with left:
        _draw_map(seen, found, known, painted, color)
        st.caption(" ".join(_trust(found)))
    with right:
        _draw_chosen(seen, known, twin)
    seen.answer(_answer(seen, found))
    ending(
        seen,
        "Every point is a feature; near points are features whose directions point alike. "
        + ("Neurons are drawn by what they write into the residual stream." if seen.is_neurons else ""),
        drawing.MISLEADS,
        SOURCE,
        [
            "from analysis.dictionaries.whole.atlas import atlas",
            "from analysis.dictionaries.written import written",
            f"found = atlas(written(model, dictionary), {projection!r}, twin={twin}, seed=0)",
            "print(found.coordinates, found.quality)",
        ],
        seed=0,
    )


def _draw_controls(seen: Seen) -> tuple[str, str, bool]:
    projection = choices.chosen("whole.map", "umap")
    projection = projection if projection in PROJECTIONS else "umap"
    color = choices.chosen("whole.color", "frequency")
    offered = {"frequency": "Frequency"} if seen.is_neurons else COLORS
    color = color if color in offered else "frequency"
    twin = choices.chosen("whole.twin", "") == "yes"
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        segments(
            "Projection", PROJECTIONS, key="whole_map", now=projection,
            change=lambda now: choices.choose("whole.map", None if now == "umap" else now),
        )  # fmt: skip
        segments(
            "Colour", offered, key="whole_color", now=color,
            change=lambda now: choices.choose("whole.color", None if now == "frequency" else now),
        )  # fmt: skip
        st.session_state.whole_twin = twin
        st.toggle(
            "Random directions instead",
            key="whole_twin",
            on_change=lambda: choices.choose("whole.twin", "yes" if st.session_state.whole_twin else None),
            help="As many directions drawn at random, by the same method: groups that are there too mean nothing.",
        )
    return projection, color, twin


def _color(seen: Seen, known: Evidence | None, color: str) -> Categories | Scale | None:
    if known is None:
        return None
    if color == "label":
        return _by_label(known)
    if color == "lobe":
        found = result_of(lobes_job(seen.model, seen.dictionary, LOBES), "whole map lobes")
        if found is None:
            return None
        codes = np.full(known.features, -1)
        codes[found.features] = found.lobe
        return Categories(codes, tuple(f"lobe {n + 1}" for n in range(found.count)), "lobe")
    if color == "family":
        return _by_family(seen, known)
    return _by_frequency(known)


def _by_frequency(known: Evidence) -> Scale:
    with np.errstate(divide="ignore"):
        values = np.where(known.frequency > 0, np.log10(known.frequency), np.nan)
    seen = values[np.isfinite(values)]
    low, high = (seen.min(), seen.max()) if len(seen) else (-5.0, 0.0)
    return Scale(values, "frequency", "log10 of the share of tokens", float(low), float(max(high, low + 0.1)))


def _by_label(known: Evidence) -> Categories:
    """What kind of rule foretells the feature."""
    names = (
        "token",
        "beginning or ending",
        "after or before",
        "near",
        "kind of token",
        "unclear",
        "never fires",
    )
    codes = [_label_kind(label) for label in known.labels]
    return Categories(np.array(codes), names, "kind of label")


def _label_kind(label: str) -> int:
    if label.startswith((SILENT, UNCLEAR)):
        return 6 if label.startswith(SILENT) else 5
    return LABEL_KINDS[family_of(label)]


def _by_family(seen: Seen, known: Evidence) -> Categories | None:
    found = result_of(families_job(seen.model, seen.dictionary, LEAST), "whole map families")
    if found is None:
        return None
    shown = found.found[:FAMILIES]
    codes = np.full(known.features, -1)
    for number, family in reversed(list(enumerate(shown))):
        codes[[member.feature for member in family.members]] = number
    names = tuple(named(known, family.root) for family in shown) or ("no family",)
    return Categories(codes, names, "family of")


def _twin_color(seen: Seen) -> Categories:
    return Categories(np.zeros(seen.dictionary.features, int), ("random direction",), "control")


def _draw_map(seen: Seen, found: Atlas, known: Evidence | None, color, coloring: str) -> None:
    count = len(found.coordinates)
    nothing = Categories(np.zeros(count, int), ("feature",), "")
    labels = tuple(named(known, feature) for feature in range(count)) if known and not found.twin else ()
    layer = seen.dictionary.site.layer
    key = fingerprint(
        seen.dictionary.fingerprint, found.projection, found.twin, coloring, color is None, labels
    )
    axes = "component" if found.projection == "pca" else "UMAP axis"
    data = MapData(
        fingerprint=key,
        layers=(layer,),
        axes=(f"{axes} 1", f"{axes} 2"),
        frames=found.coordinates[None],
        labels=labels,
        color=color if color is not None else nothing,
        title="Map of the dictionary's directions",
        alt=f"{count:,} directions drawn by {PROJECTIONS[found.projection]}, coloured by {coloring}.",
    )
    chosen = choices.feature_now()
    point_map(
        data,
        layer=layer,
        point=chosen if chosen is not None and chosen < count and not found.twin else None,
        key="whole_point_map",
        height=560,
        on_choose=None if found.twin else lambda layer, point: choices.change(feature=point),
    )


def _draw_chosen(seen: Seen, known: Evidence | None, twin: bool) -> None:
    feature = choices.feature_now()
    if twin:
        st.caption("These are random directions: they stand for no features.")
        return
    if feature is None or feature >= seen.dictionary.features:
        st.caption("Click a point to see which feature it is.")
        return
    st.markdown(f"**Feature {feature}**")
    if known is not None:
        st.markdown(plain(known.label(feature)))
        st.caption(f"fires at {known.frequency[feature]:.2%} of tokens, at most {known.largest[feature]:.3g}")
        promoted = " ".join(known.word(token) for token in known.promoted[feature][:6] if token >= 0)
        if promoted:
            st.caption(f"promotes {plain(promoted)}")
    st.button("Open its card", on_click=choices.look_at, args=(feature,), key="whole_open")
    near = result_of(nearest_job(seen.model, seen.dictionary, feature), "whole nearest")
    if near is not None:
        _draw_nearest(near, known)


def _draw_nearest(near: tuple[tuple[int, float], ...], known: Evidence | None) -> None:
    """The directions of the highest cosine, in the full space; one that is clicked is looked at."""
    st.markdown("**Nearest directions**")
    table = pd.DataFrame(
        {"cosine": [cosine for _, cosine in near], "feature": [named(known, other) for other, _ in near]}
    )
    key = "whole_nearest"

    def look() -> None:
        if rows := st.session_state[key].selection.rows:
            choices.change(feature=near[rows[0]][0])

    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        key=key,
        on_select=look,
        selection_mode="single-row",
        column_config={"cosine": st.column_config.NumberColumn(format="%.2f", width="small")},
    )


def _trust(found: Atlas) -> list[str]:
    quality = found.quality
    if quality is None:
        return ["Fewer than three directions: no neighbours can be compared."]
    explained = (
        [] if quality.explained is None else [f"The two axes carry {quality.explained:.1%} of the variance."]
    )
    among = f"{quality.n_measured:,}" + (
        ", drawn at random" if quality.n_measured < len(found.coordinates) else ""
    )
    return explained + kept_sentences(quality, "direction", among)


def _answer(seen: Seen, found: Atlas) -> str:
    what = "random directions" if found.twin else "directions"
    count = len(found.coordinates)
    if found.quality is None:
        return f"{count:,} {what}."
    return (
        f"Of each direction's nearest ones among {count:,} {what} in {seen.model.d_model} dimensions, the picture "
        f"keeps {found.quality.kept:.0%}; chance would keep {found.quality.kept_by_chance:.0%}."
    )
