"""The map of points in a real browser."""

import math
from pathlib import Path

import numpy as np
import pytest

from components.point_map import Categories, Extra, MapData, Overlay, Scale
from components.point_map.html import map_html
from tests.browser.served import served

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
WAIT = 60_000  # milliseconds

SCRIPT = """
import streamlit as st

from components.point_map import point_map
from tests.browser.test_point_map import example

st.set_page_config(layout="wide")
query, state = st.query_params, st.session_state
data = example(
    dimensions=int(query.get("dimensions", 2)),
    hostile="hostile" in query,
    overlays="overlays" in query,
    scale="scale" in query,
    many=int(query.get("many", 0)),
)
state.setdefault("layer", 2)
state.setdefault("point", None)
state.setdefault("chosen", [])
state.setdefault("selected", ())
state.setdefault("runs", 0)
state.runs += 1


def choose(layer, point):
    state.layer, state.point = layer, point
    state.chosen.append((layer, point))


def rest(layer):
    state.layer = layer


def select(points):
    state.selected = points


st.slider("layer", 0, 4, key="layer")
if st.button("point 3"):
    state.point = 3
if "gone" not in query or not st.checkbox("gone"):
    point_map(
        data,
        layer=state.layer,
        point=state.point,
        selected=state.selected,
        key="map",
        height=560,
        on_choose=choose,
        on_layer=rest,
        on_select=select,
    )
st.text(f"layer {state.layer} point {state.point}")
st.text(f"selected {list(state.selected)}")
st.text(f"chosen {state.chosen}")
st.text(f"runs {state.runs}")
st.button("again")
"""

HOSTILE = (
    "<script>window.__pwned = 1</script>",
    "</script><img src=x onerror='window.__pwned = 1'>",
    "\u202eevil",
)
LAYERS = 5
COLUMNS, ROWS = 4, 3


def example(dimensions=2, hostile=False, overlays=False, scale=False, many=0) -> MapData:
    """A 4 by 3 grid of points that moves to the right by 3 at each layer, and drifts apart in depth."""
    if many:
        return crowd(many)
    place = np.stack(np.meshgrid(np.arange(COLUMNS), np.arange(ROWS), indexing="ij"), -1).reshape(-1, 2)
    depth = np.arange(len(place))[:, None] % 3
    still = np.concatenate([place, depth], 1)[:, :dimensions].astype(np.float32)
    step = np.zeros(dimensions, np.float32)
    step[0] = 3
    frames = np.stack([still + layer * step for layer in range(LAYERS)])
    count = len(place)
    labels = HOSTILE if hostile else tuple(f"token {point}" for point in range(count))
    aside = np.zeros(dimensions, np.float32)
    aside[1] = 0.5
    return MapData(
        fingerprint=f"{dimensions} {hostile} {overlays} {scale}",
        layers=tuple(range(LAYERS)),
        axes=("PC 1", "PC 2", "PC 3")[:dimensions],
        frames=frames,
        labels=tuple(labels[point % len(labels)] for point in range(count)),
        color=Scale(np.arange(count), "place", "steps", 0, count)
        if scale
        else Categories(np.arange(count) % 2, HOSTILE[:2] if hostile else ("even", "odd")),
        trails="all",
        overlays=(Overlay("edited", frames + aside), Overlay("null", frames - aside)) if overlays else (),
        extra=Extra(frames[:, :1] - 0.3, ("mine",)) if overlays else None,
        title="Where the tokens lie",
        alt="an example",
    )


def crowd(count: int) -> MapData:
    frames = np.random.default_rng(0).normal(size=(1, count, 2))
    color = Scale(frames[0, :, 0], "first", "", -3, 3, diverging=True)
    return MapData(f"crowd {count}", (2,), ("one", "two"), frames, (), color)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a Streamlit server that runs the script above."""
    script = tmp_path_factory.mktemp("app") / "app.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{SCRIPT}", encoding="utf-8")
    with served(script) as address:
        yield address


@pytest.fixture
def visit(chromium, server):
    """Open the app, wait until its map rests, and fail on any script error."""
    contexts, errors = [], []

    def go(query="", before="", **options):
        context = chromium.new_context(viewport={"width": 1280, "height": 960}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script(before)
        page.goto(query if "://" in query else f"{server}/?{query}")
        rests(page)
        return page

    yield go
    for context in contexts:
        context.close()
    assert errors == []


def the_map(page):
    return page.locator(".point-map")


def rests(page, **data):
    wanted = {"resting": "true"} | data
    page.locator(
        ".point-map" + "".join(f'[data-{name}="{value}"]' for name, value in wanted.items())
    ).wait_for()


def painted(page):
    """Everything that was asked for before has been drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    rests(page)


