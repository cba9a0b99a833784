"""A direction of one's own: from pairs, a labelled set, prompts, tokens, cells or a file."""

from collections.abc import Callable

import streamlit as st

from analysis import AnalysisError, Direction, LoadedModel, exchange, library, sides, table_files
from analysis.data.presets import concepts
from analysis.jobs import Job
from analysis.methods import activation_difference, contrast
from analysis.sides import Sides
from components.figures.separation import draw_separation
from components.frame import Frame
from components.literal import plain
from components.requests import trace_of
from components.steering.recipe_editor import add
from components.steering.requests import built
from components.waiting import result_of

LONGEST_NAME = 80


def draw(frame: Frame) -> None:
    """The part of the page: choose a way, fill its form, build, look, use."""
    ways: dict[str, Callable[[Frame], Job[Direction] | None]] = {
        "Contrast pairs": _from_pairs,
        "Labelled set": _from_labelled,
        "Two prompts": _from_prompts,
        "Tokens": _from_tokens,
        "Two cells": _from_cells,
        "File": _from_file,
    }
    way = st.segmented_control("From", list(ways), default="Contrast pairs", key="new_way", required=True)
    form, outcome = st.columns([1.2, 1], gap="medium")
    with form:
        try:
            job = ways[way](frame)
        except AnalysisError as error:
            st.warning(plain(str(error)), icon=":material/edit:")
            job = None
    if job is not None:
        st.session_state.new_job = way, job
    made_by, job = st.session_state.get("new_job", (None, None))
    with outcome:
        if made_by == way and job is not None:
            _draw_outcome(frame.model, job)
        else:
            st.caption(
                "What is built is shown here: how well it separates, layer by layer, and where to use it."
            )


def _draw_outcome(model: LoadedModel, job: Job[Direction]) -> None:
    direction = result_of(job, "new_direction", height=320)
    if direction is None:
        return
    st.markdown(f"**{plain(direction.name)}**")
    st.markdown(plain(direction.how))
    if direction.separation:
        draw_separation(direction, key="separation")
    st.markdown(plain(direction.why))
    st.caption(plain(f"Source: {direction.source}"))
    st.button(
        "Keep and use it",
        type="primary",
        icon=":material/bookmark_add:",
        on_click=_use,
        args=(direction,),
        help="It goes into the library on this machine, so that the recipe's link finds it again.",
    )
    if sentence := st.session_state.pop("new_problem", None):
        st.warning(plain(sentence), icon=":material/warning:")


def _build(key: str) -> bool:
    """True if it is to be built now: for the first time, or anew after a bad end."""
    return st.button("Build", type="primary", key=key) or st.session_state.get("again new_direction", False)


def _use(direction: Direction) -> None:
    try:
        add(f"kept.{library.save_direction(direction).key}")
    except AnalysisError as error:
        st.session_state.new_problem = str(error)


def _from_pairs(frame: Frame) -> Job[Direction] | None:
    """Pairs typed or pasted, starting from a preset's."""
    names = {concept.id: concept.name for concept in concepts()}
    chosen = st.selectbox("Start from", list(names), format_func=names.get, key="new_preset")
    concept = next(concept for concept in concepts() if concept.id == chosen)
    if st.session_state.get("new_pairs_of") != chosen:
        positive, negative = zip(*concept.pairs, strict=True)
        st.session_state.new_pairs = sides.to_lines(Sides(positive, negative))
        st.session_state.new_name, st.session_state.new_pairs_of = f"My {concept.name.lower()}", chosen
        st.session_state.new_chat = concept.chat
    text = st.text_area(
        f"Pairs, one a line: {concept.positive} {sides.SEPARATOR} {concept.negative}",
        key="new_pairs",
        height=260,
    )
    name, estimator, spot, chat = _draw_settings(frame.model, paired=True)
    if not _build("build pairs"):
        return None
    return _contrast(frame.model, sides.from_lines(text, chat=chat), name, estimator, spot)


def _from_labelled(frame: Frame) -> Job[Direction] | None:
    """A table of texts and labels, or of pairs."""
    uploaded = st.file_uploader(
        "A table with columns `text` and `label`, or `positive` and `negative`",
        type=[kind[1:] for kind in table_files.TABLES],
        key="new_table",
    )
    if uploaded is None:
        st.caption("CSV, TSV, JSONL or Parquet, up to 10 MB. Nothing leaves this machine.")
        return None
    table = sides.read_table(uploaded.getvalue(), uploaded.name)
    labels = sides.labels_of(table)
    positive = None
    if labels:
        positive = st.selectbox(
            "The positive label",
            labels,
            index=len(labels) - 1,
            key="new_label",
            help="All others are negative.",
        )
    sides.from_table(table, positive)  # say now, not after a click, what is wrong with it
    st.dataframe(table.head(100), height=180, hide_index=True)
    name, estimator, spot, chat = _draw_settings(frame.model, paired=not labels)
    if not _build("build table"):
        return None
    return _contrast(frame.model, sides.from_table(table, positive, chat=chat), name, estimator, spot)


