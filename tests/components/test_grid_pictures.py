"""The pictures that leave the app: well formed, complete, and safe with any words in them."""

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from components.figures.grid_html import grid_html
from components.figures.grid_svg import grid_svg
from components.grid_data import ColorScale, GridData, GridToken

HOSTILE = (
    "</script><script>window.__pwned = 1</script>",
    '"><img src=x onerror="window.__pwned = 1">',
    "]]><svg onload=alert(1)>",
    "&amp;<!--",
    "\u202eright to left",
    "zero\u200bwidth",
    "nul\x00\x0b\x1f",
    "lone \ud800",
    "line \u2028 ends \u2029",
    "x" * 10_000,
)
SVG = "{http://www.w3.org/2000/svg}"


def hostile_grid(kind="sequential", layers=3, value=None) -> GridData:
    positions, k = len(HOSTILE), 2
    top = np.arange(layers * positions * k).reshape(layers, positions, k) % len(HOSTILE)
    value = np.linspace(0, 1, layers * positions).reshape(layers, positions)
    value[0, 0] = np.nan
    return GridData(
        fingerprint="</script>",
        title=HOSTILE[0],
        unit="",
        alt=HOSTILE[1],
        tokens=tuple(
            GridToken(word, special=index == 0, generated=index > 7, detail=word)
            for index, word in enumerate(HOSTILE)
        ),
        layers=tuple(range(layers)),
        words=HOSTILE,
        top=top,
        probability=np.full(top.shape, 0.25),
        value=value,
        value_label=HOSTILE[2],
        scale=ColorScale(kind, 0, 1),
    )


def page(**changes) -> str:
    arguments = {
        "title": HOSTILE[0],
        "explanation": list(HOSTILE),
        "provenance": dict(zip(HOSTILE, HOSTILE, strict=True)),
        "code": HOSTILE[0],
    }
    return grid_html(hostile_grid(), **{**arguments, **changes})


class Page(HTMLParser):
    """Collects tags, and the text of scripts and styles, as a browser would cut them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.texts, self._inside = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self._inside = tag
            self.texts.append((tag, dict(attributes), ""))

    def handle_data(self, data):
        if self._inside:
            tag, attributes, text = self.texts[-1]
            self.texts[-1] = (tag, attributes, text + data)

    def handle_endtag(self, tag):
        self._inside = None if tag == self._inside else self._inside


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("kind", ["sequential", "diverging", "binary"])
def test_svg_is_well_formed_with_hostile_words(kind, mode):
    svg = grid_svg(hostile_grid(kind), mode=mode, cursor=(1, 2), note=HOSTILE[0])
    root = ElementTree.fromstring(svg.encode("utf-8"))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "defs", "pattern", "rect", "path", "text"}


def test_svg_draws_every_cell_with_the_embedding_at_the_bottom():
    data = hostile_grid()
    root = ElementTree.fromstring(grid_svg(data))
    height = {
        text.text: float(text.get("y"))
        for text in root.iter(f"{SVG}text")
        if text.get("text-anchor") == "end"
    }
    assert height["0 embed"] > height["1"] > height["2 last"]
    cells = [rect for rect in root.iter(f"{SVG}rect") if rect.get("rx") == "2"]
    assert len(cells) == len(data.layers) * len(data.tokens)


def test_svg_shows_control_characters_and_shortens_words():
    svg = grid_svg(hostile_grid())
    assert "nul␀" in svg and "x" * 200 not in svg


def test_html_has_no_tag_that_was_not_written_here():
    plain = Page(page(title="t", explanation=[], provenance={}, code="x"))
    tags = {tag for tag, _ in plain.tags}
    hostile = Page(page())
    assert {tag for tag, _ in hostile.tags} - tags <= {"p", "dt", "dd"}
    assert not any(name.startswith("on") for _, given in hostile.tags for name in given)
    assert [tag for tag, _ in hostile.tags].count("script") == 2


def test_html_data_survives_the_journey():
    (_, _, text), *_ = [
        script for script in Page(page()).texts if script[1].get("type") == "application/json"
    ]
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == json.loads(hostile_grid().as_json())


def test_html_policy_allows_exactly_its_own_script_and_style():
    read = Page(page())
    (policy,) = [given["content"] for tag, given in read.tags if "http-equiv" in given]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    for tag, given, text in read.texts:
        if given.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy


def test_html_has_a_table_twin_with_every_cell():
    data = hostile_grid()
    tags = [tag for tag, _ in Page(page()).tags]
    assert tags.count("td") == len(data.layers) * len(data.tokens)
    assert "not defined" in page()
