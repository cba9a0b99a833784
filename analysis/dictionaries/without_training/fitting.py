"""Dictionaries without gradient descent, fitted to a model's states of ordinary text and judged on other text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Float64

from analysis.dictionaries.dictionary import Dictionary, SparseDictionary, reconstructed
from analysis.dictionaries.firing.firings_file import fires_above
from analysis.dictionaries.site_states import SiteStates, explained, site_states
from analysis.dictionaries.without_training.factors import MOST_ITERATIONS as SNMF_ITERATIONS
from analysis.dictionaries.without_training.factors import Factors, random_factors, snmf
from analysis.dictionaries.without_training.independent import MOST_ITERATIONS as ICA_ITERATIONS
from analysis.dictionaries.without_training.independent import SAME, independent
from analysis.dictionaries.without_training.principal import principal
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

Way = Literal["pca", "ica", "snmf"]
SOURCES: dict[Way, str] = {
    "pca": "Pearson 1901; Hotelling 1933",
    "ica": "Hyvarinen 1999; Yamagiwa, Oyama & Shimodaira 2023, arXiv 2305.13175; Liu & Han 2026, arXiv 2606.11722",
    "snmf": "Ding, Li & Jordan 2010; Shafran, Geiger & Geva 2025, arXiv 2506.10920",
}
MISLEADS: dict[Way, str] = {
    "pca": "Components are orthogonal by force and come by variance, which is not meaning; every one is active at "
    "every token.",
    "ica": "Where states are Gaussian, or the fit has not settled, the axes are arbitrary; so are those that another "
    "seed does not find again.",
    "snmf": "There are many factorings that fit about as well: another start finds other factors.",
}
PORTION = 2_048
"""States that are encoded at a time."""


@dataclass(frozen=True)
class Plan:
    """What is to be fitted."""

    way: Way
    site: Site
    count: int
    """Components or factors."""
    tokens: int = 8_000
    """To read, about, a tenth of them held out."""
    seed: int = 0
    keep: float = 1.0
    """SNMF: share of a factor's entries that stay, the largest ones."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A dictionary, and how good it is."""

    dictionary: Dictionary
    plan: Plan
    explained: float
    """Share of the variance of held-out states that it rebuilds."""
    explained_fitted: float
    """The same of the states it was fitted to."""
    principal: float
    """The same of held-out states by as many principal components, the best linear map of the fitted ones."""
    random: float
    """The same by as many random directions."""
    active: float
    """Features that are active at a token of held-out text, on average."""
    stable: float
    """Share of features that a second fit from another seed finds again; for PCA, the share of the components of one
    half of the states that lies in the subspace of those of the other half. 0 to 1."""
    tokens: int
    """That count, held-out ones included."""

    @property
    def card(self) -> dict:
        """What is known of it."""
        return dict(self.dictionary.card)


def fit_without_training(
    model: LoadedModel, plan: Plan, texts: Sequence[str], *, named: str = "", report: Report = silent
) -> Fitted:
    """Fit principal components, independent components or factors to the states of a text at one site.

    Every tenth text is held out; figures of quality are of those. First tokens and outliers of norm do not count.

    Args:
        model: the model.
        plan: what is fitted, and to how much.
        texts: they are read in windows of 128 tokens.
        named: the texts, for the card.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there is too little text for so many components, or the model has no such site.
    Source: by way, see `SOURCES`.
    Misleads when: by way, see `MISLEADS`.
    """
    states = site_states(model, plan.site, texts, most=plan.tokens, seed=plan.seed, report=report)
    made = _made(states, plan, model.title, report)
    report("Judging on held-out text")
    beside = principal(states.fitted, plan.site, plan.count)
    held, mean = states.held_out, beside.bias
    found = Fitted(
        dictionary=made,
        plan=plan,
        explained=explained(held, rebuilt(made, held), mean),
        explained_fitted=explained(states.fitted, rebuilt(made, states.fitted), mean),
        principal=explained(held, rebuilt(beside, held), mean),
        random=explained(held, rebuilt(_random(made, beside, plan.seed), held), mean),
        active=_active(made, held),
        stable=_stable(made, states, plan, report),
        tokens=states.together,
    )
    return _with_card(found, states, named)


