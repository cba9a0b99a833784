"""The whole app in a real browser, as `streamlit run` serves it."""

import os
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from analysis.models import sources
from analysis.models.spec import ModelSpec
from tests.browser.acting import WAIT, act, downloaded, eventually, rest, shows
from tests.browser.served import served

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
TOY = {"model": "toy:random", "prompt": "the sea is deep", "lens": "logit", "color": "probability"}

HOSTILE = (
    "<script>window.__pwned = 1</script><img src=x onerror='window.__pwned = 1'>"
    "</code><svg onload='window.__pwned = 1'> [a](javascript:window.__pwned=1) `x` $\\frac{1}{2}$ "
    ":red[x] # **b** \u202eright to left\u202c a\u200bb \x00 <bos>"
)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """What the server writes."""
    return tmp_path_factory.mktemp("log") / "server.txt"


@pytest.fixture(scope="module")
def server(log):
    """The address of the app as a process of its own; it opens on the random toy."""
    environment = os.environ | {"BATHYSCOPE_MODEL": "toy:random", "HF_HUB_OFFLINE": "1"}
    with served("app.py", environment, log) as address:
        yield address


@pytest.fixture
def visit(chromium, server):
    """`visit(prompt=...)` opens the app in a context of its own and waits for the grid."""
    contexts, errors = [], []

    def go(size=(1280, 900), url=None, scheme="light", grid=True, **address):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url or f"{server}/?{urllib.parse.urlencode(address)}")
        if grid:
            cells(page).first.wait_for()
            rest(page)
        return page

    yield go
    for context in contexts:
        context.close()
    assert errors == []


def cells(page):
    return page.locator(".lens-grid .cell")


def cell(page, position, layer):
    return page.locator(f'.layer-row[data-layer="{layer}"] .cell[data-position="{position}"]')


