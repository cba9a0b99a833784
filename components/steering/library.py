"""The library: directions, erasures and recipes kept on this machine."""

from dataclasses import replace

import streamlit as st

from analysis import AnalysisError, Recipe, exchange, library
from analysis.library import Entry
from components.frame import Frame
from components.literal import literal, plain
from components.recipe_link import ERASED, MOST_DOSES, DoseView
from components.steering.recipe_editor import add, add_erasure, change_recipe

ICONS = {
    "direction": ":material/explore:",
    "erasure": ":material/ink_eraser:",
    "recipe": ":material/science:",
}
"""By kind of entry."""


def draw(frame: Frame, recipe: Recipe | None) -> None:
    """The part of the page: keep the recipe at hand, and what was kept before."""
    _draw_keep(recipe)
    _draw_import(frame)
    if sentence := st.session_state.pop("library_problem", None):
        st.warning(plain(sentence), icon=":material/warning:")
    if deleted := st.session_state.get("library_deleted"):
        text, button = st.columns([6, 1], vertical_alignment="center")
        text.caption(f"{plain(deleted.name)} was deleted.")
        button.button("Undo", key="undelete", on_click=_undelete, args=(deleted,), width="stretch")
    entries = library.entries()
    wanted = st.text_input("Find", key="library_find", placeholder="name or tag") if len(entries) > 5 else ""
    shown = [entry for entry in entries if _matches(entry, wanted)]
    if not entries:
        st.info(
            "Nothing is kept yet. Keep the recipe above, or build a direction under New direction.",
            icon=":material/bookmarks:",
        )
    for entry in shown:
        _draw_entry(frame, entry)
    if damaged := library.damaged():
        st.caption(f"{len(damaged)} entries cannot be read and are left out: {plain(', '.join(damaged))}")


def _draw_keep(recipe: Recipe | None) -> None:
    if not recipe:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Keep this recipe as", key="keep_name", max_chars=80, placeholder="a name")
        st.text_input("Tags", key="keep_tags", placeholder="separated by commas")
        st.button("Keep", icon=":material/bookmark_add:", type="primary", on_click=_keep, args=(recipe,))


def _draw_import(frame: Frame) -> None:
    with st.popover("Import a recipe or an erasure", icon=":material/upload:"):
        uploaded = st.file_uploader(
            "A recipe or an erasure as .safetensors", type=["safetensors"], key="import_recipe"
        )
        if uploaded is not None:
            st.button("Keep it", type="primary", on_click=_import, args=(frame, uploaded.getvalue()))


def _import(frame: Frame, data: bytes) -> None:
    def work() -> None:
        kept = exchange.recipe_or_erasure_from_bytes(data)
        kept.require_fit(frame.model)
        save = library.save_recipe if isinstance(kept, Recipe) else library.save_erasure
        save(kept, ("imported",))

    _attempt(work)


def _keep(recipe: Recipe) -> None:
    state = st.session_state
    try:
        library.save_recipe(replace(recipe, name=state.keep_name), _tags(state.keep_tags))
        state.keep_name = ""
    except AnalysisError as error:
        state.library_problem = str(error)


def _tags(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))


def _matches(entry: Entry, wanted: str) -> bool:
    return wanted.strip().lower() in f"{entry.name} {' '.join(entry.tags)}".lower()


def _draw_entry(frame: Frame, entry: Entry) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"entry {entry.key}"):
        tags = " ".join(literal(tag) for tag in entry.tags)
        st.markdown(
            f"{ICONS[entry.kind]} **{plain(entry.name)}** {tags}  \n{plain(entry.summary)}", width="stretch"
        )
        st.button("Use", key=f"use {entry.key}", on_click=_use, args=(frame, entry))
        with st.popover("More", key=f"more {entry.key}"):
            _draw_more(entry)


def _draw_more(entry: Entry) -> None:
    key = entry.key
    st.caption(f"Kept {entry.saved[:16].replace('T', ' ')} UTC. {plain(entry.weights)}")
    st.text_input("Name", entry.name, key=f"name {key}", max_chars=80, on_change=_rename, args=(key,))
    st.text_input("Tags", ", ".join(entry.tags), key=f"tags {key}", on_change=_retag, args=(key,))
    st.button("Delete", key=f"delete {key}", icon=":material/delete:", on_click=_delete, args=(entry,))


def _attempt(work, *arguments) -> bool:
    try:
        work(*arguments)
    except AnalysisError as error:
        st.session_state.library_problem = str(error)
        return False
    return True


def _rename(key: str) -> None:
    _attempt(library.rename, key, st.session_state[f"name {key}"])


def _retag(key: str) -> None:
    _attempt(library.retag, key, _tags(st.session_state[f"tags {key}"]))


def _delete(entry: Entry) -> None:
    if _attempt(library.delete, entry.key):
        st.session_state.library_deleted = entry


def _undelete(entry: Entry) -> None:
    if _attempt(library.undelete, entry.key):
        st.session_state.library_deleted = None


def _use(frame: Frame, entry: Entry) -> None:
    """A direction or an erasure joins the recipe; a recipe takes its place."""
    if entry.kind == "direction":
        add(f"kept.{entry.key}")
    elif entry.kind == "erasure":
        _attempt(_use_erasure, frame, entry.key)
    else:
        _attempt(_use_recipe, frame, entry.key)


def _use_erasure(frame: Frame, key: str) -> None:
    library.load_erasure(key).require_fit(frame.model)
    add_erasure(key)


def _use_recipe(frame: Frame, key: str) -> None:
    kept = library.load_recipe(key)
    kept.require_fit(frame.model)
    erased = (
        DoseView(f"{ERASED}{key}.{number}", positions=erasure.positions)
        for number, erasure in enumerate(kept.erasures)
    )
    doses = (
        DoseView(
            f"kept.{key}.{number}", dose.operation, dose.strength, dose.layers, dose.positions, dose.stream
        )
        for number, dose in enumerate(kept.doses)
    )
    change_recipe((*erased, *doses)[:MOST_DOSES])
