"""How good a dictionary is on text it has not seen: what it rebuilds, and what the model loses where that stands in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from analysis import samples
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.matching_pursuit import MatchingPursuit
from analysis.dictionaries.site_states import explained
from analysis.dictionaries.without_training.principal import principal
from analysis.edits import Edit, Positions, Site, Variant
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.next_token import surprises
from analysis.tokens import Tokens

TOGETHER = 8
"""Windows in one pass."""
DENSE = 0.1
"""A feature that is active at more than this share of tokens counts as dense."""
LOSS_TOKENS = 4_096
"""Tokens on which losses are measured, about."""
MOST_TURNS = 128
"""Active features up to which the null is worked out: random directions are taken one at a time."""
SOURCE = (
    "the definitions of SAEBench (Karvonen et al. 2025, arXiv 2503.09532); attention sinks passed through, "
    "and losses also in nats, after Gao et al. 2024, arXiv 2406.04093"
)
MISLEADS = (
    "Share recovered is near 1 for anything that beats zero states, which destroy the text: look at nats. All numbers "
    "are of this text; other text may be rebuilt worse. Nothing here says that features mean something."
)


class Rebuilder(Protocol):
    """What makes states of states: a dictionary, or something it is compared with."""

    def encode(self, x: Float[Tensor, "point width"]) -> Float[Tensor, "point feature"]:
        """Activations."""
        ...

    def decode(self, activations: Float[Tensor, "point feature"]) -> Float[Tensor, "point width"]:
        """States again."""
        ...


@dataclass(frozen=True, eq=False)
class Constant:
    """One state in place of every other: zero, or the mean."""

    state: Float32[np.ndarray, " width"]

    def encode(self, x: Float[Tensor, "point width"]) -> Float[Tensor, "point feature"]:
        """Nothing."""
        return x.new_zeros(len(x), 1, dtype=torch.float32)

    def decode(self, activations: Float[Tensor, "point feature"]) -> Float[Tensor, "point width"]:
        """The state, as often as there are points."""
        return torch.tensor(self.state).to(activations.device).expand(len(activations), -1)


@dataclass(frozen=True, eq=False)
class Rebuild:
    """Put what a dictionary makes of states in their place; outliers of norm, such as attention sinks, stay."""

    site: Site
    by: Rebuilder
    longest: float
    """Norm above which a state is left as it is."""
    positions: Positions = "after_first"
    label: ClassVar[str] = "rebuild states"

    def apply(self, x, at):
        """Return x with its usual rows rebuilt."""
        usual = x.float().norm(dim=1) <= self.longest
        if not usual.any():
            return x
        rebuilt = self.by.decode(self.by.encode(x[usual]))
        return x.index_put((usual,), rebuilt.to(x.dtype))


@dataclass(frozen=True)
class Quality:
    """Figures of quality on held-out text; first tokens and outliers of norm count nowhere but in losses."""

    explained: float
    """Explained variance: 1 - sum |x - x'|^2 / sum |x - mean|^2 over all counting tokens; 1 is everything."""
    l0: float
    """Features active at a token."""
    dead: float
    """Share of features that never fire in these tokens; some of them fire in more text."""
    dense: float
    """Share of features that are active at more than a tenth of the tokens."""
    cosine: float
    """Mean cosine between a state and what is made of it, both less the mean."""
    shrinkage: float
    """Mean of |x'| / |x|, both less the mean; below 1 activations are too small."""
    clean: float
    """Nats a token: the model's own loss."""
    increase: float
    """Nats a token that the loss rises by when rebuilt states stand in for the counting ones."""
    zero: float
    """The same with zero in their place."""
    mean: float
    """The same with the mean state."""
    principal_explained: float
    """Explained variance of as many principal components of these very tokens as features are active."""
    principal_increase: float
    random_explained: float | None
    """Of as many random directions, the same number taken by matching pursuit; None above 128 active features."""
    random_increase: float | None
    tokens: int
    """That count."""
    loss_tokens: int
    """On which losses were measured."""
    left_out: int
    """First tokens and outliers of norm."""

    @property
    def recovered_zero(self) -> float | None:
        """Share of the loss that zero states cost which is not lost; 1 is everything, None if they cost nothing."""
        return 1 - self.increase / self.zero if self.zero > 0 else None

    @property
    def recovered_mean(self) -> float | None:
        """The same against mean states."""
        return 1 - self.increase / self.mean if self.mean > 0 else None

    @property
    def card(self) -> dict[str, float | int | None]:
        """For a dictionary's card, under `quality`."""
        return {
            "explained_variance": self.explained,
            "l0": self.l0,
            "dead_share": self.dead,
            "dense_share": self.dense,
            "cosine": self.cosine,
            "shrinkage": self.shrinkage,
            "loss_clean": self.clean,
            "loss_increase": self.increase,
            "loss_increase_zero": self.zero,
            "loss_increase_mean": self.mean,
            "recovered_zero": self.recovered_zero,
            "recovered_mean": self.recovered_mean,
            "explained_by_pca": self.principal_explained,
            "loss_increase_pca": self.principal_increase,
            "explained_at_random": self.random_explained,
            "loss_increase_random": self.random_increase,
            "tokens": self.tokens,
            "loss_tokens": self.loss_tokens,
            "left_out": self.left_out,
        }

    def lines(self) -> tuple[str, ...]:
        """The figures in sentences."""
        beside = [f"as many principal components {self.principal_explained:.0%}"]
        costs = [f"principal components {self.principal_increase:+.2f}"]
        if self.random_explained is not None:
            beside.append(f"as many random directions {self.random_explained:.0%}")
            costs.append(f"random directions {self.random_increase:+.2f}")
        costs += [f"mean states {self.mean:+.2f}", f"zero states {self.zero:+.2f}"]
        return (
            f"It explains {self.explained:.1%} of the variance of {self.tokens:,} held-out tokens with {self.l0:.1f} "
            f"features at a token; {', '.join(beside)}.",
            f"With rebuilt states in their place the model's loss changes by {self.increase:+.3f} nats, from "
            f"{self.clean:.2f}; with {', '.join(costs)}.",
            _shares((("zero", self.recovered_zero), ("mean", self.recovered_mean))),
            f"{self.dead:.1%} of the features never fire in these tokens and {self.dense:.1%} fire at more than a "
            f"tenth of them. Cosine {self.cosine:.2f}; rebuilt states are {self.shrinkage:.0%} as long.",
        )