def asked(page):
    """The query parameters of the address bar."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).query, keep_blank_values=True))


def until(page, **wanted):
    """Wait for the address bar to say this; None is absence."""
    eventually(page, at(page, **wanted), lambda: f"{wanted} never came: {asked(page)}")


def at(page, **wanted):
    """For `act`: whether the address bar says this; None is absence."""
    return lambda: all(asked(page).get(name) == value for name, value in wanted.items())


def to_cell(page, position, layer):
    """Click a cell of the grid."""
    act(page, cell(page, position, layer).click, at(page, token=str(position), layer=str(layer)))


def cursor(page):
    at = page.locator(".cell.at-cursor")
    return at.get_attribute("data-position"), at.locator("..").get_attribute("data-layer")


def write(page, text):
    box = page.get_by_role("textbox", name="Prompt")
    box.fill(text)
    box.press("Control+Enter")


def no_sideways_scroll(page):
    return page.evaluate(
        """() => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
             .every((box) => box.scrollWidth <= box.clientWidth)"""
    )


def test_the_first_picture_comes_without_typing_and_settles_on_paris(visit):
    try:
        sources.locate(ModelSpec())
    except Exception as error:
        pytest.skip(f"The packaged model is not here: {error}")
    page = visit(model=ModelSpec().source)
    answer = page.get_by_text("it settles on")
    answer.wait_for()
    assert "·Paris" in answer.inner_text()
    assert cells(page).count() == 5 * 31
    assert cell(page, 4, 30).inner_text() == "·Paris"
    act(page, page.get_by_text("logit lens", exact=True).click, at(page, lens="logit"))
    page.get_by_role("grid").wait_for()


def test_pointing_at_a_cell_names_five_tokens(visit):
    page = visit(**TOY)
    act(page, cell(page, 2, 3).hover, shows(page.locator(".card")))
    eventually(page, lambda: page.locator(".card .card-word").count() == 5)


def test_clicks_and_arrow_keys_move_the_grid_the_panel_the_strip_and_the_address(visit):
    page = visit(**TOY)
    to_cell(page, 2, 1)
    page.get_by_text("would say").filter(has_text="layer 1").wait_for()
    page.locator('.token-strip [aria-selected="true"][data-position="2"]').wait_for()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    until(page, token="3", layer="2")
    page.get_by_text("would say").filter(has_text="layer 2").wait_for()
    assert cursor(page) == ("3", "2")
    slider = page.get_by_role("slider", name="Layer")
    eventually(page, lambda: slider.input_value() == "2")
    rest(page)
    slider.press("ArrowRight")
    until(page, layer="3")
    page.locator('.layer-row[data-layer="3"] .cell.at-cursor').wait_for()


def test_a_copied_address_shows_the_same_elsewhere(visit):
    page = visit(**TOY)
    act(page, lambda: write(page, "a&b=1% #+?"), at(page, prompt="a&b=1% #+?"))
    to_cell(page, 7, 2)
    act(page, lambda: choose_color(page, "Entropy"), at(page, color="entropy"))
    rest(page)
    other = visit(url=page.url)
    assert asked(other) == asked(page)
    assert cursor(other) == ("7", "2")
    assert other.get_by_role("textbox", name="Prompt").input_value() == "a&b=1% #+?"
    assert cells(other).all_inner_texts() == cells(page).all_inner_texts()
    assert other.get_by_role("grid").get_attribute("aria-label") == page.get_by_role("grid").get_attribute(
        "aria-label"
    )


def choose_color(page, starts):
    page.get_by_role("combobox", name="Colour").click()
    page.get_by_role("option").filter(has_text=starts).first.click()


def test_the_back_button_does_no_harm(visit):
    page = visit(**TOY)
    to_cell(page, 2, 1)
    to_cell(page, 4, 2)
    rest(page)
    page.go_back()
    rest(page)
    eventually(page, lambda: cells(page).count() > 0)

    def shown():
        return asked(page).get("token"), asked(page).get("layer")

    eventually(page, lambda: shown() == cursor(page))  # the address tells what is shown
    to_cell(page, 1, 3)


def test_a_hostile_prompt_runs_nothing_and_breaks_no_layout(visit):
    page = visit(**TOY)
    act(page, lambda: write(page, HOSTILE), shows(page.locator(".token-strip button").nth(60)))
    rest(page)
    for index in (3, 40, 60):
        page.locator(".token-strip button").nth(index).click()
        rest(page)
    assert page.evaluate("window.__pwned") is None
    assert page.locator("img[src='x'], a[href^='javascript']").count() == 0
    for width in (1280, 1024, 853):
        page.set_viewport_size({"width": width, "height": 800})
        rest(page)
        eventually(page, lambda: no_sideways_scroll(page), lambda width=width: f"scrolls at {width}")
    other = visit(url=page.url)  # and as a link
    assert other.evaluate("window.__pwned") is None
    many = page.locator(".token-strip button").count()
    eventually(other, lambda: other.locator(".token-strip button").count() == many)


def test_forged_addresses_open_all_the_same(visit):
    page = visit(
        **TOY, token="99999", layer="-3", target="999999999", pinned="1.2.3.4.5.6.7.8.9", more="7.999999"
    )
    assert cells(page).count() > 0
    page = visit(model="<script>window.__pwned=1</script>", prompt="x", grid=False)
    page.get_by_text("was not opened").wait_for()
    assert page.evaluate("window.__pwned") is None
    page.get_by_role("button", name="Open the packaged model").wait_for()


def test_text_is_continued_live_and_stops_on_request(visit):
    page = visit(**TOY)
    strip = page.locator(".token-strip button")
    before = strip.count()
    made = most = 512
    for _ in range(8):  # this model may be done before anybody can stop it
        continue_by(page, most, and_stop=True)
        page.get_by_role("button", name="Back", exact=True).wait_for()
        rest(page)
        made = page.locator(".token-strip .generated").count()
        if made < most:
            break
        page.get_by_role("button", name="Back", exact=True).click()
    assert 0 < made < most
    assert strip.count() == before + made
    eventually(page, lambda: len(asked(page).get("more", "").split(".")) == min(made, 256))
    other = visit(url=page.url)
    if made <= 256:
        assert other.locator(".token-strip").inner_text() == page.locator(".token-strip").inner_text()


def continue_by(page, count, and_stop=False):
    """Let the model go on, and stop it once some of it came.

    The text may be whole before this process could look for the button that stops it, so the page itself looks.
    """
    page.evaluate(
        """(stops) => {
          window.begun = false;
          clearInterval(window.looking);
          window.looking = setInterval(() => {
            const shown = document.querySelector('[data-testid="stProgress"]')?.textContent ?? "";
            const counted = /([0-9]+) of [0-9]+ tokens/.exec(shown)?.[1];
            window.begun ||= counted !== undefined || document.querySelector(".token-strip .generated") !== null;
            if (!stops || !(counted > 0)) return;
            [...document.querySelectorAll("button")].find((one) => one.textContent.includes("Stop"))?.click();
          }, 20);
        }""",
        and_stop,
    )
    tokens = page.get_by_role("spinbutton", name="New tokens")
    act(page, page.get_by_role("button", name="How", exact=True).click, shows(tokens))
    tokens.fill(str(count))
    tokens.press("Enter")
    rest(page)
    page.keyboard.press("Escape")
    tokens.wait_for(state="hidden")
    act(page, page.get_by_role("button", name="Continue").click, lambda: page.evaluate("window.begun"))


def test_any_token_typed_is_followed_or_pinned_and_nonsense_is_answered_in_words(visit):
    page = visit(**TOY)
    target = page.get_by_role("combobox", name="Target")

    def follow(text):
        target.fill(text)
        target.press("Enter")

    def pin(text):
        pins = page.get_by_role("combobox", name="Pin tokens")
        pins.click()
        pins.fill(text)
        page.get_by_text(f"Add: {text}").wait_for()
        pins.press("Enter")

    act(page, lambda: follow("q"), lambda: "target" in asked(page))
    act(page, lambda: follow("two words"), shows(page.get_by_text("is not one token of this model")))
    act(page, lambda: pin("w"), lambda: "pinned" in asked(page))
    rest(page)
    other = visit(url=page.url)
    assert asked(other) == asked(page) and {"target", "pinned"} <= asked(page).keys()


def test_two_people_look_at_different_models_and_texts_side_by_side(visit):
    one = visit(**TOY)
    other = visit(**TOY | {"model": "toy:planted", "prompt": "another text"})
    for _ in range(3):
        to_cell(one, 2, 1)
        to_cell(other, 5, 2)
        one.keyboard.press("ArrowRight")
        other.keyboard.press("ArrowDown")
        until(one, token="3")
        until(other, layer="1")
    assert asked(one)["model"] == "toy:random" and asked(other)["model"] == "toy:planted"
    assert one.locator(".token-strip").inner_text() != other.locator(".token-strip").inner_text()
    assert cells(one).all_inner_texts() != cells(other).all_inner_texts()


def test_another_model_opens_and_a_bad_one_leaves_it_open(visit):
    page = visit(**TOY)
    open_model(page, "toy:planted")
    until(page, model="toy:planted")
    page.get_by_role("button", name="toy: planted direction").wait_for()
    rest(page)
    open_model(page, "/no/such/folder")
    page.get_by_text("There is no folder").wait_for()
    until(page, model="toy:planted")
    assert cells(page).count() > 0
    there_is_none = page.get_by_text("There is no folder")
    act(page, page.get_by_role("button", name="Dismiss").click, lambda: there_is_none.count() == 0)


def open_model(page, name):
    source = page.get_by_role("combobox", name="Hugging Face id")
    act(page, page.locator(".st-key-model_popover button").first.click, shows(source))
    source.fill(name)
    source.press("Enter")
    rest(page)
    button = page.get_by_test_id("stPopoverBody").get_by_role("button", name="Open", exact=True).last
    act(page, button.click, lambda: source.count() == 0)  # it closes by itself


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_modes_are_drawn_in_their_own_colours(visit, scheme):
    page = visit(**TOY, scheme=scheme)
    page.locator(f'.lens-grid[data-mode="{scheme}"]').wait_for()

    def light():
        background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
        return sum(int(part) for part in background[4:-1].split(",")) > 600

    eventually(page, lambda: light() == (scheme == "light"))


@pytest.mark.parametrize("width", [1600, 1280, 1024, 853])
def test_the_grid_is_in_sight_at_every_width(visit, width):
    page = visit(**TOY, size=(width, 800))

    def in_sight():
        box = page.locator(".lens-grid").bounding_box()
        high_enough = box["y"] < (380 if width >= 1280 else 480)
        return high_enough and box["x"] >= 0 and box["x"] + box["width"] <= width and no_sideways_scroll(page)

    eventually(page, in_sight, lambda: str(page.locator(".lens-grid").bounding_box()))
    for name in ("Run", "Continue", "Examples"):
        button = page.get_by_role("button", name=name).first
        box, inner = button.bounding_box(), button.evaluate("b => [b.scrollWidth, b.clientWidth]")
        assert box["x"] + box["width"] <= width and inner[0] <= inner[1] + 1


def test_tab_alone_reaches_the_strip_and_the_grid(visit):
    page = visit(**TOY)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                """() => {
                  let at = document.activeElement;
                  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
                  return at?.closest(".token-strip") ? "strip" : at?.className ?? "";
                }"""
            )
        )
        if "scroller" in reached:
            break
    assert {"strip", "scroller"} <= reached
    page.keyboard.press("ArrowLeft")
    until(page, token=str(page.locator(".token-strip button").count() - 2))


def test_what_is_taken_away_downloads(visit):
    page = visit(**TOY)
    offers = page.get_by_test_id("stDownloadButton")
    act(page, page.get_by_text("Take it away", exact=True).click, shows(offers))
    for name, first in (("HTML", b"<!"), ("CSV", b"layer,"), ("Parquet", b"PAR1"), ("SVG", b"<svg")):
        assert downloaded(page, offers.get_by_role("button", name=name))[1].lstrip().startswith(first), name


def test_a_closed_tab_stops_its_generation(visit, server):
    page = visit(**TOY)
    continue_by(page, 512)
    page.context.close()
    # another person's page goes on as if nothing had been
    other = visit(**TOY)
    to_cell(other, 1, 1)


def test_the_server_had_nothing_to_complain_about(visit, log, server):
    visit(**TOY)
    written = log.read_text()
    for sign in ("Traceback", "was created with a default value", "Warning:", "deprecat"):
        assert sign not in written, written[-3000:]
    assert "URL" in written  # it does write: where it is, at least
