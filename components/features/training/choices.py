"""What is to be trained, as widgets."""

from dataclasses import dataclass
from typing import get_args

import streamlit as st

from analysis import AnalysisError
from analysis.dictionaries.training.folding import TRAINED_AS
from analysis.dictionaries.training.plan import Plan, Sparsity
from analysis.dictionaries.training.run import Order
from analysis.edits import Site
from analysis.models.loaded import LoadedModel
from components.features.in_link import among, in_link, within
from components.literal import plain
from components.texts_brought import BROUGHT, draw_bringing

STREAMS = {"residual": "Residual stream", "mlp": "What the MLP adds", "attention": "What attention adds"}
ABOUT: dict[Sparsity, str] = {
    "batchtopk": "Keeps the largest activations of a whole batch, k a token on average, so that a rich token may have "
    "more than a poor one. Later one threshold for all features does the same.",
    "topk": "Keeps the k largest activations of every token.",
    "matryoshka": "BatchTopK whose first features have to do without the later ones, at several widths: general "
    "features come first, and fewer are swallowed by special ones.",
    "jumprelu": "Every feature learns a threshold of its own; a penalty on the number of active ones is adjusted until "
    "k are active on average. Needs more text than the others.",
    "relu": "The first kind: a penalty on the sum of activations, adjusted until k are active. It shrinks activations.",
    "gated": "One read-out decides whether a feature is active, another how much: less shrinkage than ReLU.",
    "pursuit": "Takes the best feature, subtracts it, and looks again, k times: features may depend on others that "
    "came before. Many times slower than the others.",
}
WIDTHS = (2, 4, 8, 16)
ACTIVE = (4, 8, 16, 32, 64, 128)
TOKENS = (20_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
SAMPLES = (100_000, 200_000, 400_000, 1_000_000, 2_500_000, 10_000_000)
LOWEST_RATE, HIGHEST_RATE = 1e-5, 1e-2
HIGHEST_SEED = 2**31 - 10
FIRST: Sparsity = "batchtopk"
BATCHES = (256, 512, 1_024, 2_048, 4_096)
TEXTS = {
    "docs": "Shipped samples and installed packages' documentation",
    "model": "Text the model writes itself",
}
TEXT_SAID = {
    "docs": "Technical English with code, up to some 900,000 tokens; nothing is fetched. The first time it takes a "
    "minute to gather.",
    "model": "Answers, stories, code and single words, continued by the loaded model with fixed seeds: slow to write, "
    "kept for the next time.",
}


@dataclass(frozen=True)
class Chosen:
    """An order, and where its text comes from."""

    order: Order
    data: str
    """A key of `TEXTS` or of `BROUGHT`."""
    texts: tuple[str, ...] | None
    """Those that were brought; None where they are made or gathered in the run."""


def draw_choices(model: LoadedModel, layer: int | None) -> Chosen | None:
    """The choices; None while texts are still to be brought or the choices make no plan, which is said."""
    sparsity = _draw_kind()
    site = _draw_site(model, layer)
    row = st.columns(4, vertical_alignment="bottom")
    times = _select(
        row[0], "Features, times d_model", WIDTHS, 4, "times", help=f"d_model is {model.d_model:,}."
    )
    k = _select(row[1], "Active at a token (k)", ACTIVE, 32, "k")
    tokens = _select(row[2], "Tokens of text", TOKENS, 100_000, "tokens", help="Distinct ones to learn from.")
    samples = _select(
        row[3],
        "Activations looked at",
        SAMPLES,
        400_000,
        "samples",
        help="More than there are tokens: several passes.",
    )
    data, (batch, rate, seed) = _draw_text_and_more(sparsity)
    try:
        plan = Plan(
            model.d_model * times,
            k,
            samples,
            sparsity,
            batch,
            rate,
            dead_after=min(400_000, samples // 4),
            seed=seed,
        )
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None
    texts = None
    if data in BROUGHT:
        if (brought := draw_bringing(data)) is None:
            return None
        texts = brought.texts
    name = f"{TRAINED_AS[sparsity]}, k {k}, seed {seed}"
    said = brought.name if texts is not None else TEXTS[data]
    return Chosen(Order(site, plan, tokens, name, said[:80]), data, texts)


def _draw_kind() -> Sparsity:
    kinds = [FIRST, *(kind for kind in get_args(Sparsity) if kind != FIRST)]
    kind = st.segmented_control(
        "Kind",
        kinds,
        format_func=TRAINED_AS.get,
        required=True,
        label_visibility="collapsed",
        **in_link("train.kind", FIRST, among(kinds)),
    )
    st.caption(ABOUT[kind])
    return kind


def _draw_site(model: LoadedModel, layer: int | None) -> Site:
    left, right = st.columns([1.4, 1], vertical_alignment="bottom")
    stream = left.selectbox(
        "States of",
        list(STREAMS),
        format_func=STREAMS.get,
        **in_link("train.stream", "residual", among(STREAMS)),
    )
    lowest = 0 if stream == "residual" else 1
    at = max(lowest, model.n_layers // 2 if layer is None else layer)
    number = right.number_input(
        f"Layer, {lowest} to {model.n_layers}",
        lowest,
        model.n_layers,
        **in_link("train.layer", at, within(lowest, model.n_layers)),
    )
    return Site(int(number), stream)


def _draw_text_and_more(sparsity: Sparsity) -> tuple[str, tuple[int, float, int]]:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    names = TEXTS | BROUGHT
    data = left.selectbox(
        "Text", list(names), format_func=names.get, **in_link("train.text", "docs", among(names))
    )
    with right.popover("More", icon=":material/tune:", width="stretch"):
        batch = _select(st, "Batch", BATCHES, 512 if sparsity == "pursuit" else 2_048, "batch")
        rate = st.number_input(
            "Learning rate",
            LOWEST_RATE,
            HIGHEST_RATE,
            step=1e-4,
            format="%.0e",
            **in_link("train.rate", 1e-3, within(LOWEST_RATE, HIGHEST_RATE, float)),
        )
        seed = st.number_input("Seed", 0, HIGHEST_SEED, **in_link("train.seed", 0, within(0, HIGHEST_SEED)))
    if data in TEXT_SAID:
        st.caption(TEXT_SAID[data])
    return data, (batch, float(rate), int(seed))


def _select(
    place, label: str, options: tuple[int, ...], usual: int, name: str, help: str | None = None
) -> int:
    return place.selectbox(
        label,
        options,
        format_func="{:,}".format,
        help=help,
        **in_link(f"train.{name}", usual, among(options)),
    )
