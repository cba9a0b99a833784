"""Features that are like the one on the card: in direction, at the same tokens, in the same passages."""

from collections.abc import Sequence

import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from components.features.card.requests import nearest_of
from components.features.choices import choose, chosen, look_at
from components.literal import plain
from components.waiting import result_of

SHOWN = 6
LONGEST = 30
"""Characters of a label here."""
KINDS = {
    "direction": (
        "Direction",
        "Cosine of what they add to the residual stream. Alike in direction need not mean used alike.",
    ),
    "tokens": (
        "Tokens",
        "Tokens at which both fire, over the geometric mean of those at which each does. Features that fire often "
        "share tokens by chance.",
    ),
    "passages": (
        "Passages",
        "Correlation (phi) of firing within chunks of 256 tokens: features of one topic share passages without sharing "
        "a token.",
    ),
}


def draw_others(model: LoadedModel, dictionary: Dictionary, evidence: Evidence, feature: int) -> None:
    """A choice of likeness, and the most similar features as buttons."""
    state, wanted = st.session_state, chosen("like", "direction")
    state.feature_others = wanted if wanted in KINDS else "direction"
    kind = st.segmented_control(
        "Like it in",
        list(KINDS),
        format_func=lambda name: KINDS[name][0],
        required=True,
        key="feature_others",
        on_change=lambda: choose("like", state.feature_others),
        help="\n\n".join(f"**{name}**: {meaning}" for name, meaning in KINDS.values()),
    )
    found = _found(kind, model, dictionary, evidence, feature)
    if found is None:
        return
    if not found:
        st.caption("None, in the text that is known.")
    with st.container(gap=None, key="features_like_it"):
        for other, likeness in found[:SHOWN]:
            st.button(
                f"`{likeness:.2f}` **{other}** {plain(_short(evidence.label(other)))}",
                key=f"like {other}",
                type="tertiary",
                on_click=look_at,
                args=(other,),
            )


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"


def _found(
    kind: str, model: LoadedModel, dictionary: Dictionary, evidence: Evidence, feature: int
) -> Sequence[tuple[int, float]] | None:
    if kind == "direction":
        return result_of(nearest_of(model, dictionary, feature), "nearest features")
    if kind == "passages":
        return evidence.same_passages(feature, SHOWN)
    pairs = zip(evidence.together[feature], evidence.together_share[feature], strict=True)
    return [(int(other), float(share)) for other, share in pairs if other >= 0]
