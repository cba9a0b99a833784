"""How few features tell classes apart on examples they have not seen, and which they are."""

import pandas as pd
import streamlit as st

from analysis import AnalysisError
from analysis.captures import estimate
from analysis.data.labelled_sets import IDS, labelled_set
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.shelf import Offer
from analysis.dictionaries.telling_apart.pooled import POOLS
from analysis.dictionaries.telling_apart.sides import as_labelled
from analysis.dictionaries.telling_apart.sparse_probe import SparseProbe
from analysis.labelled import LabelledSet
from analysis.places import EACH
from components.features.choices import choose, chosen
from components.features.finding.away import dictionary_lines, draw_away
from components.features.finding.comparison import draw_features, draw_words, with_labels
from components.features.finding.known import labels_of
from components.features.finding.requests import ask, asked, few_key, few_of
from components.features.finding.sources import Source, draw_pool, draw_source
from components.figures.apart_probe import draw_probe
from components.frame import Frame
from components.literal import plain
from components.waiting import result_of

FIRST_K = 4


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This section of the page."""
    source = draw_source()
    if source is None:
        return
    with source.beside:
        pool = draw_pool(source.corpus, "few_pool")
    given = _given(source)
    if given is None:
        return
    key = few_key(frame.model, dictionary, given, pool)
    if not asked(key):
        _draw_button(frame, dictionary, given, pool, key)
        return
    found = result_of(few_of(frame.model, dictionary, given, pool), "few features", height=420)
    if found is None:
        return
    neurons = dictionary.site.stream == "neurons"
    k = _k_now(found)
    heading.markdown(plain(answer(found, k, neurons)))
    draw_probe(
        found,
        k,
        "" if neurons else "numbers of the state",
        key="few_curve",
        on_choose=lambda few: choose("few", None if few == FIRST_K else str(few)),
        features="neurons" if neurons else "features",
    )
    st.caption(_seen(found, pool, neurons))
    labels = labels_of(frame.model, dictionary)
    draw_features(with_labels(found.ranking().head(k), labels), key="few_table", columns=_columns(found))
    with st.expander("The scores as a table"):
        st.dataframe(found.table().round(3), hide_index=True, width="stretch")
    code = snippet(frame, offer, source, pool)
    draw_away(lambda: _away(found), code, found.provenance, "features-probe")
    draw_words(found.provenance)


def answer(found: SparseProbe, k: int, neurons: bool = False) -> str:
    """What few features tell, in words."""
    at = found.at(k)
    own, null = at.features.balanced, float(at.shuffled[:, 0].max())
    what = ("neuron" if neurons else "feature") + ("s tell" if k > 1 else " tells")
    told = (
        f"{k} {what} {own.value:.0%} of each class on held-out examples ({own.low:.0%} to {own.high:.0%}); with "
        f"shuffled labels at most {null:.0%}, and all numbers of the state {found.dense.balanced.value:.0%}."
    )
    if own.low <= max(null, found.chance):
        return f"{told} This is not told from chance."
    needed = found.needed()
    if needed is None:
        return f"{told} Even {found.ks[-1]} do not come near those."
    return f"{told} As few as {needed} may do as well as those: the interval reaches them."


def snippet(frame: Frame, offer: Offer, source: Source, pool: str) -> str:
    """The few lines of Python that compute the same."""
    imports = [line for line in source.code if line.startswith("from ")]
    return "\n".join(
        [
            *sorted(
                {
                    "from analysis import ModelSpec, load",
                    "from analysis.dictionaries.shelf import open_dictionary",
                    "from analysis.dictionaries.telling_apart.sides import as_labelled",
                    "from analysis.dictionaries.telling_apart.sparse_probe import sparse_probe",
                    *imports,
                }
            ),
            "",
            *dictionary_lines(frame, offer),
            *(line for line in source.code if line not in imports),
            f"found = sparse_probe(model, dictionary, as_labelled(corpus, {source.column!r}), {pool!r})",
            "print(found.table(), found.ranking())",
        ]
    )


def _given(source: Source) -> LabelledSet | None:
    """The examples with their classes and groups; None where something is wrong with them, which is said."""
    if source.corpus.id in IDS and source.column == source.corpus.label:
        return labelled_set(source.corpus.id)
    try:
        return as_labelled(source.corpus, source.column)
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None


def _draw_button(frame: Frame, dictionary: Dictionary, given: LabelledSet, pool: str, key: str) -> None:
    takes = estimate(frame.model, given, "span" if pool == "span" else EACH, (dictionary.site.layer,))
    st.caption(plain(f"{len(given):,} examples of {len(given.classes)} classes. {takes.sentence()}"))
    st.button("Probe", type="primary", key="probe few", icon=":material/science:", on_click=ask, args=(key,))


def _k_now(found: SparseProbe) -> int:
    """How many features are looked at; the chart chooses it, too."""
    state, wanted = st.session_state, chosen("few", str(FIRST_K))
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 4 else FIRST_K
    state.find_few = (
        number if number in found.ks else max(k for k in found.ks if k <= max(number, found.ks[0]))
    )
    st.select_slider(
        "Features used",
        found.ks,
        key="find_few",
        on_change=lambda: choose("few", None if state.find_few == FIRST_K else str(state.find_few)),
        help="Those whose class means lie furthest apart, in standard deviations, among the examples learned from; a "
        "regression is fitted on these alone.",
    )
    return state.find_few


def _seen(found: SparseProbe, pool: str, neurons: bool) -> str:
    raw = "" if neurons else "Beside it the best numbers of the raw state, chosen in the same way. "
    return plain(
        f"Learned from {found.learned:,} examples and tested on {found.held_out:,} others; no text or group is on both "
        f"sides. One number for every feature and text is {POOLS[pool]}. {raw}The grey band is the same choice and fit "
        "on shuffled labels, lowest to highest; the tinted one 95% of held-out groups drawn again. The solid grey line "
        "reads all numbers of the state."
    )


def _columns(found: SparseProbe) -> dict:
    number = st.column_config.NumberColumn
    config = {
        "feature": number("feature", format="%d"),
        "gap": number(
            "gap", format="%.2f", help="Distance of the class means, in standard deviations within classes."
        ),
    }
    return config | {f"mean, {name}": number(f"mean, {name}", format="%.3g") for name in found.classes}


def _away(found: SparseProbe) -> pd.DataFrame:
    """Scores by k, and the features by rank, in one table."""
    return pd.concat([found.table(), found.ranking().reset_index(names="rank")], axis=1)
