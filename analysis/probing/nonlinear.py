"""A small network as the upper comparison: what it reads and a linear probe does not, is there but not linear."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from analysis.probing.linear import log_shares
from analysis.probing.scaling import Scale, scale_of

HIDDEN = 64
RATE, DECAY = 3e-3, 1e-2
BATCH = 128
EPOCHS, PATIENCE = 150, 15
"""Passes over the examples at most, and without improvement on the part that is kept back."""
KEPT_BACK = 0.15
"""Share of the examples by which training is stopped."""


@dataclass(frozen=True, eq=False)
class SmallNetwork:
    """One hidden layer with ReLU."""

    scale: Scale
    inner: Float64[np.ndarray, "d hidden"]
    inner_bias: Float64[np.ndarray, " hidden"]
    outer: Float64[np.ndarray, "hidden class"]
    outer_bias: Float64[np.ndarray, " class"]

    def log_probabilities(
        self, states: Float[np.ndarray, "example d"]
    ) -> Float64[np.ndarray, "example class"]:
        """Natural logarithms of the classes' probabilities, at most 0."""
        hidden = np.maximum(self.scale.apply(states) @ self.inner + self.inner_bias, 0)
        return log_shares(hidden @ self.outer + self.outer_bias)

    def predict(self, states: Float[np.ndarray, "example d"]) -> Int64[np.ndarray, " example"]:
        """The likeliest class of every state."""
        return self.log_probabilities(states).argmax(1)


def mlp(
    states: Float[np.ndarray, "example d"],
    labellings: Int[np.ndarray, "task example"],
    count: int,
    *,
    seed: int = 0,
) -> tuple[SmallNetwork, ...]:
    """Networks of 64 hidden units on standardised states, one per labelling, trained side by side.

    Trained by AdamW; of every network the weights are kept that do best on a part of the examples it does not
    learn from. The same seed gives the same networks on one machine.

    Source: Hewitt & Liang 2019, arXiv 1909.03368 (MLP-1), Pimentel et al. 2020, arXiv 2004.03061.
    Misleads when: it has learned the task rather than read it: compare it with its own control task.
    """
    import torch

    scale = scale_of(states)
    random = np.random.default_rng(seed)
    order = random.permutation(len(states))
    kept = max(1, round(KEPT_BACK * len(states)))
    x = torch.from_numpy(scale.apply(states).astype(np.float32))
    y = torch.from_numpy(np.asarray(labellings, np.int64))
    weights = _start(len(labellings), states.shape[1], count, random)
    best = _trained(weights, x, y, order[kept:], order[:kept], random)
    arrays = [weight.double().numpy() for weight in best]
    return tuple(SmallNetwork(scale, *(a[i] for a in arrays)) for i in range(len(labellings)))


def _start(tasks: int, width: int, count: int, random: np.random.Generator) -> list:
    """The same first weights for every task, of the size that keeps the spread of what passes through."""
    import torch

    inner = random.normal(scale=np.sqrt(2 / width), size=(width, HIDDEN))
    outer = random.normal(scale=np.sqrt(1 / HIDDEN), size=(HIDDEN, count))
    arrays = (inner, np.zeros(HIDDEN), outer, np.zeros(count))
    return [
        torch.from_numpy(np.repeat(a[None], tasks, 0).astype(np.float32)).requires_grad_() for a in arrays
    ]


def _trained(weights: list, x, y, learned: np.ndarray, kept: np.ndarray, random: np.random.Generator) -> list:
    """The weights of every task at its best epoch."""
    import torch

    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
    best = [weight.detach().clone() for weight in weights]
    least = torch.full((len(y),), float("inf"))
    waited = torch.zeros(len(y))
    for _ in range(EPOCHS):
        for rows in np.array_split(random.permutation(learned), -(-len(learned) // BATCH)):
            optimizer.zero_grad()
            _losses(weights, x[rows], y[:, rows]).sum().backward()
            optimizer.step()
        with torch.no_grad():
            loss = _losses(weights, x[kept], y[:, kept])
            better = loss < least
            least, waited = torch.where(better, loss, least), torch.where(better, 0, waited + 1)
            for own, weight in zip(best, weights, strict=True):
                own[better] = weight[better]
        if (waited >= PATIENCE).all():
            break
    return best


def _losses(weights: list, x, y):
    """Mean cross-entropy of every task."""
    import torch

    inner, inner_bias, outer, outer_bias = weights
    hidden = torch.relu(x @ inner + inner_bias[:, None])
    logits = hidden @ outer + outer_bias[:, None]
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), y, reduction="none").mean(1)
