"""The lens grid, the token strip and the picture button in a real browser."""

from pathlib import Path

import numpy as np
import pytest

from components.figures.grid_html import grid_html
from components.grid_data import ColorScale, GridData, GridToken
from components.ramps import ramp
from tests.browser.acting import WAIT, act, downloaded, eventually, shows
from tests.browser.served import served

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]

SCRIPT = """
import time

import streamlit as st

from components.figures.grid_svg import grid_svg
from components.lens_grid import lens_grid
from components.save_picture import save_picture
from components.token_strip import token_strip
from tests.browser.test_lens_grid import example

st.set_page_config(layout="wide")
query, state = st.query_params, st.session_state
data = example(int(query.get("tokens", 9)), hostile="hostile" in query)
state.setdefault("cursor", (2, 3))
state.setdefault("runs", 0)
state.runs += 1
time.sleep(float(query.get("slow", 0)))


def choose_position(position):
    state.cursor = (position, state.cursor[1])


def choose_cell(cell):
    state.cursor = cell


token_strip(
    data.tokens,
    fingerprint=data.fingerprint,
    cursor_position=state.cursor[0],
    key="strip",
    on_choose=choose_position,
)
if "returns" in query:
    chosen = lens_grid(data, cursor=(2, 3), key="grid")
    st.text(f"returned {chosen}")
else:
    lens_grid(data, cursor=state.cursor, key="grid", on_choose=choose_cell)
st.text(f"cursor {state.cursor[0]} {state.cursor[1]}")
st.text(f"runs {state.runs}")
st.button("again")
save_picture(grid_svg(data), name="../lens grid", key="png")
"""

HOSTILE = (
    "<script>window.__pwned = 1</script>",
    "</script><img src=x onerror='window.__pwned = 1'>",
    "\u202eevil\x00",
    "x" * 10_000,
    "\u200b",
)


