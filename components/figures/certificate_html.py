"""A certificate as one HTML file that works without a server: the answer, the picture, every figure, its origin.

It holds no script, and its content security policy lets nothing be loaded.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from analysis.certificates.certificate import Certificate
from components.figures.certificate_svg import KEYS, certificate_svg
from components.grid_data import drawable

_STYLE = (Path(__file__).parent / "certificate_html.css").read_text(encoding="utf-8")


def certificate_html(certificate: Certificate) -> str:
    """The whole page as text."""
    return "\n".join(
        [
            *_head(certificate),
            *_answer(certificate),
            *_picture(certificate),
            *_words(certificate),
            *_figures(certificate),
            *_origin(certificate),
            "</main></body></html>",
        ]
    )


def _head(certificate: Certificate) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_text(_title(certificate))}</title><style>{_STYLE}</style></head><body><main>"


def _title(certificate: Certificate) -> str:
    return f"Certificate of erasure: {certificate.erasure.name}"


def _answer(certificate: Certificate) -> Iterator[str]:
    yield f"<h1>{_text(_title(certificate))}</h1>"
    yield f'<p class="quiet">{_text(certificate.question)} {_text(certificate.erasure.how)}</p>'
    bold = _text(certificate.summary()).split("**")
    yield '<p class="answer">' + "".join(f"<b>{p}</b>" if i % 2 else p for i, p in enumerate(bold)) + "</p>"


def _picture(certificate: Certificate) -> Iterator[str]:
    yield "<figure>"
    yield certificate_svg(certificate)
    keys = " ".join(f'<span class="key {field}">{_text(name)}</span>' for name, field in KEYS)
    yield f"<figcaption>{keys}<br>Held-out {certificate.measure} by layer; shaded: erased; dotted: chance.</figcaption>"
    yield "</figure>"


def _words(certificate: Certificate) -> Iterator[str]:
    yield '<div class="three">'
    for title, sentences in (
        ("Guaranteed", certificate.guaranteed()),
        ("Measured", certificate.measured()),
        ("Not hidden", certificate.unhidden()),
    ):
        yield f"<section><h2>{title}</h2>{''.join(f'<p>{_text(each)}</p>' for each in sentences)}</section>"
    yield "</div>"


def _figures(certificate: Certificate) -> Iterator[str]:
    yield "<h2>By layer</h2>"
    yield _table(
        (
            "layer",
            "before",
            "after",
            "after a random one",
            "new examples, before",
            "new examples, after",
            "moved",
        ),
        [
            (
                e.layer,
                e.before,
                e.after,
                e.random,
                e.fresh_before,
                e.fresh_after,
                f"{e.moved:.1%} of variance",
            )
            for e in certificate.layers
        ],
    )
    if certificate.networks:
        yield "<h2>A small network</h2>"
        yield _table(
            ("layer", "before", "after"), [(e.layer, e.before, e.after) for e in certificate.networks]
        )
    if certificate.others:
        yield "<h2>Other concepts</h2>"
        yield _table(
            ("concept", "layer", "before", "after", "chance"),
            [(e.name, e.layer, e.before, e.after, f"{e.baseline:.2f}") for e in certificate.others],
        )
    yield "<h2>Ordinary text</h2>"
    yield _table(
        ("", "KL, bits a token", "perplexity"),
        [
            ("nothing erased", "0", f"{certificate.perplexity:.2f}"),
            ("erased", f"{certificate.cost.bits:.3f}", f"{certificate.cost.perplexity:.2f}"),
            (
                "random subspace",
                f"{certificate.random_cost.bits:.3f}",
                f"{certificate.random_cost.perplexity:.2f}",
            ),
        ],
    )
    yield "<h2>Where the promise is exact</h2>"
    yield "<p>Largest correlation of a number of a state with a label, among the examples it was fitted to.</p>"
    yield _table(
        ("layer", "before", "after"),
        [(e.layer, f"{e.before:.3f}", f"{e.after:.1e}") for e in certificate.guarded],
    )


def _origin(certificate: Certificate) -> Iterator[str]:
    yield "<h2>Where it comes from</h2><dl>"
    for name, value in certificate.provenance.lines():
        yield f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>"
    yield "</dl>"


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    return escape("".join(map(drawable, str(value))))
