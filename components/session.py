"""What one person looks at: model, text, cursor and colouring, and the link that reopens it.

`View` is plain data. The address bar holds it, so a link shows the same elsewhere; what an address says
is validated here and dropped where it makes no sense, and validated again by the analysis below.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import streamlit as st

from analysis import LoadedModel, ModelSpec
from analysis.data.examples import EXAMPLES
from analysis.methods.lens import QUANTITIES
from components import (
    corpus_map_link,
    erase_link,
    features_link,
    geometry_link,
    probe_link,
    prompt_map_link,
    recipe_link,
)
from components.corpus_map_link import CorpusMapView
from components.erase_link import EraseView
from components.features_link import FeaturesView
from components.geometry_link import GeometryView
from components.probe_link import ProbeView
from components.prompt_map_link import PromptMapView
from components.recipe_link import DoseView

LONGEST_PROMPT = 200_000
"""Characters; far beyond any context, and a bound on what is tokenized."""
MOST_LINKED_TOKENS = 256
"""Generated tokens that travel in a link."""
MOST_PINNED = 6
"""Lines besides the ones a chart draws by itself; more cannot be told apart."""
LONGEST_LINK = 60_000
"""Characters of a prompt as written in an address; servers and messengers refuse longer ones."""
LONGEST_RECIPE = 4_000
"""Characters of a recipe that are read from an address."""
LENS_IDS = ("shortcut", "logit")
SPEC, CHOICES = ("revision", "dtype"), ("recipe", "probe", "erase", "map", "corpus", "geometry", "features")
"""Parameters that mean something without the prompt."""


@dataclass(frozen=True)
class View:
    """Everything that decides the picture."""

    spec: ModelSpec = field(
        default_factory=lambda: ModelSpec(os.environ.get("BATHYSCOPE_MODEL") or ModelSpec().source)
    )
    prompt: str = EXAMPLES[0].prompt
    chat: bool = EXAMPLES[0].chat
    generated: tuple[int, ...] = ()
    """Ids of the tokens generated after the prompt."""
    position: int | None = None
    """Cursor; None is the last token."""
    layer: int | None = None
    """Cursor; None is where the prediction at the cursor's token settles."""
    lens: str = "shortcut"
    color: str = "probability"
    target: int | None = None
    """Token that is followed; None is the final prediction at each position."""
    pinned: tuple[int, ...] = ()
    """Tokens whose trajectories are drawn besides the ones chosen by themselves."""
    recipe: tuple[DoseView, ...] = ()
    """What steers the model on the pages that change it."""
    probe: ProbeView = ProbeView()
    """What is probed, and which concept is erased."""
    erase: EraseView = EraseView()
    """How it is erased."""
    prompt_map: PromptMapView = PromptMapView()
    """How the text is mapped."""
    corpus: CorpusMapView = CorpusMapView()
    """Which texts are mapped, and how."""
    geometry: GeometryView = GeometryView()
    """Whose shape is measured, and beside what."""
    features: FeaturesView = FeaturesView()
    """Which dictionary and feature are looked at, and what is changed."""


def view() -> View:
    """The view of this session; its first call reads the address.

    Later the address is only written: what a browser sends along with an event may be an address older than
    the last one written, and reading it would throw the cursor back. A link that is followed or edited starts
    a session of its own.
    """
    if "view" not in st.session_state:
        st.session_state.view = from_address(st.query_params.to_dict(), View())
    return st.session_state.view


def change(**fields: object) -> None:
    """Change parts of the view; the cursor is kept unless the text changes."""
    st.session_state.view = replace(st.session_state.view, **fields)


def show_text(prompt: str, chat: bool) -> None:
    """Read another prompt: the cursor goes to its end, generated tokens and chosen tokens go."""
    change(prompt=prompt, chat=chat, generated=(), position=None, layer=None, target=None, pinned=())