def _shares(said: Sequence[tuple[str, float | None]]) -> str:
    """Shares recovered, in a sentence."""
    known = [f"{share:.1%} against {name} states" for name, share in said if share is not None]
    if not known:
        return (
            "Neither zero nor mean states cost this model anything, so no share of the loss can be recovered."
        )
    return f"Share of the loss recovered: {' and '.join(known)}."


def quality(
    model: LoadedModel, dictionary: Dictionary, windows: Sequence[Tokens], report: Report = silent
) -> Quality:
    """Measure a dictionary on held-out text, beside principal components and random directions.

    Args:
        model: the model.
        dictionary: of this model.
        windows: stretches of text that it has not been trained on.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the dictionary is not this model's, or the text is too short to say anything.

    Source: Karvonen et al. 2025, arXiv 2503.09532.
    Misleads when: only the share recovered is read: zero states destroy the text, so .95 is cheap.
    """
    dictionary.require_fit(model)
    states, first = _states(model, dictionary.site, windows, report)
    norms = np.linalg.norm(states, axis=1)
    usual = samples.usual_norms(norms[None])
    longest = samples.OUTLIER * float(np.median(norms)) if len(norms) else 0.0
    kept = states[usual]
    if len(kept) < 2:
        raise AnalysisError(
            f"Quality needs some tokens that count; these {len(windows)} stretches of text have {len(kept)}. Give more "
            "text."
        )
    report("Rebuilding states")
    own = _rebuilding(dictionary, kept)
    others = _compared(dictionary, kept, own["l0"])
    losses = Losses(model, dictionary.site, first_windows(windows, LOSS_TOKENS), longest, report)
    increase = losses.increases({"own": dictionary} | others, report)
    random = others.get("random")
    return Quality(
        **own,
        clean=losses.clean,
        increase=increase["own"],
        zero=increase["zero"],
        mean=increase["mean"],
        principal_explained=explained(kept, rebuilt(others["principal"], kept)),
        principal_increase=increase["principal"],
        random_explained=None if random is None else explained(kept, rebuilt(random, kept)),
        random_increase=increase.get("random"),
        tokens=len(kept),
        loss_tokens=losses.tokens,
        left_out=first + int((~usual).sum()),
    )


def rebuilt(by: Rebuilder, x: Float32[np.ndarray, "point width"]) -> Float32[np.ndarray, "point width"]:
    """What is made of states, in portions."""
    with torch.inference_mode():
        parts = [by.decode(by.encode(part)).float() for part in torch.from_numpy(x).split(1_024)]
    return torch.cat(parts).numpy()


