"""A training from text to shelf: read, learn, checkpoint, measure, keep; killed or paused, it goes on where it was."""

import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from analysis import samples, store
from analysis.dictionaries import shelf
from analysis.dictionaries.quality import Constant, Losses, Quality, first_windows, quality
from analysis.dictionaries.shelf import Offer
from analysis.dictionaries.training import checkpoint
from analysis.dictionaries.training.activations import Activations, Stretches, harvest, stretches
from analysis.dictionaries.training.folding import Scaling
from analysis.dictionaries.training.plan import Plan, Step
from analysis.dictionaries.training.trainer import Trainer
from analysis.edits import Site
from analysis.errors import AnalysisError, Cancelled
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

KIND = "trainings"
ORDER, TEXTS, CURVE, CHECKPOINT, FINISH = (
    "order.json",
    "texts.json",
    "curve.json",
    "checkpoint.safetensors",
    "finish",
)
CHECKPOINT_EVERY, SHOWN_EVERY = 30.0, 2.0
"""Seconds between checkpoints, and between looks at the curve."""
CHECKS = 6
"""How often the model's loss with rebuilt states is measured on the way."""
CHECKED, JUDGED = 1_024, 16_384
"""Held-out tokens of these checks, about, and of the figures of quality at the end."""
CALIBRATED = 16_384
"""States that a threshold is set by at the end."""


@dataclass(frozen=True)
class Order:
    """What is to be trained, and on what."""

    site: Site
    plan: Plan
    tokens: int
    """Distinct ones to learn from, about."""
    name: str = "Trained here"
    """Of the dictionary, for the person."""
    text: str = ""
    """What the text is, in a few words."""
    length: int = samples.WINDOW
    """Tokens of a stretch of text."""

    @property
    def title(self) -> str:
        """For the person."""
        return f"{self.name}, {self.plan.width:,} features, {self.site}"


@dataclass(frozen=True, eq=False)
class Trained:
    """A dictionary that has been learnt, measured and kept."""

    offer: Offer
    """Of the shelf."""
    quality: Quality
    curve: tuple[Step, ...]
    tokens: int
    """Distinct ones it has learnt from."""


@dataclass(frozen=True)
class Unfinished:
    """A training that stopped before its end."""

    key: str
    order: Order
    curve: tuple[Step, ...]
    when: float
    """Last worked on, in seconds since 1970."""

    @property
    def done(self) -> int:
        """Steps."""
        return self.curve[-1].number if self.curve else 0


def key_of(model: LoadedModel, order: Order, texts: Sequence[str]) -> str:
    """One name for a training: the same order on the same text goes on where it was."""
    same = replace(order, name="", text="")
    return fingerprint("training", model.fingerprint, same, tuple(texts))[:32]


def train(model: LoadedModel, order: Order, texts: Sequence[str], report: Report = silent) -> Trained:
    """Learn a dictionary and keep it on the shelf.

    Stopped (its report raises `Cancelled`) or killed, the same call goes on from the last checkpoint and ends with the
    same curve and the same dictionary.

    Args:
        model: whose states.
        order: what is trained, and where.
        texts: to learn from; some are held out for the figures of quality.
        report: progress; raises `Cancelled` to pause.

    Raises:
        AnalysisError: the text has fewer tokens than a batch, the disk is full, or the loss is no number any more; what
            was learnt before stays.
    Source: Cunningham et al. 2023, arXiv 2309.08600; Gao et al. 2024, arXiv 2406.04093; and those of `Trainer`.
    Misleads when: there are few tokens: under 5 million a dictionary partly fits the text it saw.
    """
    place = _place(key_of(model, order, texts))
    with store.held(f"{KIND}-{place.name}", report, "Waiting for the same training, which runs elsewhere"):
        read = stretches(
            model, texts, tokens=order.tokens, length=order.length, seed=order.plan.seed, report=report
        )
        require_enough(read, order.plan)
        _write_order(place, model, order, texts)
        found = harvest(model, order.site, read.training, report)
        run = _Run(model, order, place, read, found)
        run.learn(report)
        trained = run.kept(report)
        shutil.rmtree(place, ignore_errors=True)
    return trained


