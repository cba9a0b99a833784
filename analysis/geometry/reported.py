"""The claims that are looked for: one row each, with its paper and its rule."""

from collections.abc import Mapping

import numpy as np

from analysis.geometry.compared import Compared
from analysis.geometry.findings import Finding, Judged, Reported, Rule, Size, judged, known, too_few
from analysis.geometry.shapes import FEWEST, chance_of, depth, mean_between, rank_correlation, turn
from analysis.geometry.smoothness import SAME
from analysis.methods.geometry import Measured

MIDDLE = (0.2, 0.8)
"""Shares of the depth that are the middle."""
NEARLY_LINEAR = 0.9
NEARLY_ORTHOGONAL = 0.15
FEW_AXES = 1 / 3
"""Of the axes that positions of a standard normal cloud need."""
REPRODUCED = 0.1
"""Cosine of a position with itself in other texts, below which there is no path to speak of."""
BY_CHANCE = 0.05
STRONGEST = "added by the strongest dimension"
"""What `mean_cosine` calls it."""
ALIKE = 0.05
"""Mean cosine below which there is nothing to dominate."""


def look(curves: Mapping[str, Compared]) -> tuple[Finding, ...]:
    """Every reported claim, looked for in these curves.

    Args:
        curves: by the measure's id.
    """
    return tuple(each.look(curves) for each in REPORTED)


def _middle_entropy(curves: Mapping[str, Compared]) -> Judged:
    compared = curves["prompt_entropy"]
    kind = max(("valley", "peak"), key=lambda kind: _turn_size(compared.base, kind).value)
    rule = Rule(0.1, ("untrained",), f"a {kind} of 10%")
    return judged(compared, lambda one: _turn_size(one, kind), rule)


def _hunchback(curves: Mapping[str, Compared]) -> Judged:
    rule = Rule(0.2, ("untrained", "shuffled"), "a peak of 20%")
    return judged(curves["twonn"], lambda one: _turn_size(one, "peak", (0.05, 0.75)), rule)


def _turn_size(measured: Measured, kind: str, between: tuple[float, float] = MIDDLE) -> Size:
    layers, values = known(measured)
    if len(layers) < FEWEST:
        return Size(np.nan, "")
    found = turn(layers, values, kind, between)
    if not found.size:
        low, high = between
        return Size(0.0, f"{measured.measure.title} has no {kind} at {low:.0%} to {high:.0%} of the depth")
    beyond = "below the lower" if kind == "valley" else "above the higher"
    value = values[list(layers).index(found.layer)]
    return Size(
        found.size,
        f"{measured.measure.title} has a {kind} at layer {found.layer}, {value:.3g}: {found.size:.0%} {beyond} of what "
        "both sides reach",
    )


def _straightening(curves: Mapping[str, Compared]) -> Judged:
    rule = Rule(0.05, ("untrained", "shuffled"), "a fall of 0.05 radians", "{:+.3f}")
    return judged(curves["curvature"], _fall, rule)


def _fall(measured: Measured) -> Size:
    layers, values = known(measured)
    if len(layers) < FEWEST:
        return Size(np.nan, "")
    middle = mean_between(layers, values, 0.35, 0.65)
    return Size(
        float(values[0] - middle),
        f"{measured.measure.title} falls by {values[0] - middle:.3f} radians, from {values[0]:.3f} at layer "
        f"{layers[0]} to {middle:.3f} on average at a third to two thirds of the depth",
    )


def _rogue(curves: Mapping[str, Compared]) -> Judged:
    rule = Rule(0.1, ("untrained", "gaussian"), "a tenth of the mean cosine", "{:.1%}")
    return judged(curves["mean_cosine"], _strongest, rule)


def _strongest(measured: Measured) -> Size:
    if STRONGEST not in measured.beside:
        return Size(np.nan, "")
    values = measured.values.astype(np.float64)
    share = np.full(len(values), np.nan)
    np.divide(measured.beside[STRONGEST], values, out=share, where=values >= ALIKE)
    if not np.isfinite(share).any():
        return Size(0.0, f"The mean cosine is below {ALIKE:g} at every layer: nothing dominates it")
    at = int(np.nanargmax(share))
    return Size(
        min(1.0, float(share[at])),
        f"At layer {measured.layers[at]} one of all dimensions makes {share[at]:.1%} of the mean cosine "
        f"{values[at]:.2f}; at the median layer the strongest makes {np.nanmedian(share):.1%}",
    )


