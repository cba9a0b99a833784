"""How straight and how linear: the bends of a text's path, and what a block does to the states it is given."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from analysis.geometry.blocks import (
    BINS,
    NEIGHBOUR,
    ORDER,
    histogram_entropy,
    influences,
    kernel_entropy,
    median_square,
    neighbour_entropy,
)
from analysis.geometry.cloud import Cloud
from analysis.geometry.context import beyond_embedding, mean_cosine, mean_over_tokens, self_similarities
from analysis.geometry.curvature import apart, mean_over_texts, state_angles, turns
from analysis.geometry.least_squares import LeastSquares, dealt_parts
from analysis.geometry.linearity import Linearity, linearity
from analysis.geometry.measure import Found, Measure, NoKnobs
from analysis.geometry.skips import Skips
from analysis.knobs import choice, knob
from analysis.results import Bounds

HELD_OUT = 5
"""One in so many texts is held out of a map between layers."""
PARTS = 3
"""Parts of the texts, each predicted from the embeddings by a map of the others."""
RAZZHIGAEV = "Razzhigaev et al. 2024, arXiv 2405.12250; Razzhigaev et al. 2025, arXiv 2502.15007"
ESTIMATORS = {
    "histogram": "histogram of each number",
    "kernel": "kernel matrix (Rényi)",
    "neighbours": "nearest neighbours",
}


@dataclass(frozen=True)
class OfAngle:
    """What can be turned in the angle between states."""

    tokens: int = knob(1, 1, 5, 1, "Tokens apart", "How far apart in the text the two states are.")


@dataclass(frozen=True)
class OfLinearity:
    """What can be turned in linearity."""

    tested: str = choice(
        {"same": "the same points (as published)", "held_out": "held-out texts"},
        "Tested on",
        "On the points it was fitted to a map also fits noise; on texts it has not seen it cannot, and R2 can then "
        "fall below 0.",
    )


@dataclass(frozen=True)
class OfSimilarity:
    """What can be turned in self-similarity."""

    fewest: int = knob(
        5,
        2,
        50,
        1,
        "Occurrences",
        "A token counts if it occurs at least so often in the texts that were read.",
    )


@dataclass(frozen=True)
class OfEntropy:
    """What can be turned in the entropy a block adds."""

    estimator: str = choice(
        ESTIMATORS,
        "Estimator",
        "No estimator sees hundreds of dimensions well: what all of them show can be believed.",
    )
    bins: int = knob(BINS, 10, 50, 5, "Bins", "Of each histogram; the other estimators have none.")
    points: int = knob(
        1000,
        200,
        3000,
        100,
        "Points compared",
        "Kernels and neighbours are taken among so many tokens, drawn at random; histograms count all.",
    )


def _curvature(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    found, lost = turns(cloud.at(layer), cloud.text, cloud.position)
    return _of_texts(cloud, found, {"angles lost to steps of no length": float(lost)})


def _state_angle(cloud: Cloud, layer: int, params: OfAngle) -> Found:
    found = state_angles(cloud.at(layer), cloud.text, cloud.position, params.tokens)
    return _of_texts(cloud, found, {})


def _of_texts(cloud: Cloud, found: Float32[np.ndarray, " point"], beside: dict[str, float]) -> Found:
    value, texts = mean_over_texts(found, cloud.text)
    counts = {"angles": float((~np.isnan(found)).sum()), "texts with an angle": float(texts)}
    return Found(value, found, counts | beside)


def _fitted(cloud: Cloud, layer: int) -> Linearity:
    """The fit that three measures read off."""

    def make() -> Linearity:
        part = dealt_parts(cloud.text, HELD_OUT)
        return linearity(cloud.at(cloud.below(layer)), cloud.at(layer), part)

    return cloud.once(("linearity", layer), make)


def _linearity(cloud: Cloud, layer: int, params: OfLinearity) -> Found:
    fit = _fitted(cloud, layer)
    return _of_r2(cloud, fit, (fit.with_skip, fit.held_out_with_skip), params)


def _linearity_without_skip(cloud: Cloud, layer: int, params: OfLinearity) -> Found:
    fit = _fitted(cloud, layer)
    return _of_r2(cloud, fit, (fit.without_skip, fit.held_out_without_skip), params)


def _of_r2(cloud: Cloud, fit: Linearity, found: tuple[float, float], params: OfLinearity) -> Found:
    same, held_out = found
    beside = {
        "R2 on the same points": same,
        "R2 on held-out texts": held_out,
        "points for each dimension": len(cloud) / cloud.d_model,
    }
    return Found(same if params.tested == "same" else held_out, fit.relative, beside)


def _token_nonlinearity(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    fit = _fitted(cloud, layer)
    beside = {
        "in units of the residual stream": float(fit.missed.mean(dtype=np.float64)),
        "points for each dimension": len(cloud) / cloud.d_model,
    }
    return Found(float(fit.relative.mean(dtype=np.float64)), fit.relative, beside)


def _contextualisation(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    embeddings = cloud.at(0)

    def make() -> LeastSquares:
        part = dealt_parts(cloud.text, PARTS)
        return LeastSquares(embeddings, part, np.unique(part).tolist())

    shares = beyond_embedding(cloud.once("squares of the embeddings", make), embeddings, cloud.at(layer))
    counts = {"points for each dimension": len(cloud) / cloud.d_model}
    return Found(float(shares.mean()), shares.astype(np.float32), counts)


def _self_similarity(cloud: Cloud, layer: int, params: OfSimilarity) -> Found:
    states = cloud.at(layer)
    found, usual = self_similarities(states, cloud.token, params.fewest), mean_cosine(states)
    beside = {
        "mean cosine of all pairs": usual,
        "tokens that recur": float(len(np.unique(cloud.token[~np.isnan(found)]))),
    }
    return Found(mean_over_tokens(found, cloud.token) - usual, (found - usual).astype(np.float32), beside)


def _block_influence(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    found = influences(cloud.at(cloud.below(layer)), cloud.at(layer))
    return Found(_mean(found), found.astype(np.float32))


def _mean(values: Float[np.ndarray, " point"]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")


def _entropy_gain(cloud: Cloud, layer: int, params: OfEntropy) -> Found:
    above, below = _ENTROPIES[params.estimator](cloud, layer, params)
    every = len(cloud) if params.estimator == "histogram" else min(len(cloud), params.points)
    return Found(above - below, beside={"entropy in nats": above, "points": float(every)})


def _by_histogram(cloud: Cloud, layer: int, params: OfEntropy) -> tuple[float, float]:
    def at(each: int) -> float:
        return cloud.once(
            ("histogram entropy", each, params.bins), lambda: histogram_entropy(cloud.at(each), params.bins)
        )

    return at(layer), at(cloud.below(layer))


def _by_kernel(cloud: Cloud, layer: int, params: OfEntropy) -> tuple[float, float]:
    """Under one kernel, as wide as the lower layer wants it: under its own, a layer hardly differs from another."""
    drawn = cloud.sample(params.points)
    below = cloud.at(cloud.below(layer))[drawn]
    width = median_square(below)
    return kernel_entropy(cloud.at(layer)[drawn], width), kernel_entropy(below, width)


def _by_neighbours(cloud: Cloud, layer: int, params: OfEntropy) -> tuple[float, float]:
    def at(each: int) -> float:
        drawn = cloud.sample(params.points)
        return cloud.once(
            ("neighbour entropy", each, params.points), lambda: neighbour_entropy(cloud.at(each)[drawn])
        )

    return at(layer), at(cloud.below(layer))


_ENTROPIES = {"histogram": _by_histogram, "kernel": _by_kernel, "neighbours": _by_neighbours}


def _skip_cost(skips: Skips, layer: int, params: NoKnobs) -> Found:
    rise = skips.rise(layer)
    beside = {
        "loss with all blocks": skips.base_nats,
        "share of tokens predicted worse": float((rise > 0).mean()),
    }
    return Found(float(rise.mean(dtype=np.float64)), rise, beside)


def _needs_neighbours(cloud: Cloud, params: NoKnobs) -> str:
    first, second = apart(cloud.text, cloud.position, 1)
    if np.isin(second, first).any():
        return ""
    longest = max((own.stop - own.start for own in cloud.texts), default=0)
    return (
        f"An angle needs three tokens in a row; no text here has them (the longest has {longest} tokens). Let every "
        "token count, or read longer texts."
    )


def _needs_apart(cloud: Cloud, params: OfAngle) -> str:
    if len(apart(cloud.text, cloud.position, params.tokens)[0]):
        return ""
    return (
        f"No two tokens here are {params.tokens} apart in the same text. Let every token count, read longer texts, or "
        "take tokens that are nearer to each other."
    )


def _needs_step(cloud: Cloud, params: object) -> str:
    if len(cloud.layers) < 2:
        return "A step needs two layers; one was read. Read more layers."
    return (
        ""
        if len(cloud) > 1
        else f"A step is compared over at least 2 tokens; there is {len(cloud)}. Read more text."
    )


def _needs_linearity(cloud: Cloud, params: OfLinearity) -> str:
    if params.tested == "held_out" and len(cloud.texts) < 2:
        return _two_texts(cloud)
    return _needs_map(cloud, params)


def _needs_map(cloud: Cloud, params: object) -> str:
    if len(cloud) <= cloud.d_model + 1:
        return (
            f"A linear map of {cloud.d_model} numbers explains up to {cloud.d_model + 1} tokens without a rest, "
            f"whatever they are; there are {len(cloud):,}. Read more text: ten times as many would be well."
        )
    return _needs_step(cloud, params)


def _needs_embedding(cloud: Cloud, params: NoKnobs) -> str:
    if 0 not in cloud.layers:
        return f"What the embedding tells needs layer 0; the lowest layer read is {cloud.layers[0]}. Read layer 0, too."
    return _two_texts(cloud) if len(cloud.texts) < 2 else ""


def _two_texts(cloud: Cloud) -> str:
    return (
        f"A map is tested on texts it was not fitted to, so at least 2 texts are needed; there is {len(cloud.texts)}. "
        "Read a corpus."
    )


def _needs_recurring(cloud: Cloud, params: OfSimilarity) -> str:
    most = int(np.unique(cloud.token, return_counts=True)[1].max()) if len(cloud) else 0
    if most >= params.fewest:
        return ""
    return (
        f"A token has to occur {params.fewest} times; the most frequent one here occurs {most} times. Ask for fewer "
        "occurrences, or read more text."
    )


def _needs_entropy(cloud: Cloud, params: OfEntropy) -> str:
    fewest = NEIGHBOUR + 2 if params.estimator == "neighbours" else 3
    if len(cloud) < fewest:
        return f"This entropy needs at least {fewest} tokens; there are {len(cloud)}. Read more text."
    return _needs_step(cloud, params)


STRAIGHT: tuple[Measure, ...] = (
    Measure(
        id="curvature",
        title="Curvature",
        question="straight",
        meaning="How sharply the path of a text bends from token to token: 0 is a straight line, π/2 a path whose "
        "steps are at right angles, and 2π/3 is what tokens that know nothing of each other give.",
        formula="mean over texts of the mean of arccos(v_k · v_{k+1} / |v_k| |v_{k+1}|), with v_k = z_{k+1} - z_k",
        source="Hosseini & Fedorenko 2023, arXiv 2311.04930",
        misleads_when="Steps between independent states share a point and stand at 2π/3: a fall from there can come "
        "from any dependence between neighbours, such as a slow drift, and not from sentences. Tokens that were left "
        "out break the path.",
        unit="radians",
        bounds=Bounds(0.0, float(np.float32(np.pi))),
        at=_curvature,
        needs=_needs_neighbours,
        gaussian="2π/3 = 2.094, whatever N is",
        per_point="angle at the token, radians",
    ),
    Measure(
        id="state_angle",
        title="Angle between states",
        question="straight",
        meaning="Whether neighbouring tokens point the same way, seen from the mean of their text: 0 if they do, "
        "π/2 if they have nothing to do with each other. No steps are taken: this is not curvature.",
        formula="mean over texts of the mean of arccos(u_i · u_{i+k}), with u the states less their text's mean, at "
        "length 1",
        source="the function named curvature in the code of Skean et al. 2025, arXiv 2502.02013",
        misleads_when="Texts are short: what is measured from their own mean turns away from itself, and unrelated "
        "states then stand at more than π/2.",
        unit="radians",
        bounds=Bounds(0.0, float(np.float32(np.pi))),
        at=_state_angle,
        needs=_needs_apart,
        params=OfAngle,
        gaussian="π/2 + 1/(T - 1) for texts of T tokens, nearly",
        per_point="angle to the token so many further on, radians",
    ),
    Measure(
        id="linearity",
        title="Linearity",
        question="straight",
        meaning="How much of a layer the best linear map of the layer below tells: 1 is all of it. Most of it is what "
        "the residual stream carries over unchanged.",
        formula="1 - min over A of |X A - Y|² / |Y|², with X and Y the centred states of the layer below and of "
        "this one",
        source=RAZZHIGAEV,
        misleads_when="A single token of enormous norm decides it, so first tokens and outliers do not count here. "
        "With fewer than about 20 points for each dimension the map fits noise: look at held-out texts. As nearly "
        "all is carried over, it is near 1 even where a block is not linear at all.",
        unit="R2",
        bounds=Bounds(None, 1.0),
        at=_linearity,
        needs=_needs_linearity,
        params=OfLinearity,
        is_step=True,
        gaussian="d / (N - 1) on the same points, 1 where there are no more points than dimensions; below 0 on "
        "held-out texts",
        per_point="what the map misses, over the layer's spread",
    ),
    Measure(
        id="linearity_without_skip",
        title="Linearity without the skip",
        question="straight",
        meaning="How much of what a block adds the best linear map of its input tells: 1 if the block could be "
        "replaced by a matrix.",
        formula="1 - min over A of |X A - Y|² / |Y|², with Y the centred difference of this layer and the one below",
        source=RAZZHIGAEV,
        misleads_when="Fewer than about 20 points for each dimension: the map fits noise, most of all here. Where a "
        "block adds next to nothing, a high or low value means little.",
        unit="R2",
        bounds=Bounds(None, 1.0),
        at=_linearity_without_skip,
        needs=_needs_linearity,
        params=OfLinearity,
        is_step=True,
        gaussian="(1 + d / (N - 1)) / 2, as half of a difference is the lower state",
        per_point="what the map misses, over the layer's spread",
    ),
    Measure(
        id="token_nonlinearity",
        title="Token nonlinearity",
        question="straight",
        meaning="How far the tokens end from where the best linear map puts them, with the layer's own spread as the "
        "measure: 0 if the step to this layer is linear. Each token has its own.",
        formula="mean of |A h - h'| / spread, h and h' the token's centred states below and here, A the map of "
        "linearity, spread the root of the mean |h'|²",
        source=RAZZHIGAEV,
        misleads_when="It is compared with published values, which are in the units of the residual stream and grow "
        "with the norm of the states; those stand beside it.",
        unit="spreads",
        bounds=Bounds(0.0, None),
        at=_token_nonlinearity,
        needs=_needs_map,
        is_step=True,
        gaussian="√(1 - d / (N - 1)), nearly",
        per_point="what the map misses, over the layer's spread",
    ),
    Measure(
        id="contextualisation",
        title="Contextualisation",
        question="straight",
        meaning="How much of a state its own token does not tell: 0 at the embedding, and 1 where a linear map of the "
        "token's embedding predicts no better than the mean.",
        formula="1 - R2 of the best linear map from a token's layer-0 state, each third of the texts predicted by "
        "the others",
        source="ours, in the place of the measure of Razzhigaev et al. 2025, arXiv 2502.15007, which needs a model "
        "trained to write back the text before a token",
        misleads_when="There are few texts: tokens the map has not seen are missed, too, and count as context. What "
        "the token tells in a way that is not linear counts as context as well.",
        unit="share",
        bounds=Bounds(0.0, None),
        at=_contextualisation,
        needs=_needs_embedding,
        gaussian="about 1 / (1 - d / M) with M = 2N/3 the points a map is fitted to; 0 at layer 0",
        per_point="what the embedding does not tell, over the layer's spread squared",
    ),
    Measure(
        id="self_similarity",
        title="Self-similarity",
        question="straight",
        meaning="How alike the states of one token stay in different places, beyond how alike all states are: large "
        "while a token is still itself, 0 where its context has replaced it.",
        formula="mean over tokens of the mean cosine of two occurrences, less the mean cosine of all pairs",
        source="Ethayarajh 2019, arXiv 1909.00512",
        misleads_when="The tokens that recur are mostly function words and punctuation, so it is about those. A few "
        "large dimensions decide the cosines.",
        unit="cosine",
        bounds=Bounds(-2.0, 2.0),
        at=_self_similarity,
        needs=_needs_recurring,
        params=OfSimilarity,
        gaussian="0",
        per_point="mean cosine to the same token elsewhere, less that of all pairs",
    ),
    Measure(
        id="block_influence",
        title="Block influence",
        question="straight",
        meaning="How far a block turns the states that pass through it: 0 if they keep their direction, 1 if they "
        "leave at right angles.",
        formula="1 - mean of cos(h, h') over tokens, h before and h' after the block",
        source="Men et al. 2024, arXiv 2403.03853",
        misleads_when="It is taken for what the block is worth: a block can turn states far and cost nothing, or "
        "little and be indispensable. Look at the cost of passing it over.",
        unit="1 - cosine",
        bounds=Bounds(0.0, 2.0),
        at=_block_influence,
        needs=_needs_step,
        is_step=True,
        gaussian="1",
        per_point="1 - cosine of the token's states before and after",
    ),
    Measure(
        id="entropy_gain",
        title="Entropy gain of a block",
        question="straight",
        meaning="By how much the states are more varied after a block than before: below 0 where it gathers them, 0 "
        "if it changes nothing.",
        formula="H(layer) - H(layer below); H the sum over dimensions of the entropy of a histogram over each one's "
        f"own range at that layer; or the Rényi entropy of order {ORDER} of a Gaussian kernel as wide as the median "
        f"distance before the block; or by nearest neighbours (k = {NEIGHBOUR}, points that coincide once)",
        source="Yang et al. 2025, arXiv 2504.03794",
        misleads_when="One far point sets the range of a histogram. Dimensions are counted as if they were "
        "independent. By nearest neighbours it is little more than d times the logarithm of how much larger states "
        "have become.",
        unit="nats",
        bounds=Bounds(None, None),
        at=_entropy_gain,
        needs=_needs_entropy,
        params=OfEntropy,
        is_step=True,
        gaussian="0",
    ),
    Measure(
        id="skip_cost",
        title="Cost of skipping a block",
        question="straight",
        meaning="By how much the model predicts text worse without this block: 0 if it is not missed, below 0 if the "
        "model does better without.",
        formula="mean of -ln p(next token) with the block passed over, less the same with all blocks",
        source="as the price of removing a block, Men et al. 2024, arXiv 2403.03853",
        misleads_when="Blocks stand in for each other: two that cost little each may cost much together. It is a mean "
        "over ordinary text; a block that one task hangs on can look dispensable.",
        unit="nats per token",
        bounds=Bounds(None, None),
        at=_skip_cost,
        reads="skips",
        per_point="rise of the loss at the token, nats",
    ),
)
"""The measures of this question, in the order in which they are offered."""