@dataclass(frozen=True, eq=False)
class Losses:
    """The model's loss on some windows, over and over with other states at one site; the rest is run once."""

    model: LoadedModel
    site: Site
    windows: Sequence[Tokens]
    longest: float
    """Norm above which a state stays what it is, as first tokens do."""
    report: Report = field(default=silent, repr=False)

    @cached_property
    def _traces(self) -> list:
        """Runs as far as nothing changes them, and their ends."""
        resume = Site(self.site.layer - (self.site.stream != "residual"))
        top = Site(self.model.n_layers)
        found = []
        for start in range(0, len(self.windows), TOGETHER):
            self.report("Reading held-out text", start, len(self.windows))
            found.append(self.model.run(self.windows[start : start + TOGETHER], read=[resume, top]))
        return found

    @property
    def tokens(self) -> int:
        """Tokens that are predicted."""
        return sum(len(window) - 1 for window in self.windows)

    @cached_property
    def clean(self) -> float:
        """Nats a token of the model itself."""
        return float(
            np.concatenate([self._nats(trace, list(range(len(trace.rows)))) for trace in self._traces]).mean()
        )

    def increases(self, by: Mapping[str, Rebuilder], report: Report = silent) -> dict[str, float]:
        """Nats a token that the loss rises by with states rebuilt by each of these, all in one batch.

        Args:
            by: what rebuilds, by name.
            report: progress in windows; raises `Cancelled` to stop.
        """
        found: dict[str, list[Float64[np.ndarray, " point"]]] = {name: [] for name in by}
        variants = [Variant(name, (self._edit(each),)) for name, each in by.items()]
        for number, trace in enumerate(self._traces):
            report("Measuring losses", number, len(self._traces))
            edited = self.model.rerun(trace, read=[Site(self.model.n_layers)], variants=variants)
            for name in by:
                rows = [row for row, each in enumerate(edited.rows) if each.variant == name]
                found[name].append(self._nats(edited, rows))
        return {name: float(np.concatenate(parts).mean()) - self.clean for name, parts in found.items()}

    def _edit(self, by: Rebuilder) -> Edit:
        return Rebuild(self.site, by, self.longest)

    def _nats(self, trace, rows: list[int]) -> Float64[np.ndarray, " point"]:
        top = Site(self.model.n_layers)
        states = np.concatenate([trace.at(top, row)[:-1] for row in rows])
        return surprises(self.model, states, [index for row in rows for index in trace.tokens[row].ids[1:]])


def longest_usual(model: LoadedModel, site: Site, windows: Sequence[Tokens]) -> float:
    """8 times the median norm at a site, first tokens left out: what is longer does not count."""
    states, _ = _states(model, site, windows, silent)
    return samples.OUTLIER * float(np.median(np.linalg.norm(states, axis=1)))


def _states(
    model: LoadedModel, site: Site, windows: Sequence[Tokens], report: Report
) -> tuple[Float32[np.ndarray, "point width"], int]:
    """States behind first tokens, and how many first tokens there are."""
    found = []
    for start in range(0, len(windows), TOGETHER):
        report("Reading held-out text", start, len(windows))
        trace = model.run(windows[start : start + TOGETHER], read=[site])
        found += [trace.at(site, row)[1:] for row in range(len(trace.rows))]
    width = model.n_neurons if site.stream == "neurons" else model.d_model
    return np.concatenate(found) if found else np.empty((0, width), np.float32), len(windows)


def _rebuilding(dictionary: Dictionary, x: Float32[np.ndarray, "point width"]) -> dict[str, float]:
    """Figures that need no model."""
    fired = np.zeros(dictionary.features, np.int64)
    made = np.empty_like(x)
    with torch.inference_mode():
        for start in range(0, len(x), 1_024):
            activations = dictionary.encode(torch.from_numpy(x[start : start + 1_024]))
            fired += (activations != 0).sum(0).numpy()
            made[start : start + 1_024] = dictionary.decode(activations).numpy()
    center = x.mean(0, dtype=np.float64)
    own, other = x - center, made - center
    lengths, others = np.linalg.norm(own, axis=1), np.linalg.norm(other, axis=1)
    cosines = (own * other).sum(1) / np.maximum(lengths * others, 1e-30)
    return {
        "explained": explained(x, made),
        "l0": float(fired.sum() / len(x)),
        "dead": float((fired == 0).mean()),
        "dense": float((fired > DENSE * len(x)).mean()),
        "cosine": float(cosines.mean()),
        "shrinkage": float((others / np.maximum(lengths, 1e-30)).mean()),
    }


def _compared(
    dictionary: Dictionary, x: Float32[np.ndarray, "point width"], l0: float
) -> dict[str, Rebuilder]:
    """What a dictionary is compared with: zero, the mean, as many principal components, as many random directions."""
    center = x.mean(0).astype(np.float32)
    many = max(1, round(l0))
    found: dict[str, Rebuilder] = {
        "zero": Constant(np.zeros_like(center)),
        "mean": Constant(center),
        "principal": principal(x, dictionary.site, min(many, x.shape[1], len(x) - 1)),
    }
    if many <= MOST_TURNS:
        found["random"] = MatchingPursuit(
            "random directions", dictionary.site, random_rows(dictionary.features, x.shape[1]), center, many
        )
    return found


def random_rows(count: int, width: int, seed: int = 0) -> Float32[np.ndarray, "feature width"]:
    """Unit vectors in random directions."""
    rows = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def first_windows(windows: Sequence[Tokens], most: int) -> list[Tokens]:
    """The first windows that hold about so many tokens; those of one token predict nothing and are left out."""
    kept, tokens = [], 0
    for window in windows:
        if tokens >= most:
            break
        if len(window) > 1:
            kept.append(window)
            tokens += len(window)
    return kept