def _linear(curves: Mapping[str, Compared]) -> Judged:
    compared = curves["linearity"]
    own = _median(compared.base)
    if not np.isfinite(own):
        return "cannot tell", too_few(compared.base)
    words = f"Without first tokens and outliers the median step has R2 {own:.3f}."
    among = np.nan if compared.outliers is None else _median(compared.outliers)
    if np.isfinite(among):
        words += f" With them among the points it has {among:.3f}."
    said = {"random-weights model": compared.untrained, "standard normal cloud": compared.gaussian}
    words += "".join(f" The {name}'s: {_median(one):.3f}." for name, one in said.items() if one is not None)
    words += (
        f" Asked for: {NEARLY_LINEAR:g} without outliers, half the way from a standard normal cloud's to 1."
    )
    if own < NEARLY_LINEAR:
        return "not found", words
    if compared.gaussian is None:
        return "cannot tell", f"{words} Not measured: standard normal cloud."
    chance = _median(compared.gaussian)
    # few points for each dimension make any step linear
    return ("found" if own >= (1 + chance) / 2 else "not found"), words


def _median(measured: Measured) -> float:
    values = known(measured)[1]
    return float(np.median(values)) if len(values) else np.nan


def _spiral(curves: Mapping[str, Compared]) -> Judged:
    rank, smooth = curves["position_rank"], curves["position_smoothness"]
    if rank.gaussian is None:
        return "cannot tell", "Not measured: standard normal cloud."
    axes, noise = _median(rank.base), _median(rank.gaussian)
    near = _median(smooth.base)
    same = float(np.nanmedian(smooth.base.beside[SAME]))
    words = (
        f"At the median layer {axes:.0f} axes hold 95% of what positions add (standard normal cloud: {noise:.0f}). "
        f"Between two halves of the texts the same position has a cosine of {same:.2f}, and neighbours lie {near:+.2f} "
        f"above distant ones{_untrained(smooth)}. Asked for: a third of that many axes at most, and neighbours above "
        "distant ones by half of what the same position reaches."
    )
    if same < REPRODUCED:
        return "cannot tell", f"{words} Positions add too little to be seen in so few texts."
    found = axes <= FEW_AXES * noise and near >= same / 2
    return ("found" if found else "not found"), words


def _untrained(compared: Compared) -> str:
    """The same number of the random-weights model, in brackets."""
    return "" if compared.untrained is None else f" (random-weights model: {_median(compared.untrained):.2f})"


def _orthogonal(curves: Mapping[str, Compared]) -> Judged:
    cosine, share = curves["position_context_cosine"], curves["position_share"]
    if share.gaussian is None:
        return "cannot tell", "Not measured: standard normal cloud."
    own, noise = _median(share.base), _median(share.gaussian)
    angle = _median(cosine.base)
    words = (
        f"At the median layer the cosine of positions and contexts is {angle:.2f}{_untrained(cosine)}; positions hold "
        f"{own:.1%} of the variance, and {noise:.1%} in a standard normal cloud. Asked for: {NEARLY_ORTHOGONAL:g} at "
        "most, and twice the share that noise gives."
    )
    if own < 2 * noise:
        return "cannot tell", words  # what is orthogonal to noise says nothing
    return ("found" if angle <= NEARLY_ORTHOGONAL else "not found"), words


def _last_cosine(curves: Mapping[str, Compared]) -> Judged:
    rule = Rule(0.02, ("untrained",), "0.02 above every layer before", "{:+.3f}")
    return judged(curves["mean_cosine"], _above_the_rest, rule)


def _above_the_rest(measured: Measured) -> Size:
    layers, values = known(measured)
    if len(layers) < FEWEST:
        return Size(np.nan, "")
    last = depth(layers) > 0.9
    size = float(values[last].max() - values[~last].max())
    return Size(
        size,
        f"The mean cosine reaches {values[last].max():.3f} in the last tenth of the depth and "
        f"{values[~last].max():.3f} before, {size:+.3f}",
    )


def _bell(curves: Mapping[str, Compared]) -> Judged:
    rule = Rule(0.3, ("untrained",), "a peak of 30%")
    return judged(curves["anisotropy"], lambda one: _turn_size(one, "peak"), rule)


def _idle_middle(curves: Mapping[str, Compared]) -> Judged:
    rule = Rule(0.3, ("untrained",), "30% less than the smaller of both ends")
    return judged(curves["block_influence"], _less_in_the_middle, rule)


def _less_in_the_middle(measured: Measured) -> Size:
    layers, values = known(measured)
    if len(layers) < FEWEST:
        return Size(np.nan, "")
    end, middle = min(values[0], values[-1]), mean_between(layers, values, 0.25, 0.75)
    size = 0.0 if end <= 0 else 1 - middle / end
    return Size(
        size,
        f"Blocks of the middle half change a state by {middle:.3g} on average, the first by {values[0]:.3g} and the "
        f"last by {values[-1]:.3g}: {size:.0%} less than the smaller",
    )


