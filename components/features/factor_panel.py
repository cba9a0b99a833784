"""Dictionaries without training: principal components, independent components, and factors of neurons."""

import streamlit as st

from analysis import AnalysisError
from analysis.dictionaries import shelf
from analysis.dictionaries.shelf import Offer
from analysis.dictionaries.without_training.fitting import MISLEADS, SOURCES, Fitted, Plan, Way
from analysis.edits import Site
from analysis.models.loaded import LoadedModel
from analysis.results import Provenance
from components.features.choices import change
from components.features.fitting import expected, fitted_job
from components.features.getting.code import fitting_lines
from components.features.in_link import among, in_link, within
from components.features.read_texts import ReadTexts, draw_choosing, draw_texts
from components.figures.factor_curve import draw_fit
from components.frame import Frame
from components.literal import plain
from components.origin import draw_origin
from components.waiting import result_of

WAYS: dict[Way, str] = {
    "snmf": "Factors (SNMF)",
    "ica": "Independent components (ICA)",
    "pca": "Principal components (PCA)",
}
ABOUT: dict[Way, str] = {
    "snmf": "Groups of neurons that are active together. A state is told as a sum of a few factors, none of them "
    "taken negatively; within a factor neurons have either sign (semi-nonnegative factorisation).",
    "ica": "Axes along which states are as far from Gaussian as possible: near zero at most tokens and far out at a "
    "few. A feature counts as on from 3 standard deviations upward.",
    "pca": "The directions along which states vary most. Every one is active at every token, which makes them a "
    "measure for the others rather than something to read.",
}
STREAMS = {
    "neurons": "Neurons of the MLP",
    "residual": "Residual stream",
    "mlp": "What the MLP adds",
    "attention": "What attention adds",
}
COUNTS = (8, 16, 32, 64, 100, 128, 200, 256, 400, 512)
TOKENS = (2_000, 8_000, 25_000, 100_000, 250_000)
HIGHEST_SEED = 2**31 - 10
KEEPS = {1.0: "all", 0.1: "largest 10%", 0.05: "largest 5%", 0.01: "largest 1%"}


def draw(frame: Frame) -> None:
    """Choose, fit, look at how good it is, and keep it."""
    model, state = frame.model, st.session_state
    way = _draw_way()
    st.caption(ABOUT[way])
    plan, data = _draw_plan(model, way, frame.layer)
    texts = draw_texts(data)
    if texts is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Fit it",
            type="primary",
            icon=":material/play_arrow:",
            key="factor_fit",
            on_click=lambda: state.update(factor_asked=(model.fingerprint, plan, texts)),
        )
        st.caption(plain(expected(model, plan, texts)))
    asked = state.get("factor_asked")
    if asked is None or asked[0] != model.fingerprint or asked[1].way != way:
        return
    if found := result_of(fitted_job(model, *asked[1:]), "factor fit", height=270):
        _draw_found(model, found, asked[2])
        with st.expander("The code that fits it", icon=":material/code:"):
            st.code(fitting_lines(frame, found.plan, asked[2]), language="python")


def _draw_way() -> Way:
    return st.segmented_control(
        "Way",
        list(WAYS),
        format_func=WAYS.get,
        required=True,
        label_visibility="collapsed",
        **in_link("fit.way", "snmf", among(WAYS)),
    )


