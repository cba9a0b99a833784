"""The cursor's token at the other layers: features of other dictionaries, a feature's matches, and all neurons."""

import pandas as pd
import streamlit as st

from analysis.dictionaries.evidence.other_layers import followed
from analysis.dictionaries.shelf import Offer, offered
from analysis.methods.features import TextFeatures
from components.features import choices
from components.features.reading.known import names_of
from components.features.reading.names import Names
from components.features.reading.neurons_picture import draw_neurons
from components.features.requests import dictionary_of, features_of, match_of, standing_out_of
from components.frame import Frame
from components.literal import literal, plain
from components.waiting import result_of

SHOWN, MOST_COLUMNS = 5, 4
ROOM = 84
"""Characters of labels that stand beside each other in all columns together."""


def draw(frame: Frame, offer: Offer, found: TextFeatures, names: Names, feature: int | None) -> None:
    """Dictionaries side by side, then the neurons of every layer."""
    offers = offered(frame.model)
    others = [each for each in offers if each.origin != "neurons"]
    if others:
        st.markdown(
            f"The strongest features at {literal(found.tokens.labels[frame.position])}, layer by layer"
        )
        texts = _draw_columns(frame, beside(others, offer, frame.layer or 0))
        _draw_matches(frame, offer, found, names, feature, texts)
    else:
        st.caption(
            "There is no sparse dictionary of this model yet; the part “Get a dictionary” has ways to one."
        )
    st.markdown(f"Neurons that stand out at {literal(found.tokens.labels[frame.position])}, at every layer")
    if len(frame.tokens) < 6:
        st.info("This compares each neuron with itself at the text's other tokens. Write six tokens or more.")
        return
    standing = result_of(standing_out_of(frame.model, frame.tokens), "standing out", height=420)
    if standing is not None:
        own = {each.site.layer: each for each in offers if each.origin == "neurons"}
        draw_neurons(frame, standing, lambda layer, neuron: choices.open_offer(own[layer], neuron))


def beside(others: list[Offer], opened: Offer, layer: int) -> list[Offer]:
    """The dictionaries to draw: the opened one, and one of every other place, those of the nearest layers.

    Of several that read the same place the one that ships is taken.
    """
    one = {}
    for each in sorted(others, key=lambda each: (each.id != opened.id, each.origin != "shipped")):
        one.setdefault(each.site, each)
    nearest = sorted(
        one.values(), key=lambda each: (each.id != opened.id, abs(each.site.layer - layer), each.id)
    )
    return sorted(nearest[:MOST_COLUMNS], key=lambda each: (each.site, each.id))


def _draw_columns(frame: Frame, shown: list[Offer]) -> dict[str, TextFeatures]:
    """The strongest of each dictionary at the cursor's token; a click opens that dictionary there."""
    texts = {}
    for column, each in zip(st.columns(len(shown), gap="medium"), shown, strict=True):
        with column, st.container(gap="xxsmall"):
            text = _draw_column(frame, each, ROOM // len(shown))
        if text is not None:
            texts[each.id] = text
    return texts


def _draw_column(frame: Frame, offer: Offer, longest: int) -> TextFeatures | None:
    st.caption(plain(offer.name))
    dictionary = result_of(dictionary_of(frame.model, offer.id), f"dictionary {offer.id}")
    if dictionary is None:
        return None
    text = result_of(features_of(frame.model, frame.tokens, dictionary), f"features {offer.id}")
    if text is None:
        return None
    names = names_of(frame.model, dictionary)
    row = text.activations[frame.position]
    for each in text.active(frame.position)[:SHOWN]:
        st.button(
            f"{row[each]:.1f} · {plain(names.short(each, longest))}",
            key=f"layer feature {offer.id} {each}",
            type="tertiary",
            on_click=choices.open_offer,
            args=(offer, each),
            help=f"{plain(names.long(each))}. Open {offer.name} and follow this {names.kind}.",
        )
    return text


def _draw_matches(
    frame: Frame,
    offer: Offer,
    found: TextFeatures,
    names: Names,
    feature: int | None,
    texts: dict[str, TextFeatures],
) -> None:
    """Where the chosen feature is met again."""
    others = {id: text for id, text in texts.items() if id != offer.id}
    if feature is None or not others:
        return
    rows = []
    for id, text in others.items():
        match = result_of(match_of(frame.model, found.dictionary, feature, text.dictionary), f"match {id}")
        if match is None:
            return
        own = found.activations[found.counts, feature]
        counted = text.activations[found.counts]
        agreement, chance = followed(own, counted, match.feature)
        rows.append(
            {
                "layer": text.dictionary.site.layer,
                "nearest": names_of(frame.model, text.dictionary).short(match.feature),
                "cosine": match.cosine,
                "cosine by chance": match.chance,
                "activation here": text.activations[frame.position, match.feature],
                "correlation": agreement,
                "correlation by chance": chance,
            }
        )
    name = names.long(feature)
    st.markdown(f"Where {plain(name)} is met again")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        column_config={
            each: st.column_config.NumberColumn(each, format="%.2f", help=HELP.get(each))
            for each in rows[0]
            if each not in ("layer", "nearest")
        },
    )
    st.caption(_met(rows))


HELP = {
    "cosine": "Between what the two write into the residual stream.",
    "cosine by chance": "The best that the same direction with shuffled coordinates finds there, of 50 shuffles.",
    "correlation": "Of the two activations over this text's tokens that count.",
    "correlation by chance": "The largest with 50 random features that are active in this text.",
}


def _met(rows: list[dict]) -> str:
    near = [str(row["layer"]) for row in rows if row["cosine"] > row["cosine by chance"]]
    told = f"Nearer than chance at layer {', '.join(near)}" if near else "Nowhere nearer than chance"
    return (
        f"{told}. A layer may write the same thing along another direction: a low cosine does not say that the meaning "
        "is missing there. Over a short text many features correlate."
    )