def resume(model: LoadedModel, key: str, report: Report = silent) -> Trained:
    """Go on with an unfinished training; as `train`.

    Raises:
        AnalysisError: there is none of this key, or as for `train`.
    """
    place = _place(key)
    order = _order(place)
    return train(model, order, store.read_json(place / TEXTS), report)


def require_enough(read: Stretches, plan: Plan) -> None:
    """Refuse text that fills no batch, or leaves nothing to judge by, before anything runs.

    Raises:
        AnalysisError: with the numbers.
    """
    usable = read.tokens - len(read.training)
    if usable < plan.batch:
        raise AnalysisError(
            f"The text has {usable:,} tokens to learn from (first ones and held-out texts left out), and a batch takes "
            f"{plan.batch:,}. Bring more text, or choose a smaller batch."
        )
    if not read.held_out:
        raise AnalysisError(
            "No stretch of text can be held out to judge the dictionary by. Bring more text: at least 20 stretches of "
            "9 tokens."
        )


def unfinished(model: LoadedModel) -> tuple[Unfinished, ...]:
    """Trainings of this model that stopped before their end, the latest first."""
    found = []
    for place in (store.home() / KIND).glob("*/"):
        try:
            if store.read_json(place / ORDER)["model"] == model.fingerprint:
                found.append(
                    Unfinished(place.name, _order(place), curve_of(place.name), place.stat().st_mtime)
                )
        except AnalysisError:  # it is being written, or was cut short
            continue
    return tuple(sorted(found, key=lambda each: -each.when))


def curve_of(key: str) -> tuple[Step, ...]:
    """The curve of a training as last looked at; empty before its first step."""
    try:
        return tuple(Step(**said) for said in store.read_json(_place(key) / CURVE))
    except AnalysisError:
        return ()


def finish(key: str) -> None:
    """Let a training end at its next step, as if that had been the last one."""
    if (place := _place(key)).is_dir():
        (place / FINISH).touch()


def discard(key: str) -> None:
    """Forget an unfinished training; the states it has read stay for others."""
    shutil.rmtree(_place(key), ignore_errors=True)


