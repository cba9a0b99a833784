"""Model text inside Markdown comes out as it went in, read by a Markdown parser of its own."""

import html
import re

from hypothesis import example, given
from hypothesis import strategies as some
from markdown_it import MarkdownIt

from components.literal import literal, plain

MARKDOWN = MarkdownIt("commonmark", {"linkify": False}).enable(["strikethrough", "table"])

one_line = some.text(some.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=30)
signs = some.text("ab `*_~[]()<>!#+-=.:;&|$\\^1\"'/", max_size=20)


def test_the_parser_would_notice():
    assert MARKDOWN.render("a *b* &lt;") != "<p>a *b* &amp;lt;</p>\n"


@given(one_line | signs)
@example("&lt;script&gt; &amp; &#65;")
@example("1. - # > ~~x~~ <b>")
def test_plain_text_is_no_markup(text):
    rendered = re.fullmatch(r"(?s)(?:<p>(.*)</p>\n)?", MARKDOWN.render(plain(text)))
    assert rendered and html.unescape(rendered[1] or "") == " ".join(text.split())
    assert "<" not in (rendered[1] or "")


@given((one_line | signs).filter(bool))
@example("` ")
@example(" a ")
@example("``")
@example("  ")
def test_a_literal_token_is_shown_to_the_letter(text):
    rendered = MARKDOWN.render(f"After {literal(text)}, more")
    assert rendered == f"<p>After <code>{html.escape(text)}</code>, more</p>\n".replace("&#x27;", "'")


def test_a_token_of_nothing_says_so():
    assert literal("") == "(nothing)"
