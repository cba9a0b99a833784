"""What the mean state of a group would say next, beside that of the rest, read through a lens."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64

from analysis.errors import AnalysisError
from analysis.groups.membership import Rows, mean, membership
from analysis.jobs import Report, silent
from analysis.methods.lens import Lens
from analysis.models import parity
from analysis.models.loaded import LoadedModel
from analysis.next_token import NATS_PER_BIT

SHUFFLES = 8
"""Random groups whose mean is read, too."""
TOP = 8


@dataclass(frozen=True)
class Said:
    """One token that a mean state would say next."""

    label: str
    """As shown on screen."""
    inside: float
    """Its probability after the group's mean, 0 to 1."""
    outside: float
    """After the rest's."""


@dataclass(frozen=True)
class MeanReading:
    """The next token after a group's mean state and after the rest's, at one layer."""

    layer: int
    lens: str
    group: tuple[Said, ...]
    """The most probable after the group's mean, most probable first."""
    rest: tuple[Said, ...]
    """After the rest's."""
    raised: tuple[Said, ...]
    """What the group says rather than the rest: by p log(p / p of the rest), largest first."""
    lowered: tuple[Said, ...]
    """What the rest says rather than the group."""
    kl: float
    """KL(group || rest), in bits."""
    shuffled: tuple[float, ...]
    """The same for random groups of this size."""


def reading_of_mean(
    model: LoadedModel,
    states: Float32[np.ndarray, "point d_model"],
    rows: Rows,
    layer: int,
    lens: Lens,
    *,
    among: Bool[np.ndarray, " point"] | None = None,
    top: int = TOP,
    seed: int = 0,
    report: Report = silent,
) -> MeanReading:
    """Read the mean of a group's states, and that of the rest, in the vocabulary.

    Args:
        model: whose states they are.
        states: of the residual stream at this layer.
        rows: the group.
        layer: 0 to L.
        lens: how they are carried to the last layer.
        among: points that count; None takes all. First tokens should be left out: they are so long that one of them
            decides a mean.
        top: tokens of each list.
        seed: of the random groups.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there is no group or no rest, or the model's last layer does not read as its own logits.
    Source: the lens's own; means of states as in Marks & Tegmark 2023, arXiv 2310.06824.
    Misleads when: no state is near the mean: a mean of very different states is none that the model has.
    """
    parity.require(model, "lens")
    group, rest = membership(len(states), rows, among)
    report("Averaging states", 0, SHUFFLES + 2)
    both = np.concatenate([group, rest])
    means = [mean(states, group), mean(states, rest)]
    random = np.random.default_rng(seed)
    total = means[0] * len(group) + means[1] * len(rest)
    for number in range(SHUFFLES):
        report("Averaging random groups", number + 2, SHUFFLES + 2)
        drawn = mean(states, np.sort(random.choice(both, len(group), replace=False)))
        means += [drawn, (total - drawn * len(group)) / len(rest)]
    read = _log_probabilities(model, np.stack(means).astype(np.float32), layer, lens)
    kl = (np.exp(read[0::2]) * (read[0::2] - read[1::2])).sum(1) / NATS_PER_BIT
    own, other = read[:2]

    def named(order: Float64[np.ndarray, " vocab"]) -> tuple[Said, ...]:
        ids = np.argsort(-order, kind="stable")[:top]
        return tuple(
            Said(model.tokenizer.label(i), float(np.exp(own[i])), float(np.exp(other[i]))) for i in ids
        )

    return MeanReading(
        layer,
        lens.title,
        named(own),
        named(other),
        named(np.exp(own) * (own - other)),
        named(np.exp(other) * (other - own)),
        max(float(kl[0]), 0.0),
        tuple(max(float(each), 0.0) for each in kl[1:]),
    )


def _log_probabilities(
    model: LoadedModel, means: Float32[np.ndarray, "mean d_model"], layer: int, lens: Lens
) -> Float64[np.ndarray, "mean vocab"]:
    def read() -> np.ndarray:
        carried = lens.carry(model, layer, torch.from_numpy(means))
        return model.read_out(carried).double().log_softmax(-1).numpy()

    found = model.on_worker(read)
    if not np.isfinite(found).all():
        raise AnalysisError(
            f"The mean at layer {layer} does not read as finite numbers through the {lens.title}."
        )
    return found
