"""What every strength of a recipe does: how much of the concept comes out, and when the text breaks.

The same prompts are continued at every strength, by the recipe and by random imitations of it that keep their
directions over all strengths; the unedited model then reads what was written. Simply asking for the concept is
the baseline that steering has to beat.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float

from analysis import next_token, tradeoff
from analysis.background import KINDS, Background
from analysis.continuations import Continuation, Count, write
from analysis.directions import Probe
from analysis.edits import BASE, Site, Variant
from analysis.errors import AnalysisError
from analysis.fluency import fluency
from analysis.jobs import Report, silent
from analysis.models import parity
from analysis.models.decode import GREEDY, Sampling
from analysis.models.loaded import LoadedModel
from analysis.recipes import Recipe
from analysis.results import AgainstNull, Bounds, Provenance
from analysis.strengths import Grid, grid_of, is_push, ordered, scaled, strongest
from analysis.tokens import Tokens
from analysis.tradeoff import Gain, Guidance

T = TypeVar("T")
STRENGTHS = (-0.6, -0.4, -0.3, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6)
SMALL = (0.0025, 0.005, 0.01, 0.02, 0.04)
"""Where gain and cost are measured; a recipe that does much leaves its linear regime before 0.01."""
MOST_NULLS, FEWEST_TOKENS, MOST_TOKENS = 32, 4, 512

SOURCE = (
    "Turner et al. 2023, arXiv 2308.10248; controls as in Arditi et al. 2024, arXiv 2406.11717; effect and fluency "
    "over strength as in von Rütte et al. 2024, arXiv 2402.14433; small strengths as in Wolf et al. 2024, "
    "arXiv 2401.16332"
)
MISLEADS = (
    "The concept score reads what the probe reads, and a broken text has a score too: look at perplexity and "
    "repetition beside it, and read the texts. A band of two random directions is narrow, and a few prompts are few."
)


@dataclass(frozen=True)
class Written:
    """What the unedited model wrote, and how it reads: with the plain prompts, or asked for the concept."""

    texts: tuple[Tokens, ...]
    """By prompt: what was given and what it wrote."""
    score: float | None
    """Concept score, mean over prompts; None without a probe."""
    odds: float | None
    """Log-odds of the words as next token, in nats, mean over prompts; None without words."""
    perplexity: float
    """Under the unedited model after the plain prompts, geometric mean over them."""
    repetition: float
    """Share of repeated 3-grams, 0 to 1, mean over prompts."""


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """A recipe at many strengths, beside its random controls, the unedited model, and simply asking.

    Every curve is a mean over the prompts, with one place per strength.
    """

    strengths: tuple[float, ...]
    """Ascending; of the recipe's strongest dose, as a fraction of the usual residual norm."""
    score: AgainstNull | None
    """Where the written text lies between the sides of the concept: -1 negative, +1 positive. None without a probe."""
    odds: AgainstNull | None
    """Log-odds of the words as next token after the prompt, in nats. None without words."""
    perplexity: AgainstNull
    """Of the written text under the unedited model; geometric mean over prompts."""
    repetition: AgainstNull
    """Share of 3-grams of the written text that occurred before in it, 0 to 1."""
    kl: AgainstNull
    """KL(base || edited) of the next token after the prompt, in bits."""
    texts: tuple[tuple[Tokens, ...], ...]
    """By strength and prompt: the prompt and what the edited model wrote."""
    base: Written
    asked: Written | None
    """None where no prompts that ask were given."""
    breaks_at: tuple[float | None, float | None]
    """The first strengths below and above 0 at which the text is broken; None where it holds."""
    useful: tuple[float, float] | None
    """Lowest and highest strength, on the side the recipe pushes to, of the longest stretch where the effect
    leaves the band that way and the text holds."""
    gain: Gain | None
    gain_missing: str
    """Why there is no gain, in one sentence; empty where there is one."""
    guidance: Guidance | None
    guidance_missing: str
    """Why there is no guidance, in one sentence; empty where there is one."""
    provenance: Provenance

    @property
    def effect(self) -> AgainstNull | None:
        """What a recipe is judged by: the concept score, or the log-odds where there is no probe."""
        return self.score if self.score is not None else self.odds

    @property
    def best(self) -> float | None:
        """The useful strength at which the effect is largest; None where none is useful."""
        if self.useful is None:
            return None
        side = np.sign(sum(self.useful))
        useful = [i for i, s in enumerate(self.strengths) if self.useful[0] <= s <= self.useful[1]]
        return self.strengths[max(useful, key=lambda i: side * self.effect.values[i])]

    @property
    def summary(self) -> str:
        """Where the recipe works, where the text breaks, and what simply asking gives, in plain sentences."""
        return f"{_working(self)} {_breaking(self)}"


