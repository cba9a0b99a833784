"""What is taken away holds the reading, needs no server, and runs nothing of the prompt's."""

from html.parser import HTMLParser

import pandas as pd
import pytest

from analysis import read
from components.figures.grid_html import grid_html
from components.reading_grid import grid_of
from components.take_away import explanation, parquet, table

HOSTILE = "</script><img src=x onerror=alert(1)>&amp;"


@pytest.fixture(scope="module")
def reading(toy):
    return read(toy, toy.run(HOSTILE))


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.seen, self.open, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "br", "hr", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


def test_the_page_parses_loads_nothing_and_holds_every_token(toy, reading):
    grid = grid_of(toy, reading, "kl", "logit")
    page = grid_html(
        grid,
        title="t",
        explanation=explanation(reading),
        provenance=dict(reading.provenance.lines()),
        code=f"print({HOSTILE!r})",
        cursor=(1, 2),
    )
    tags = Tags(page)
    assert tags.open == [] and "img" not in tags.seen
    assert all(address.startswith(("data:", "#")) for address in tags.addresses)
    assert reading.provenance.revision in page and "Misleads when" in page


def test_rows_are_layers_by_tokens_in_both_files(toy, reading, tmp_path):
    rows = table(toy, reading)
    layers, positions = reading.entropy.shape
    assert len(rows) == layers * positions
    assert rows[rows.layer == 1].top_id.tolist() == reading.top_ids[1, :, 0].tolist()
    assert rows.token[:positions].tolist() == list(reading.tokens.labels)
    (tmp_path / "a.parquet").write_bytes(parquet(toy, reading))
    assert pd.read_parquet(tmp_path / "a.parquet").equals(rows)
    rows.to_csv(tmp_path / "a.csv", index=False)
    back = pd.read_csv(tmp_path / "a.csv", keep_default_na=False)
    assert back.top_token.tolist() == rows.top_token.tolist()


def test_the_explanation_says_when_it_misleads(reading):
    assert any(reading.provenance.misleads_when in paragraph for paragraph in explanation(reading))
