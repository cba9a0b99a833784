"""The sentence of answer under the page's question, from the cursor token's numbers."""

from analysis.methods.features import TextFeatures, TokenShares
from components.features.reading.names import Names
from components.literal import literal, plain


def answer(found: TextFeatures, shares: TokenShares, names: Names) -> str:
    """What the cursor's token is made of, as Markdown."""
    at = f"At {literal(found.tokens.labels[shares.position])}"
    if not shares.active:
        return f"{at}, none of the {found.dictionary.features:,} {names.kind}s is active."
    if not found.counts[shares.position] and names.kind != "neuron":
        return (
            f"{at}, {shares.active:,} {names.kind}s are active, which means little: its state lies outside "
            "what the dictionary was trained on. Choose another token."
        )
    own = int(shares.shares.argmax())
    best = f"the largest share has {plain(names.long(int(shares.features[own])))}, {shares.shares[own]:.0%}"
    if shares.active == found.dictionary.features:
        listed = float(shares.shares.sum())
        return (
            f"{at}, {len(shares.features)} of {found.dictionary.features:,} {names.kind}s make {listed:.0%} of "
            f"{target(found)}; {best}."
        )
    return (
        f"{at}, {shares.active:,} of {found.dictionary.features:,} {names.kind}s explain {shares.explained:.0%} of "
        f"{target(found)}; {best}."
    )


def target(found: TextFeatures) -> str:
    """What shares are shares of."""
    site = found.dictionary.site
    if site.stream == "residual":
        return f"the state at layer {site.layer}"
    part = "attention" if site.stream == "attention" else "the MLP"
    return f"what {part} adds at layer {site.layer}"


def warning(found: TextFeatures, position: int) -> str:
    """Why the numbers at a token mean little; empty where they mean what they say."""
    if found.counts[position]:
        return ""
    if position == 0:
        return (
            "The first token is an attention sink: its state is unlike all others, and outside what sparse "
            "dictionaries are trained on. It does not count in this text's maxima, sums and colours."
        )
    return (
        "This token's state is more than 8 times as long as is usual in this text, outside what sparse dictionaries "
        "are trained on. It does not count in this text's maxima, sums and colours."
    )