def _draw_plan(model: LoadedModel, way: Way, layer: int | None) -> tuple[Plan, str]:
    """The choices as a plan, and the id of the texts."""
    stream, at, count, tokens, data, more = st.columns(
        [1.5, 0.8, 0.9, 0.9, 1.6, 0.7], vertical_alignment="bottom"
    )
    streams = [each for each in STREAMS if each != "neurons" or model.neuron_sites()]
    chosen = stream.selectbox(
        "States of",
        streams,
        format_func=STREAMS.get,
        **in_link("fit.stream", streams[0], among(streams)),
    )
    lowest = 0 if chosen == "residual" else 1
    begin = max(lowest, model.n_layers // 2 if layer is None else layer)
    number = at.number_input(
        f"Layer, {lowest} to {model.n_layers}",
        lowest,
        model.n_layers,
        **in_link("fit.layer", begin, within(lowest, model.n_layers)),
    )
    width = model.n_neurons if chosen == "neurons" else model.d_model
    counts = [each for each in COUNTS if each < width] or [max(2, width // 2)]
    many = count.selectbox(
        "Factors" if way == "snmf" else "Components",
        counts,
        **in_link("fit.count", 64 if 64 in counts else counts[-1], among(counts)),
    )
    read = tokens.selectbox(
        "Tokens, about",
        TOKENS,
        format_func="{:,}".format,
        **in_link("fit.tokens", TOKENS[1], among(TOKENS)),
    )
    text = draw_choosing("fit.text", data)
    with more:
        seed, keep = _draw_more(way)
    return Plan(way, Site(int(number), chosen), many, read, seed, keep), text


def _draw_more(way: Way) -> tuple[int, float]:
    """The seed, and how much of a factor stays."""
    if way == "pca":
        return 0, 1.0
    with st.popover("More", icon=":material/tune:"):
        seed = st.number_input("Seed", 0, HIGHEST_SEED, **in_link("fit.seed", 0, within(0, HIGHEST_SEED)))
        keep = 1.0
        if way == "snmf":
            keep = st.selectbox(
                "Of each factor keep",
                list(KEEPS),
                format_func=KEEPS.get,
                help="Winner takes all: a factor's other entries are set to zero at every step, so that it is a small "
                "group of neurons, and groups that are there are found again. With all of them kept there are many "
                "factorings that fit alike. The error may rise now and then; the best iteration is kept.",
                **in_link("fit.keep", 0.05, among(KEEPS)),
            )
    return int(seed), keep


def _draw_found(model: LoadedModel, found: Fitted, texts: ReadTexts) -> None:
    st.markdown(f"**{plain(found.dictionary.name)}**, from {found.tokens:,} tokens")
    st.markdown(plain(quality(found)))
    for warning in warnings(found):
        st.warning(plain(warning), icon=":material/warning:")
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        draw_fit(found.card, key="factor curve")
    with right:
        st.markdown(plain(trust(found)))
        _draw_keeping(found, texts)
    draw_origin(_provenance(model, found, texts))


def quality(found: Fitted) -> str:
    """What it rebuilds, beside its controls."""
    own = f"It rebuilds {found.explained:.0%} of the variance of held-out states"
    if found.plan.way == "pca":
        return f"{own}, and as many random directions {found.random:.0%}."
    return (
        f"{own}; as many principal components rebuild {found.principal:.0%}, as many random directions "
        f"{found.random:.0%}."
    )


def trust(found: Fitted) -> str:
    """How active its features are, and how far they are the same in a second fit."""
    active = f"{found.active:.1f} of {found.plan.count} are {'on' if found.plan.way == 'ica' else 'active'} at a token."
    again = {
        "pca": f"The subspaces of two halves of the states agree to {found.stable:.0%} (random ones to "
        f"{found.plan.count / found.dictionary.width:.0%}).",
        "ica": f"{found.stable:.0%} come out again from another seed (|correlation| above .9).",
        "snmf": f"{found.stable:.0%} come out again from another start (cosine above .9).",
    }[found.plan.way]
    return f"{active} {again}"


def warnings(found: Fitted) -> list[str]:
    """Why it should not be trusted."""
    said = [found.card.get("warning", "")]
    if found.plan.way == "snmf" and not found.card["settled"]:
        said.append(f"The error was still falling after {found.card['iterations']} iterations.")
    if found.explained <= found.random:
        said.append("On held-out text it rebuilds no more than random directions do.")
    if found.explained_fitted - found.explained > 0.15:
        said.append(
            f"It rebuilds {found.explained_fitted:.0%} of what it was fitted to and {found.explained:.0%} of other "
            "text: there are too few tokens for so many features."
        )
    return [each for each in said if each]


def _draw_keeping(found: Fitted, texts: ReadTexts) -> None:
    """Keep it on the shelf; once it is there, open it."""
    state, id = st.session_state, found.dictionary.id
    kept: dict[str, Offer] = state.setdefault("factors_kept", {})
    if id not in kept:
        name = st.text_input("Name", named(found), max_chars=80, key=f"factor_name {id}")
        if st.button("Keep it on the shelf", icon=":material/bookmark_add:", key="factor_keep_it"):
            how = f"Fitted without training to {found.tokens:,} tokens of: {texts.name}."
            try:
                kept[id] = shelf.keep(found.dictionary, name, how)
            except AnalysisError as error:
                st.warning(plain(str(error)), icon=":material/warning:")
    if id in kept:
        st.success(plain(f"Kept: {kept[id].name}"), icon=":material/check:")
        st.button("Open it", type="primary", key="factor_open", on_click=_open, args=(kept[id].id,))


def named(found: Fitted) -> str:
    """What it is called if nobody gives it a name."""
    kind = {"pca": "PCA", "ica": "ICA", "snmf": "SNMF"}[found.plan.way]
    return f"{kind} {found.plan.count}, seed {found.plan.seed}"


def _open(id: str) -> None:
    change(dictionary=id, feature=None, changes=(), part="prompt")


def _provenance(model: LoadedModel, found: Fitted, texts: ReadTexts) -> Provenance:
    plan = found.plan
    settings = (
        ("site", str(plan.site)),
        ("features", str(plan.count)),
        ("text", texts.name),
        ("tokens that count", f"{found.tokens:,}, a tenth of the texts held out"),
        ("tokens left out", f"{found.card['left_out']:,} first ones and outliers of norm"),
        ("seed", str(plan.seed)),
    )
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        WAYS[plan.way],
        SOURCES[plan.way],
        MISLEADS[plan.way],
        settings,
    )
