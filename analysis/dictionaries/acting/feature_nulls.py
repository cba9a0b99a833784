"""Controls of changed features: other features that fire as often, and random directions, pushed exactly as far."""

from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Float, Float32

from analysis.dictionaries.dictionary import Dictionary
from analysis.edits import ChangeFeatures, PushAsFar, Variant
from analysis.errors import AnalysisError

POOL = 64
"""Features nearest in frequency among which stand-ins are drawn, at least."""
RAREST = 1e-7
"""Frequencies below it count as equal: those of features that were never seen active."""

Frequency = Float[np.ndarray, " feature"]
"""Share of tokens at which each feature is active, 0 to 1."""


def frequency_in(activations: Float32[np.ndarray, "position feature"]) -> Frequency:
    """How often every feature is active in one text, its first token left out.

    Args:
        activations: of every token, zero where a feature is not active.

    Returns:
        Share of tokens, 0 to 1; zeros for a text of one token.

    Misleads when: the text is short: most features are active at none of its tokens, and count as equally rare.
    """
    counted = activations[1:]
    return np.count_nonzero(counted, axis=0) / max(len(counted), 1)


def matched_features(
    dictionary: Dictionary,
    feature: int,
    frequency: Frequency,
    count: int,
    seed: int,
    without: Collection[int] = (),
) -> list[int]:
    """Features drawn at random from those that are active about as often as a given one.

    The pool are the 64 others nearest in log frequency, or 4 times as many as are wanted if that is more. How far they
    are pushed is not decided here: `PushAsFar` makes every push as long as the one it stands beside.

    Args:
        dictionary: whose features.
        feature: the one to match; never among those drawn.
        frequency: of every feature.
        count: how many, 0 or more.
        seed: the same seed draws the same ones.
        without: further features that are not to be drawn.

    Returns:
        As many as are wanted, or as there are.

    Raises:
        AnalysisError: the frequencies are of another dictionary.

    Source: matched random features as controls, e.g. Marks et al. 2024, arXiv 2403.19647.
    Misleads when: the features nearest in frequency are still far from it: one that is nearly always active has few
        like it.
    """
    if len(frequency) != dictionary.features:
        raise AnalysisError(
            f"A dictionary of {dictionary.features} features needs as many frequencies; given {len(frequency)}."
        )
    others = np.setdiff1d(np.arange(dictionary.features), [feature, *without])
    logs = np.log(np.maximum(frequency, RAREST))
    order = np.argsort(np.abs(logs[others] - logs[feature]), kind="stable")
    pool = others[order[: max(POOL, 4 * count)]]
    return np.random.default_rng((seed, feature)).permutation(pool)[:count].tolist()


def feature_controls(
    edits: Sequence[ChangeFeatures], frequency: Frequency, count: int, seed: int = 0
) -> tuple[Variant, ...]:
    """Rows in which every changed feature has another one in its place, of like frequency and pushed as far.

    The same feature has the same stand-in in all edits of a row, different features different ones.

    Args:
        edits: what is imitated; all of one dictionary.
        frequency: of every feature.
        count: rows wanted; fewer come back from a dictionary that has not enough features.
        seed: the same seed draws the same features.
    """
    dictionary, changed = edits[0].dictionary, _changed(edits)
    drawn, taken = {}, set(changed)
    for feature in changed:
        drawn[feature] = matched_features(dictionary, feature, frequency, count, seed, taken)
        taken |= set(drawn[feature])
    rows = min([count, *map(len, drawn.values())])
    return tuple(
        Variant(
            f"random feature {row + 1}",
            tuple(
                PushAsFar(edit, dictionary.directions([drawn[feature][row] for feature in edit.features]))
                for edit in edits
            ),
        )
        for row in range(rows)
    )


def direction_controls(edits: Sequence[ChangeFeatures], count: int, seed: int = 0) -> tuple[Variant, ...]:
    """Rows in which every changed feature has a random direction in its place, pushed as far.

    Args:
        edits: what is imitated; all of one dictionary.
        count: rows wanted.
        seed: the same seed draws the same directions; every direction is equally likely.
    """
    changed = _changed(edits)
    rows = []
    for row in range(count):
        drawn = np.random.default_rng((seed, row)).normal(size=(len(changed), edits[0].dictionary.width))
        own = dict(zip(changed, drawn.astype(np.float32), strict=True))
        pushes = (PushAsFar(edit, np.stack([own[feature] for feature in edit.features])) for edit in edits)
        rows.append(Variant(f"random direction {row + 1}", tuple(pushes)))
    return tuple(rows)


def _changed(edits: Sequence[ChangeFeatures]) -> list[int]:
    """Every changed feature once."""
    return list(dict.fromkeys(feature for edit in edits for feature in edit.features))
