"""What every exported page has: a head whose policy lets nothing load, where the numbers come from, the code."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from components.grid_data import drawable

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


def head(title: str, style: str, script: str) -> Iterator[str]:
    """Everything before the page's own words; the policy knows its one style and one script by their hashes."""
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{text(title)}</title>"
    yield f"<style>{style}</style>\n</head>\n<body>\n<main>"


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)};"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    digest = hashlib.sha256(source.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def provenance_list(provenance: Mapping[str, object]) -> Iterator[str]:
    """Where the numbers come from, name by name."""
    yield '<h2>Where it comes from</h2>\n<dl class="provenance">'
    for name, value in provenance.items():
        yield f"<dt>{text(name)}</dt><dd>{text(value)}</dd>"
    yield "</dl>"


def code_block(code: str) -> Iterator[str]:
    """The lines of Python that compute the same, if any."""
    if code:
        yield f'<h2>The same in Python</h2>\n<pre class="code"><code>{escape(code)}</code></pre>'


def text(value: object) -> str:
    """Escaped, at full length: prose may be longer than a word, and is drawn letter by letter."""
    return escape("".join(map(drawable, str(value))))