def says(page, text):
    page.get_by_text(text, exact=True).wait_for()


def where(page, point, layer=None, name="frames"):
    """The middle of a point in pixels of the page."""
    script = "(map, [point, layer, name]) => map.pointMap.where(point, layer ?? undefined, name)"
    x, y = the_map(page).evaluate(script, [point, layer, name])
    box = page.locator(".stage").bounding_box()
    border = 1
    return box["x"] + border + x, box["y"] + border + y


def pixel(page, at, canvas="canvas.points"):
    """Red, green, blue, alpha of what a canvas shows at a place of the page."""
    script = """(canvas, [x, y]) => {
      const { left, top } = canvas.getBoundingClientRect();
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
      copy.drawImage(canvas, 0, 0);
      const ratio = canvas.width / canvas.clientWidth;
      return [...copy.getImageData((x - left) * ratio, (y - top) * ratio, 1, 1).data];
    }"""
    return page.locator(canvas).evaluate(script, list(at))


def near(shown, wanted, within=30):
    return all(abs(one - other) <= within for one, other in zip(shown, wanted, strict=False))


def drag(page, corners, key=None):
    if key:
        page.keyboard.down(key)
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=6)
    page.mouse.up()
    if key:
        page.keyboard.up(key)


def test_points_are_drawn_where_the_map_says_in_their_colours(visit):
    page = visit(color_scheme="light")
    assert near(pixel(page, where(page, 0)), (11, 107, 120, 255))  # teal: even
    assert near(pixel(page, where(page, 1)), (185, 80, 10, 255))  # orange: odd
    assert pixel(page, where(page, 0, layer=0))[3] < 255  # a faint trail where it was
    x, y = where(page, 0)
    assert pixel(page, (x - 40, y - 20))[3] == 0  # and paper beside it


def test_distances_are_equal_on_both_axes(visit):
    page = visit()
    (x0, y0), (x1, y1), (x3, y3) = (where(page, point) for point in (0, 1, 3))
    assert x1 == pytest.approx(x0) and y3 == pytest.approx(y0)
    assert y0 - y1 == pytest.approx(x3 - x0, rel=1e-4) and y1 < y0 < 2_000 and x3 > x0


def test_a_click_chooses_a_point_at_its_layer(visit):
    page = visit()
    page.mouse.click(*where(page, 7))
    says(page, "layer 2 point 7")
    rests(page, point=7)
    x, y = (float(part) for part in the_map(page).get_attribute("data-at").split())
    box = page.locator(".stage").bounding_box()
    assert (box["x"] + 1 + x, box["y"] + 1 + y) == pytest.approx(where(page, 7), abs=0.1)


def test_a_click_on_a_trail_goes_to_its_layer(visit):
    page = visit()
    page.mouse.click(*where(page, 2, layer=0))
    says(page, "layer 0 point 2")
    rests(page, layer=0, point=2)
    says(page, "chosen [(0, 2)]")  # once


def test_the_pointer_shows_a_card(visit):
    page = visit()
    page.mouse.move(*where(page, 5))
    card = page.locator(".point-map .card")
    card.wait_for()
    assert card.inner_text().split("\n") == ["token 5", "layer 2", "odd"]
    page.mouse.move(5, 5)
    card.wait_for(state="hidden")


def test_keys_walk_over_points_and_layers_and_choose(visit):
    page = visit()
    page.locator(".stage").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    rests(page, meant=1)
    assert page.locator(".live").inner_text() == "token 1, layer 2, odd"
    page.keyboard.press("Enter")
    says(page, "layer 2 point 1")
    page.keyboard.press("ArrowUp")
    says(page, "layer 3 point 1")
    page.keyboard.press("[")
    page.keyboard.press("[")
    says(page, "layer 1 point 1")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    says(page, "layer 1 point 0")


def test_a_step_passes_through_the_middle_and_ends_on_the_next_layer(visit):
    page = visit()
    the_map(page).evaluate(
        """map => {
          window.seen = new Set();
          const look = () => { seen.add(map.dataset.resting); requestAnimationFrame(look); };
          look();
        }"""
    )
    page.locator(".stage").focus()
    page.keyboard.press("ArrowUp")
    rests(page, layer=3)
    assert page.evaluate("seen.has('false')")
    assert near(pixel(page, where(page, 0, layer=3)), pixel(page, where(page, 0)), 0)
    assert pixel(page, where(page, 11, layer=3))[3] == 255


