"""Which features are listed, and in which order; it travels in the link."""

from urllib.parse import parse_qsl, urlencode

import numpy as np
import pandas as pd
import streamlit as st

from analysis.dictionaries.evidence.search import KINDS, Sieve
from components.features.choices import choose, chosen

STEPS = (0.0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Shares of tokens between which frequencies are chosen."""
BEST = "best"
ORDERS = {
    BEST: ("Best match, then number", "feature", True),
    "frequent": ("Most frequent first", "frequency", False),
    "rare": ("Rarest first", "frequency", True),
    "specific": ("Most specific to one token first", "token_precision", False),
    "context": ("Most dependent on context first", "context", False),
    "label": ("Best label first", "detection", False),
    "strong": ("Largest direct effect first", "direct", False),
    "loss": ("Largest effect on the loss first", "effect", False),
}
"""Names, columns and whether they rise, by id."""
BOUNDS = {
    "precision": ("Share on its top token, at least", 1.0, "How specific it is: 1 fires on one token only."),
    "detection": (
        "Label's score, at least",
        1.0,
        "How well the label's rule tells on held-out text where the feature fires; 0.5 is chance.",
    ),
    "direct": (
        "Direct effect, at least",
        None,
        "How much it spreads the logits where it fires, through the unembedding, as if no later block came.",
    ),
    "effect": (
        "Effect on the loss (nats), at least",
        None,
        "What zeroing it does. Only features that were measured, one by one on their cards, have it.",
    ),
}
"""Names, largest values (None is the table's) and meanings of the lower bounds of a `Sieve`."""


def sieve_now() -> Sieve:
    """The bounds that are chosen; what makes no sense in a link is no bound."""
    given = dict(parse_qsl(chosen("sieve", "")))
    low, _, high = given.get("f", "").partition("-")
    ends = _step(low, 0), _step(high, len(STEPS) - 1)
    bounds = {name: _number(given.get(name, "")) for name in BOUNDS}
    kinds = tuple(kind for kind in KINDS if kind in given.get("k", "").split("."))
    return Sieve((STEPS[min(ends)], STEPS[max(ends)]), kinds=kinds, **bounds)


def order_now() -> str:
    """The order that is chosen, one of `ORDERS`."""
    wanted = chosen("order", BEST)
    return wanted if wanted in ORDERS else BEST


def ordered(found: pd.DataFrame, order: str) -> pd.DataFrame:
    """Features in an order; the unknown come last, ties stay as they are."""
    if order == BEST:
        return found
    _, column, rising = ORDERS[order]
    size = found[column].abs() if column == "effect" else found[column]
    return found.loc[size.sort_values(ascending=rising, kind="stable", na_position="last").index]


def measured(table: pd.DataFrame) -> int:
    """Features whose effect on the loss is known."""
    return int(table["effect"].notna().sum())


def draw_filters(table: pd.DataFrame) -> Sieve:
    """The controls, and the bounds they mean."""
    sieve = sieve_now()
    low, high = _ends(sieve)
    frequency = (
        f"find_frequency_{low}_{high}"  # this slider takes both ends as a value only, never from the state
    )
    st.select_slider(
        "Fires on this share of tokens",
        range(len(STEPS)),
        value=(low, high),
        format_func=lambda step: _percent(STEPS[step]),
        key=frequency,
        on_change=_keep,
        args=(frequency,),
        help=f"From {_percent(STEPS[low])} to {_percent(STEPS[high])} of the tokens that count.",
    )
    st.session_state.find_kinds = list(sieve.kinds)
    st.pills(
        "Kinds",
        list(KINDS),
        selection_mode="multi",
        format_func=lambda kind: f"{KINDS[kind]} ({int((table['kind'] == kind).sum()):,})",
        key="find_kinds",
        on_change=_keep,
        args=(frequency,),
        help="One token: half of its activation is on one word. Dense: fires on a tenth of all tokens. Position: half "
        "of its firings lie in one eighth of the stretches. Dead: never fires in these texts. None chosen is all.",
    )
    for name, (label, most, meaning) in BOUNDS.items():
        most = most or _most(table[name if name in table else "token_precision"])
        key = f"find_{name}"
        st.session_state[key] = min(getattr(sieve, name), most)
        known = measured(table) if name == "effect" else len(table)
        st.slider(
            label if name != "effect" else f"{label}; {known:,} of {len(table):,} have one",
            0.0,
            most,
            step=most / 20,
            format="%.3g",
            key=key,
            on_change=_keep,
            args=(frequency,),
            help=meaning,
            disabled=not known and not st.session_state[key],
        )
    st.button(
        "Show all", key="find_no_filter", on_click=choose, args=("sieve", None), disabled=sieve == Sieve()
    )
    return sieve


def _keep(frequency: str) -> None:
    """Put what the controls say into the link; the slider of frequencies is the one of that key."""
    state = st.session_state
    low, high = state[frequency]
    said = {"f": f"{low}-{high}"} if (low, high) != (0, len(STEPS) - 1) else {}
    said |= {"k": ".".join(state.find_kinds)} if state.find_kinds else {}
    said |= {name: f"{state[f'find_{name}']:g}" for name in BOUNDS if state[f"find_{name}"] > 0}
    choose("sieve", urlencode(said) or None)


def _ends(sieve: Sieve) -> tuple[int, int]:
    low, high = sieve.frequency
    return STEPS.index(low), STEPS.index(high)


def _step(text: str, otherwise: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 3 and int(text) < len(STEPS) else otherwise


def _number(text: str) -> float:
    """A bound; 0, which is none, where it is no number."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 < value < 1e6 else 0.0


def _most(values: pd.Series) -> float:
    """A round number at or above the largest."""
    most = np.nanmax(np.abs(values.to_numpy(np.float64)), initial=0.0)
    if not most > 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(most))
    return float(np.ceil(most / unit) * unit)


def _percent(share: float) -> str:
    return f"{100 * share:g}%"
