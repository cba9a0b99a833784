"""Independent components as a dictionary: axes along which states are far from Gaussian, on or off."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Linear
from analysis.dictionaries.without_training.principal import axes_of, moments
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent

MOST_ITERATIONS = 200
TOLERANCE = 1e-4
"""Change of an axis (1 - |cosine|) in one iteration, below which it has settled."""
SAME = 0.9
"""|correlation| from which on a component of another seed is the same."""
FIRES = 3.0
"""Standard deviations above the mean from which on a feature is on."""


@dataclass(frozen=True, eq=False)
class Rotation:
    """What FastICA found in whitened states."""

    axes: Float32[np.ndarray, "component source"]
    """Orthonormal: whitened states times this are the sources."""
    iterations: int
    unsettled: int
    """Axes that still moved by more than the tolerance when it ended."""


def independent(
    states: Float32[np.ndarray, "point width"],
    site: Site,
    count: int,
    *,
    unit_rows: bool = True,
    seed: int = 0,
    model: str = "",
    card: Mapping[str, object] | None = None,
    report: Report = silent,
) -> SparseDictionary:
    """The `count` independent components of states; a feature is a signed coordinate in standard deviations.

    States are centred on their geometric median, brought to length 1, whitened onto their largest principal axes and
    turned by FastICA (symmetric, contrast log cosh). Each axis points to its longer tail; the one with the highest
    kurtosis comes first. Features have mean 0 and variance 1 over the given states, and one counts as on above
    `card["threshold"]`, 3 standard deviations. The card says how far it can be trusted: `settled`, `iterations`,
    `stable` (share of components that a second seed finds again with |correlation| > .9), `kurtosis` beside
    `kurtosis_gaussian` (of the same fit to Gaussian numbers) and `kurtosis_random` (of random axes of the same states),
    and `warning` where it should not be trusted.

    Args:
        states: one row per token; first tokens and outliers left out, since each would become a component.
        site: where they were read.
        count: components; 2 or more, with tens of states for each.
        unit_rows: bring states to length 1 before the fit, so that long ones do not decide it.
        seed: of the first axes; the second run takes the next seed.
        model: title of the model.
        card: what else is to be known of it.
        report: progress in iterations of all three fits; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the states do not have so many components, or fewer than 2 are asked for.
    Source: Hyvarinen 1999 (FastICA); Yamagiwa, Oyama & Shimodaira 2023, arXiv 2305.13175; the robust recipe of Liu &
        Han 2026, arXiv 2606.11722.
    Misleads when: it has not settled, its components change with the seed, or states are Gaussian: the axes are then
        arbitrary.
    """
    if count < 2:
        raise AnalysisError(f"Independent components are at least 2; given {count}.")
    whitening, unwhitening, white = _whitened(states, count, unit_rows)
    found, again, gaussian = _three_fits(white, seed, report)
    axes, kurtosis = _ordered(white, found.axes)
    encoder, decoder, mean = _on_states(states, whitening @ axes, axes.T @ unwhitening)
    nulls = {
        "gaussian": excess_kurtosis(*gaussian),
        "random": excess_kurtosis(white, _random_axes(count, seed + 3)),
    }
    return SparseDictionary(
        f"Layer {site.layer}, {count:,} independent components",
        site,
        Linear(),
        encoder,
        np.zeros(count, np.float32),
        decoder,
        mean,
        model,
        card={**_said(found, matched(found.axes, again.axes), kurtosis, nulls), **(card or {})},
    )


def geometric_median(
    states: Float32[np.ndarray, "point width"], most: int = 100
) -> Float64[np.ndarray, " width"]:
    """The point whose distances to all states add up to the least; a few far ones do not move it.

    Source: Weiszfeld 1937, from the mean, until it moves by less than a millionth of the typical distance.
    """
    median = states.mean(0, dtype=np.float64)
    for _ in range(most):
        distances = np.linalg.norm(states - median.astype(np.float32), axis=1)
        weights = 1 / np.maximum(distances, 1e-6 * max(np.median(distances), 1e-30))
        moved = ((weights / weights.sum()).astype(np.float32) @ states).astype(np.float64)
        done = np.linalg.norm(moved - median) <= 1e-6 * np.median(distances)
        median = moved
        if done:
            break
    return median


def fast_ica(
    white: Float32[np.ndarray, "point component"],
    seed: int,
    *,
    most: int = MOST_ITERATIONS,
    report: Report = silent,
    done: int = 0,
    total: int | None = None,
) -> Rotation:
    """Turn whitened states until every axis is as far from Gaussian as it gets (symmetric FastICA, log cosh).

    Args:
        white: mean 0, covariance 1.
        seed: of the first axes.
        most: iterations at most.
        report: progress; raises `Cancelled` to stop.
        done: iterations of fits before this one.
        total: iterations of all fits together.

    Source: Hyvarinen 1999.
    Misleads when: `unsettled` is not 0; the axes are then where the last iteration left them.
    """
    x = torch.from_numpy(white)
    turn = _orthonormal(torch.from_numpy(_random_axes(white.shape[1], seed)))
    change = torch.ones(white.shape[1])
    for step in range(1, most + 1):
        report("Turning axes", done + step, total or most)
        moved = _orthonormal(_fixed_point(x, turn))
        change = 1 - (moved * turn).sum(0).abs()
        turn = moved
        if float(change.max()) < TOLERANCE:
            break
    return Rotation(turn.numpy(), step, int((change >= TOLERANCE).sum()))


def matched(
    one: Float32[np.ndarray, "component source"], other: Float32[np.ndarray, "component source"]
) -> Float64[np.ndarray, " source"]:
    """|correlation| of every source with its partner in another fit to the same whitened states.

    Partners are dealt one to one so that all correlations together are largest.
    """
    alike = np.abs(one.T.astype(np.float64) @ other)
    rows, columns = linear_sum_assignment(-alike)
    return alike[rows, columns]


def excess_kurtosis(
    white: Float32[np.ndarray, "point component"], axes: Float32[np.ndarray, "component source"]
) -> Float64[np.ndarray, " source"]:
    """Fourth moment over squared variance, minus 3, along every axis: 0 for Gaussian, high for on or off."""
    sources = white @ axes
    sources = sources - sources.mean(0)
    squares = np.square(sources, dtype=np.float64)
    return np.square(squares).mean(0) / np.square(squares.mean(0)) - 3


def _whitened(
    states: Float32[np.ndarray, "point width"], count: int, unit_rows: bool
) -> tuple[
    Float64[np.ndarray, "width component"],
    Float64[np.ndarray, "component width"],
    Float32[np.ndarray, "point component"],
]:
    """The map that whitens, its inverse, and whitened states."""
    centred = states - geometric_median(states).astype(np.float32)
    if unit_rows:
        centred = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-30)
    mean, covariance = moments(centred)
    variances, axes = axes_of(covariance, count, len(states))
    whitening = axes / np.sqrt(variances)
    white = (centred - mean.astype(np.float32)) @ whitening.astype(np.float32)
    return whitening, (axes * np.sqrt(variances)).T, np.ascontiguousarray(white)


def _three_fits(
    white: Float32[np.ndarray, "point component"], seed: int, report: Report
) -> tuple[Rotation, Rotation, tuple[np.ndarray, np.ndarray]]:
    """The fit, one from another seed, and Gaussian numbers with the axes of a fit to them."""
    numbers = np.random.default_rng(seed + 2).standard_normal(white.shape, np.float32)
    variances, axes = np.linalg.eigh(np.cov(numbers.T))
    gaussian = ((numbers - numbers.mean(0)) @ (axes / np.sqrt(variances))).astype(np.float32)
    fits = [
        fast_ica(given, seed + more, report=report, done=i * MOST_ITERATIONS, total=3 * MOST_ITERATIONS)
        for i, (given, more) in enumerate(((white, 0), (white, 1), (gaussian, 0)))
    ]
    return fits[0], fits[1], (gaussian, fits[2].axes)


def _ordered(
    white: Float32[np.ndarray, "point component"], axes: Float32[np.ndarray, "component source"]
) -> tuple[Float64[np.ndarray, "component source"], Float64[np.ndarray, " source"]]:
    """The axes, the highest kurtosis first, and the kurtosis."""
    kurtosis = excess_kurtosis(white, axes)
    order = np.argsort(-kurtosis, kind="stable")
    return axes[:, order].astype(np.float64), kurtosis[order]


def _on_states(
    states: Float32[np.ndarray, "point width"],
    unmixing: Float64[np.ndarray, "width source"],
    mixing: Float64[np.ndarray, "source width"],
) -> tuple[
    Float32[np.ndarray, "width source"], Float32[np.ndarray, "source width"], Float32[np.ndarray, " width"]
]:
    """Encoder, decoder and bias in which features have mean 0, variance 1 and their longer tail above."""
    mean, covariance = moments(states)
    sizes = np.sqrt(np.einsum("ws,wv,vs->s", unmixing, covariance, unmixing, optimize=True))
    features = (states - mean.astype(np.float32)) @ (unmixing / sizes).astype(np.float32)
    sizes = np.where(np.power(features, 3, dtype=np.float64).mean(0) < 0, -sizes, sizes)
    encoder = np.ascontiguousarray(unmixing / sizes, np.float32)
    return encoder, np.ascontiguousarray(mixing * sizes[:, None], np.float32), mean.astype(np.float32)


def _said(
    found: Rotation,
    stable: Float64[np.ndarray, " source"],
    kurtosis: Float64[np.ndarray, " source"],
    nulls: Mapping[str, Float64[np.ndarray, " source"]],
) -> dict[str, object]:
    """What the card says of the fit."""
    said = {
        "method": "ICA",
        "threshold": FIRES,
        "settled": found.unsettled == 0,
        "unsettled": found.unsettled,
        "iterations": found.iterations,
        "stable": float((stable > SAME).mean()),
        "kurtosis": kurtosis.tolist(),
        "kurtosis_gaussian": nulls["gaussian"].tolist(),
        "kurtosis_random": nulls["random"].tolist(),
    }
    return said | {"warning": _warning(found, said, kurtosis, nulls["gaussian"])}


def _warning(found: Rotation, said: dict, kurtosis: np.ndarray, gaussian: np.ndarray) -> str:
    """Why the components should not be trusted; empty where nothing is wrong."""
    reasons = []
    if np.median(kurtosis) <= np.quantile(gaussian, 0.95):
        reasons.append("Along most axes the states are as good as Gaussian, so the axes are arbitrary.")
    if found.unsettled:
        reasons.append(f"{found.unsettled} axes had not settled after {found.iterations} iterations.")
    if said["stable"] < 0.5:
        reasons.append(f"Only {said['stable']:.0%} of the components come out again from another seed.")
    return " ".join(reasons)


def _random_axes(count: int, seed: int) -> Float32[np.ndarray, "component source"]:
    """Orthonormal axes in random directions."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((count, count)))
    return np.ascontiguousarray(q * np.sign(np.diag(r)), np.float32)


def _fixed_point(
    x: Float[Tensor, "point component"], turn: Float[Tensor, "component source"]
) -> Float[Tensor, "component source"]:
    """One step of all axes: mean of x g(s) minus axis times mean of g'(s), with g = tanh."""
    bent = torch.tanh(x @ turn)
    return x.T @ bent / len(x) - turn * (1 - bent.square()).mean(0)


def _orthonormal(axes: Float[Tensor, "component source"]) -> Float[Tensor, "component source"]:
    """The nearest orthonormal axes."""
    left, _, right = torch.linalg.svd(axes)
    return left @ right