def example(positions: int, hostile: bool = False, layers: int = 31, k: int = 5) -> GridData:
    """A grid whose cell (position, layer) says "·p,l" first."""
    cells = [f"·{position},{layer}" for layer in range(layers) for position in range(positions)]
    top = np.zeros((layers, positions, k), int)
    top[..., 0] = np.arange(layers * positions).reshape(layers, positions)
    top[..., 1:] = np.arange(1, k)
    words = [HOSTILE[index % len(HOSTILE)] + str(index) for index in range(len(cells))]
    labels = HOSTILE if hostile else ("·the", "·cat")
    return GridData(
        fingerprint=f"{positions} {hostile}",
        title="Logit lens",
        unit="",
        alt="an example",
        tokens=tuple(
            GridToken(labels[index % len(labels)], special=index == 0, detail=f"id {index}")
            for index in range(positions)
        ),
        layers=tuple(range(layers)),
        words=tuple(words if hostile else cells),
        top=top,
        probability=np.broadcast_to([0.6, 0.2, 0.1, 0.05, 0.0004], top.shape),
        value=np.full((layers, positions), 0.5),
        value_label="probability",
        scale=ColorScale("sequential", 0, 1),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a Streamlit server that runs the script above."""
    script = tmp_path_factory.mktemp("app") / "app.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{SCRIPT}", encoding="utf-8")
    with served(script) as address:
        yield address


@pytest.fixture
def visit(chromium, server):
    """Open the app, wait for its grid, and fail on any script error."""
    contexts, errors = [], []

    def go(query="", **options):
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(query if "://" in query else f"{server}/?{query}")
        page.locator(".lens-grid .cell").first.wait_for()
        return page

    yield go
    for context in contexts:
        context.close()
    assert errors == []


def cell(page, position, layer):
    return page.locator(f'.layer-row[data-layer="{layer}"] .cell[data-position="{position}"]')


def says(page, text):
    page.get_by_text(text, exact=True).wait_for()


def test_a_click_reaches_python_and_the_strip(visit):
    page = visit()
    act(page, cell(page, 5, 20).click, shows(page.get_by_text("cursor 5 20", exact=True)))
    page.locator('.token-strip [aria-selected="true"][data-position="5"]').wait_for()


def test_a_token_of_the_strip_moves_the_grid(visit):
    page = visit()
    page.locator(".token-strip button").nth(7).click()
    says(page, "cursor 7 3")
    page.keyboard.press("ArrowLeft")
    says(page, "cursor 6 3")
    page.locator('.cell.at-cursor[data-position="6"]').wait_for()


def test_the_choice_is_returned_where_nobody_listens(visit):
    page = visit("returns")
    says(page, "returned None")
    cell(page, 5, 20).click()
    says(page, "returned (5, 20)")
    page.get_by_role("button", name="again").click()
    says(page, "returned None")
    page.locator('.cell.at-cursor[data-position="2"]').wait_for()  # the page kept its own cursor


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        (["ArrowUp", "ArrowUp", "ArrowRight"], "3 5"),
        (["ArrowDown", "ArrowLeft"], "1 2"),
        (["PageUp", "End"], "8 8"),
        (["PageDown", "Home"], "0 0"),
        (["Control+End"], "8 0"),
        (["Control+Home"], "0 30"),
    ],
)
def test_keys_move_the_cursor(visit, keys, cursor):
    page = visit()
    page.locator(".scroller").focus()
    for key in keys:
        page.keyboard.press(key)
    says(page, f"cursor {cursor}")
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.className") == "scroller"


def test_a_slow_server_never_pulls_the_cursor_back(visit):
    page = visit("slow=0.25")
    page.locator(".scroller").evaluate(
        """grid => {
          window.seen = [];
          new MutationObserver(() => {
            seen.push(Number(grid.getAttribute("aria-activedescendant").split("-").at(-2)));
          }).observe(grid, { attributes: true, attributeFilter: ["aria-activedescendant"] });
        }"""
    )
    page.locator(".scroller").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_timeout(150)  # reported; the answer comes while the key is held
    for _ in range(12):
        page.keyboard.press("ArrowUp")
        page.wait_for_timeout(50)
    says(page, "cursor 2 16")
    page.wait_for_timeout(1_000)
    seen = page.evaluate("seen")
    assert seen == sorted(seen) and seen[-1] == 16


def test_the_same_data_keeps_every_cell(visit):
    page = visit()
    cell(page, 4, 10).evaluate("cell => { cell.kept = true }")
    page.get_by_role("button", name="again").click()
    says(page, "runs 2")
    page.locator(".token-strip button").nth(7).click()  # the grid is sent again, its cursor moved
    page.locator('.cell.at-cursor[data-position="7"]').wait_for()
    assert cell(page, 4, 10).evaluate("cell => cell.kept")


def test_the_card_shows_five_words_and_leaves(visit):
    page = visit()
    card = page.locator(".card")
    act(page, cell(page, 8, 30).hover, shows(card))
    eventually(page, lambda: card.locator(".card-word").count() == 5)
    assert card.locator(".percent").all_inner_texts() == ["60 %", "20 %", "10 %", "5.0 %", "<0.1 %"]
    assert "id 8" in card.inner_text()
    box = card.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1280 and box["y"] >= 0
    page.mouse.move(5, 5)
    card.wait_for(state="hidden")


def test_the_keyboard_gets_the_card_too_and_escape_closes_it(visit):
    page = visit()
    page.locator(".scroller").focus()
    page.keyboard.press("ArrowUp")
    page.locator(".card").wait_for()
    page.keyboard.press("Escape")
    page.locator(".card").wait_for(state="hidden")
    page.keyboard.press("ArrowUp")
    page.locator(".card").wait_for()


def test_every_cell_has_a_name_and_the_grid_counts_its_rows(visit):
    page = visit()
    assert cell(page, 3, 12).get_attribute("aria-label") == ("layer 12, after token ·cat: ·3,12 60 %")
    grid = page.get_by_role("grid", name="Logit lens")
    assert grid.get_attribute("aria-rowcount") == "32"
    assert grid.get_attribute("aria-colcount") == "10"
    active = grid.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"


def test_hostile_words_stay_words(visit):
    page = visit("hostile")
    act(page, cell(page, 1, 30).hover, shows(page.locator(".card")))
    act(page, cell(page, 1, 30).click, shows(page.get_by_text("cursor 1 30", exact=True)))
    assert page.evaluate("window.__pwned") is None
    assert page.locator(".lens-grid img, .lens-grid script").count() == 0


def test_only_the_columns_in_sight_exist(visit):
    page = visit("tokens=256")
    headers = page.locator(".token")
    assert headers.count() < 40
    page.locator(".scroller").evaluate("grid => { grid.scrollLeft = grid.scrollWidth }")
    cell(page, 255, 30).wait_for()
    eventually(page, lambda: headers.count() < 40)
    assert cell(page, 255, 30).inner_text() == "·255,30"
    positions = headers.evaluate_all("all => all.map((one) => Number(one.dataset.position))")
    assert positions == sorted(positions)


def test_a_cursor_from_elsewhere_scrolls_into_view(visit):
    page = visit("tokens=256")
    there = page.locator('.cell.at-cursor[data-position="200"]')
    act(page, page.locator(".token-strip button").nth(200).click, lambda: there.count() == 1)

    def in_view():
        box = there.bounding_box()
        return 0 < box["x"] < 1280 - box["width"]

    eventually(page, in_view)


def test_light_and_dark_wear_their_own_colours_and_follow_the_theme(visit):
    page = visit(color_scheme="light")
    for mode in ("light", "dark"):
        page.emulate_media(color_scheme=mode)
        page.locator(f'.lens-grid[data-mode="{mode}"]').wait_for()
        red, green, blue = (int(ramp("sequential", mode)[16][0][i : i + 2], 16) for i in (1, 3, 5))
        style = "cell => getComputedStyle(cell).backgroundColor"
        wanted = f"rgb({red}, {green}, {blue})"
        eventually(page, lambda style=style, wanted=wanted: cell(page, 4, 10).evaluate(style) == wanted)


def test_the_button_saves_a_png_at_twice_the_size(visit):
    page = visit("hostile")
    name, png = downloaded(page, page.get_by_role("button", name="PNG"))
    assert png.startswith(b"\x89PNG") and name == "lens-grid.png"
    assert int.from_bytes(png[16:20], "big") > 1_000


def test_the_exported_page_works_alone(visit, tmp_path):
    file = tmp_path / "lens.html"
    page_text = grid_html(
        example(60, hostile=True),
        title="Where does the model make up its mind?",
        explanation=["What you see."],
        provenance={"model": "toy"},
        code="print(1)",
        cursor=(1, 4),
    )
    file.write_text(page_text, encoding="utf-8")
    page = visit(file.as_uri(), offline=True, color_scheme="light")
    page.locator(".scroller").focus()
    page.keyboard.press("ArrowUp")
    assert page.locator("#reading").inner_text().startswith("layer 5, after ")
    page.get_by_role("button", name="Dark").click()
    page.locator('.lens-grid[data-mode="dark"]').wait_for()
    assert page.evaluate("window.__pwned") is None


def test_the_cursor_clears_the_sticky_axis_and_token_row(visit, tmp_path):
    file = tmp_path / "lens.html"
    file.write_text(grid_html(example(60), title="t", explanation=[], provenance={}), encoding="utf-8")
    page = visit(file.as_uri())
    page.locator(".lens-grid").evaluate("root => root.style.setProperty('--height', '300px')")
    page.locator(".scroller").focus()
    for key in ("Control+End", "Control+Home", "PageDown", "End", "Control+End"):
        page.keyboard.press(key)
        eventually(page, lambda: clear_of_axes(page), lambda key=key: f"hidden after {key}")


def clear_of_axes(page):
    cursor, grid = (page.locator(name).bounding_box() for name in (".cell.at-cursor", ".scroller"))
    axis, tokens = (page.locator(name).first.bounding_box() for name in (".layer", ".tokens"))
    return (
        axis["x"] + axis["width"] <= cursor["x"] + 1
        and cursor["x"] + cursor["width"] <= grid["x"] + grid["width"] + 1
        and grid["y"] <= cursor["y"] + 1
        and cursor["y"] + cursor["height"] <= tokens["y"] + 1
    )