@dataclass(frozen=True, eq=False)
class _Rows:
    """One prompt's numbers, row by row; NaN where one is not defined. The last row is the asked one, if any."""

    score: Float[np.ndarray, " row"]
    odds: Float[np.ndarray, " row"]
    kl: Float[np.ndarray, " row"]
    nats: Float[np.ndarray, " row"]
    repetition: Float[np.ndarray, " row"]
    overflowed: Bool[np.ndarray, " row"]
    """True where the numbers of a run overflowed."""
    texts: tuple[Tokens, ...]


@dataclass(frozen=True)
class _Task:
    """What is the same for every prompt."""

    model: LoadedModel
    grid: Grid
    probe: Probe | None
    plus: tuple[int, ...]
    minus: tuple[int, ...]
    new_tokens: int
    sampling: Sampling


def dose_response(
    model: LoadedModel,
    prompts: Sequence[Tokens],
    recipe: Recipe,
    usual: Background,
    *,
    strengths: Sequence[float] = STRENGTHS,
    nulls: int = 2,
    kind: str = "isotropic",
    seed: int = 0,
    new_tokens: int = 20,
    plus: Sequence[int] = (),
    minus: Sequence[int] = (),
    asked: Sequence[Tokens] = (),
    sampling: Sampling = GREEDY,
    report: Report = silent,
) -> DoseResponse:
    """Run a recipe at many strengths and measure concept, words and text beside random imitations of it.

    At each strength the recipe is scaled so that its strongest dose has that strength, the others in proportion;
    doses that only project or reflect stay as they are, and so do erasures. Texts are judged by the unedited model
    after the plain prompt, those of `asked` too, so that one reader compares them all.

    Args:
        model: the model.
        prompts: texts to continue; others than the direction was built from.
        recipe: what to change. The probe of its first direction scores the texts.
        usual: the model's usual norms and states.
        strengths: fractions of the usual residual norm, -10 to 10, in any order.
        nulls: random imitations, 0 to 32; each keeps its direction over all strengths.
        kind: how they are drawn, one of `background.KINDS`.
        seed: of the first; the others count on from it.
        new_tokens: length of each continuation, 4 to 512.
        plus: tokens whose odds as next token are followed; needs `minus`.
        minus: tokens they are held against.
        asked: the same prompts with the instruction in front, one for each.
        sampling: how tokens are chosen; all rows share its seed.
        report: progress in tokens; raises `Cancelled` to stop, between any two tokens.

    Raises:
        AnalysisError: a setting is out of range, the recipe belongs to another model or has no strength to scale,
            or a text is too long.

    Source: Turner et al. 2023, arXiv 2308.10248; von Rütte et al. 2024, arXiv 2402.14433; Wolf et al. 2024,
    arXiv 2401.16332.
    Misleads when: the probe reads more than the concept, or few prompts and random directions were used.
    """
    parity.require(model, "lens")
    recipe.require_fit(model)
    strengths = ordered(strengths)
    _require(model, prompts, asked, plus, minus, nulls, new_tokens)
    probe = recipe.doses[0].direction.probe if recipe.doses else None
    grid = grid_of(recipe, usual, strengths, nulls=nulls, kind=kind, seed=seed)
    task = _Task(
        model, grid, probe, *(tuple(dict.fromkeys(side)) for side in (plus, minus)), new_tokens, sampling
    )
    count = Count(len(prompts) * (len(grid.rows) + bool(asked)) * new_tokens, report)
    rows = [
        _rows(task, prompt, ask, count)
        for prompt, ask in zip(prompts, asked or [None] * len(prompts), strict=True)
    ]
    provenance = _provenance(task, recipe, strengths, prompts, asked, f"{nulls}, {KINDS[kind]}", seed)
    report("Measuring small strengths")
    small = _attempt(lambda: _gain(task, prompts, recipe, usual))
    return _response(task, rows, strengths, strongest(recipe) > 0, bool(asked), small, provenance)