@dataclass(eq=False)
class _Run:
    """A training under way."""

    model: LoadedModel
    order: Order
    place: Path
    read: Stretches
    found: Activations
    curve: list[Step] = field(default_factory=list)

    def __post_init__(self):
        self.found.require(self.order.plan.batch)
        self.trainer = Trainer(self.order.plan, self.found.width)
        if (self.place / CHECKPOINT).exists():
            self.curve = checkpoint.load(self.place / CHECKPOINT, self.trainer)
        self._saved = self._shown = time.monotonic()
        checked = first_windows(self.read.held_out, CHECKED)
        self._losses = Losses(self.model, self.order.site, checked, self.found.longest)

    def learn(self, report: Report) -> None:
        """Every step that is left, with checkpoints."""
        try:
            for batch in islice(self._batches(), max(0, self.order.plan.steps - self.trainer.done)):
                if (self.place / FINISH).exists():
                    break
                self._tell(report)
                self._step(torch.from_numpy(batch), report)
                self._keep_now_and_then()
        except Cancelled:
            self._keep()
            raise
        self._keep()

    def kept(self, report: Report) -> Trained:
        """The dictionary with its figures of quality, on the shelf."""
        report("Setting the threshold")
        held = self.found.batches(min(CALIBRATED, self._whole()), self.order.plan.seed + 1)
        self.trainer.calibrate(torch.from_numpy(next(held)))
        made = self._dictionary()
        found = quality(self.model, made, first_windows(self.read.held_out, JUDGED), report)
        card = self._card() | {"quality": found.card}
        how = f"Trained on {len(self.found):,} tokens of {self.order.text or 'text'}."
        try:
            offer = shelf.keep(made, self.order.name, how, card)
        except AnalysisError:  # most likely another one has this name; hours of work do not end with that
            offer = shelf.keep(made, f"{self.order.name[:72]} {made.id[:6]}", how, card)
        return Trained(offer, found, tuple(self.curve), len(self.found))

    def _batches(self) -> Iterator[np.ndarray]:
        return self.found.batches(self.order.plan.batch, self.order.plan.seed, self.trainer.done)

    def _whole(self) -> int:
        """States in the smallest group: what can be asked for at once."""
        return sum(sorted(self.found.rows)[:4])

    def _step(self, batch: torch.Tensor, report: Report) -> None:
        step = self.trainer.step(batch)
        if not math.isfinite(step.loss):
            raise AnalysisError(
                f"The loss is no number any more at step {step.number:,}. The last good checkpoint, of step "
                f"{self._checkpointed():,}, is kept; begin anew with a lower learning rate."
            )
        if step.number in self._checks():
            report("Measuring the loss on held-out text", step.number, self.order.plan.steps)
            step = replace(step, **self._losses_now())
        every = max(1, self.order.plan.steps // 1_000)
        if step.number % every == 0 or step.increase is not None or step.number == self.order.plan.steps:
            self.curve.append(step)

    def _checks(self) -> set[int]:
        steps = self.order.plan.steps
        return {round(steps * part / CHECKS) for part in range(1, CHECKS + 1)} - {0}

    def _losses_now(self) -> dict[str, float | None]:
        """What rebuilt states cost the model, in nats, and as a share of what zero states cost."""
        increase = self._losses.increases({"own": self._dictionary()})["own"]
        share = 1 - increase / self._zero if self._zero > 0 else None
        return {"increase": increase, "recovered": share}

    @cached_property
    def _zero(self) -> float:
        zero = Constant(np.zeros(self.found.width, np.float32))
        return self._losses.increases({"zero": zero})["zero"]

    def _dictionary(self):
        scaling = Scaling(self.found.mean, self.found.scale)
        return self.trainer.dictionary(
            self.order.name, self.order.site, self.model.title, self._card(), scaling
        )

    def _card(self) -> dict:
        plan = self.order.plan
        return {
            "training_tokens": len(self.found),
            "training_samples": self.trainer.done * plan.batch,
            "text": self.order.text,
            "seed": plan.seed,
            "plan": asdict(plan),
            "left_out": self.found.left_out,
            "context_size": self.order.length,
        }

    def _tell(self, report: Report) -> None:
        steps = self.order.plan.steps
        last = self.curve[-1] if self.curve else None
        told = "" if last is None else f": {1 - last.unexplained:.0%} of the variance, {last.l0:.1f} active"
        report(f"Training, step {self.trainer.done + 1:,} of {steps:,}{told}", self.trainer.done, steps)

    def _keep_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._shown > SHOWN_EVERY:
            self._show()
        if now - self._saved > CHECKPOINT_EVERY:
            self._keep()

    def _keep(self) -> None:
        checkpoint.save(self.place / CHECKPOINT, self.trainer, self.curve)
        self._saved = time.monotonic()
        self._show()

    def _show(self) -> None:
        store.write_json(self.place / CURVE, [asdict(step) for step in self.curve])
        self._shown = time.monotonic()

    def _checkpointed(self) -> int:
        path = self.place / CHECKPOINT
        return checkpoint.steps_in(path) if path.exists() else 0


def _place(key: str) -> Path:
    """The folder of a run; it need not be there."""
    return store.home() / KIND / Path(key).name


def _write_order(place: Path, model: LoadedModel, order: Order, texts: Sequence[str]) -> None:
    if not (place / ORDER).exists():
        store.write_json(place / TEXTS, list(texts))
        store.write_json(place / ORDER, {"model": model.fingerprint, "title": model.title} | asdict(order))


def _order(place: Path) -> Order:
    said: Mapping = store.read_json(place / ORDER)
    plan = said["plan"] | {"nested": tuple(said["plan"]["nested"])}
    names = ("tokens", "name", "text", "length")
    return Order(Site(**said["site"]), Plan(**plan), **{name: said[name] for name in names})