def operations(plan: Plan, width: int, tokens: int) -> float:
    """Floating-point operations that a fit takes at most, once the states are there.

    Args:
        plan: what is fitted.
        width: numbers of a state.
        tokens: states.
    """
    covariance = 2.0 * tokens * width**2 + 10.0 * width**3
    if plan.way == "pca":
        return 4 * covariance
    if plan.way == "ica":
        return covariance + 3 * ICA_ITERATIONS * 4.0 * tokens * plan.count**2
    return 2 * SNMF_ITERATIONS * 4.0 * tokens * width * plan.count


def rebuilt(
    dictionary: Dictionary, states: Float32[np.ndarray, "point width"]
) -> Float32[np.ndarray, "point width"]:
    """What a dictionary makes of states, a portion at a time."""
    with torch.inference_mode():
        parts = [
            reconstructed(dictionary, torch.from_numpy(states[start : start + PORTION])).numpy()
            for start in range(0, len(states), PORTION)
        ]
    return np.concatenate(parts)


def alike(
    one: Float32[np.ndarray, "feature width"], other: Float32[np.ndarray, "another width"]
) -> Float64[np.ndarray, " feature"]:
    """Cosine of every row with the row of another set that lies nearest, -1 to 1."""
    unit, others = (
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30) for rows in (one, other)
    )
    return (unit.astype(np.float64) @ others.T).max(1)


def _made(states: SiteStates, plan: Plan, title: str, report: Report) -> SparseDictionary | Factors:
    given = states.fitted, plan.site, plan.count
    if plan.way == "pca":
        report("Finding axes")
        return principal(*given, model=title)
    if plan.way == "ica":
        return independent(*given, seed=plan.seed, model=title, report=report)
    if plan.way == "snmf":
        return snmf(*given, seed=plan.seed, keep=plan.keep, model=title, report=report)
    raise AnalysisError(f"There is no way {plan.way!r} to make a dictionary; there are pca, ica and snmf.")


def _random(
    made: SparseDictionary | Factors, beside: SparseDictionary, seed: int
) -> SparseDictionary | Factors:
    """As many random directions, used in the same way."""
    if isinstance(made, Factors):
        return random_factors(made, seed)
    rows = np.random.default_rng(seed).standard_normal(beside.decoder.T.shape)
    axes = np.linalg.qr(rows)[0].astype(np.float32)
    return replace(beside, encoder=axes.copy(), decoder=np.ascontiguousarray(axes.T))


def _active(dictionary: Dictionary, held: Float32[np.ndarray, "point width"]) -> float:
    """Features above their threshold at a token; without one, those that are not zero."""
    with torch.inference_mode():
        found = dictionary.encode(torch.from_numpy(held)).numpy()
    above = fires_above(dictionary)
    return float(((found > above) if above is not None else found != 0).sum(1).mean())


def _stable(made: SparseDictionary | Factors, states: SiteStates, plan: Plan, report: Report) -> float:
    if plan.way == "ica":
        return made.card["stable"]
    if plan.way == "snmf":
        again = _made(states, replace(plan, seed=plan.seed + 1), "", report)
        return float((alike(made.decoder, again.decoder) > SAME).mean())
    order = np.random.default_rng(plan.seed).permutation(len(states.fitted))
    halves = [states.fitted[np.sort(half)] for half in np.array_split(order, 2)]
    one, other = (principal(half, plan.site, min(plan.count, len(half) - 1)).decoder for half in halves)
    return float(np.square(one.astype(np.float64) @ other.T).sum() / len(one))


def _with_card(found: Fitted, states: SiteStates, named: str) -> Fitted:
    """The same with everything that is known written on the dictionary's card."""
    card = {
        "trained_as": {"pca": "PCA", "ica": "ICA", "snmf": "SNMF"}[found.plan.way],
        "training_tokens": len(states.fitted),
        "text": named,
        "seed": found.plan.seed,
        "left_out": states.left_out,
        "stable": found.stable,
        "source": SOURCES[found.plan.way],
        "quality": {
            "explained_variance": found.explained,
            "explained_by_pca": found.principal,
            "explained_at_random": found.random,
            "l0": found.active,
        },
    }
    return replace(found, dictionary=replace(found.dictionary, card={**found.dictionary.card, **card}))
