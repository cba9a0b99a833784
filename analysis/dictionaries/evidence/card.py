"""A feature's card as plain data, to be taken away."""

from typing import Any

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.in_context import Context
from analysis.dictionaries.evidence.loss_effect import LossEffect


def card(
    dictionary: Dictionary, evidence: Evidence, feature: int, effect: LossEffect | None = None
) -> dict[str, Any]:
    """Everything that is known of one feature, as what JSON can hold.

    Args:
        dictionary: whose feature.
        evidence: what is known.
        feature: its number.
        effect: what zeroing it does to the loss, where that was measured.
    """
    row = evidence.table().iloc[feature]
    said = {name: _plain(row[name]) for name in row.index if name not in ("promoted", "suppressed")}
    return said | {
        "dictionary": {
            "name": dictionary.name,
            "fingerprint": dictionary.fingerprint,
            "site": str(dictionary.site),
        },
        "histogram": {
            "edges": evidence.edges(feature).tolist(),
            "tokens": evidence.histogram[feature].tolist(),
        },
        "promoted": _tokens(evidence, evidence.promoted[feature], evidence.promotes[feature]),
        "suppressed": _tokens(evidence, evidence.suppressed[feature], evidence.suppresses[feature]),
        "fires together with": [
            {"feature": int(other), "share": round(float(share), 4)}
            for other, share in zip(evidence.together[feature], evidence.together_share[feature], strict=True)
            if other >= 0
        ],
        "examples": {
            level.name: [_example(evidence, example.token, example.value) for example in own]
            for level, own in evidence.examples(feature)
        },
        "effect on the loss": None if effect is None else vars(effect),
        "provenance": dict(evidence.provenance().lines()),
    }


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else round(value, 6) if isinstance(value, float) else value


def _tokens(evidence: Evidence, ids: Any, values: Any) -> list[dict[str, Any]]:
    return [
        {"token": evidence.word(token), "id": int(token), "logits": round(float(value), 4)}
        for token, value in zip(ids, values, strict=True)
        if token >= 0
    ]


def _example(evidence: Evidence, token: int, value: float) -> dict[str, Any]:
    context = Context(*evidence.stretch(token), None)
    shown = context.tokens.labels[context.shown.start : context.shown.stop]
    return {
        "activation": round(value, 4),
        "tokens": list(shown),
        "at": context.position - context.shown.start,
    }