def test_reduced_motion_is_respected(visit):
    page = visit(reduced_motion="reduce")
    the_map(page).evaluate(
        """map => {
          window.moved = false;
          new MutationObserver(() => { window.moved ||= map.dataset.resting === "false"; })
            .observe(map, { attributes: true });
        }"""
    )
    page.locator(".stage").focus()
    page.keyboard.press("ArrowUp")
    rests(page, layer=3)
    assert not page.evaluate("moved")


def test_slider_and_map_agree(visit):
    page = visit()
    slider = page.get_by_role("slider", name="layer").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    rests(page, layer=3)
    page.locator(".range").evaluate("range => { range.value = 1; range.dispatchEvent(new Event('input')); }")
    says(page, "layer 1 point None")
    rests(page, layer=1)
    page.get_by_test_id("stSliderThumbValue").get_by_text("1", exact=True).wait_for()


def test_playing_tells_only_the_layer_at_which_it_rests(visit):
    page = visit()
    page.locator(".stage").focus()
    page.keyboard.press(" ")
    page.locator('.point-map[data-layer="4"]').wait_for()
    says(page, "layer 4 point None")
    says(page, "runs 2")


def test_a_point_from_elsewhere_is_shown_and_not_told_again(visit):
    page = visit()
    page.get_by_role("button", name="point 3").click()
    rests(page, point=3)
    page.get_by_role("button", name="again").click()
    says(page, "runs 3")
    says(page, "chosen []")


def test_a_lasso_selects_exactly_what_is_inside(visit):
    page = visit()
    (x0, y0), (x5, y5) = where(page, 0), where(page, 4)  # the points 0, 1, 3, 4 are a square
    half = (x5 - x0) / 2
    loop = [(x0 - half, y0 + half), (x0 - half, y5 - half), (x5 + half, y5 - half), (x5 + half, y0 + half)]
    drag(page, [*loop, loop[0]], key="Shift")
    says(page, "selected [0, 1, 3, 4]")
    rests(page, selected=4)
    assert pixel(page, where(page, 11))[3] < 150 < pixel(page, where(page, 0))[3]  # the others step back
    page.locator(".stage").focus()
    page.keyboard.press("Escape")
    says(page, "selected []")


def test_a_lasso_that_cuts_a_corner_leaves_it_out(visit):
    page = visit()
    corners = [where(page, point) for point in (0, 2, 6)]
    middle = [sum(part) / 3 for part in zip(*corners, strict=True)]
    grown = [[m + 1.25 * (c - m) for c, m in zip(corner, middle, strict=True)] for corner in corners]
    page.get_by_role("button", name="Lasso").click()
    drag(page, [*grown, grown[0]])
    says(page, "selected [0, 1, 2, 3, 4, 6]")  # a triangle: not 5, which a box would hold


def test_a_box_selects_a_row(visit):
    page = visit()
    (x0, y0), (x9, y9), (_, y1) = where(page, 0), where(page, 9), where(page, 1)
    half = (y0 - y1) / 2
    drag(page, [(x0 - half, y0 + half), (x9 + half, y9 - half)], key="Alt")
    says(page, "selected [0, 3, 6, 9]")


def test_the_wheel_zooms_at_the_pointer_and_a_drag_pans(visit):
    page = visit()
    before = where(page, 4)
    page.mouse.move(*before)
    for _ in range(4):
        page.mouse.wheel(0, -200)
    painted(page)
    assert where(page, 4) == pytest.approx(before, abs=1.5)
    (x3, _), (x6, _) = where(page, 3), where(page, 6)
    drag(page, [(before[0], before[1] + 30), (before[0] + 50, before[1] + 60)])
    moved = where(page, 4)
    assert moved == pytest.approx((before[0] + 50, before[1] + 30), abs=5)
    page.locator(".stage").focus()
    page.keyboard.press("0")
    (near3, _), (near6, _) = where(page, 3), where(page, 6)
    assert x6 - x3 > 2 * (near6 - near3)


def test_arrows_lead_from_the_points_to_the_edited_ones(visit):
    page = visit("overlays", color_scheme="light")
    end, begin = where(page, 5, name="overlay0"), where(page, 5)
    orange = (185, 80, 10, 255)
    assert near(pixel(page, end), orange)
    shaft = [begin[0] + 0.5 * (end[0] - begin[0]), begin[1] + 0.5 * (end[1] - begin[1])]
    assert near(pixel(page, shaft), orange, 60)
    page.get_by_role("button", name="→ edited").click()
    painted(page)
    assert not near(pixel(page, end), orange)


def test_a_legend_hides_a_category_from_sight_and_from_the_pointer(visit):
    page = visit()
    page.get_by_role("button", name="odd").click()
    key = page.locator('.key[data-what="category 1"]')
    assert key.get_attribute("aria-pressed") == "false"
    page.mouse.click(*where(page, 4))
    says(page, "layer 2 point 4")
    page.get_by_role("button", name="trails").click()
    painted(page)
    assert pixel(page, where(page, 5))[3] == 0
    page.mouse.click(*where(page, 5))
    page.mouse.click(*where(page, 6))
    says(page, "chosen [(2, 4), (2, 6)]")


