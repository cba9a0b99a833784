"""What a training will take on this machine, and what can be expected of it, before it starts."""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from analysis import store
from analysis.data import corpus
from analysis.dictionaries.quality import LOSS_TOKENS
from analysis.dictionaries.training.activations import ASIDE
from analysis.dictionaries.training.plan import Plan
from analysis.dictionaries.training.run import CHECKED, CHECKS, JUDGED, Order
from analysis.dictionaries.training.trainer import Trainer
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

ENOUGH = 5_000_000
"""Tokens from which on a dictionary is more than exploratory."""
PROBED = 8
"""Stretches of text that the reading speed is taken from."""
SMALL = (64, 256)
"""Activations of the two small steps that the training speed is taken from."""
COMPARED = 6
"""Runs of held-out text for the figures at the end: the model's own, and with five kinds of rebuilt states."""
TRIES = 3
"""Of each small step; the fastest counts, since the difference of two is read far beyond them."""
SEEN = (100_000, 200_000, 500_000, 1_000_000, 1_600_000, 2_560_000)
UNEXPLAINED = (0.457, 0.360, 0.280, 0.237, 0.220, 0.208)
"""Activations looked at, and the share of held-out variance that was left: the default model, layer 16, 4,608 features
of which 32 are active, 254,000 distinct tokens."""


@dataclass(frozen=True)
class Speed:
    """What this machine did just now."""

    tokens: float
    """Tokens a second, read up to the site."""
    samples: float
    """Activations a second, learnt from."""


@dataclass(frozen=True)
class Estimate:
    """What a training will take."""

    tokens: int
    """Distinct ones to learn from: no more than the text has."""
    samples: int
    """Activations looked at."""
    reading: float
    """Seconds to read states."""
    learning: float
    """Seconds of steps."""
    judging: float
    """Seconds of running held-out text, on the way and at the end."""
    bytes: int
    """On disk, of states and checkpoint."""

    @property
    def exploratory(self) -> bool:
        """True if there are so few tokens that the dictionary will partly fit the text it saw."""
        return self.tokens < ENOUGH

    @property
    def passes(self) -> float:
        """How often each activation is looked at."""
        return self.samples / max(self.tokens, 1)

    def sentences(self) -> tuple[str, ...]:
        """Time and space, then what can be expected."""
        time_said = (
            f"About {duration(self.reading)} to read {self.tokens:,} tokens and {duration(self.learning)} to learn "
            f"from {self.samples:,} activations ({self.passes:.1f} looks at each), then {duration(self.judging)} to "
            f"judge it on held-out text, at this machine's speed a moment ago; {store.size_text(self.bytes)} on disk."
        )
        quality = (
            f"On the default model, layer 16, so many activations once explained {expected(self.samples):.0%} of the "
            "variance, with 4,608 features of which 32 were active."
        )
        few = (
            " Exploratory: under 5 million distinct tokens a dictionary partly fits the text it saw."
            if self.exploratory
            else ""
        )
        return time_said, quality + few


def expected(samples: int) -> float:
    """Explained variance that so many activations gave once, read off between measured ones.

    Args:
        samples: activations looked at.

    Misleads when: model, layer, width or k differ: early layers are rebuilt better, late ones worse.
    """
    return 1 - float(np.interp(np.log(max(samples, 1)), np.log(SEEN), UNEXPLAINED))


def estimate(model: LoadedModel, order: Order, available: int, speed: Speed) -> Estimate:
    """What an order will take.

    Args:
        model: the model.
        order: what is to be trained.
        available: tokens of the text.
        speed: of this machine.
    """
    tokens = min(order.tokens, available)
    width = model.n_neurons if order.site.stream == "neurons" else model.d_model
    weights = 2 * order.plan.width * width * 4
    samples = order.plan.steps * order.plan.batch
    held_out = tokens // ASIDE
    judged = (
        min(JUDGED, held_out) + COMPARED * min(LOSS_TOKENS, held_out) + (CHECKS + 2) * min(CHECKED, held_out)
    )
    return Estimate(
        tokens=tokens,
        samples=samples,
        reading=tokens / speed.tokens,
        learning=samples / speed.samples,
        judging=judged / speed.tokens,
        bytes=tokens * width * 2 + 3 * weights,
    )


def measure_speed(model: LoadedModel, order: Order, report: Report = silent) -> Speed:
    """Read a few stretches of shipped text up to the order's site, and take two steps with noise."""
    report("Measuring this machine's speed")
    windows = [model.tokenize(text[:2_000]) for text in corpus.documents()[:PROBED]]
    windows = [each.cut(min(len(each), order.length)) for each in windows]
    reading = _seconds(lambda: model.run(windows, read=[order.site]))
    width = model.n_neurons if order.site.stream == "neurons" else model.d_model
    few, many = (_step_seconds(order.plan, width, rows) for rows in SMALL)
    each = max(many - few, many / 8) / (SMALL[1] - SMALL[0])
    whole = max(few - each * SMALL[0], 0) + each * order.plan.batch
    return Speed(sum(map(len, windows)) / reading, order.plan.batch / whole)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5_400 else f"{seconds / 3600:.1f} hours"


def _step_seconds(plan: Plan, width: int, rows: int) -> float:
    """Time of one step with a small batch; of two sizes a larger one's follows."""
    trainer = Trainer(replace(plan, batch=rows, samples=100 * rows), width)
    noise = torch.randn(rows, width, generator=torch.Generator().manual_seed(0))
    trainer.step(noise)
    return min(_seconds(lambda: trainer.step(noise)) for _ in range(TRIES))


def _seconds(work) -> float:
    started = time.perf_counter()
    work()
    return max(time.perf_counter() - started, 1e-6)
