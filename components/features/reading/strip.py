"""The prompt's tokens, coloured by what one feature does in each of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from analysis.dictionaries.firing.firings_file import fires_above
from analysis.methods.features import TextFeatures
from components import session
from components.features.reading.names import Names
from components.frame import Frame
from components.literal import literal, plain
from components.reading_grid import grid_tokens
from components.token_strip import token_strip


def draw_strip(frame: Frame, found: TextFeatures, names: Names, feature: int) -> None:
    """The strip and its sentence; a click moves the cursor."""
    values = found.activations[:, feature]
    tokens = [
        replace(token, detail=f"activation {value:.3g}, {token.detail}")
        for token, value in zip(grid_tokens(found.tokens), values, strict=True)
    ]
    st.markdown(said(found, names, feature))
    token_strip(
        tokens,
        fingerprint=f"features{frame.model.fingerprint}{hash(found.tokens.ids)}",
        cursor_position=frame.position,
        key="feature_strip",
        values=tints(values, found.counts),
        on_choose=lambda chosen: session.change(position=chosen),
    )


def said(found: TextFeatures, names: Names, feature: int) -> str:
    """Where a feature is active, in a sentence."""
    values, counted = found.activations[:, feature], np.flatnonzero(found.counts)
    name = names.long(feature)
    name = f"**{plain(name[:1].upper() + name[1:])}**"
    active = int((values[counted] != 0).sum())
    if not active:
        return f"{name} is active at none of the {len(counted)} tokens that count."
    above = fires_above(found.dictionary)
    peak = int(counted[(np.abs(values[counted]) if above is None else values[counted]).argmax()])
    at = literal(found.tokens.labels[peak])
    most = f"strongest at {at} ({values[peak]:.3g})"
    if above is not None:
        fires = int((values[counted] > above).sum())
        return f"{name} fires (above {above:g}) at {fires} of {len(counted)} tokens, {most}; colours are magnitudes."
    if found.dictionary.signed:
        return f"{name} is {most}; tokens are coloured by its magnitude."
    return f"{name} is active at {active} of {len(counted)} tokens, {most}."


def tints(values: np.ndarray, counts: np.ndarray) -> Sequence[float | None]:
    """How strongly each token is tinted, 0 to 1 of the largest magnitude that counts; None where it does not."""
    sizes = np.abs(values)
    most = float(sizes[counts].max(initial=0)) or 1.0
    return [float(min(size / most, 1)) if use else None for size, use in zip(sizes, counts, strict=True)]
