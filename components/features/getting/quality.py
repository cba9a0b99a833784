"""How well a dictionary does, from its card, in words and as numbers."""

from collections.abc import Mapping

import pandas as pd

from analysis.dictionaries.shelf import FEW_TOKENS, Offer

NUMBERS = {
    "explained": ("explained_variance", "explained", "ev"),
    "active": ("l0", "active"),
    "loss": ("loss_increase", "loss_increase_nats", "delta_ce"),
    "zero": ("recovered_zero", "recovered_against_zero", "ce_recovered_zero"),
    "mean": ("recovered_mean", "recovered_against_mean", "ce_recovered_mean"),
    "dead": ("dead_share", "dead"),
    "pca": ("explained_by_pca",),
    "random": ("explained_at_random",),
}
"""Figures of quality, and the names that cards give them."""
COLUMNS = {
    "explained": "Explained variance",
    "active": "Active per token (L0)",
    "loss": "Loss increase (nats)",
    "zero": "Recovered (zero ablation)",
    "mean": "Recovered (mean ablation)",
    "dead": "Dead share",
    "pca": "As many principal components explain",
    "random": "As many random directions explain",
}


def figures(card: Mapping[str, object]) -> dict[str, float]:
    """The figures of quality that a card holds, by the keys of `NUMBERS`."""
    quality = card.get("quality")
    said = {**card, **quality} if isinstance(quality, Mapping) else dict(card)
    found = {}
    for name, keys in NUMBERS.items():
        values = (said[key] for key in keys if isinstance(said.get(key), int | float))
        if (value := next(values, None)) is not None:
            found[name] = float(value)
    return found


def tokens_of(offer: Offer) -> int | None:
    """Tokens it was trained on, if its card says so."""
    return offer.tokens


def sentence(offer: Offer) -> str:
    """What is known of a dictionary's quality; says so where nothing is."""
    found = figures(offer.card)
    parts = []
    if "explained" in found:
        many = f" with {found['active']:.0f} features at a token" if "active" in found else ""
        parts.append(f"explains {found['explained']:.0%} of the variance{many}{_beside(found)}")
    elif "active" in found:
        parts.append(f"{found['active']:.0f} features active at a token")
    if "loss" in found:
        shares = [f"{found[name]:.0%} against {name}" for name in ("zero", "mean") if name in found]
        recovered = f" ({' and '.join(shares)} ablation recovered)" if shares else ""
        parts.append(f"the model's loss rises by {found['loss']:.2f} nats{recovered}")
    if "dead" in found:
        parts.append(f"{found['dead']:.1%} of its features are dead")
    if (trained := tokens_of(offer)) is not None:
        parts.append(f"trained on {counted(trained)} tokens")
    if not parts:
        return "Its quality has not been measured."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _beside(found: Mapping[str, float]) -> str:
    """What explains how much without any training, as a control."""
    names = {"pca": "principal components", "random": "random directions"}
    said = [f"as many {names[name]} {found[name]:.0%}" for name in names if name in found]
    return f" ({', '.join(said)})" if said else ""


def counted(number: int) -> str:
    """A large count as a person reads it: 3,100,000 is `3.1 million`."""
    return f"{number / 1e6:.1f} million" if number >= 1e6 else f"{number:,}"


def caution(offer: Offer) -> str:
    """What to keep in mind of a dictionary that saw little text; empty otherwise."""
    if not offer.exploratory:
        return ""
    return f"Exploratory: under {FEW_TOKENS // 10**6} million training tokens a dictionary partly fits the text it saw."


def table(offers: list[Offer]) -> pd.DataFrame:
    """The same numbers side by side, a row for each dictionary."""
    rows = []
    for offer in offers:
        found = figures(offer.card)
        place = {"Dictionary": offer.name, "Layer": offer.site.layer, "Place": offer.site.stream}
        sizes = {"Features": offer.features, "Kind": offer.kind, "Training tokens": tokens_of(offer)}
        rows.append(place | sizes | {COLUMNS[name]: found.get(name) for name in COLUMNS})
    made = pd.DataFrame(rows)
    return made.astype({"Training tokens": "Int64"}) if rows else made
