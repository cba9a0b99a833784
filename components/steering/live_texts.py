"""Base, edited and random texts streaming side by side from one batch; a new request cancels the old one."""

from dataclasses import dataclass

import streamlit as st

from analysis import LoadedModel, Sampling, Tokens, Variant, jobs
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.models.prefix import Prefix

ABANDONED_AFTER = 10.0


@dataclass(frozen=True)
class Request:
    """Everything that decides the texts."""

    model: LoadedModel
    tokens: Tokens
    variants: tuple[Variant, ...]
    sampling: Sampling
    count: int
    """New tokens at most."""

    @property
    def key(self) -> str:
        """One name for it."""
        return fingerprint(self.model.fingerprint, self.tokens.ids, self.variants, self.sampling, self.count)


class LiveTexts:
    """Texts of several rows as they come, readable while the job goes on."""

    def __init__(self, request: Request, prefix: Prefix | None = None):
        self.request = request
        self.key = request.key
        self.prefix = prefix
        """The prompt's unedited pass: texts under other edits begin from it."""
        self.ids: list[list[int]] = [[] for _ in request.variants]
        self.ended: list[bool] = [False] * len(request.variants)
        self.broken: list[bool] = [False] * len(request.variants)
        self.stopped = False
        self.job: Job[None] = jobs.start("Writing the texts", self._follow, abandon_after=ABANDONED_AFTER)

    def _follow(self, report: Report) -> None:
        request = self.request
        report("Reading the prompt", 0, request.count)
        self.prefix = self.prefix or request.model.prefix(request.tokens)
        steps = request.model.generate(
            request.tokens,
            variants=request.variants,
            sampling=request.sampling,
            max_new_tokens=request.count,
            prefix=self.prefix,
        )
        for step in steps:
            for row, index in enumerate(step.ids):
                if index is not None:
                    self.ids[row].append(index)
            self.ended, self.broken = list(step.ended), list(step.broken)
            report("Writing the texts", max(map(len, self.ids)), request.count)

    def stop(self) -> None:
        """End it here; what was written stays."""
        self.stopped = True
        self.job.cancel()

    def text(self, row: int) -> str:
        """What a row wrote so far; bytes that form no character yet are shown as U+FFFD."""
        tokenizer = self.request.model.tokenizer
        return b"".join(map(tokenizer.piece, self.ids[row])).decode("utf-8", "replace")

    @property
    def done(self) -> int:
        """Tokens of the longest row."""
        return max(map(len, self.ids))


def live(request: Request, name: str = "live_texts") -> LiveTexts:
    """The texts of this request: those under way, or new ones, the old ones being cancelled."""
    running: LiveTexts | None = st.session_state.get(name)
    if running is not None and running.key == request.key and not _left_alone(running):
        return running
    prefix = None
    if running is not None:
        running.stop()
        prefix = running.prefix if _same_prompt(running.request, request) else None
    running = st.session_state[name] = LiveTexts(request, prefix)
    return running


def _same_prompt(one: Request, other: Request) -> bool:
    return one.model is other.model and one.tokens.ids == other.tokens.ids


def _left_alone(texts: LiveTexts) -> bool:
    """True if nobody looked for a while, so that the work was given up."""
    return texts.job.state == "cancelled" and not texts.stopped


def write_again(name: str = "live_texts") -> None:
    """Let the next run start over, also where nothing has changed."""
    running: LiveTexts | None = st.session_state.pop(name, None)
    if running is not None:
        running.job.cancel()
