"""The dictionaries of this model: how good each is, and opening, renaming, deleting and taking it away."""

import io
import zipfile
from pathlib import Path

import streamlit as st

from analysis import AnalysisError, LoadedModel, samples, store
from analysis.data import corpus
from analysis.dictionaries import bringing, shelf
from analysis.dictionaries.formats.sae_config import CONFIG
from analysis.dictionaries.formats.sae_folder import WEIGHTS
from analysis.dictionaries.quality import quality as measure
from analysis.dictionaries.shelf import Offer
from analysis.fingerprint import fingerprint
from analysis.jobs import Report
from components.features.choices import change, choose
from components.features.getting import quality
from components.frame import Frame
from components.literal import plain
from components.requests import held
from components.waiting import result_of

TEXTS = 40
"""Documents of the shipped text that quality is measured on."""
LARGEST_ZIP = 200_000_000
"""Bytes of weights that are handed to the browser; larger ones are saved into a folder."""
ORIGINS = {"shipped": "ships", "kept": "kept here"}
MISLEADS = (
    "Explained variance is the share of the states' spread that a dictionary rebuilds (1 is all). The loss increase is "
    "what the model loses at guessing the next token when the rebuilt states take the states' place; first tokens, "
    "which are attention sinks, pass through. A good score says that little is lost, not that every feature means "
    "something. Sources: Bricken et al. 2023; Karvonen et al. 2025, arXiv 2503.09532."
)


def draw(frame: Frame) -> None:
    """The list."""
    _draw_problems()
    offers = shelf.offered(frame.model)
    sparse = [offer for offer in offers if offer.origin != "neurons"]
    if not sparse:
        st.info(
            f"No trained dictionary of {plain(frame.model.title)} is on this machine. Bring one, train one, or look at "
            "the model's own neurons, which need no training.",
            icon=":material/category:",
        )
        with st.container(horizontal=True):
            st.button("Bring one", on_click=choose, args=("get", "bring"), key="shelf_to_bring")
            st.button("Train one", on_click=choose, args=("get", "train"), key="shelf_to_train")
    for offer in sparse:
        _draw_offer(frame.model, offer)
    _draw_neurons([offer for offer in offers if offer.origin == "neurons"], frame.layer)
    if sparse:
        _draw_numbers(sparse)
    for id, reason in shelf.damaged():
        _draw_damaged(id, reason)


def open_it(offer: Offer) -> None:
    """Make a dictionary the one that the page is about."""
    change(dictionary=offer.id, feature=None, changes=(), part="prompt")


def attempt(work, *arguments) -> bool:
    """Do what a button asks; what goes wrong is said in the next run."""
    try:
        work(*arguments)
    except AnalysisError as error:
        st.session_state.shelf_problem = str(error)
        return False
    return True


def _draw_problems() -> None:
    state = st.session_state
    if sentence := state.pop("shelf_problem", None):
        st.warning(plain(sentence), icon=":material/warning:")
    if sentence := state.pop("shelf_done", None):
        st.success(plain(sentence), icon=":material/check:")
    if deleted := state.get("shelf_deleted"):
        text, button = st.columns([6, 1], vertical_alignment="center")
        text.caption(f"{plain(deleted.about.name)} was deleted.")
        button.button("Undo", key="shelf_undo", on_click=_undelete, args=(deleted,), width="stretch")


def _draw_offer(model: LoadedModel, offer: Offer) -> None:
    _draw_measuring(model, offer)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"offer_{_key(offer)}"):
        with st.container(gap="xxsmall", width="stretch"):
            st.markdown(f"**{plain(offer.name.removesuffix(' · ships'))}**{_badges(offer)}")
            st.caption(plain(quality.sentence(offer)))
            for note in filter(None, (quality.caution(offer), _assumed(offer))):
                st.caption(f":material/info: {plain(note)}")
        st.button("Open", key=f"open_{_key(offer)}", type="primary", on_click=open_it, args=(offer,))
        with st.popover("More", key=f"more_{_key(offer)}"):
            _draw_more(offer)


def _draw_measuring(model: LoadedModel, offer: Offer) -> None:
    """The quality of a dictionary while it is measured."""
    if st.session_state.get("shelf_measured") != offer.id:
        return
    key = fingerprint("quality of what is kept", model.fingerprint, offer.id)
    job = held(key, f"Measuring {offer.about.name}", lambda report: _measured(model, offer, report))
    if result_of(job, "shelf measuring") is not None:
        del st.session_state.shelf_measured
        st.rerun()


def _measured(model: LoadedModel, offer: Offer, report: Report) -> Offer:
    dictionary = shelf.open_dictionary(model, offer.id)
    texts = corpus.documents()[:TEXTS]
    windows = [window for own in samples.windows(model, texts) for window in own]
    return shelf.describe(offer.id, quality=measure(model, dictionary, windows, report).card)


def _badges(offer: Offer) -> str:
    color = "green" if offer.origin == "shipped" else "blue"
    badges = f" :{color}-badge[{ORIGINS[offer.origin]}]"
    return badges + (" :orange-badge[exploratory]" if offer.exploratory else "")


def _assumed(offer: Offer) -> str:
    said = offer.card.get("assumed")
    return f"Its files do not tell everything; assumed: {said}." if isinstance(said, str) and said else ""