def _influence_tells_cost(curves: Mapping[str, Compared]) -> Judged:
    influence, cost = curves["block_influence"].base, curves["skip_cost"].base
    pairs = [
        (a, b)
        for layer, a in zip(influence.layers, influence.values, strict=True)
        for other, b in zip(cost.layers, cost.values, strict=True)
        if layer == other and np.isfinite(a) and np.isfinite(b)
    ]
    if len(pairs) < FEWEST:
        return "cannot tell", f"This needs {FEWEST} blocks with both numbers; there are {len(pairs)}."
    a, b = np.array(pairs, np.float64).T.copy()
    own = rank_correlation(a, b)
    if not np.isfinite(own):
        return "cannot tell", "All blocks are alike in one of the two."
    chance = chance_of(a, b)
    words = (
        f"Over {len(pairs)} blocks the rank correlation of influence and true cost is {own:+.2f}; in a random order it "
        f"is as high with probability {chance:.2g}. Asked for: {BY_CHANCE:g} at most."
    )
    return ("found" if chance <= BY_CHANCE else "not found"), words


REPORTED = (
    Reported(
        "middle_entropy",
        "Entropy turns in the middle",
        "The entropy of a text's tokens has a valley at a middle depth, where the states of one text are packed most; "
        "or, in other models, a peak, where they are spread most.",
        "Skean, Arefin, Zhao, Patel, Naghiyev, LeCun, Shwartz-Ziv, 2025, arXiv 2502.02013",
        ("prompt_entropy",),
        _middle_entropy,
    ),
    Reported(
        "hunchback",
        "Intrinsic dimension has a hunchback",
        "The number of directions in which states vary locally rises in early layers and falls again, in trained "
        "models and real text only.",
        "Valeriani, Doimo, Cuturello, Laio, Ansuini, Cazzaniga, 2023, arXiv 2302.00294; controls as in Cheng et al., "
        "2024, arXiv 2405.15471",
        ("twonn",),
        _hunchback,
    ),
    Reported(
        "straightening",
        "Texts become straighter",
        "The path of a text through the states bends less from the first to the middle layers.",
        "Hosseini & Fedorenko, 2023, arXiv 2311.04930",
        ("curvature",),
        _straightening,
    ),
    Reported(
        "rogue",
        "A few rogue dimensions make cosines",
        "One to three of the dimensions dominate the cosine of any two states.",
        "Timkey & van Schijndel, 2021, arXiv 2109.04404; Luo, Kulmizev & Mao, 2021, arXiv 2011.04393",
        ("mean_cosine",),
        _rogue,
    ),
    Reported(
        "linear",
        "Steps from layer to layer are nearly linear",
        "A linear map predicts the states of a layer from those of the layer below nearly perfectly.",
        "Razzhigaev et al., 2024, arXiv 2405.12250",
        ("linearity",),
        _linear,
    ),
    Reported(
        "spiral",
        "Positions lie on a smooth, low-dimensional curve",
        "What positions add to states lies in a few axes and changes slowly along the text: a spiral.",
        "Song & Zhong, 2023, arXiv 2310.04861",
        ("position_rank", "position_smoothness"),
        _spiral,
    ),
    Reported(
        "orthogonal",
        "Position and context are nearly orthogonal",
        "What positions add to states and what contexts add to them lie in directions that hardly share anything.",
        "Song & Zhong, 2023, arXiv 2310.04861",
        ("position_context_cosine", "position_share"),
        _orthogonal,
    ),
    Reported(
        "last_cosine",
        "States are most alike in the last layers",
        "The mean cosine of any two states is highest at the end.",
        "Ethayarajh, 2019, arXiv 1909.00512",
        ("mean_cosine",),
        _last_cosine,
    ),
    Reported(
        "bell",
        "One direction dominates in the middle",
        "In decoders the share of variance along one direction is highest at a middle depth.",
        "Razzhigaev et al., 2023, arXiv 2311.05928",
        ("anisotropy",),
        _bell,
    ),
    Reported(
        "idle_middle",
        "Middle blocks change states least",
        "Blocks between the first and the last turn states by smaller angles: they are nearly redundant.",
        "Men et al. (ShortGPT), 2024, arXiv 2403.03853",
        ("block_influence",),
        _idle_middle,
    ),
    Reported(
        "influence_tells_cost",
        "Influence tells what skipping a block costs",
        "Blocks that turn states less can be left out at less cost to the prediction.",
        "Men et al. (ShortGPT), 2024, arXiv 2403.03853",
        ("block_influence", "skip_cost"),
        _influence_tells_cost,
    ),
)
