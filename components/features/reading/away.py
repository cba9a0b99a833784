"""Taking the features of a text away: every active feature as a table, the picture, and the code."""

import numpy as np
import pandas as pd
import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.shelf import Offer
from analysis.methods.features import TextFeatures, shares_at
from components.features.reading.grid import grid_of, order_now
from components.features.reading.names import Names
from components.figures.feature_grid_svg import feature_grid_html, feature_grid_svg
from components.frame import Frame
from components.save_picture import save_picture
from components.take_away import opening_lines

NAME = "bathyscope-features"
QUESTION = "Which features fire in this text?"


def draw(frame: Frame, offer: Offer, found: TextFeatures, names: Names, feature: int | None) -> None:
    """The buttons and the code."""
    code = snippet(frame, offer)
    grid = grid_of(found, names, order_now(), frame.position)
    origin = dict(found.provenance.lines())
    svg = feature_grid_svg(grid, note=f"{found.provenance.model}, {found.dictionary.name}")
    with st.container(horizontal=True, key="features_away"):
        st.download_button(
            "HTML",
            lambda: feature_grid_html(
                grid, title=QUESTION, answer=explanation(found), provenance=origin, code=code
            ),
            f"{NAME}.html",
            "text/html",
            on_click="ignore",
            icon=":material/html:",
            help="One file with the grid, every number in it and this code. Opens without a server.",
        )
        st.download_button(
            "CSV",
            lambda: table(frame.model, found, names).to_csv(index=False),
            f"{NAME}.csv",
            "text/csv",
            on_click="ignore",
            help="One row for every token and active feature (the 30 largest), with its share.",
        )
        st.download_button("SVG", svg, f"{NAME}.svg", "image/svg+xml", on_click="ignore")
        save_picture(svg, name=NAME, key="save_features_png")
    st.code(code, language="python")


def snippet(frame: Frame, offer: Offer) -> str:
    """The few lines of Python that compute the same."""
    return "\n".join(
        [
            "from analysis import ModelSpec, load",
            "from analysis.dictionaries.shelf import open_dictionary",
            "from analysis.methods.features import shares_at, text_features",
            "",
            *opening_lines(frame.tokens, frame.model.revision),
            f"found = text_features(model, tokens, open_dictionary(model, {offer.id!r}))",
            f"shares = shares_at(model, found, {frame.position})",
            "print(shares.features, shares.activations, shares.shares, shares.error)",
        ]
    )


def explanation(found: TextFeatures) -> tuple[str, ...]:
    """What one sees, and when it misleads."""
    return (
        f"Every cell is the activation of one feature of {found.dictionary.name} at one token; features stand in the "
        "order of the tokens where they peak.",
        f"Misleads when: {found.provenance.misleads_when}",
    )


def table(model: LoadedModel, found: TextFeatures, names: Names) -> pd.DataFrame:
    """One row for every token and each of its listed features, with the provenance."""
    rows = []
    for position in range(len(found.tokens)):
        shares = shares_at(model, found, position)
        told = zip(shares.features.tolist(), shares.activations, shares.shares, strict=True)
        rows += [(position, shares.active, shares.error, *each) for each in told]
    frame = pd.DataFrame(
        rows, columns=["position", "active", "error_share", "feature", "activation", "share"]
    )
    at = frame["position"].to_numpy(np.int64)
    frame.insert(1, "token_id", np.array(found.tokens.ids)[at])
    frame.insert(2, "token", np.array(found.tokens.labels, dtype=object)[at])
    frame.insert(3, "counts", found.counts[at])
    frame["label"] = [names.label(int(each)) for each in frame["feature"]]
    for name, value in found.provenance.lines():
        frame[name.replace(" ", "_")] = value
    return frame
