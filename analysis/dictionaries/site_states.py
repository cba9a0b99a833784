"""States of ordinary text at one site, those that count: what dictionaries are fitted to and judged by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from analysis import samples
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.tokens import Tokens

FEWEST = 200
"""Tokens without which nothing is fitted."""
ASIDE = 10
"""One text in so many is held out."""


@dataclass(frozen=True, eq=False)
class SiteStates:
    """States to fit to, and states of other texts to judge by."""

    fitted: Float32[np.ndarray, "point width"]
    held_out: Float32[np.ndarray, "held width"]
    left_out: int
    """Tokens that do not count: first ones, and those with a norm above 8 times the median."""

    @property
    def together(self) -> int:
        """Tokens that count."""
        return len(self.fitted) + len(self.held_out)


def site_states(
    model: LoadedModel,
    site: Site,
    texts: Sequence[str],
    *,
    most: int = 8_000,
    seed: int = 0,
    report: Report = silent,
) -> SiteStates:
    """Run texts up to a site and keep the states of the tokens that count.

    Args:
        model: the model.
        site: where its states are read.
        texts: they are read in windows of 128 tokens; every tenth text is held out, or every tenth window where there
            are fewer than ten.
        most: tokens to read, about; of more, windows are drawn at random from all of the texts.
        seed: of the draw.
        report: progress in windows; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there is no such site, or the texts have too few tokens.
    """
    drawn = drawn_windows(model, texts, most, seed)
    unit = {text: number for number, text in enumerate(dict.fromkeys(text for text, _ in drawn))}
    units = [unit[text] for text, _ in drawn] if len(unit) >= ASIDE else range(len(drawn))
    aside = [number % ASIDE == ASIDE - 1 for number in units]
    sides = [
        [window for (_, window), held in zip(drawn, aside, strict=True) if held is side]
        for side in (False, True)
    ]
    total = sum(map(len, sides))
    read = _read(model, site, sides[0], report, 0, total)
    held = _read(model, site, sides[1], report, len(sides[0]), total)
    if len(read) < FEWEST or not len(held):
        raise AnalysisError(
            f"The texts have {len(read):,} tokens that count and {len(held):,} held out; at least {FEWEST} in ten "
            "windows of 128 are needed. Bring more text, or use the shipped one."
        )
    norms = np.linalg.norm(np.concatenate([read, held]), axis=1)[None]
    usual = samples.usual_norms(norms)
    fitted, held_out = read[usual[: len(read)]], held[usual[len(read) :]]
    first = sum(map(len, sides))
    return SiteStates(fitted, held_out, first + int((~usual).sum()))


def explained(
    states: Float[np.ndarray, "point width"],
    rebuilt: Float[np.ndarray, "point width"],
    mean: Float[np.ndarray, " width"] | None = None,
) -> float:
    """Explained variance: 1 - sum |x - x'|^2 / sum |x - mean|^2 over all points together; 1 at most, 0 for the mean.

    Args:
        states: held-out ones, or those a dictionary was fitted to.
        rebuilt: what it makes of them.
        mean: what counts as knowing nothing: that of the states it was fitted to; None is these states' own.

    Source: Karvonen et al. 2025, arXiv 2503.09532.
    Misleads when: a few directions or outliers hold most of the variance; much of what matters may lie in the rest.
    """
    exact = states.astype(np.float64)
    spread = np.square(exact - (exact.mean(0) if mean is None else mean)).sum()
    return float(1 - np.square(exact - rebuilt).sum() / spread)


def drawn_windows(
    model: LoadedModel, texts: Sequence[str], tokens: int, seed: int
) -> list[tuple[int, Tokens]]:
    """Windows of 128 tokens, each with its text's number, until they have so many tokens behind their first ones.

    They come from as many texts as there are: one at random of every text, then another of each, and so on.
    """
    rng = np.random.default_rng(seed)
    order, left = rng.permutation(len(texts)).tolist(), {}
    found, read = [], 0
    while order and read < tokens:
        for text in order:
            if text not in left:
                (windows,) = samples.windows(model, (texts[text],))
                left[text] = [windows[number] for number in rng.permutation(len(windows))]
            if left[text] and read < tokens:
                found.append((text, left[text].pop()))
                read += len(found[-1][1]) - 1
        order = [text for text in order if left.get(text)]
    return found


def _read(
    model: LoadedModel, site: Site, windows: list[Tokens], report: Report, before: int, total: int
) -> Float32[np.ndarray, "point width"]:
    """States behind the first token of every window."""
    found = []
    for batch in samples.batches(windows):
        report("Reading texts", before, total)
        trace = model.run(batch, read=[site])
        found += [trace.at(site, row)[1:] for row in range(len(batch))]
        before += len(batch)
    width = model.n_neurons if site.stream == "neurons" else model.d_model
    return np.concatenate(found) if found else np.empty((0, width), np.float32)
