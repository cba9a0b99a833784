"""What a feature does for the model's prediction: the loss with the feature at zero, where it fires most."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float

from analysis import store
from analysis.dictionaries.acting.feature_nulls import feature_controls
from analysis.dictionaries.dictionary import Dictionary
from analysis.edits import BASE, Change, ChangeFeatures, Site, Variant
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.next_token import surprises
from analysis.tokens import Tokens

TEXTS, AFTER, NULLS = 8, 8, 4
"""Texts a feature is measured on, tokens behind the firing one that are looked at, and controls."""
FILE, ZEROED = "effects.json", "feature at zero"
SOURCE = "ablation with the error kept, as in Marks et al. 2024, arXiv 2403.19647"


@dataclass(frozen=True)
class LossEffect:
    """The change of the loss when one feature is zeroed wherever it fires, in its strongest texts."""

    feature: int
    at: float
    """Nats: mean change of the loss of the token that follows the firing one; above 0 the feature helped."""
    after: float
    """Nats: mean over the 8 tokens behind that one."""
    spread: float
    """Nats: standard error of `at` over the texts; 0 for one text."""
    nulls: tuple[float, ...]
    """Nats: `at` where another feature's direction, of like frequency, is pushed exactly as far at the same tokens."""
    texts: int
    """How many texts it was measured on."""

    @property
    def stands_out(self) -> bool:
        """True if the change lies outside all controls."""
        return bool(self.nulls) and not min(self.nulls) <= self.at <= max(self.nulls)


def loss_effect(
    model: LoadedModel,
    dictionary: Dictionary,
    feature: int,
    places: Sequence[tuple[Tokens, int]],
    frequency: Float[np.ndarray, " feature"],
    *,
    seed: int = 0,
    report: Report = silent,
) -> LossEffect:
    """Zero a feature where it fires, its dictionary's error kept, and measure what the next tokens lose.

    Args:
        model: the model.
        dictionary: of this model.
        feature: its number.
        places: texts, and the position of the token at which the feature fires; the first 8 with a token behind that
            one are used.
        frequency: of every feature, to choose controls.
        seed: of the controls.
        report: progress in texts; raises `Cancelled` to stop.

    Raises:
        AnalysisError: in no text a token follows the one at which it fires.

    Source: ablation with the error kept, as in Marks et al. 2024, arXiv 2403.19647.
    Misleads when: other features do the same work: the loss then hardly moves although the feature is used. Its
        strongest texts are those where it matters most; elsewhere it does less.
    """
    usable = [(tokens, at) for tokens, at in places if 0 < at < len(tokens) - 1][:TEXTS]
    if not usable:
        raise AnalysisError(
            f"Feature {feature} fires only at first or last tokens of the texts that are known, so no token follows "
            "whose loss could change. Gather evidence over longer texts."
        )
    edit = ChangeFeatures(dictionary, (Change(feature, "zero"),))
    variants = (Variant(ZEROED, (edit,)), *feature_controls([edit], frequency, NULLS, seed))
    changes = []
    for number, (tokens, at) in enumerate(usable):
        report("Zeroing it where it fires", number, len(usable))
        changes.append(_changes(model, tokens.cut(min(len(tokens), at + 2 + AFTER)), at, edit.site, variants))
    first = np.array([[own[0] for own in each] for each in changes])
    later = [float(each[0][1:].mean()) for each in changes if len(each[0]) > 1]
    spread = float(first[:, 0].std(ddof=1) / np.sqrt(len(first))) if len(first) > 1 else 0.0
    means = first.mean(0)
    return LossEffect(
        feature,
        float(means[0]),
        float(np.mean(later)) if later else 0.0,
        spread,
        tuple(map(float, means[1:])),
        len(usable),
    )


def _changes(
    model: LoadedModel, tokens: Tokens, at: int, site: Site, variants: Sequence[Variant]
) -> list[np.ndarray]:
    """Change of the loss from the firing token on, under every variant."""
    top = Site(model.n_layers)
    resume = Site(site.layer if site.stream == "residual" else site.layer - 1)
    base = model.run(tokens, read=[resume, top])
    edited = model.rerun(base, read=[top], variants=variants)
    following = list(tokens.ids[at + 1 :])
    usual = surprises(model, base.at(top, base.row(BASE.name))[at:-1].copy(), following)
    return [
        surprises(model, edited.at(top, row)[at:-1].copy(), following) - usual for row in range(len(variants))
    ]


def measured(dictionary: str) -> dict[int, float]:
    """Effects that were measured and kept: nats by feature.

    Args:
        dictionary: its fingerprint.
    """
    return {feature: effect.at for feature, effect in kept(dictionary).items()}


def kept(dictionary: str) -> dict[int, LossEffect]:
    """Everything that was measured and kept of a dictionary's features."""
    path = store.home() / "feature_effects" / dictionary / FILE
    if not path.exists():
        return {}
    found = [LossEffect(**{**said, "nulls": tuple(said["nulls"])}) for said in store.read_json(path)]
    return {each.feature: each for each in found}


def keep(dictionary: str, effect: LossEffect) -> None:
    """Keep what was measured, in place of what was measured before.

    Raises:
        AnalysisError: the disk is full.
    """
    with store.held(f"effects-{dictionary}", silent, "Waiting for what was measured"):
        every = kept(dictionary) | {effect.feature: effect}
        said = [asdict(each) for _, each in sorted(every.items())]
        store.write_json(store.folder("feature_effects", dictionary) / FILE, said)
