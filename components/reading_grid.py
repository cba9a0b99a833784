"""From a reading to what the grid draws."""

from dataclasses import replace

import numpy as np

from analysis import LoadedModel, Reading, Tokens
from analysis.fingerprint import fingerprint
from analysis.methods.effect import change
from analysis.methods.lens import QUANTITIES
from components.grid_data import ColorScale, GridData, GridToken

SHOWN = 5
"""Tokens a cell names when it is pointed at."""


def grid_tokens(tokens: Tokens) -> tuple[GridToken, ...]:
    """The columns: each token as shown, with its id and bytes."""
    return tuple(
        GridToken(
            label,
            special=special,
            generated=position >= tokens.prompt_length,
            detail=f"position {position}, id {index}, bytes {piece.hex(' ')}",
        )
        for position, (label, special, index, piece) in enumerate(
            zip(tokens.labels, tokens.special, tokens.ids, tokens.pieces, strict=True)
        )
    )


def grid_of(model: LoadedModel, reading: Reading, color: str, lens_id: str) -> GridData:
    """The grid of one reading, coloured by one quantity."""
    title, unit = QUANTITIES[color]
    top = reading.top_ids[:, :, :SHOWN]
    ids, inverse = np.unique(top, return_inverse=True)
    target = _target_label(model, reading)
    result = reading.quantity(color)
    return GridData(
        fingerprint=fingerprint(
            model.fingerprint, reading.tokens.ids, lens_id, color, reading.targets, reading.provenance
        ),
        title=f"{title} by layer and token",
        unit=unit,
        alt=_in_words(model, reading, title),
        tokens=grid_tokens(reading.tokens),
        layers=tuple(range(reading.n_layers + 1)),
        words=tuple(model.tokenizer.label(i) for i in ids),
        top=inverse.reshape(top.shape),
        probability=np.exp(reading.top_log_probability[:, :, :SHOWN]),
        value=result.values,
        value_label=_value_label(color, target),
        scale=_scale(color, reading),
    )


def change_grid(model: LoadedModel, before: Reading, after: Reading, lens_id: str) -> GridData:
    """The edited run's words, coloured by how much surer or less sure of the base's own prediction they are."""
    shift = change("Change", before.quantity("surprise"), after.quantity("surprise"))
    gained = -shift.values
    reach = max(1.0, float(np.quantile(np.abs(gained), 0.98)))
    whole = grid_of(model, after, "probability", lens_id)
    return replace(
        whole,
        fingerprint=fingerprint(whole.fingerprint, "change", before.targets, gained),
        title="Change by layer and token",
        unit="bits",
        alt=f"Change of the base prediction's log-probability, from {gained.min():.1f} to {gained.max():.1f} bits.",
        value=gained,
        value_label="log-probability of the base's prediction, edited minus base (bits)",
        scale=ColorScale("diverging", -reach, reach),
    )


def _target_label(model: LoadedModel, reading: Reading) -> str:
    if len(set(reading.targets.tolist())) == 1:
        return model.tokenizer.label(reading.targets[0])
    return "the final prediction"


def _value_label(color: str, target: str) -> str:
    return {
        "probability": "probability of the top token",
        "target": f"probability of {target}",
        "rank": f"rank of {target}",
        "entropy": "entropy (bits)",
        "kl": "KL to the final layer (bits)",
        "agreement": "agrees with the final prediction",
        "surprise": f"surprise at {target} (bits)",
    }[color]


def _scale(color: str, reading: Reading) -> ColorScale:
    if color in ("probability", "target"):
        return ColorScale("sequential", 0, 1)
    if color == "rank":
        return ColorScale("sequential", 1, reading.vocabulary, reverse=True, log=True)
    if color == "entropy":
        return ColorScale("sequential", 0, float(np.log2(reading.vocabulary)), reverse=True)
    if color == "kl":
        return ColorScale("sequential", 0, max(1.0, float(reading.kl_to_final.max())), reverse=True)
    if color == "surprise":
        return ColorScale(
            "sequential", 0, max(1.0, float(reading.quantity(color).values.max())), reverse=True
        )
    return ColorScale("binary", 0, 1)


def _in_words(model: LoadedModel, reading: Reading, title: str) -> str:
    last = len(reading.tokens) - 1
    token = model.tokenizer.label(reading.top_ids[-1, last, 0])
    return (
        f"{title}: {reading.n_layers + 1} layers by {len(reading.tokens)} tokens. After the last token the model "
        f"says {token}; this stays on top from layer {reading.settled_at[last]} on."
    )
