"""Texts side by side in a real browser: what stays while they grow, and how they look."""

from pathlib import Path

import pytest

from components.beside import Column
from components.kinds import KINDS
from tests.browser.acting import WAIT, act, eventually, shows
from tests.browser.served import served
from tests.browser.test_lens_grid import HOSTILE

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
READABLE = 4.5

SCRIPT = """
import streamlit as st

from components.beside import beside
from tests.browser.test_beside import example

st.set_page_config(layout="wide")
query, state = st.query_params, st.session_state
state.setdefault("count", int(query.get("words", 60)))


@st.fragment(run_every=0.2 if "ticks" in query else None)
def draw():
    if st.button("more") or "ticks" in query:
        state.count += 4
    if st.button("again"):
        state.count = 4
    columns, prompt = example(state.count, query.get("scene", "plain"))
    beside(columns, prompt=prompt, key="texts", height=260 if "fixed" in query else None)
    st.text(f"words {state.count}")


draw()
"""

LENGTH = 140
"""Words of every example text."""
SCENES = {
    "plain": ("base", "edited", "null", "null", "null", "null"),
    "each": ("base", "edited", "asked", "edited", "asked", "edited"),
    "hostile": ("base", "edited", "null", "asked"),
    "arabic": ("base", "edited", "null"),
}