def _draw_settings(model: LoadedModel, paired: bool) -> tuple[str, str, str, bool]:
    """Name, estimator, spot and whether the texts are turns of a conversation."""
    left, right = st.columns(2)
    name = left.text_input("Name", key="new_name", max_chars=LONGEST_NAME) or "my direction"
    estimators = {key: each for key, each in contrast.ESTIMATORS.items() if paired or not each.paired}
    estimator = right.selectbox(
        "Estimator",
        list(estimators),
        format_func=lambda key: estimators[key].title,
        key="new_estimator",
        help=" ".join(f"{each.title}: {each.misleads_when}" for each in estimators.values()),
    )
    spots = [spot for spot in contrast.SPOTS if paired or spot != "answer"]
    spot = left.selectbox("Read at", spots, format_func=contrast.SPOTS.get, key="new_spot")
    chat = right.toggle(
        "Chat template",
        key="new_chat",
        disabled=not model.tokenizer.has_template,
        help="Each text is a user's turn.",
    )
    return name, estimator, spot, chat and model.tokenizer.has_template


def _contrast(model: LoadedModel, examples: Sides, name: str, estimator: str, spot: str) -> Job[Direction]:
    return built(
        model,
        examples,
        name,
        estimator,
        spot,
        work=lambda report: contrast.contrast(
            model, examples, name=name, estimator=estimator, spot=spot, report=report
        ),
    )


def _from_prompts(frame: Frame) -> Job[Direction] | None:
    """Two prompts, as in activation addition."""
    plus = st.text_input("Towards", "I talk about weddings constantly", key="new_plus")
    minus = st.text_input("Away from", "I do not talk about weddings", key="new_minus")
    if not _build("build prompts"):
        return None
    return built(
        frame.model,
        plus,
        minus,
        work=lambda report: activation_difference.between_prompts(frame.model, plus, minus),
    )


def _from_tokens(frame: Frame) -> Job[Direction] | None:
    """A token, or one against another; needs no building, so it goes straight into the recipe."""
    plus = st.text_input("Token", " good", key="new_token", help="A leading space belongs to the token.")
    minus = st.text_input("Against (empty: the average token)", " bad", key="new_against")
    causal = st.toggle(
        "Causal inner product", key="new_causal", help="Leaves the logits of unrelated tokens where they are."
    )
    if st.button("Use it", type="primary", icon=":material/add:", key="use token"):
        find = frame.model.tokenizer.find
        against = str(find(minus)) if minus else "-"
        add(f"token.{find(plus)}.{against}.{'causal' if causal else 'euclidean'}")
        st.rerun()
    return None


def _from_cells(frame: Frame) -> Job[Direction] | None:
    """The difference of two tokens' states in the prompt."""
    labels, model, tokens = frame.tokens.labels, frame.model, frame.tokens
    if len(labels) < 2:
        st.caption("The text has one token only. Two are needed.")
        return None

    def shown(position: int) -> str:
        return f"{position} {labels[position]}"

    plus = st.selectbox(
        "The state at", range(len(labels)), index=frame.position, format_func=shown, key="new_cell_plus"
    )
    others = [position for position in range(len(labels)) if position != plus]
    minus = st.selectbox(
        "minus the state at", others, index=len(others) - 1, format_func=shown, key="new_cell_minus"
    )
    layer = frame.layer if frame.layer is not None else model.n_layers // 2
    st.caption(f"At every layer of this text; proposed for layer {layer}, where the cursor is.")
    if not _build("build cells"):
        return None

    def work(report) -> Direction:
        states = trace_of(model, tokens).residuals()
        return activation_difference.between_cells(model, states, plus, minus, layer, labels)

    return built(model, tokens.ids, plus, minus, layer, work=work)


def _from_file(frame: Frame) -> Job[Direction] | None:
    """A file of another tool or of this one."""
    uploaded = st.file_uploader(
        "A direction as .safetensors, or a llama.cpp control vector as .gguf", type=["safetensors", "gguf"],
        key="new_file",
    )  # fmt: skip
    if uploaded is None:
        st.caption("Nothing in the file is executed. Width and layers are checked against the open model.")
        return None
    layer = st.number_input(
        "Layer, where the file does not say",
        0,
        frame.model.n_layers,
        frame.model.n_layers // 2,
        key="new_file_layer",
    )
    data, model = uploaded.getvalue(), frame.model

    def work(report) -> Direction:
        direction = exchange.read(data, uploaded.name, int(layer))
        direction.require_fit(model)
        return direction

    return built(model, data, uploaded.name, int(layer), work=work)
