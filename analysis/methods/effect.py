"""What a recipe changes in one text: in the next token, along the text, and from layer to layer.

Base, edited and random rows run in one batch; every number of the edited row comes with those of the random
rows, so that "any push of this size would do" can be seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32

from analysis import next_token
from analysis.activations import Trace
from analysis.background import KINDS, Background, require_kind
from analysis.controls import CONTROLS, Control, control_of, variants_of
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models import parity
from analysis.models.loaded import LoadedModel
from analysis.recipes import Recipe
from analysis.results import AgainstNull, Bounds, LayerByPosition, Provenance
from analysis.tokens import Tokens

ROUNDING = 1e-3
"""Bits of KL below which a difference is no difference: rows of one batch differ by rounding."""
SOURCE = "Turner et al. 2023, arXiv 2308.10248; controls as in Arditi et al. 2024, arXiv 2406.11717"
MISLEADS = (
    "Few random directions give a rough band, and a large effect is not yet the intended one: look at which "
    "tokens moved, and compare with simply asking for it."
)


@dataclass(frozen=True, eq=False)
class Effect:
    """One text under one recipe, beside its random controls."""

    tokens: Tokens
    base: Trace
    """Row 0: the unedited run."""
    edited: Trace
    """Row 0: the recipe; the rows after it: the random recipes."""
    kl: Float32[np.ndarray, "row position"]
    """KL(base || row) of the next token, in bits, for the rows of `edited`."""
    provenance: Provenance
    control: Control = "push"
    """What the random rows are."""

    @property
    def nulls(self) -> int:
        """How many random recipes ran."""
        return len(self.edited.rows) - 1

    def along_text(self) -> AgainstNull:
        """KL(base || edited) of the next token after every token, in bits."""
        return AgainstNull(
            "Change of the next-token distribution",
            "bits (KL from base)",
            Bounds(0, None),
            self.provenance,
            "token",
            self.tokens.labels,
            self.kl[0].copy(),
            self.kl[1:].copy(),
        )

    def size_by_layer(self, position: int) -> AgainstNull:
        """Length of the residual stream's change over the base's own length, at layers 0 to L."""
        base, rows = self._states(position)
        share = np.linalg.norm(rows - base, axis=-1) / np.linalg.norm(base, axis=-1)
        return self._by_layer("Size of the change", "fraction of the residual norm", Bounds(0, None), share)

    def turn_by_layer(self, position: int) -> AgainstNull:
        """Cosine between the base's and the changed residual stream, at layers 0 to L."""
        base, rows = self._states(position)
        lengths = np.linalg.norm(base, axis=-1) * np.linalg.norm(rows, axis=-1)
        cosine = np.clip((rows * base).sum(-1) / np.maximum(lengths, 1e-30), -1, 1)
        return self._by_layer("Cosine with the unedited state", "cosine", Bounds(-1, 1), cosine)

    def _states(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """(layer, d_model) of the base and (row, layer, d_model) of the edited rows at one token, in float64."""
        base = self.base.residuals()[:, position].astype(np.float64)
        rows = [self.edited.residuals(row)[:, position] for row in range(len(self.edited.rows))]
        return base, np.stack(rows).astype(np.float64)

    def _by_layer(self, title: str, unit: str, bounds: Bounds, values: np.ndarray) -> AgainstNull:
        values = values.astype(np.float32)
        labels = tuple(map(str, range(values.shape[1])))
        return AgainstNull(
            title, unit, bounds, self.provenance, "layer", labels, values[0].copy(), values[1:].copy()
        )


@dataclass(frozen=True, eq=False)
class Movers:
    """The tokens whose odds an edit moves most, at one place."""

    labels: tuple[str, ...]
    base: Float32[np.ndarray, " token"]
    """Probability before, 0 to 1."""
    edited: Float32[np.ndarray, " token"]
    """Probability after, 0 to 1."""
    shift: AgainstNull
    """Change of the log-odds, in nats, beside the random controls'."""
    control: Control = "push"
    """What those are."""

    def summary(self) -> str:
        """How many leave the band of the random controls, and how many would by chance."""
        count, nulls = len(self.labels), len(self.shift.nulls)
        if not nulls:
            return "Without random controls nobody can say which of these shifts mean anything."
        return (
            f"{int(self.shift.outside.sum())} of the {count} tokens leave the band of {nulls} random "
            f"{CONTROLS[self.control][0]}; a random {self.control} would see about "
            f"{2 * count / (nulls + 1):.0f} of them outside."
        )


def measure(
    model: LoadedModel,
    tokens: Tokens,
    recipe: Recipe,
    usual: Background,
    *,
    base: Trace | None = None,
    nulls: int = 8,
    kind: str = "isotropic",
    seed: int = 0,
    report: Report = silent,
) -> Effect:
    """Run one text under a recipe and under as many random imitations of it.

    Args:
        model: the model.
        tokens: the text.
        recipe: what to change.
        usual: the model's usual norms and states.
        base: the unedited run of this text with all layers, if it is at hand.
        nulls: random imitations, 0 to 32.
        kind: how they are drawn, one of `background.KINDS`.
        seed: of the first; the others count on from it.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the recipe belongs to another model or is empty, or an edited row is not finite.

    Source: norm-matched random directions as baseline, e.g. Arditi et al. 2024, arXiv 2406.11717; for erasures random
    subspaces of the same rank, Elazar et al. 2021, arXiv 2006.00995.
    Misleads when: the band is drawn from few controls.
    """
    parity.require(model, "lens")
    recipe.require_fit(model)
    if not recipe:
        raise AnalysisError("The recipe is empty. Add a direction or an erasure to it first.")
    require_kind(kind)
    if not 0 <= nulls <= 32:
        raise AnalysisError(f"0 to 32 random controls can run beside a recipe; given {nulls}.")
    report("Running the text unedited")
    base = base or model.run(tokens)
    report("Running the text under the recipe and its random controls")
    variants = variants_of(recipe, usual, nulls=nulls, kind=kind, seed=seed)[1:]
    edited = model.rerun(base, variants=variants)
    kl = next_token.divergences(model, base.residuals()[-1], _last_states(edited), report)
    provenance = _provenance(model, recipe, nulls, kind, seed)
    return Effect(tokens, base, edited, kl, provenance, control_of(recipe))


def movers(model: LoadedModel, effect: Effect, position: int, count: int = 12) -> Movers:
    """The tokens that matter before or after the edit, by how far their log-odds move.

    Candidates are the most probable tokens of the base and of the edited run: a token that nobody would say
    can move far and mean nothing.
    """
    states = np.concatenate(
        [effect.base.residuals()[-1:, position], _last_states(effect.edited)[:, position]]
    )

    def log_probabilities() -> np.ndarray:
        return model.read_out(torch.from_numpy(states)).double().log_softmax(-1).numpy()

    rows = model.on_worker(log_probabilities)
    top = np.concatenate([np.argsort(-rows[row], kind="stable")[:count] for row in (0, 1)])
    candidates = np.array(list(dict.fromkeys(top.tolist())))
    kept = rows[:, candidates]
    odds = kept - np.log(-np.expm1(np.minimum(kept, -1e-12)))
    shift = (odds[1:] - odds[0]).astype(np.float32)
    order = np.argsort(-np.abs(shift[0]), kind="stable")[:count]
    order = order[np.argsort(-shift[0, order], kind="stable")]
    labels = tuple(model.tokenizer.label(int(i)) for i in candidates[order])
    probability = np.exp(kept[:2, order]).astype(np.float32)
    beside = AgainstNull(
        "Change of the log-odds",
        "nats",
        Bounds(None, None),
        effect.provenance,
        "token",
        labels,
        shift[0, order].copy(),
        shift[1:, order].copy(),
    )
    return Movers(labels, probability[0], probability[1], beside, effect.control)


def word_shift(model: LoadedModel, effect: Effect, plus: Sequence[int], minus: Sequence[int]) -> AgainstNull:
    """How far the log-odds of some words against others move, in nats, after every token of the text.

    Unlike the size of the change this has a sign and a meaning: a random push moves the distribution as far, but
    seldom towards the concept's own words.

    Args:
        model: the model.
        effect: what was measured.
        plus: token ids that the edit should make likelier.
        minus: token ids they are held against.
    """
    states = np.concatenate([effect.base.residuals()[None, -1], _last_states(effect.edited)])
    odds = next_token.word_odds(model, states.reshape(-1, states.shape[-1]), plus, minus)
    odds = odds.reshape(states.shape[:2])
    shift = (odds[1:] - odds[0]).astype(np.float32)
    return AgainstNull(
        "Change of the words' log-odds",
        "nats",
        Bounds(None, None),
        effect.provenance,
        "token",
        effect.tokens.labels,
        shift[0].copy(),
        shift[1:].copy(),
    )


def change(title: str, before: LayerByPosition, after: LayerByPosition) -> LayerByPosition:
    """After minus before, cell by cell, of one quantity in one unit.

    Raises:
        AnalysisError: they are not the same quantity of the same text.
    """
    if before.unit != after.unit or before.values.shape != after.values.shape:
        raise AnalysisError(
            f"Only like can be compared: {before.title} ({before.unit}) and {after.title} ({after.unit})."
        )
    difference = after.values - before.values
    return LayerByPosition(
        title, before.unit, Bounds(None, None), after.provenance, difference, before.labels
    )


def verdict(effect: Effect, position: int) -> str:
    """One sentence: does the change after this token leave the band of the random controls?"""
    own, random = float(effect.kl[0, position]), effect.kl[1:, position]
    if own < ROUNDING:
        return "Nothing changes here: the edit does not reach the next token."
    if not len(random):
        return f"The next token moves by {own:.2f} bits; without random controls nobody can say whether that is much."
    low, high = float(random.min()), float(random.max())
    controls, alike = CONTROLS[effect.control]
    band = f"{len(random)} random {controls} {alike} ({low:.2f} to {high:.2f} bits)"
    chance = f"by chance alone that happens once in {len(random) + 1}"
    if own > high:
        return f"The next token moves by {own:.2f} bits, more than all {band}; {chance}."
    if own < low:
        return f"The next token moves by {own:.2f} bits, less than all {band}; {chance}."
    return (
        f"The next token moves by {own:.2f} bits, **within the band** of {band}: as far as any {effect.control} would "
        "move it."
    )


def word_verdict(shift: AgainstNull, position: int, control: Control = "push") -> str:
    """One sentence: do the concept's words move after this token as no random push moves them?

    Args:
        shift: what `word_shift` found.
        position: the token.
        control: what the random rows are, as `Effect.control` says.
    """
    own, random = float(shift.values[position]), shift.nulls[:, position]
    move = (
        f"The words it stands for become {'likelier' if own >= 0 else 'less likely'} by {abs(own):.1f} nats"
    )
    if not len(random):
        return f"{move}."
    band = f"{len(random)} random {CONTROLS[control][0]} ({float(random.min()):+.1f} to {float(random.max()):+.1f})"
    if not shift.outside[position]:
        return f"{move}, **within the band** of {band}."
    return f"{move}, **outside the band** of {band}; by chance alone that happens twice in {len(random) + 1}."


def _last_states(trace: Trace) -> Float32[np.ndarray, "row position d_model"]:
    last = max(site for site in trace.sites if site.stream == "residual")
    return np.stack([trace.at(last, row) for row in range(len(trace.rows))])


def _provenance(model: LoadedModel, recipe: Recipe, nulls: int, kind: str, seed: int) -> Provenance:
    erased = recipe.eraser_kinds
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        "steering beside random controls" if recipe.doses else "erasing beside random controls",
        "; ".join([*[SOURCE] * bool(recipe.doses), *(kind.source for kind in erased)]),
        " ".join([MISLEADS, *(kind.misleads_when for kind in erased)]),
        (*recipe.lines(), ("random controls", f"{nulls}, {KINDS[kind]}"), ("seed", str(seed))),
    )
