"""Which dictionary and feature the page is about, and how that changes."""

from dataclasses import replace

import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.shelf import Offer, offered
from components import session


def change(**fields: object) -> None:
    """Change parts of the page's choices."""
    session.change(features=replace(session.view().features, **fields))


def chosen(name: str, otherwise: str) -> str:
    """What was chosen under this name in some part of the page."""
    return dict(session.view().features.also).get(name, otherwise)


def choose(name: str, value: str | None) -> None:
    """Choose something under a name of one's own; None forgets it. It travels in the link."""
    also = dict(session.view().features.also)
    also.pop(name, None)
    change(also=tuple((also | ({} if value is None else {name: value})).items()))


def feature_now() -> int | None:
    """The feature that was chosen; None is none, or one of no dictionary."""
    return session.view().features.feature


def look_at(feature: int | None) -> None:
    """Look into a feature, wherever it was chosen: its card opens."""
    change(feature=feature, part="feature" if feature is not None else session.view().features.part)


def open_offer(offer: Offer, feature: int | None = None) -> None:
    """Turn to another dictionary, and to one of its features; the cursor goes to its layer."""
    change(dictionary=offer.id, feature=feature, changes=())
    session.change(layer=offer.site.layer)


def draw_dictionary_choice(model: LoadedModel, layer: int | None) -> Offer | None:
    """The dictionary at hand; None where the model has none, and why is said.

    Args:
        model: the model.
        layer: the cursor's; the nearest dictionary is offered first.
    """
    offers = {each.id: each for each in offered(model)}
    if not offers:
        st.info("There is no dictionary for this model yet, and its neurons cannot be read.")
        return None
    chosen = session.view().features.dictionary
    st.session_state.features_dictionary = chosen if chosen in offers else _nearest(offers, layer, model)
    st.selectbox(
        "Dictionary",
        list(offers),
        format_func=lambda id: offers[id].name,
        key="features_dictionary",
        label_visibility="collapsed",
        on_change=lambda: open_offer(offers[st.session_state.features_dictionary]),
    )
    return offers[st.session_state.features_dictionary]


def _nearest(offers: dict[str, Offer], layer: int | None, model: LoadedModel) -> str:
    """The sparse dictionary nearest to the layer, or to the middle; the layer's neurons where there is none."""
    wanted = model.n_layers // 2 if layer is None else layer
    sparse = [each for each in offers.values() if each.origin != "neurons"] or list(offers.values())
    return min(sparse, key=lambda each: abs(each.site.layer - wanted)).id
