"""Taking a steering result away: a replay as HTML, the numbers, the recipe itself, and the code."""

import dataclasses
import io
from collections.abc import Iterator

import pandas as pd
import streamlit as st

from analysis import Erasure, LoadedModel, Recipe, Sampling, exchange
from analysis.data.presets import concept
from analysis.methods.effect import Effect, movers, verdict
from components import session
from components.figures.grid_html import grid_html
from components.frame import Frame
from components.literal import plain
from components.reading_grid import change_grid
from components.recipe_link import DoseView
from components.requests import lens_now, reading_of
from components.steering.live_texts import LiveTexts
from components.steering.requests import Controls, edited_reading_of, words_of
from components.steering.texts import SHOWN_NULLS
from components.take_away import opening_lines

QUESTION = "Does this push change what the model says, more than any push of its size would?"


def draw(frame: Frame, recipe: Recipe, controls: Controls, effect: Effect, key: str) -> None:
    """The buttons and the code.

    Args:
        frame: model, text and cursor.
        recipe: what was done.
        controls: the random controls beside it.
        effect: what it did.
        key: names the effect.
    """
    code = snippet(frame, controls)
    with st.container(horizontal=True, key="steer_away"):
        st.download_button(
            "HTML",
            lambda: replay(frame, recipe, effect, key, code),
            "bathyscope-steering.html",
            "text/html",
            on_click="ignore",
            icon=":material/html:",
            help="One file with the texts, the recipe, the change at every layer and this code. Needs no server.",
        )
        table = along_text(frame, effect)
        st.download_button(
            "CSV", table.to_csv(index=False), "bathyscope-steering.csv", "text/csv", on_click="ignore"
        )
        st.download_button(
            "Parquet",
            lambda: _parquet(table),
            "bathyscope-steering.parquet",
            "application/vnd.apache.parquet",
            on_click="ignore",
        )
        st.download_button(
            "Recipe",
            lambda: exchange.recipe_to_bytes(recipe),
            "recipe.safetensors",
            "application/octet-stream",
            on_click="ignore",
            icon=":material/science:",
            help="All directions and erasures with their settings. Import it under Library.",
        )
    for number, erasure in enumerate(recipe.erasures, 1):
        _draw_erasure_file(number, erasure)
    for number, dose in enumerate(recipe.doses):
        _draw_direction_files(frame.model, number, dose.direction)
    st.code(code, language="python")


def _draw_direction_files(model: LoadedModel, number: int, direction) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"away {number}"):
        st.markdown(f"Direction {number + 1}", help=direction.how)
        st.download_button(
            "safetensors",
            lambda: exchange.to_safetensors(direction),
            f"direction-{number + 1}.safetensors",
            "application/octet-stream",
            key=f"safetensors {number}",
            on_click="ignore",
        )
        hint = model.network.config.model_type
        st.download_button(
            "Control vector (GGUF)",
            lambda: exchange.to_gguf(direction, hint),
            f"direction-{number + 1}.gguf",
            "application/octet-stream",
            key=f"gguf {number}",
            on_click="ignore",
            help="For llama.cpp's --control-vector. " + exchange.gguf_losses(direction),
        )


def _draw_erasure_file(number: int, erasure: Erasure) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"erasure away {number}"):
        st.markdown(f"Erasure {number}", help=plain(erasure.how))
        st.download_button(
            "safetensors",
            lambda: exchange.erasure_to_bytes(erasure),
            _erasure_file(number),
            "application/octet-stream",
            key=f"erasure safetensors {number}",
            on_click="ignore",
            help="The code below opens it. Import it under Library.",
        )


def _erasure_file(number: int) -> str:
    return f"erasure-{number}.safetensors"


def texts_written() -> list[tuple[str, str]]:
    """Name and text of every row last written beside the recipe; empty where none was."""
    texts: LiveTexts | None = st.session_state.get("live_texts")
    if texts is None:
        return []
    return [(variant.name, texts.text(row)) for row, variant in enumerate(texts.request.variants)]


def replay(frame: Frame, recipe: Recipe, effect: Effect, key: str, code: str) -> str:
    """The whole result as one page that needs no server."""
    lens, _ = lens_now(frame.model, session.view().lens)
    base = reading_of(frame.model, frame.tokens, lens, None).result()
    edited = edited_reading_of(frame.model, effect, key, lens, base).result()
    said = [f"{name}: {frame.tokens.text}{text}" for name, text in texts_written()]
    moved = movers(frame.model, effect, frame.position)
    shifts = ", ".join(
        f"{label} {shift:+.1f}" for label, shift in zip(moved.labels, moved.shift.values, strict=True)
    )
    return grid_html(
        change_grid(frame.model, base, edited, lens.id),
        title=QUESTION,
        explanation=(
            verdict(effect, frame.position),
            *said,
            f"Change of the log-odds after token {frame.position}, in nats: {shifts}.",
            "Every cell is the token the edited run would say next at that layer, coloured by how much surer (orange) "
            "or less sure (blue) it is of the unedited model's own prediction.",
            f"Misleads when: {effect.provenance.misleads_when}",
        ),
        provenance=dict(effect.provenance.lines()),
        code=code,
        cursor=(frame.position, frame.layer if frame.layer is not None else frame.model.n_layers),
    )


