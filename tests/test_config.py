"""What the server is started with: closed to the outside, and legible in both modes."""

import tomllib
from pathlib import Path

import pytest
from streamlit import config as streamlit_config

ROOT = Path(__file__).resolve().parent.parent
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
MODES = ("light", "dark")
SURFACES = ("backgroundColor", "secondaryBackgroundColor")
TEXTS = (
    "textColor",
    "linkColor",
    "codeTextColor",
    "redTextColor",
    "orangeTextColor",
    "yellowTextColor",
    "greenTextColor",
    "blueTextColor",
    "violetTextColor",
    "grayTextColor",
)


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2.2 defines it, 0 to 1."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_measured_as_defined():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the known near miss


def options(table: dict, prefix: str = "") -> list[str]:
    names = []
    for key, value in table.items():
        names += options(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return names


@pytest.mark.parametrize("name", options(CONFIG))
def test_every_option_is_one_that_streamlit_knows(name):
    assert name in streamlit_config.get_config_options()


def test_nothing_listens_beyond_this_machine_or_is_sent_from_it():
    server = CONFIG["server"]
    assert server["address"] == "127.0.0.1"
    assert set(server["allowedHosts"]) == {"127.0.0.1", "localhost"}
    assert server["enableCORS"] is True
    assert server["enableXsrfProtection"] is True
    assert server["enableStaticServing"] is False
    assert server["maxUploadSize"] <= 10
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert "http" not in CONFIG["theme"]["font"] + CONFIG["theme"]["codeFont"]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("mode", MODES)
def test_text_is_legible(mode, text, surface):
    theme = CONFIG["theme"][mode]
    assert contrast(theme[text], theme[surface]) >= 4.5


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("mode", MODES)
def test_marks_and_the_accent_stand_out(mode, surface):
    theme = CONFIG["theme"][mode]
    for color in (theme["primaryColor"], *theme["chartCategoricalColors"]):
        assert contrast(color, theme[surface]) >= 3, color


@pytest.mark.parametrize("mode", MODES)
def test_a_button_s_white_label_is_legible_on_the_accent(mode):
    assert contrast(CONFIG["theme"][mode]["primaryColor"], "#ffffff") >= 4.5


def mixed(color: str, page: str, share: float) -> str:
    """A colour laid over a page, as the browser mixes them."""
    parts = [(int(color[i : i + 2], 16), int(page[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * own + (1 - share) * below):02x}" for own, below in parts)


@pytest.mark.parametrize(("mode", "least"), [("light", 4.5), ("dark", 3.5)])
def test_a_chosen_segment_s_label_is_legible_on_its_tint(mode, least):
    # Streamlit writes it in the accent, on a tenth of the accent. White on the accent has to reach 4.5 as well, and
    # on a dark page no colour does both: what one gains the other loses, and 4.2 for either is the most there is.
    theme = CONFIG["theme"][mode]
    tint = mixed(theme["primaryColor"], theme["backgroundColor"], 0.1)
    assert contrast(theme["primaryColor"], tint) >= least


@pytest.mark.parametrize("mode", MODES)
def test_sequential_colours_run_one_way(mode):
    colors = CONFIG["theme"][mode]["chartSequentialColors"]
    lightness = [luminance(color) for color in colors]
    assert len(colors) == 10
    assert lightness == sorted(lightness, reverse=mode == "light")


@pytest.mark.parametrize("mode", MODES)
def test_diverging_colours_have_their_middle_nearest_the_page(mode):
    theme = CONFIG["theme"][mode]
    away = [contrast(color, theme["backgroundColor"]) for color in theme["chartDivergingColors"]]
    assert len(away) == 10
    assert away[:5] == sorted(away[:5], reverse=True)
    assert away[5:] == sorted(away[5:])
    assert abs(away[0] - away[-1]) < 2


@pytest.mark.parametrize("mode", MODES)
def test_both_modes_define_the_same_things(mode):
    assert CONFIG["theme"][mode].keys() == CONFIG["theme"]["light"].keys()
    assert set(SURFACES + TEXTS) <= CONFIG["theme"][mode].keys()


def test_categories_differ_for_colour_blind_readers():
    """Neighbours of a legend differ in lightness or in the blue-yellow axis, which all common kinds keep."""
    for mode in MODES:
        colors = CONFIG["theme"][mode]["chartCategoricalColors"]
        for one, other in zip(colors, colors[1:], strict=False):
            assert _kept_difference(one, other) > 20, (mode, one, other)


def _kept_difference(one: str, other: str) -> float:
    # what a reader without red or without green sees: red and green fall together
    def seen(color: str) -> tuple[float, float]:
        red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        yellow = 0.5 * red + 0.5 * green
        return yellow, blue

    return sum((a - b) ** 2 for a, b in zip(seen(one), seen(other), strict=True)) ** 0.5


def test_every_requirement_is_pinned_exactly():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            pin = line.split("#")[0].strip()
            assert not pin or pin.startswith("-r ") or pin.count("==") == 1, line
