"""Lobes: features that fire in the same stretches of text."""

import numpy as np
import pandas as pd
import streamlit as st

from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.labels.rule import UNCLEAR
from analysis.dictionaries.whole import lobes as parting
from analysis.dictionaries.whole.lobes import Lobes, phi
from components.features import choices
from components.features.whole_parts.requests import known_of, lobes_job
from components.features.whole_parts.seen import Seen, ending, refused, remember
from components.figures.whole_charts import beside_chance, show
from components.geometry.digs.charts import heat
from components.literal import plain
from components.waiting import result_of

CHUNK = 256
"""Tokens of a chunk of the evidence."""
MOST_SHOWN = 180
"""Features of the table of phi."""
LISTED = 8
"""Labels of each lobe."""
REACH = 0.5
"""Phi at which the colour is full."""


def draw(seen: Seen) -> None:
    """This question."""
    if refused(
        seen, "Every neuron has some activation in every stretch of text, so nothing parts them into lobes."
    ):
        return
    count = _draw_count()
    found = result_of(lobes_job(seen.model, seen.dictionary, count), "whole lobes", height=420)
    if found is None:
        return
    known = known_of(seen)
    if known is None:
        return
    seen.answer(_answer(found))
    left, right = st.columns([1, 1], gap="medium")
    with left:
        _draw_phi(found, known)
    with right:
        _draw_measures(found)
        st.caption(plain(_left_out(found)))
    _draw_table(found, known)
    ending(
        seen,
        f"Whether each feature fires anywhere in a chunk of {CHUNK} tokens; phi is the correlation of that between two "
        "features. Features are parted by spectral clustering of phi + 1. Right: how much the lobes agree with "
        "clusters of the angles between directions (adjusted mutual information), and how well a linear probe tells "
        "the lobe of held-out features from their direction, each beside the same with lobes shuffled.",
        parting.MISLEADS,
        parting.SOURCE,
        [
            "from analysis.dictionaries.evidence.gathering import evidence",
            "from analysis.dictionaries.whole.lobes import lobes",
            "from analysis.dictionaries.written import written",
            "known = evidence(model, dictionary)",
            f"found = lobes(known.chunks(), written(model, dictionary), known.frequency, {count}, 0)",
            "print(found.features, found.lobe, found.agreement, found.agreement_null)",
        ],
        text=known.about["text"],
        tokens=known.about["tokens"],
        seed=0,
    )


def _draw_count() -> int:
    said = choices.chosen("whole.lobes", "3")
    count = int(said) if said.isdecimal() and 2 <= int(said) <= 20 else 3
    st.session_state.whole_lobes = count
    st.slider(
        "Lobes",
        2,
        20,
        key="whole_lobes",
        on_change=lambda: remember("whole.lobes", st.session_state.whole_lobes, 3),
        help="Clustering returns as many as are asked for, whether they are there or not: look at the numbers.",
        width=320,
    )
    return count


def _answer(found: Lobes) -> str:
    highest = max(found.agreement_null)
    return (
        f"Features of one of {found.count} lobes fire together (mean phi {found.within:.2f}; {found.between:.2f} "
        f"across lobes, {found.within_null:.2f} in lobes of random firing). They {_alike(found.agreement, highest)}: "
        f"lobes and clusters of angles agree to {found.agreement:.3f} (shuffled at most {highest:.3f}), and a linear "
        f"probe tells the lobe of {found.told:.0%} of held-out directions (shuffled {np.mean(found.told_null):.0%})."
    )


def _alike(agreement: float, highest: float) -> str:
    if agreement <= highest:
        return "do not point alike more than chance has it"
    much = "hardly" if agreement < 0.05 else "somewhat" if agreement < 0.3 else "clearly"
    return f"{much} point alike"


def _left_out(found: Lobes) -> str:
    few = " So few chunks tell little: gather evidence over more text." if found.chunks < 300 else ""
    return (
        f"{len(found.features):,} features over {found.chunks:,} chunks of text; left out are {found.too_dense:,} that "
        f"fire at more than a tenth of tokens, and {found.too_rare:,} that fire in fewer than "
        f"{parting.FEWEST_CHUNKS} chunks or miss fewer.{few}"
    )


def _draw_measures(found: Lobes) -> None:
    beside_chance(
        [
            ("phi within lobes", found.within, [found.within_null]),
            ("agreement with angles", found.agreement, found.agreement_null),
            ("told from direction", found.told, found.told_null),
        ],
        "whole_lobes_measures",
        f"Phi within lobes {found.within:.2f}, agreement with angles {found.agreement:.2f}, lobes told from direction "
        f"{found.told:.2f}, each beside chance.",
        "phi, adjusted mutual information, balanced accuracy",
    )


def _draw_phi(found: Lobes, known: Evidence) -> None:
    """Phi of a sample of features, lobe after lobe."""
    order = np.argsort(found.lobe, kind="stable")
    some = order[np.unique(np.linspace(0, len(order) - 1, MOST_SHOWN).astype(int))]
    features = found.features[some]
    table = phi(known.chunks()[features])
    np.fill_diagonal(table, np.nan)
    names = [f"{feature} (lobe {found.lobe[at] + 1})" for at, feature in zip(some, features, strict=True)]
    figure = heat(table, names, "%{x}, %{y}: phi %{z:.2f}", diverging=True, title="phi")
    figure.update_traces(zmin=-REACH, zmax=REACH)
    figure.update_xaxes(showticklabels=False, title_text="features, lobe after lobe")
    figure.update_yaxes(showticklabels=False, title_text="features, lobe after lobe")
    show(
        figure,
        "whole_lobes_phi",
        f"Phi of {len(some)} features sorted by lobe; within lobes {found.within:.2f} on average.",
        400,
    )


def _draw_table(found: Lobes, known: Evidence) -> None:
    rows = []
    for number in range(found.count):
        own = found.features[found.lobe == number]
        often = own[np.argsort(-known.frequency[own], kind="stable")]
        clear = [feature for feature in often.tolist() if not known.label(feature).startswith(UNCLEAR)][
            :LISTED
        ]
        rows.append(
            {
                "lobe": number + 1,
                "features": len(own),
                "share of all": len(own) / len(found.features),
                "its most frequent labelled features": "; ".join(known.label(feature) for feature in clear),
            }
        )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        column_config={"share of all": st.column_config.NumberColumn(format="percent", width="small")},
    )
    st.download_button(
        "CSV", lambda: _csv(found, known), "bathyscope-lobes.csv", "text/csv", on_click="ignore"
    )


def _csv(found: Lobes, known: Evidence) -> str:
    return pd.DataFrame(
        {
            "feature": found.features,
            "lobe": found.lobe + 1,
            "angle_cluster": found.angle + 1,
            "frequency": known.frequency[found.features],
            "label": [known.label(feature) for feature in found.features.tolist()],
        }
    ).to_csv(index=False)
