"""What changed features do to the next token of one text, beside two kinds of controls in the same batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis import next_token
from analysis.activations import Trace
from analysis.controls import EDITED, Control
from analysis.dictionaries.acting.feature_nulls import Frequency, direction_controls, feature_controls
from analysis.edits import BASE, ChangeFeatures, Site, Variant
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.methods.effect import ROUNDING, Effect
from analysis.models import parity
from analysis.models.loaded import LoadedModel
from analysis.results import Provenance
from analysis.tokens import Tokens

MOST_NULLS = 16
"""Controls of either kind."""
SOURCE = (
    "clamping with the error kept: Templeton et al. 2024 (Scaling Monosemanticity), Lieberum et al. 2024, "
    "arXiv 2408.05147; controls as in Arditi et al. 2024, arXiv 2406.11717"
)
MISLEADS = (
    "A change far above what a feature ever has breaks the text as any push would, and few controls give a rough band. "
    "Features that fire as often need not mean as much. What a dictionary does not explain (its error) stays as it "
    "was, and may hold a part of what the feature is about."
)


@dataclass(frozen=True, eq=False)
class FeatureEffect:
    """One text with changed features, beside its controls."""

    beside_features: Effect
    """The controls are other features of like frequency, pushed as far."""
    beside_directions: Effect
    """The controls are random directions, pushed as far."""

    def beside(self, control: Control) -> Effect:
        """The effect beside one kind of control: `feature`, or `push` for directions."""
        return self.beside_features if control == "feature" else self.beside_directions


def feature_variants(
    edits: Sequence[ChangeFeatures], frequency: Frequency, *, nulls: int = 8, seed: int = 0
) -> tuple[Variant, ...]:
    """Base, the changed features, as many random features and then as many random directions: rows of one batch.

    Args:
        edits: what is changed, of one dictionary.
        frequency: how often every feature fires, 0 to 1.
        nulls: controls of either kind, 0 to 16; a small dictionary has fewer features to offer.
        seed: of the controls.

    Raises:
        AnalysisError: nothing is changed, several dictionaries are, or there are too many controls.
    """
    if not edits:
        raise AnalysisError("No feature is changed yet. Add one first.")
    if len({edit.dictionary.fingerprint for edit in edits}) > 1:
        raise AnalysisError("Features of one dictionary can be changed at a time; these belong to several.")
    if not 0 <= nulls <= MOST_NULLS:
        raise AnalysisError(f"0 to {MOST_NULLS} controls of each kind can run; given {nulls}.")
    features = feature_controls(edits, frequency, nulls, seed)
    return (BASE, Variant(EDITED, tuple(edits)), *features, *direction_controls(edits, nulls, seed))


def measure_features(
    model: LoadedModel,
    tokens: Tokens,
    edits: Sequence[ChangeFeatures],
    frequency: Frequency,
    *,
    base: Trace | None = None,
    nulls: int = 8,
    seed: int = 0,
    report: Report = silent,
) -> FeatureEffect:
    """Run one text with changed features, and as many times with controls of two kinds.

    A control adds, at every token, a push of exactly the length that the change has there: along other features that
    fire as often, or along random directions. What is matched is the place, the length and the frequency; not the
    angle between the pushes of several features, nor how far a feature lies from the state it is added to.

    Args:
        model: the model.
        tokens: the text.
        edits: the changes, applied from left to right; all of one dictionary.
        frequency: how often every feature of the dictionary fires, 0 to 1.
        base: the unedited run of this text with all layers, if it is at hand.
        nulls: controls of either kind, 0 to 16.
        seed: of the controls.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: nothing is changed, the dictionary is another model's, or a changed run is not finite.

    Source: Templeton et al. 2024 (Scaling Monosemanticity); Arditi et al. 2024, arXiv 2406.11717.
    Misleads when: few controls are drawn, or a value lies far above what the feature ever has.
    """
    parity.require(model, "lens")
    variants = feature_variants(edits, frequency, nulls=nulls, seed=seed)[1:]
    dictionary = edits[0].dictionary
    dictionary.require_fit(model)
    report("Running the text unedited")
    base = base or model.run(tokens)
    report("Running the text with changed features and its controls")
    edited = model.rerun(base, read=[Site(model.n_layers)], variants=variants)
    kl = next_token.divergences(model, base.residuals()[-1], edited.values[0], report)
    provenance = _provenance(model, edits, nulls, seed)

    def beside(kind: str, control: Control) -> Effect:
        rows = [0] + [i for i, variant in enumerate(variants) if variant.name.startswith(kind)]
        return Effect(tokens, base, _rows(edited, rows), kl[rows], provenance, control)

    return FeatureEffect(beside("random feature", "feature"), beside("random direction", "push"))


def side_verdict(effect: Effect, position: int) -> str:
    """One sentence on a second kind of control, shorter than `effect.verdict`; empty where there is nothing to say."""
    own, random = float(effect.kl[0, position]), effect.kl[1:, position]
    if own < ROUNDING or not len(random):
        return ""
    low, high = float(random.min()), float(random.max())
    place = "above" if own > high else "below" if own < low else "**within**"
    return (
        f"Of {len(random)} random directions of the same length it lies {place} the band ({low:.2f} to {high:.2f} "
        "bits)."
    )


def _rows(trace: Trace, rows: list[int]) -> Trace:
    """Some rows of a trace."""
    return Trace(
        trace.model,
        tuple(trace.rows[i] for i in rows),
        tuple(trace.tokens[i] for i in rows),
        trace.sites,
        np.ascontiguousarray(trace.values[:, rows]),
        trace.mask[rows].copy(),
    )


def _provenance(model: LoadedModel, edits: Sequence[ChangeFeatures], nulls: int, seed: int) -> Provenance:
    dictionary = edits[0].dictionary
    changed = [f"{change}, positions {edit.positions}" for edit in edits for change in edit.changes]
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        "changed features beside random controls",
        SOURCE,
        MISLEADS,
        (
            ("dictionary", f"{dictionary.name} ({dictionary.id}), at {dictionary.site}"),
            *((f"change {number}", said) for number, said in enumerate(changed, 1)),
            ("controls", f"{nulls} features of like frequency and {nulls} directions, each pushed as far"),
            ("seed", str(seed)),
        ),
    )