def fit_to(model: LoadedModel) -> None:
    """Drop what does not exist in this model: a link may have been made for another one, or made up."""
    seen = view()

    def known(ids: tuple[int, ...]) -> bool:
        return all(index < model.vocabulary for index in ids)

    change(
        chat=seen.chat and model.tokenizer.has_template,
        generated=seen.generated if known(seen.generated) else (),
        target=seen.target if seen.target is None or known((seen.target,)) else None,
        pinned=tuple(dict.fromkeys(index for index in seen.pinned if known((index,)))),
    )


def fits_link(prompt: str) -> bool:
    """True if the address can hold this prompt."""
    return len(prompt) <= LONGEST_LINK and len(quote(prompt, errors="replace")) <= LONGEST_LINK


def write_address() -> None:
    """Put the view into the address bar."""
    address = to_address(st.session_state.view)
    if st.query_params.to_dict() != address:
        st.query_params.from_dict(address)


def to_address(view: View) -> dict[str, str]:
    """The query parameters of a view; what equals the default of every start is left out, the model never.

    A prompt too long for an address is left out too, and with it everything that points into it.
    """
    optional = {
        "revision": view.spec.revision,
        "dtype": None if view.spec.dtype == "auto" else view.spec.dtype,
        "chat": "1" if view.chat else None,
        "more": ".".join(map(str, view.generated[:MOST_LINKED_TOKENS])) or None,
        "token": None if view.position is None else str(view.position),
        "layer": None if view.layer is None else str(view.layer),
        "target": None if view.target is None else str(view.target),
        "pinned": ".".join(map(str, view.pinned)) or None,
        "recipe": recipe_link.to_text(view.recipe) or None,
        "probe": probe_link.to_text(view.probe) or None,
        "erase": erase_link.to_text(view.erase) or None,
        "map": prompt_map_link.to_text(view.prompt_map) or None,
        "corpus": corpus_map_link.to_text(view.corpus) or None,
        "geometry": geometry_link.to_text(view.geometry) or None,
        "features": features_link.to_text(view.features) or None,
    }
    if fits_link(view.prompt):
        fixed = {"model": view.spec.source, "prompt": view.prompt, "lens": view.lens, "color": view.color}
    else:
        fixed = {"model": view.spec.source, "lens": view.lens, "color": view.color}
        optional = {name: optional[name] for name in (*SPEC, *CHOICES)}
    return fixed | {name: text for name, text in optional.items() if text is not None}


def from_address(address: Mapping[str, str], otherwise: View) -> View:
    """The view an address means; parts that are missing or make no sense come from `otherwise`."""
    spec = ModelSpec(
        address.get("model", "")[:1000] or otherwise.spec.source,
        address.get("revision", "")[:200] or None,
        address["dtype"] if address.get("dtype") in ("float32", "bfloat16") else "auto",
    )
    linked = "prompt" in address
    return View(
        spec=spec,
        prompt=address["prompt"][:LONGEST_PROMPT] if linked else otherwise.prompt,
        chat=address.get("chat") == "1" if linked else otherwise.chat,
        generated=_ids(address.get("more", ""))[:MOST_LINKED_TOKENS],
        position=_whole(address.get("token", "")),
        layer=_whole(address.get("layer", "")),
        lens=address["lens"] if address.get("lens") in LENS_IDS else otherwise.lens,
        color=address["color"] if address.get("color") in QUANTITIES else otherwise.color,
        target=_whole(address.get("target", "")),
        pinned=_ids(address.get("pinned", ""))[:MOST_PINNED],
        recipe=recipe_link.from_text(address.get("recipe", "")[:LONGEST_RECIPE]),
        probe=probe_link.from_text(address.get("probe", "")),
        erase=erase_link.from_text(address.get("erase", "")),
        prompt_map=prompt_map_link.from_text(address.get("map", "")),
        corpus=corpus_map_link.from_text(address.get("corpus", "")),
        geometry=geometry_link.from_text(address.get("geometry", "")),
        features=features_link.from_text(address.get("features", "")),
    )


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _ids(text: str) -> tuple[int, ...]:
    """Numbers joined by dots; all or nothing."""
    return tuple(map(int, text.split("."))) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})*", text) else ()
