"""What kinds of neurons there are at every layer, and which ones they are."""

import pandas as pd
import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.census.census import Census, census, stored_census
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Job
from components.features.choices import change, choose, chosen
from components.features.fitting import counted, lasting, reading_seconds
from components.features.read_texts import ReadTexts, draw_choosing, draw_texts
from components.figures.census_bars import draw_census_bars
from components.frame import Frame
from components.literal import plain
from components.origin import draw_origin
from components.requests import held
from components.waiting import result_of

TOKENS = (5_000, 10_000, 30_000, 100_000, 300_000)
FIRST = 30_000
"""Tokens that are chosen first."""
RECTIFIED = {
    "silent": "dead: never active",
    "rare": "rarely active",
    "token": "token detectors",
    "phrase": "n-gram detectors",
    "place": "positional",
    "dense": "dense: nearly always active",
    "other": "none of these",
}
GATED = RECTIFIED | {"silent": "never loud", "rare": "rarely loud", "dense": "dense: loud at most tokens"}
MEANING = {
    "silent": "No token of the text makes them {active}.",
    "rare": "They are {active} at less than one token in a thousand, too few to say more.",
    "token": "At most five tokens cover 95% of their peaks.",
    "phrase": "At most five pairs or triples of tokens cover 95% of their peaks, and stand at no more than half of the "
    "places of their last tokens, so that these tokens alone would not do.",
    "place": "Whether they are active says more than .05 nats about the position in the text.",
    "dense": "They are {active} at more than half of all tokens.",
    "other": "Neither a few tokens nor a place account for them, as far as this text tells.",
}
LISTED = 500
"""Neurons in the list at most."""


def draw_census(frame: Frame) -> None:
    """The choices, the bars beside their control, and the neurons of one layer and kind."""
    model = frame.model
    if not model.neuron_sites():
        st.info(f"{plain(model.title)} keeps its neurons in experts, which cannot be counted.")
        return
    st.caption(
        "Some neurons follow a handful of tokens, some the place in the text, some are hardly ever active. Here every "
        "neuron of every MLP is sorted by what makes it active over a text."
    )
    text, tokens = st.columns([1.7, 1], vertical_alignment="bottom")
    state, wanted = st.session_state, chosen("census_tokens", "")
    state.census_tokens = int(wanted) if wanted in map(str, TOKENS) else FIRST
    many = tokens.selectbox(
        "Tokens, about",
        TOKENS,
        format_func="{:,}".format,
        key="census_tokens",
        on_change=lambda: choose(
            "census_tokens", None if state.census_tokens == FIRST else str(state.census_tokens)
        ),
    )
    texts = draw_texts(draw_choosing("census_text", text))
    if texts is None or not _asked(model, texts, many):
        return
    if found := result_of(_job(model, texts, many), "census", height=420):
        _draw_found(frame, found)


def _job(model: LoadedModel, texts: ReadTexts, tokens: int) -> Job[Census]:
    return held(
        _key(model, texts, tokens),
        "Counting neurons",
        lambda report: census(model, texts.texts, tokens=tokens, report=report),
    )


def _key(model: LoadedModel, texts: ReadTexts, tokens: int) -> str:
    return fingerprint("census card", model.fingerprint, texts.texts, tokens)


def _asked(model: LoadedModel, texts: ReadTexts, tokens: int) -> bool:
    """Whether it may begin: it was taken before, or somebody asks for it now."""
    key, state = _key(model, texts, tokens), st.session_state
    asked: set[str] = state.setdefault("census_asked", set())
    if key not in asked and _is_stored(key, model, texts.texts, tokens):
        asked.add(key)
    if key in asked:
        return True
    there = counted(fingerprint("tokens", model.fingerprint, texts.texts), model, texts.texts)
    read = min(tokens, there)
    fewer = f" (the text has no more than {there:,})" if there < tokens else ""
    st.info(
        f"It runs about {read:,} tokens{fewer} through all {model.n_layers} layers. That takes at least "
        f"{lasting(reading_seconds(model, read))} at the speed this machine had a moment ago; it can be cancelled, and "
        "is kept for the next time."
    )
    st.button(
        "Count the neurons",
        type="primary",
        icon=":material/play_arrow:",
        key="census_start",
        on_click=asked.add,
        args=(key,),
    )
    return False


@st.cache_resource(max_entries=32, show_spinner=False)
def _is_stored(key: str, _model: LoadedModel, _texts: tuple[str, ...], _tokens: int) -> bool:
    try:
        return stored_census(_model, _texts, tokens=_tokens)
    except AnalysisError:  # its job will say what is wrong with the texts
        return False


def names_of(found: Census) -> dict[str, str]:
    """The kinds as they are called where neurons can be off, and where they cannot."""
    return RECTIFIED if found.rectified else GATED


def answer(found: Census) -> str:
    """What one sees, in a sentence or two."""
    names, total = names_of(found), found.kinds.size
    counts, control = found.counts(), found.counts(shuffled=True)
    said = [
        f"{sum(counts[kind]):,} {names[kind].partition(':')[0]} (shuffled {sum(control[kind]):,})"
        for kind in ("token", "phrase", "place")
    ]
    still = [f"{sum(counts[kind]):,} {names[kind].partition(':')[0]}" for kind in ("silent", "rare", "dense")]
    return f"Of {total:,} neurons over {found.tokens:,} tokens: {', '.join(said)}; {', '.join(still)}."