def test_three_dimensions_turn_under_a_drag(visit):
    page = visit("dimensions=3")
    before = [where(page, point) for point in range(3)]
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + 60, box["y"] + 60
    drag(page, [(x, y), (x + 120, y + 30)])
    after = [where(page, point) for point in range(3)]
    assert max(math.dist(one, other) for one, other in zip(before, after, strict=True)) > 20
    page.mouse.click(*after[2])
    says(page, "layer 2 point 2")


def test_light_and_dark_follow_the_theme(visit):
    page = visit(color_scheme="light")
    assert near(pixel(page, where(page, 0)), (11, 107, 120))
    page.emulate_media(color_scheme="dark")
    page.locator('.point-map[data-mode="dark"]').wait_for()
    rests(page)
    painted(page)
    assert near(pixel(page, where(page, 0)), (63, 179, 192))


def test_the_scale_tells_its_numbers(visit):
    page = visit("scale")
    legend = page.locator(".legend")
    assert "place (steps)" in legend.inner_text()
    assert legend.locator(".numbers span").all_inner_texts() == ["0", "12"]
    page.mouse.move(*where(page, 9))
    page.locator(".point-map .card").wait_for()
    assert page.locator(".card-meaning").inner_text() == "place: 9 steps"


def test_hostile_words_stay_words(visit):
    page = visit("hostile")
    page.mouse.move(*where(page, 1))
    page.locator(".point-map .card").wait_for()
    assert page.locator(".card-title").text_content() == HOSTILE[1]
    assert page.evaluate("window.__pwned") is None
    assert page.locator(".point-map img, .point-map script").count() == 0


WITHOUT = """
  const given = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    return kind === "webgl2" ? null : given.call(this, kind, ...rest);
  };
"""


def test_without_webgl_the_map_is_drawn_more_simply_and_says_so(visit):
    page = visit(before=WITHOUT, color_scheme="light")
    assert "no WebGL2" in page.locator(".notice").inner_text()
    assert near(pixel(page, where(page, 4)), (11, 107, 120, 255))
    page.mouse.click(*where(page, 4))
    says(page, "layer 2 point 4")


def test_a_lost_card_is_not_a_blank_box(visit):
    page = visit(color_scheme="light")
    page.locator("canvas.points").evaluate(
        "canvas => canvas.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()"
    )
    page.locator(".notice").wait_for()
    page.locator('.point-map[data-drawing="flat"]').wait_for()
    rests(page)
    painted(page)
    assert near(pixel(page, where(page, 4)), (11, 107, 120, 255))
    page.mouse.click(*where(page, 4))
    says(page, "layer 2 point 4")


def test_a_map_that_goes_gives_its_card_back(visit):
    page = visit("gone")
    page.locator("canvas.points").evaluate("canvas => { window.card = canvas.getContext('webgl2') }")
    for _ in range(2):
        page.get_by_text("gone", exact=True).click()
        the_map(page).wait_for(state="detached")
        page.wait_for_function("() => card.isContextLost()")
        page.get_by_text("gone", exact=True).click()
        rests(page)


def test_a_hundred_thousand_points_are_all_drawn_at_rest(visit):
    page = visit("many=100000")
    page.locator('.point-map[data-drawn="100000"]').wait_for()
    page.mouse.click(*where(page, 5))
    page.locator('.point-map:not([data-point=""])').wait_for()


def test_the_map_speaks_for_itself(visit):
    page = visit()
    stage = page.get_by_role("application", name="Where the tokens lie")
    assert "an example" in stage.get_attribute("aria-description")
    assert stage.get_attribute("tabindex") == "0"
    assert page.locator(".stage canvas:not([aria-hidden])").count() == 0


def test_the_exported_page_works_alone(visit, tmp_path):
    file = tmp_path / "map.html"
    data = example(hostile=True, overlays=True)
    text = map_html(
        data, title="Where?", explanation=["What."], provenance={"model": "toy"}, layer=1, point=4
    )
    file.write_text(text, encoding="utf-8")
    page = visit(file.as_uri(), offline=True, color_scheme="light")
    rests(page, layer=1, point=4)
    page.locator(".stage").focus()
    page.keyboard.press("ArrowUp")
    rests(page, layer=2)
    page.get_by_role("button", name="Dark").click()
    page.locator('.point-map[data-mode="dark"]').wait_for()
    assert page.evaluate("window.__pwned") is None