def _require(
    model: LoadedModel,
    prompts: Sequence[Tokens],
    asked: Sequence[Tokens],
    plus: Sequence[int],
    minus: Sequence[int],
    nulls: int,
    new_tokens: int,
) -> None:
    if not prompts:
        raise AnalysisError("No prompt was given. Give at least one text to continue.")
    if asked and len(asked) != len(prompts):
        raise AnalysisError(
            f"Asking is compared prompt by prompt: {len(prompts)} prompts need as many that ask; given {len(asked)}."
        )
    if not 0 <= nulls <= MOST_NULLS:
        raise AnalysisError(f"0 to {MOST_NULLS} random controls can run beside a recipe; given {nulls}.")
    if not FEWEST_TOKENS <= new_tokens <= MOST_TOKENS:
        raise AnalysisError(
            f"A continuation has {FEWEST_TOKENS} to {MOST_TOKENS} tokens here; given {new_tokens}."
        )
    _require_words(model, plus, minus)


def _require_words(model: LoadedModel, plus: Sequence[int], minus: Sequence[int]) -> None:
    if bool(plus) != bool(minus):
        raise AnalysisError(
            f"Odds need words on both sides; given {len(plus)} for and {len(minus)} against. Add the other side."
        )
    for index in (*plus, *minus):
        if not 0 <= index < model.vocabulary:
            raise AnalysisError(
                f"Token {index} does not exist: this vocabulary has {model.vocabulary:,} entries."
            )
    both = sorted(set(plus) & set(minus))
    if both:
        raise AnalysisError(
            f"The word {model.tokenizer.label(both[0])!r} stands on both sides. Remove it from one of them."
        )


def _rows(task: _Task, prompt: Tokens, ask: Tokens | None, count: Count) -> _Rows:
    """Everything that is measured on one prompt."""
    model, probe = task.model, task.probe
    written = _write(task, prompt, task.grid.rows, count)
    if ask is not None:
        written += _write(task, ask, (BASE,), count)
    states = np.stack([each.state for each in written])
    kl = next_token.divergence(model, states[0], states)
    odds = (
        next_token.word_odds(model, states, task.plus, task.minus) if task.plus else np.full(len(kl), np.nan)
    )
    site = () if probe is None else (Site(probe.layer),)
    read = fluency(model, prompt, [each.ids for each in written], read=site, report=count.report)
    return _Rows(
        np.full(len(written), np.nan) if probe is None else probe.score(read.means[site[0]]).astype(float),
        odds,
        kl,
        read.nats,
        read.repetition,
        np.array([each.overflowed for each in written]),
        tuple(model.tokenizer.continued(each.prompt, each.ids) for each in written),
    )


def _write(task: _Task, prompt: Tokens, rows: Sequence[Variant], count: Count) -> list[Continuation]:
    return write(task.model, prompt, rows, count, new_tokens=task.new_tokens, sampling=task.sampling)


def _attempt(work: Callable[[], T]) -> tuple[T | None, str]:
    """A value and no reason, or no value and the sentence that says why."""
    try:
        return work(), ""
    except AnalysisError as error:
        return None, str(error)


def _gain(task: _Task, prompts: Sequence[Tokens], recipe: Recipe, usual: Background) -> Gain:
    """Small strengths on the prompts alone, base and edited rows in one batch."""
    model, top = task.model, Site(task.model.n_layers)
    if not is_push(recipe):
        raise AnalysisError(
            "The recipe does not only add directions, so a small strength is not a small change and has no slope."
        )
    if model.dtype_name != "float32":
        raise AnalysisError(
            f"{model.title} runs in {model.dtype_name}, whose rounding is larger than small pushes. Load it in float32."
        )
    edited = [Variant(f"at {s:g}", scaled(recipe, s).edits(usual.norms)) for s in SMALL]
    kl, odds = np.zeros(len(SMALL)), np.zeros(len(SMALL))
    for prompt in prompts:
        trace = model.run(prompt, read=(top,), variants=(BASE, *edited))
        states = trace.values[0, :, -1]
        kl += next_token.divergence(model, states[0], states[1:]) / len(prompts)
        if task.plus:
            read = next_token.word_odds(model, states, task.plus, task.minus)
            odds += (read[1:] - read[0]) / len(prompts)
    return tradeoff.gain(SMALL, kl, odds if task.plus else None)