def definition(found: Census) -> str:
    """What counts as active."""
    if found.rectified:
        return "Active is above zero, as this model's nonlinearity cuts off everything below."
    return (
        "This model's nonlinearity leaves nothing quite at zero, so active has to be defined. A neuron is loud where "
        "what it writes (|activation| times the length of its output vector) is above the level that 5% of all values "
        "of its layer pass. Its peaks are its own largest 1% of |activation|, for triggers; its place is read from its "
        "own largest 5%."
    )


def _draw_found(frame: Frame, found: Census) -> None:
    st.markdown(plain(answer(found)))
    names = {kind: name for kind, name in names_of(found).items() if kind != "other"}
    picture, listing = st.columns([1.05, 1], gap="medium")
    with picture:
        draw_census_bars(found, names, "census bars", _choose)
        st.caption(
            "Layers grow upward. On the right the same activity over tokens and positions that were dealt anew: what "
            "stands there comes by chance. Silent, rare and dense neurons do not depend on which tokens there are. "
            "Click a bar to list its neurons."
        )
        st.caption(definition(found))
    with listing:
        _draw_list(frame, found)
    draw_origin(found.provenance)


def _choose(layer: int, kind: str) -> None:
    choose("census", f"{layer}.{kind}")


def _chosen(first: int, layers: int, names: dict[str, str]) -> tuple[int, str]:
    """Layer and kind that the link names; the first ones where it names none that is there."""
    layer, _, kind = chosen("census", "").partition(".")
    there = layer.isdecimal() and 1 <= int(layer[:4]) <= layers
    return (int(layer) if there else first), (kind if kind in names else "token")


def _draw_list(frame: Frame, found: Census) -> None:
    state, names = st.session_state, names_of(found)
    layers = len(found.kinds)
    first = min(max(frame.layer or layers // 2, 1), layers)
    state.census_layer, state.census_kind = _chosen(first, layers, names)
    at, what = st.columns([1, 2])
    keep = {"on_change": lambda: _choose(state.census_layer, state.census_kind)}
    layer = at.number_input("Layer", 1, layers, key="census_layer", **keep)
    kind = what.selectbox("Kind", list(names), format_func=names.get, key="census_kind", **keep)
    numbers = found.of(layer, kind)
    st.caption(MEANING[kind].format(active="active" if found.rectified else "loud"))
    if not numbers:
        st.info(f"Layer {layer} has none of them over this text. Choose another layer or kind.")
        return
    table = listed(frame.model, found, layer, numbers[:LISTED])
    _draw_table(table, layer, numbers, kind)
    more = f"The first {LISTED:,} of {len(numbers):,}." if len(numbers) > LISTED else ""
    st.caption(f"Click a row to open the neuron's card. {more}")
    st.download_button(
        "CSV",
        lambda: table.to_csv(index=False),
        f"bathyscope-neurons-layer-{layer}-{kind}.csv",
        "text/csv",
        on_click="ignore",
    )


def _draw_table(table: pd.DataFrame, layer: int, numbers: list[int], kind: str) -> None:
    key = f"census_rows {layer} {kind}"

    def choose() -> None:
        if rows := st.session_state[key].selection.rows:
            change(dictionary=f"neurons.{layer}", feature=numbers[rows[0]], changes=(), part="feature")

    share = {"format": "%.0f%%", "width": 76}
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height=min(420, 38 + 35 * len(table)),
        key=key,
        on_select=choose,
        selection_mode="single-row",
        column_config={
            "neuron": st.column_config.NumberColumn(width=66, format="%d"),
            "peaks at": st.column_config.TextColumn(
                width=210,
                help="The tokens at which it peaks, with the number of peaks; the last of each is where it peaks.",
            ),
            "covered": st.column_config.NumberColumn(help="Share of its peaks that these cover.", **share),
            "place": st.column_config.NumberColumn(
                help="Nats that being active says about the position.", format="%.3f", width=66
            ),
            "active": st.column_config.NumberColumn(
                help="Share of tokens.", **(share | {"format": "%.1f%%"})
            ),
        },
    )


def listed(model: LoadedModel, found: Census, layer: int, numbers: list[int]) -> pd.DataFrame:
    """Neurons of one layer with what makes them active; shares in per cent, place in nats."""
    rows = [
        {
            "neuron": neuron,
            "peaks at": _triggers(model, found, layer, neuron),
            "covered": 100 * float(found.coverage[layer - 1, neuron]),
            "place": float(found.information[layer - 1, neuron]),
            "active": 100 * float(found.frequency[layer - 1, neuron]),
        }
        for neuron in numbers
    ]
    return pd.DataFrame(rows)


def _triggers(model: LoadedModel, found: Census, layer: int, neuron: int) -> str:
    said = []
    for ids, hits in found.triggers_of(layer, neuron):
        shown = "".join(model.tokenizer.label(id) for id in ids)
        said.append(f"“{shown}” {hits}")
    return ", ".join(said)