def _draw_more(offer: Offer) -> None:
    key = _key(offer)
    if offer.about is not None:
        st.caption(plain(f"Kept {offer.about.kept[:16].replace('T', ' ')} UTC. {offer.about.how}"))
        st.text_input(
            "Name", offer.about.name, key=f"name_{key}", max_chars=80, on_change=_rename, args=(offer,)
        )
        if "loss" not in quality.figures(offer.card):
            st.button(
                "Measure its quality",
                key=f"measure_{key}",
                icon=":material/speed:",
                on_click=_measure,
                args=(offer,),
                help="On shipped sample text: what the model loses with rebuilt states, beside principal components "
                "and random directions. About a minute.",
            )
    st.caption("Take it away as a folder in SAELens' format (cfg.json, sae_weights.safetensors):")
    _draw_zip(offer)
    st.text_input("Save into a new folder", key=f"target_{key}", placeholder="~/dictionaries/layer-16")
    st.button("Save", key=f"save_{key}", on_click=_save, args=(offer,), icon=":material/save:")
    with st.expander("Its card"):
        st.json({name: value for name, value in offer.card.items() if _is_short(value)}, expanded=1)
    if offer.about is not None:
        st.button("Delete", key=f"delete_{key}", icon=":material/delete:", on_click=_delete, args=(offer,))


def _is_short(value: object) -> bool:
    """True of what a card says in a few words; lists of a number per feature are left out."""
    return not isinstance(value, list) or len(value) <= 20


def _draw_zip(offer: Offer) -> None:
    size = (offer.folder / WEIGHTS).stat().st_size
    if size > LARGEST_ZIP:
        st.caption(plain(f"Its weights have {store.size_text(size)}: save it into a folder."))
        return
    st.download_button(
        f"Zip, {store.size_text(size)}",
        lambda: zipped(offer.folder),
        f"{offer.folder.name}.zip",
        "application/zip",
        on_click="ignore",
        icon=":material/folder_zip:",
        key=f"zip_{_key(offer)}",
    )


def zipped(folder: Path) -> bytes:
    """A dictionary's two files as a zip, stored as they are: weights do not shrink."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name in (CONFIG, WEIGHTS):
            archive.write(folder / name, f"{folder.name}/{name}")
    return made.getvalue()


def _draw_neurons(own: list[Offer], layer: int | None) -> None:
    if not own:
        return
    layers = {offer.site.layer: offer for offer in own}
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="offer_neurons"):
        with st.container(gap="xxsmall", width="stretch"):
            st.markdown(f"**The MLP's neurons** · {own[0].features:,} in each of {len(own)} layers")
            st.caption(
                "There without training and without an error, but dense and of either sign: one neuron takes part in "
                "many things."
            )
        first = layer if layer in layers else list(layers)[len(layers) // 2]
        st.selectbox("Layer", list(layers), index=list(layers).index(first), key="neurons_layer", width=110)
        st.button(
            "Open", key="open_neurons", on_click=lambda: open_it(layers[st.session_state.neurons_layer])
        )


def _draw_numbers(offers: list[Offer]) -> None:
    made = quality.table(offers)
    with st.expander("Numbers side by side", expanded=len(offers) > 1):
        st.dataframe(made, hide_index=True, width="stretch", column_config=_formats())
        st.download_button(
            "CSV",
            lambda: made.to_csv(index=False),
            "bathyscope-dictionaries.csv",
            "text/csv",
            on_click="ignore",
            key="shelf_csv",
        )
    st.caption(MISLEADS)


def _formats() -> dict[str, object]:
    number = st.column_config.NumberColumn
    shares = ("explained", "zero", "mean", "dead", "pca", "random")
    return {
        quality.COLUMNS[name]: number(format="percent" if name == "dead" else "%.3f") for name in shares
    } | {
        quality.COLUMNS["loss"]: number(format="%.3f"),
        quality.COLUMNS["active"]: number(format="%.1f"),
        "Features": number(format="localized"),
        "Training tokens": number(format="localized"),
    }


def _draw_damaged(id: str, reason: str) -> None:
    text, button = st.columns([6, 1], vertical_alignment="center")
    text.caption(f":material/broken_image: {plain(id)} cannot be read: {plain(reason)}")
    button.button("Delete", key=f"delete_{id.replace('.', '_')}", on_click=attempt, args=(shelf.delete, id))


def _key(offer: Offer) -> str:
    return offer.id.replace(".", "_")


def _measure(offer: Offer) -> None:
    st.session_state.shelf_measured = offer.id


def _rename(offer: Offer) -> None:
    attempt(shelf.rename, offer.id, st.session_state[f"name_{_key(offer)}"])


def _save(offer: Offer) -> None:
    target = st.session_state[f"target_{_key(offer)}"]
    if attempt(bringing.save_into, offer.folder, target):
        st.session_state.shelf_done = f"Saved into {target}."


def _delete(offer: Offer) -> None:
    if attempt(shelf.delete, offer.id):
        st.session_state.shelf_deleted = offer


def _undelete(offer: Offer) -> None:
    if attempt(shelf.undelete, offer.id):
        st.session_state.shelf_deleted = None