def example(count, scene):
    """Columns of which `count` words are written; each but the first says every fifth word otherwise."""
    columns = []
    for number, kind in enumerate(SCENES[scene]):
        word = [f" word{place}" for place in range(LENGTH)]
        if scene == "hostile":
            word = [f" {text[:99]}" for text in HOSTILE] * (LENGTH // len(HOSTILE))
        if scene == "arabic":
            word = [" البحر", " عميق", " جدا."] * (LENGTH // 3)
        if number:
            word[number % 5 :: 5] = [f"{other}x{number}" for other in word[number % 5 :: 5]]
        name = HOSTILE[number] if scene == "hostile" else f"{kind} {number}" if kind == "null" else kind
        note = HOSTILE[0] if scene == "hostile" else ""
        ended = count >= len(word)
        columns.append(Column(name, kind, "".join(word[:count]), note=note, ended=ended))
    return columns, {"hostile": HOSTILE[1], "arabic": ""}.get(scene, "It was")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a Streamlit server that runs the script above, in the project's own theme."""
    script = tmp_path_factory.mktemp("app") / "app.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{SCRIPT}", encoding="utf-8")
    with served(script) as address:
        yield address


@pytest.fixture
def visit(chromium, server):
    """Open the app, wait for its cards, and fail on any script error."""
    contexts, errors = [], []

    def go(query="", size=(1280, 900), **options):
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{server}/?{query}")
        page.locator(".beside .card").first.wait_for()
        return page

    yield go
    for context in contexts:
        context.close()
    assert errors == []


def card(page, kind):
    return page.locator(f'.beside [data-kind="{kind}"]')


def scroller(page, kind):
    return card(page, kind).locator(".scroller")


def more(page, expected):
    """Let every text go on until this many words of it are drawn."""
    button, said = page.get_by_role("button", name="more"), page.get_by_text(f"words {expected}", exact=True)
    act(page, button.click, shows(said))
    card(page, "base").locator(".written").filter(has_text=f"word{expected - 1}").wait_for()


def again(page):
    """Begin all texts anew."""
    button, said = page.get_by_role("button", name="again"), page.get_by_text("words 4", exact=True)
    act(page, button.click, shows(said))
    text = card(page, "base").locator(".text")
    eventually(page, lambda: text.inner_text() == "It was word0 word1 word2 word3")


# ---- while texts grow


def test_what_stands_there_stays_while_texts_stream(visit):
    page = visit("ticks&words=8&fixed")
    page.locator(".beside").evaluate(
        """root => {
          window.removed = 0;
          new MutationObserver((changes) => {
            for (const { removedNodes } of changes) removed += removedNodes.length;
          }).observe(root, { childList: true, subtree: true });
          root.querySelectorAll(".card, .text").forEach((one) => { one.kept = true });
        }"""
    )
    card(page, "edited").get_by_text("28 of 140 words differ from base").wait_for()
    kept = page.locator(".beside .card, .beside .text").evaluate_all("all => all.map((one) => one.kept)")
    assert kept == [True] * 9
    # the last word may go on and is not judged; drawn again as a mark is at most what differs
    assert 0 < page.evaluate("removed") <= 5 * 28
    assert card(page, "edited").locator("mark").count() == 28


def test_only_the_new_words_are_drawn(visit):
    page = visit()
    text = card(page, "base").locator(".written")
    before = text.evaluate("text => { window.before = [...text.childNodes]; return before.length }")
    more(page, 64)
    assert text.evaluate("text => before.every((node, place) => text.childNodes[place] === node)")
    assert text.evaluate("text => text.childNodes.length") == before + 8


def test_a_reader_at_the_end_follows_the_text(visit):
    page = visit("fixed&words=100")
    more(page, 104)
    left = "box => box.scrollHeight - box.clientHeight - box.scrollTop"
    eventually(page, lambda: scroller(page, "base").evaluate(left) < 2)
    assert scroller(page, "base").evaluate("box => box.scrollTop") > 0


def test_a_reader_elsewhere_is_left_there(visit):
    page = visit("fixed&words=100")
    for kind in ("base", "edited", "null"):
        scroller(page, kind).evaluate("box => { box.scrollTop = 30 }")
    more(page, 104)
    more(page, 108)
    tops = [scroller(page, kind).evaluate("box => box.scrollTop") for kind in ("base", "edited", "null")]
    assert tops[:2] == [30, 30]
    assert tops[2] >= 30  # the browser keeps the line in sight, whatever grows above it


def test_a_selection_survives(visit):
    page = visit("fixed")
    card(page, "edited").locator(".written").evaluate(
        """text => {
          const range = document.createRange();
          range.setStart(text.childNodes[1], 0);
          range.setEnd(text.childNodes[9], 3);
          getSelection().removeAllRanges();
          getSelection().addRange(range);
          window.range = range;
        }"""
    )
    selected = page.evaluate("range.toString()")
    more(page, 64)
    assert page.evaluate("range.toString()") == selected != ""


def test_what_is_ended_begins_at_its_beginning(visit):
    page = visit(f"fixed&words={LENGTH}")
    assert scroller(page, "base").evaluate("box => box.scrollTop") == 0
    assert scroller(page, "base").evaluate("box => box.scrollHeight > box.clientHeight")


def test_a_new_text_replaces_the_old_one(visit):
    again(visit())


# ---- marks, names and keys


def test_words_that_differ_are_underlined_and_tinted(visit):
    page = visit(f"words={LENGTH}")
    marks = card(page, "edited").locator("mark")
    assert marks.first.inner_text() == "word1x1"
    style = marks.first.evaluate("mark => ({ ...getComputedStyle(mark) })")
    assert style["textDecorationLine"] == "underline" and style["textDecorationStyle"] == "solid"
    assert style["backgroundColor"] != "rgba(0, 0, 0, 0)"
    assert card(page, "base").locator("mark").count() == 0


def test_no_two_kinds_wear_the_same_line_or_glyph(visit):
    page = visit("scene=hostile")
    kinds = ("base", "edited", "null", "asked")
    lines = [
        card(page, kind).locator(".edge").evaluate("edge => getComputedStyle(edge).borderTopStyle")
        for kind in kinds
    ]
    assert lines == ["solid", "double", "dashed", "dotted"]
    glyphs = [card(page, kind).locator(".glyph").inner_text() for kind in kinds]
    assert glyphs == [KINDS[kind].glyph for kind in kinds]


def caret(page):
    """Width and movement of what stands behind the base text."""
    return (
        card(page, "base")
        .locator(".written")
        .evaluate(
            """text => {
              const { content, width, animationName } = getComputedStyle(text, "::after");
              return content === "none" ? null : [width, animationName];
            }"""
        )
    )


def test_only_a_text_being_written_has_a_caret_and_it_does_not_blink(visit):
    assert caret(visit()) == ["2px", "none"]
    assert caret(visit(f"words={LENGTH}")) is None


def test_the_edited_text_is_told_once_and_when_it_has_ended(visit):
    page = visit("words=132")
    said = page.locator('.beside [aria-live="polite"]')
    assert said.all_text_contents() == ["", "", ""]
    more(page, 136)
    assert said.all_text_contents() == ["", "", ""]
    more(page, LENGTH)
    eventually(page, lambda: any(said.all_text_contents()))
    base, edited, null = said.all_text_contents()
    assert base == null == ""
    assert edited.startswith("edited has ended:  word0 word1x1 word2")
    again(page)
    eventually(page, lambda: said.all_text_contents() == ["", "", ""])


def test_cards_are_named_regions_and_what_scrolls_can_be_reached(visit):
    page = visit(f"fixed&words={LENGTH}")
    for name in ("base", "edited", "random controls"):
        assert page.get_by_role("region", name=name, exact=True).count() == 1
    box = page.get_by_role("group", name="text of base")
    page.get_by_role("button", name="again").focus()
    page.keyboard.press("Tab")
    assert box.evaluate("box => box.getRootNode().activeElement === box")
    assert box.evaluate("box => getComputedStyle(box).outlineStyle") == "solid"
    page.keyboard.press("End")
    page.wait_for_function("box => box.scrollTop > 0", arg=box.element_handle())


def test_what_does_not_scroll_is_no_stop(visit):
    page = visit("words=4")
    assert scroller(page, "base").get_attribute("tabindex") is None


def test_whitespace_and_directions_are_kept(visit):
    page = visit("scene=arabic&words=6")
    written = card(page, "base").locator(".written")
    style = written.evaluate("text => ({ ...getComputedStyle(text) })")
    assert style["direction"] == "rtl" and style["unicodeBidi"] == "isolate"
    assert style["whiteSpaceCollapse"] == "preserve" and style["textWrapMode"] == "wrap"
    # it begins at the right of its card
    assert card(page, "base").locator(".text").evaluate(
        """text => {
          const range = document.createRange();
          range.selectNodeContents(text.querySelector(".written"));
          return text.getBoundingClientRect().right - range.getBoundingClientRect().right;
        }"""
    ) < 8  # fmt: skip


def test_hostile_text_stays_text(visit):
    page = visit(f"scene=hostile&words={LENGTH}")
    text = card(page, "base").locator(".text").inner_text()
    assert "<script>window.__pwned = 1</script>" in text and "⟨U+202E⟩evil⟨U+0000⟩" in text
    assert page.locator(".beside img, .beside script").count() == 0
    assert page.evaluate("window.__pwned") is None
    assert page.locator(".beside").evaluate("root => root.scrollWidth <= root.clientWidth")


# ---- how it looks

CONTRASTS = """root => {
  const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = color;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data];
  };
  const light = (color) => {
    const [red, green, blue] = rgba(color).slice(0, 3)
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    const { backgroundColor } = getComputedStyle(element);
    return rgba(backgroundColor)[3] === 255 ? backgroundColor : behind(element.parentElement);
  };
  const found = {};
  for (const element of root.querySelectorAll("*")) {
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!words || !element.checkVisibility()) continue;
    const kind = element.closest(".card").dataset.kind;
    const [low, high] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => a - b);
    const name = `${kind} ${element.className || element.localName}`;
    found[name] = Math.min(found[name] ?? 21, (high + 0.05) / (low + 0.05));
  }
  return found;
}"""


def test_every_text_is_readable_in_light_and_dark(visit):
    page = visit(f"scene=hostile&words={LENGTH}", color_scheme="light")
    seen = set()
    for mode in ("light", "dark"):
        page.emulate_media(color_scheme=mode)
        page.locator(f'.beside[data-mode="{mode}"]').wait_for()
        ratios = page.locator(".beside").evaluate(CONTRASTS)
        for name, ratio in ratios.items():
            # a glyph is a sign, not a text
            assert ratio >= (3 if name.endswith(" glyph") else READABLE), (mode, name)
        seen |= {name.split()[-1] for name in ratios}
        color = card(page, "edited").locator(".glyph").evaluate("glyph => getComputedStyle(glyph).color")
        red, green, blue = (int(KINDS["edited"].color(mode)[i : i + 2], 16) for i in (1, 3, 5))
        assert color == f"rgb({red}, {green}, {blue})"
    assert {"name", "prompt", "written", "mark", "state", "glyph", "lead"} <= seen


def boxes(page):
    return [one.bounding_box() for one in page.locator(".beside .card").all()]


def no_overflow(page):
    return page.evaluate(
        """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
             .every((box) => box.scrollWidth <= box.clientWidth)"""
    )


def test_six_texts_with_four_random_ones_are_three_columns(visit):
    page = visit(f"words={LENGTH}")
    found = boxes(page)
    assert len(found) == 3 and no_overflow(page)
    assert len({box["y"] for box in found}) == 1 and len({box["height"] for box in found}) == 1
    assert all(box["x"] + box["width"] <= 1280 for box in found)


def test_six_cards_fit_the_width_too(visit):
    page = visit(f"scene=each&words={LENGTH}")
    found = boxes(page)
    assert len(found) == 6 and no_overflow(page)
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 1280 for box in found)


def test_a_narrow_page_stacks_them(visit):
    page = visit(f"words={LENGTH}", size=(800, 900))
    found = boxes(page)
    assert len({box["x"] for box in found}) == 1 and no_overflow(page)
    assert all(one["y"] + one["height"] <= other["y"] for one, other in zip(found, found[1:], strict=False))


def test_a_height_is_kept_by_every_card(visit):
    page = visit("fixed&words=4")
    assert [box["height"] for box in boxes(page)] == [260] * 3
    more(page, 8)
    assert [box["height"] for box in boxes(page)] == [260] * 3
