"""A continuation as it comes, with what chosen features do in every token that was read."""

from dataclasses import dataclass

import numpy as np

from analysis import LoadedModel, Sampling, Tokens, jobs
from analysis.dictionaries.dictionary import Dictionary
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.methods.features import watched

ABANDONED_AFTER = 10.0


@dataclass(frozen=True, eq=False)
class Asked:
    """Everything that decides a continuation and what is watched in it."""

    model: LoadedModel
    tokens: Tokens
    dictionary: Dictionary
    features: tuple[int, ...]
    sampling: Sampling
    count: int
    """New tokens at most."""
    control: int | None = None
    """A random feature that is watched besides, as the last one."""

    @property
    def watched(self) -> tuple[int, ...]:
        """The features and their control."""
        return self.features if self.control is None else (*self.features, self.control)

    @property
    def key(self) -> str:
        """One name for it."""
        parts = self.tokens.ids, self.dictionary.fingerprint, self.watched, self.sampling, self.count
        return fingerprint(self.model.fingerprint, *parts)


class Writing:
    """New tokens and activations, readable while the job goes on."""

    def __init__(self, asked: Asked):
        self.asked = asked
        self.ids: list[int] = []
        self._rows: list[np.ndarray] = []
        self.job: Job[None] = jobs.start("Writing on", self._follow, abandon_after=ABANDONED_AFTER)

    def _follow(self, report: Report) -> None:
        asked = self.asked
        steps = watched(
            asked.model,
            asked.tokens,
            asked.dictionary,
            list(asked.watched),
            sampling=asked.sampling,
            most=asked.count,
        )
        for step in steps:
            self._rows.append(step.activations)
            if step.id is not None:
                self.ids.append(step.id)
            report("Writing on", len(self.ids), asked.count)

    @property
    def tokens(self) -> Tokens:
        """The text and what came so far."""
        return self.asked.model.tokenizer.continued(self.asked.tokens, tuple(self.ids))

    @property
    def activations(self) -> np.ndarray:
        """(position, feature) of the tokens that were read: the last one has not been."""
        return (
            np.concatenate(self._rows) if self._rows else np.zeros((0, len(self.asked.watched)), np.float32)
        )