_SHAPES = {
    "score": ("Concept score of the text", "sides at -1 and +1", Bounds(None, None)),
    "odds": ("Log-odds of the words", "nats", Bounds(None, None)),
    "perplexity": ("Perplexity of the text", "perplexity (unedited model)", Bounds(1, None)),
    "repetition": ("Repetition in the text", "share of 3-grams", Bounds(0, 1)),
    "kl": ("Change of the next-token distribution", "bits (KL from base)", Bounds(0, None)),
}
"""Title, unit and bounds of every curve, by the name of its measure."""


def _response(
    task: _Task,
    rows: list[_Rows],
    strengths: tuple[float, ...],
    upwards: bool,
    asked: bool,
    small: tuple[Gain | None, str],
    provenance: Provenance,
) -> DoseResponse:
    """Means over prompts, laid out by strength, and what follows from them."""
    at, mean = task.grid.at, _means(rows)
    curves = {name: _curve(name, mean[name][at], strengths, provenance) for name in _SHAPES}
    score = curves["score"] if task.probe else None
    odds = curves["odds"] if task.plus else None
    overflowed = np.any([each.overflowed for each in rows], 0)[at[0]]
    text = mean["perplexity"], mean["repetition"]
    broken = overflowed | tradeoff.is_broken(*(each[at[0]] for each in text), *(each[0] for each in text))
    breaks = tradeoff.breaks_at(strengths, broken)
    guidance, missing = _attempt(lambda: _guidance(task, strengths, mean))
    return DoseResponse(
        strengths=strengths,
        score=score,
        odds=odds,
        perplexity=curves["perplexity"],
        repetition=curves["repetition"],
        kl=curves["kl"],
        texts=tuple(tuple(each.texts[row] for each in rows) for row in at[0]),
        base=_written(task, rows, mean, 0),
        asked=_written(task, rows, mean, -1) if asked else None,
        breaks_at=breaks,
        useful=_useful(strengths, score or odds, mean["score" if score else "odds"][0], breaks, upwards),
        gain=small[0],
        gain_missing=small[1],
        guidance=guidance,
        guidance_missing=missing,
        provenance=provenance,
    )


def _means(rows: list[_Rows]) -> dict[str, np.ndarray]:
    """(row,) of every measure, over the prompts at which it is defined; perplexities geometrically."""
    mean = {
        name: _mean([getattr(each, name) for each in rows]) for name in ("score", "odds", "repetition", "kl")
    }
    return mean | {"perplexity": np.exp(_mean([each.nats for each in rows]))}


