"""Crystals: parallelograms of word pairs, before and after what distracts is taken out."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.dictionaries.whole import crystals as looking
from analysis.dictionaries.whole.crystals import Crystals, WordStates
from components import session
from components.features import choices
from components.features.whole_parts.requests import (
    crystals_by_layer_job,
    crystals_job,
    feature_crystals_job,
    words_job,
)
from components.features.whole_parts.seen import Seen, ending
from components.figures.against_null import mode
from components.figures.whole_charts import add_cloud, beside_chance, show
from components.kinds import ASKED, EDITED, NULL
from components.view_controls import segments
from components.waiting import result_of

OF = {"states": "States of a layer", "features": "Activations of this dictionary"}


def draw(seen: Seen) -> None:
    """This question."""
    residual = seen.dictionary.site.stream == "residual"
    of = choices.chosen("whole.crystals", "states") if residual else "states"
    of = of if of in OF else "states"
    if residual:
        segments(
            "What the differences are of",
            OF,
            key="whole_crystals",
            now=of,
            change=lambda now: choices.choose("whole.crystals", None if now == "states" else now),
        )
    states = result_of(words_job(seen.model), "whole words", height=360)
    if states is None:
        return
    layer = _layer(seen, states, of)
    job = (
        crystals_job(seen.model, states, layer)
        if of == "states"
        else feature_crystals_job(seen.model, states, seen.dictionary)
    )
    found = result_of(job, "whole crystals", height=360)
    if found is None:
        return
    seen.answer(_answer(found, layer, of))
    _draw_pictures(found, layer, of)
    left, right = st.columns([1, 1.2], gap="medium")
    with left:
        _draw_measures(found)
    with right:
        if of == "states":
            _draw_by_layer(seen, states, layer)
    _draw_away(found)
    ending(
        seen,
        "Each mark is the difference between the two words of a pair; if relations were parallelograms, the marks of "
        "one would fall on one spot. Left: along the two directions in which differences differ most. Right: half of "
        "the pairs, along the discriminants that part the relations of the other half. Silhouette: 1 if a pair "
        "lies near its own relation and far from others, 0 between, below 0 nearer to others.",
        looking.MISLEADS,
        looking.SOURCE,
        _code(layer, of),
        words="built-in pairs of 8 relations, each word at the end of 3 sentences",
        seed=0,
    )


def _code(layer: int, of: str) -> list[str]:
    """What computes the parallelograms."""
    encoded = (
        ["points = dictionary.encode(torch.from_numpy(points.copy())).numpy()"] if of == "features" else []
    )
    return [
        *["import torch"] * len(encoded),
        "from analysis.dictionaries.whole.crystals import crystals, pairs_of, word_states",
        "states = word_states(model)",
        f"points = states.at({layer})",
        *encoded,
        "found = crystals(pairs_of(states.words, points), 0)",
        "print(found)",
    ]


def _layer(seen: Seen, states: WordStates, of: str) -> int:
    if of == "features":
        return seen.dictionary.site.layer
    wanted = seen.frame.layer
    return wanted if wanted in states.layers else seen.dictionary.site.layer


def _answer(found: Crystals, layer: int, of: str) -> str:
    what = f"at layer {layer}" if of == "states" else f"in the features of layer {layer}"
    pairing = found.after - float(np.mean(found.repaired_after))
    kinds = (
        "mostly because the two kinds of word differ, not because of who is paired with whom"
        if pairing < 0.05
        else f"of which {pairing:.2f} needs the right partners"
    )
    return (
        f"Differences of one relation agree {_much(found.before)} {what} as they are (silhouette {found.before:.2f}), "
        f"and {_much(found.after)} once distractors are taken out ({found.after:.2f} on held-out pairs; relations "
        f"shuffled {np.mean(found.shuffled_after):.2f}), {kinds}."
    )


def _much(silhouette: float) -> str:
    return "hardly" if silhouette < 0.1 else "somewhat" if silhouette < 0.3 else "clearly"


def _draw_pictures(found: Crystals, layer: int, of: str) -> None:
    for place, (name, points) in zip(
        st.columns(2, gap="medium"),
        (("as they are", found.picture_before), ("after discriminants, held-out half", found.picture_after)),
        strict=True,
    ):
        figure = go.Figure()
        for number, relation in enumerate(found.names):
            own = found.relation == number
            words = [f"{one} → {other}" for one, other in np.array(found.words, object)[own]]
            add_cloud(figure, relation, points[own], words, number)
        figure.update_xaxes(title_text=f"difference, axis 1 ({name})", zeroline=True)
        figure.update_yaxes(title_text="axis 2", zeroline=True)
        with place:
            show(
                figure,
                f"whole_crystals_{name}_{of}_{layer}",
                f"Differences of word pairs {name}, by relation.",
                420,
            )


def _draw_measures(found: Crystals) -> None:
    beside_chance(
        [
            ("as they are; partners dealt anew", found.before, found.repaired_before),
            ("after; partners dealt anew", found.after, found.repaired_after),
            ("after; relations shuffled", found.after, found.shuffled_after),
        ],
        "whole_crystals_measures",
        f"Silhouette {found.before:.2f} before and {found.after:.2f} after, beside controls.",
        "silhouette, -1 to 1",
        "these pairs",
    )
    st.caption(
        f"Mean cosine between differences of one relation {found.cosine:.2f}, of different ones "
        f"{found.cosine_between:.2f}."
    )


def _draw_by_layer(seen: Seen, states: WordStates, layer: int) -> None:
    found = result_of(crystals_by_layer_job(seen.model, states), "whole crystals layers", height=250)
    if found is None:
        return
    figure = go.Figure()
    for name, kind, values in (
        ("relations shuffled", NULL, [np.mean(each.shuffled_after) for each in found]),
        ("as they are", ASKED, [each.before for each in found]),
        ("after, held out", EDITED, [each.after for each in found]),
    ):
        figure.add_scatter(
            x=states.layers,
            y=values,
            name=name,
            mode="lines+markers",
            line={"color": kind.color(mode()), "dash": kind.dash, "width": kind.width},
            marker={"symbol": kind.symbol, "size": 6},
            hovertemplate=f"layer %{{x}}: %{{y:.2f}}<extra>{name}</extra>",
        )
    figure.add_vline(x=layer, line_width=1, line_dash="dot", line_color="gray")
    figure.update_xaxes(title_text="layer (0 = embedding)")
    figure.update_yaxes(title_text="silhouette")
    best = max(range(len(found)), key=lambda at: found[at].after)
    show(
        figure,
        "whole_crystals_layers",
        f"Silhouette by layer; the highest after is {found[best].after:.2f} at layer {states.layers[best]}.",
        270,
        on_choose=lambda at: session.change(layer=int(at)),
    )


def _draw_away(found: Crystals) -> None:
    table = pd.DataFrame(
        {
            "relation": [found.names[each] for each in found.relation.tolist()],
            "first": [one for one, _ in found.words],
            "second": [other for _, other in found.words],
            "before 1": found.picture_before[:, 0],
            "before 2": found.picture_before[:, 1],
            "after 1": found.picture_after[:, 0],
            "after 2": found.picture_after[:, 1],
        }
    )
    with st.expander("All pairs as a table"):
        st.dataframe(table, hide_index=True, width="stretch")
        st.download_button(
            "CSV", lambda: table.to_csv(index=False), "bathyscope-crystals.csv", "text/csv", on_click="ignore"
        )