def along_text(frame: Frame, effect: Effect) -> pd.DataFrame:
    """One row per token: how far its prediction moves, for the edit and each random control."""
    table = pd.DataFrame({"position": range(len(frame.tokens)), "token": frame.tokens.labels})
    for row, values in zip(effect.edited.rows, effect.kl, strict=True):
        table[f"kl_bits_{row.variant.replace(' ', '_')}"] = values
    for name, value in effect.provenance.lines():
        table[name.replace(" ", "_")] = value
    return table


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def snippet(frame: Frame, controls: Controls) -> str:
    """The few lines of Python that do the same."""
    lines = [
        "from analysis import Dose, ModelSpec, Recipe, Sampling, Sides, background, load",
        "from analysis.data.presets import concept",
        "from analysis.methods import contrast, effect, unembedding",
        "",
        *opening_lines(frame.tokens, frame.model.revision),
        "usual = background.background(model)",
    ]
    lines += [
        *recipe_lines(session.view().recipe),
        f"controls = {dataclasses.asdict(controls)}",
        "measured = effect.measure(model, tokens, recipe, usual, **controls)",
        *_verdict_lines(frame),
        *_writing_lines(controls),
    ]
    return "\n".join(lines)


def recipe_lines(rows: tuple[DoseView, ...]) -> list[str]:
    """Python that makes the rows of the editor as `recipe`, where `model` is open; what it imports comes first."""
    doses = [_dose_lines(view, number) for number, view in _numbered(rows, erases=False)]
    erasures = [_erasure_lines(view, number) for number, view in _numbered(rows, erases=True)]
    erased = f", {_tuple(erasures)}" if erasures else ""
    made = [line for own, _ in (*doses, *erasures) for line in own]
    return [*made, f"recipe = Recipe('recipe', {_tuple(doses)}{erased})"]


def _numbered(rows: tuple[DoseView, ...], *, erases: bool) -> Iterator[tuple[int, DoseView]]:
    """The directions or the erasures of the recipe, counted from 1 as their files are."""
    return enumerate((row for row in rows if row.erases == erases), 1)


def _tuple(parts: list[tuple[list[str], str]]) -> str:
    """What the recipe holds, as Python writes a tuple of it."""
    return f"({', '.join(part for _, part in parts)},)" if parts else "()"


def _dose_lines(view: DoseView, number: int) -> tuple[list[str], str]:
    """How a direction is had again, and its dose."""
    name = f"direction_{number}"
    layers = f"({name}.layer, {name}.layer)" if view.layers is None else repr(view.layers)
    dose = f"Dose({name}, {view.strength}, {layers}, {view.operation!r}, {view.positions!r}, {view.stream!r})"
    return direction_lines(view.reference, name), dose


def _erasure_lines(view: DoseView, number: int) -> tuple[list[str], str]:
    """How an erasure is had again, and what the recipe holds of it."""
    name = f"erasure_{number}"
    lines = [
        "from dataclasses import replace",
        "from analysis import exchange  # an erasure is its numbers: download it as safetensors first",
        f"{name} = exchange.erasure_from_bytes(open({_erasure_file(number)!r}, 'rb').read())",
    ]
    return lines, f"replace({name}, positions={view.positions!r})"


def _verdict_lines(frame: Frame) -> list[str]:
    """The sentences of the page."""
    verdict = f"print(effect.verdict(measured, {frame.position}))"
    if (words := words_of(frame.model)) is None:
        return [verdict]
    plus, minus = words
    return [
        f"shift = effect.word_shift(model, measured, {plus}, {minus})",
        f"print(effect.word_verdict(shift, {frame.position}, measured.control))",
        verdict,
    ]


def _writing_lines(controls: Controls) -> list[str]:
    """How the texts are written again, as they were last."""
    texts: LiveTexts | None = st.session_state.get("live_texts")
    sampling, count = (texts.request.sampling, texts.request.count) if texts else (Sampling(), 40)
    return [
        f"variants = effect.variants_of(recipe, usual, **controls)[:{2 + SHOWN_NULLS}]",
        f"sampling = {sampling}",
        f"for step in model.generate(tokens, variants=variants, sampling=sampling, max_new_tokens={count}):",
        f"    print(step.ids)  # {', '.join(['base', 'edited', *['random'] * min(controls.nulls, SHOWN_NULLS)])}",
    ]


def direction_lines(reference: str, name: str) -> list[str]:
    """Python that makes the direction of a reference anew as `name`."""
    kind, _, rest = reference.partition(".")
    if kind == "preset":
        chat = concept(rest).chat
        return [
            f"positive, negative = zip(*concept({rest!r}).pairs)",
            f"{name} = contrast.contrast(model, Sides(positive, negative, chat={chat}), name={rest!r})",
        ]
    if kind == "random":
        return [f"{name} = background.random_direction(model, {rest})"]
    if kind == "token":
        token, against, product = rest.split(".")
        other = "None" if against == "-" else against
        return [f"{name} = unembedding.towards_token(model, {token}, {other}, product={product!r})"]
    return [
        "from analysis import exchange  # a direction kept on one machine: download it as safetensors first",
        f"{name} = exchange.from_safetensors(open('{name.replace('_', '-')}.safetensors', 'rb').read())",
    ]
