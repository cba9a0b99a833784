"""A certificate as JSON: every figure with its name, for other programs."""

import json
import math
from dataclasses import asdict
from typing import Any

from analysis.certificates.certificate import Certificate

FORMAT = "bathyscope-certificate/1"


def to_json(certificate: Certificate) -> str:
    """All figures, sentences and settings; numbers that are not defined become null.

    The erasers themselves are not in it: they are exported as safetensors.
    """
    return json.dumps(_plain(_content(certificate)), indent=2, ensure_ascii=False, allow_nan=False)


def _content(certificate: Certificate) -> dict[str, Any]:
    erasure = certificate.erasure
    figures = ("layers", "guarded", "networks", "others")
    return {
        "format": FORMAT,
        "concept": erasure.name,
        "question": certificate.question,
        "summary": certificate.summary().replace("**", ""),
        "guaranteed": certificate.guaranteed(),
        "measured": certificate.measured(),
        "not_hidden": certificate.unhidden(),
        "measure": certificate.measure,
        "chance": certificate.chance,
        "examples": {
            "fitted_to": certificate.learned,
            "held_out": certificate.tested,
            "left_out": certificate.left_out,
        },
        "erasure": {
            "method": erasure.method,
            "layers": erasure.layers,
            "rank": [each.rank for each in erasure.erasers],
            "iterations": [each.iterations for each in erasure.erasers],
            "in_sequence": certificate.sequence,
            "positions": erasure.positions,
            "how": erasure.how,
            "weights": erasure.weights,
            "seconds": certificate.seconds,
        },
        **{name: [asdict(each) for each in getattr(certificate, name)] for name in figures},
        "ordinary_text": {
            "perplexity": certificate.perplexity,
            "erased": asdict(certificate.cost),
            "random": asdict(certificate.random_cost),
        },
        "provenance": dict(certificate.provenance.lines()),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
