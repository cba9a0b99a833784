"""Bring a dictionary that somebody else made: where it lies, how it does on this model, and keep it."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries import bringing, shelf
from analysis.dictionaries.bringing import Trial
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.fit import require_fits, same_model
from analysis.dictionaries.shelf import Offer
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from components.features.getting.on_shelf import open_it
from components.frame import Frame
from components.literal import plain
from components.requests import held
from components.waiting import result_of

SOURCES = {"folder": "A folder on this machine", "hub": "The Hugging Face hub", "files": "Two files"}
MISSING = {
    "folder": "Give the path of a folder first.",
    "hub": "Give a repository and a folder of the hub first.",
    "files": "Give cfg.json and the weights first.",
}
"""What to say where nothing was given yet."""
WHAT = (
    "Read are folders of SAELens (cfg.json beside sae_weights.safetensors; ReLU, TopK, BatchTopK, JumpReLU, gated, "
    "matching pursuit) and of sparsify (cfg.json beside sae.safetensors). Weights are opened only as safetensors, "
    "never as pickles."
)


@dataclass(frozen=True)
class Asked:
    """What somebody asked for."""

    source: str
    """A key of `SOURCES`."""
    where: str
    """Path, or repository and folder; for two files a name of their content."""
    hook: str
    """The place it reads at, where its files do not tell."""
    turn: int
    """Asking again reads again: the folder may have changed."""


@dataclass(frozen=True, eq=False)
class Brought:
    """A dictionary that was read and tried."""

    dictionary: Dictionary
    trial: Trial
    other: str
    """The model it says it was made for, where that is not the loaded one."""
    how: str
    """Where it comes from, in a sentence."""


def draw(frame: Frame) -> None:
    """The panel."""
    state = st.session_state
    source = st.radio("From", list(SOURCES), format_func=SOURCES.get, horizontal=True, key="bring_source")
    where, read = {"folder": _draw_folder, "hub": _draw_hub, "files": _draw_files}[source]()
    st.caption(WHAT)
    with st.expander("Its files do not tell where it reads"):
        hook = st.text_input(
            "Place", key="bring_hook", placeholder="layers.15, or blocks.15.hook_resid_post", max_chars=80
        )
    button = st.button("Read it and try it", type="primary", icon=":material/science:")
    if button and not where:
        st.info(MISSING[source], icon=":material/edit:")
    if button and where:
        state.bring_turn = state.get("bring_turn", 0) + 1
        state.bring_asked = Asked(source, where, hook.strip(), state.bring_turn)
    asked = state.get("bring_asked")
    if asked is None or (asked.source, asked.where) != (source, where):
        return
    brought = result_of(_reading(frame.model, asked, read), "bring", again_label="Read it again")
    if brought is not None:
        _draw_brought(frame.model, brought, asked)


def _draw_folder() -> tuple[str, Callable[[str | None, Report], Dictionary]]:
    path = st.text_input(
        "Folder", key="bring_path", placeholder="~/dictionaries/blocks.8.hook_resid_pre", max_chars=1000
    ).strip()
    return path, lambda hook, report: bringing.from_folder(path, hook)


def _draw_hub() -> tuple[str, Callable[[str | None, Report], Dictionary]]:
    text = st.text_input(
        "Repository and folder",
        key="bring_hub",
        placeholder="jbloom/GPT2-Small-SAEs-Reformatted/blocks.8.hook_resid_pre",
        max_chars=400,
        help=(
            "owner/name/folder, with a revision as owner/name@revision/folder. With SAELens' releases the folder is "
            "the sae_id or its path. Give only owner/name to be told which folders there are."
        ),
    ).strip()
    st.caption(
        "Fetched once and kept in the hub's cache of this machine; without a network it is read from there."
    )
    return text, lambda hook, report: bringing.from_hub(text, report)


def _draw_files() -> tuple[str, Callable[[str | None, Report], Dictionary]]:
    given = st.file_uploader(
        "cfg.json and the weights as .safetensors",
        type=["json", "safetensors"],
        accept_multiple_files=True,
        key="bring_files",
    )
    configs = [each for each in given if each.name.endswith(".json")]
    weights = [each for each in given if each.name.endswith(".safetensors")]
    if len(configs) != 1 or len(weights) != 1:
        if given:
            st.caption("Give one cfg.json and one .safetensors file.")
        return "", lambda hook, report: bringing.from_files(b"", b"")
    config, weight = configs[0], weights[0]
    name = fingerprint(config.file_id, weight.file_id)
    return name, lambda hook, report: bringing.from_files(config.getvalue(), weight.getvalue(), hook)


def _reading(
    model: LoadedModel, asked: Asked, read: Callable[[str | None, Report], Dictionary]
) -> Job[Brought]:
    def work(report: Report) -> Brought:
        report("Reading the dictionary")
        found = read(asked.hook or None, report)
        other = ""
        if bringing.made_for_another(found, model):
            other, found = found.model, bringing.taken_for(found, model)
        elif not same_model(getattr(found, "model", ""), model.title):
            require_fits(model, found.model, found.site, found.width)
        elif not getattr(found, "model", ""):
            found = bringing.taken_for(found, model)
        return Brought(found, bringing.tried(model, found, report), other, _how(asked))

    return held(fingerprint("bring", model.fingerprint, asked), "Reading the dictionary", work)


def _how(asked: Asked) -> str:
    where = {"folder": f"the folder {asked.where}", "hub": f"{asked.where} on the hub", "files": "two files"}
    return f"From {where[asked.source]}."


def _draw_brought(model: LoadedModel, brought: Brought, asked: Asked) -> None:
    dictionary, trial = brought.dictionary, brought.trial
    with st.container(border=True):
        kind = getattr(getattr(dictionary, "kind", None), "label", type(dictionary).__name__)
        st.markdown(f"**{plain(dictionary.name)}** · {plain(kind)}")
        left, middle, right = st.columns(3)
        left.metric(
            "Explained variance", f"{trial.explained:.2f}", help="Of the shipped sample text; 1 is all of it."
        )
        middle.metric("Active at a token (L0)", f"{trial.active:.0f}")
        right.metric("Tried on", f"{trial.tokens:,} tokens")
        _draw_cautions(model, brought)
        _draw_keep(brought, asked)


def _draw_cautions(model: LoadedModel, brought: Brought) -> None:
    if brought.other:
        st.warning(
            plain(
                f"It was made for {brought.other}, and the loaded model is {model.title}. Layer and width fit, so it "
                "can be used; what it explains here says how far."
            ),
            icon=":material/compare_arrows:",
        )
    if brought.trial.warning:
        st.warning(plain(brought.trial.warning), icon=":material/warning:")
    if said := getattr(brought.dictionary, "card", {}).get("assumed"):
        st.caption(f":material/info: {plain(f'Its files do not tell everything; assumed: {said}.')}")


def _draw_keep(brought: Brought, asked: Asked) -> None:
    state = st.session_state
    name = st.text_input(
        "Keep it as", _suggested(brought, asked), key=f"bring_name_{asked.turn}", max_chars=80
    )
    if st.button("Keep it on the shelf", type="primary", disabled=not name.strip(), icon=":material/save:"):
        state.bring_pressed = state.get("bring_pressed", 0) + 1  # what was deleted since is kept anew
        state.bring_keep = (asked, name, state.bring_pressed)
    wanted = state.get("bring_keep")
    if wanted is None or wanted[0] != asked:
        return
    kept = result_of(_keeping(brought, wanted), "bring keep")
    if kept is not None:
        _draw_kept(kept)


def _suggested(brought: Brought, asked: Asked) -> str:
    last = asked.where.rstrip("/").rpartition("/")[2] if asked.source != "files" else ""
    return (last or brought.dictionary.name)[:80]


def _keeping(brought: Brought, wanted: tuple) -> Job[Offer]:
    asked, name, _ = wanted

    def work(report: Report) -> Offer:
        report("Writing the dictionary")
        trial = {"explained_variance": brought.trial.explained, "l0": brought.trial.active}
        known = dict(getattr(brought.dictionary, "card", {}))
        card = {"dtype": "float32"} | ({} if isinstance(known.get("quality"), dict) else {"quality": trial})
        return shelf.keep(brought.dictionary, name, brought.how, card)

    return held(fingerprint("keep what was brought", wanted), "Writing the dictionary", work)


def _draw_kept(kept: Offer) -> None:
    if not _is_there(kept):
        return
    text, button = st.columns([5, 1], vertical_alignment="center")
    text.success(f"{plain(kept.name)} is on the shelf.", icon=":material/check:")
    button.button("Open it", key="bring_open", on_click=open_it, args=(kept,), width="stretch")


def _is_there(kept: Offer) -> bool:
    """False once it was deleted again."""
    return kept.folder is not None and kept.folder.is_dir()