def _mean(values: list[np.ndarray]) -> np.ndarray:
    """Mean over the first axis of what is not NaN; NaN where all is."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    count = known.sum(0)
    return np.where(count, np.where(known, stacked, 0).sum(0) / np.maximum(count, 1), np.nan)


def _curve(
    name: str, values: np.ndarray, strengths: tuple[float, ...], provenance: Provenance
) -> AgainstNull:
    """(version, strength) as a curve beside its controls."""
    title, unit, bounds = _SHAPES[name]
    labels, values = tuple(map(_label, strengths)), values.astype(np.float32)
    return AgainstNull(
        title, unit, bounds, provenance, "strength", labels, values[0].copy(), values[1:].copy()
    )


def _written(task: _Task, rows: list[_Rows], mean: dict[str, np.ndarray], row: int) -> Written:
    return Written(
        tuple(each.texts[row] for each in rows),
        float(mean["score"][row]) if task.probe else None,
        float(mean["odds"][row]) if task.plus else None,
        float(mean["perplexity"][row]),
        float(mean["repetition"][row]),
    )


def _useful(
    strengths: tuple[float, ...],
    effect: AgainstNull | None,
    unedited: float,
    breaks: tuple[float | None, float | None],
    upwards: bool,
) -> tuple[float, float] | None:
    if effect is None or not len(effect.nulls):
        return None
    low, high = effect.band  # random pushes may all hurt: the unedited text has to be beaten too
    outside = effect.values > np.fmax(high, unedited) if upwards else effect.values < np.fmin(low, unedited)
    return tradeoff.useful(strengths, outside, breaks, upwards)


def _guidance(task: _Task, strengths: tuple[float, ...], mean: dict[str, np.ndarray]) -> Guidance:
    if task.probe is None:
        raise AnalysisError(
            "The recipe's first direction has no probe, so nothing scores the texts. Build it from examples."
        )
    own = task.grid.at[0]
    score, perplexity = mean["score"], mean["perplexity"]
    at_zero = float(score[0]), float(perplexity[0])
    return tradeoff.guidance(strengths, score[own], perplexity[own], at_zero)


def _label(strength: float) -> str:
    """Two decimals, or as many as it takes."""
    short = f"{strength:.2f}"
    return short if float(short) == strength else f"{strength:g}"


def _working(found: DoseResponse) -> str:
    """Where the effect leaves the band while the text holds, in one sentence."""
    effect, nulls = found.effect, len(found.kl.nulls)
    if effect is None:
        return (
            "Nothing says whether the concept comes out: the direction has no probe and no words were given."
        )
    name = "concept score" if found.score is not None else "log-odds of the words"
    if not nulls:
        return f"Without random directions nobody can say whether the change of the {name} is much."
    band = f"the band of {nulls} random direction{'s' * (nulls > 1)}"
    if found.useful is None:
        return (
            f"At no strength does the recipe move the {name} beyond {band} its own way while the text holds."
        )
    weak, strong = sorted(found.useful, key=abs)
    place = found.strengths.index(found.best)
    one = weak == strong
    where = f"At {_label(weak)}" if one else f"From {_label(weak)} to {_label(strong)}"
    return (
        f"{where} the recipe moves the {name} beyond {band} while the text holds, "
        f"{'' if one else f'most at {_label(found.best)}, '}to {effect.values[place]:+.2f} "
        f"(unedited {_unedited(found):+.2f}) with a perplexity of {found.perplexity.values[place]:.1f} "
        f"(unedited {found.base.perplexity:.1f})."
    )


def _breaking(found: DoseResponse) -> str:
    """Where the text breaks, and what simply asking gives, in one sentence."""
    broken = [_label(strength) for strength in found.breaks_at if strength is not None]
    text = f"Text breaks at {' and '.join(broken)}" if broken else "Text holds at every strength tried"
    if found.asked is None:
        return f"{text}."
    score = "" if found.asked.score is None else f"a concept score of {found.asked.score:+.2f} at "
    return f"{text}; simply asking gives {score}a perplexity of {found.asked.perplexity:.1f}."


def _unedited(found: DoseResponse) -> float:
    return found.base.score if found.base.score is not None else found.base.odds


def _provenance(
    task: _Task,
    recipe: Recipe,
    strengths: tuple[float, ...],
    prompts: Sequence[Tokens],
    asked: Sequence[Tokens],
    controls: str,
    seed: int,
) -> Provenance:
    model, sampling = task.model, task.sampling
    label = model.tokenizer.label
    words = f"{' '.join(map(label, task.plus))} against {' '.join(map(label, task.minus))}"
    settings = (
        *recipe.lines(),
        ("strengths of the strongest", " ".join(map(_label, strengths))),
        ("random controls", controls),
        ("seed", str(seed)),
        *((f"prompt {number}", tokens.text) for number, tokens in enumerate(prompts, 1)),
        *((f"asking prompt {number}", tokens.text) for number, tokens in enumerate(asked, 1)),
        ("words", words if task.plus else "none"),
        ("probe", f"layer {task.probe.layer}" if task.probe else "none"),
        ("new tokens", str(task.new_tokens)),
        ("sampling", _drawn(sampling)),
        (
            "text is broken",
            f"above {tradeoff.BREAKS_PERPLEXITY:g} times the base's perplexity, or "
            f"{tradeoff.BREAKS_REPETITION:g} above its repetition",
        ),
    )
    source = "; ".join([SOURCE, *(kind.source for kind in recipe.eraser_kinds)])
    misleads = " ".join([MISLEADS, *(kind.misleads_when for kind in recipe.eraser_kinds)])
    return Provenance(
        model.title, model.revision, model.dtype_name, "dose and response", source, misleads, settings
    )


def _drawn(sampling: Sampling) -> str:
    if not sampling.temperature:
        return "greedy"
    return (
        f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, top-k {sampling.top_k}, "
        f"seed {sampling.seed}"
    )
