"""What a map sends, what it believes of what comes back, and the pictures made of it."""

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from components.kinds import KINDS
from components.point_map import Categories, Extra, MapData, Overlay, Scale, colors, scales
from components.point_map.events import as_bits, selection_of, view_of
from components.point_map.html import MOST_POINTS as PAGE_POINTS
from components.point_map.html import map_html
from components.point_map.packing import FLOATS_UP_TO, bounds, quantised
from components.point_map.svg import map_svg
from components.ramps import MODES, contrast

SVG = "{http://www.w3.org/2000/svg}"
MEGABYTE = 1_000_000
HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "\u202eevil\x00",
    "a\nb",
    "]]>&amp;",
    "x" * 10_000,
    "\ud800",
)


def a_map(frames=None, **changes) -> MapData:
    """Three points at two layers, worked by hand below."""
    if frames is None:
        frames = [[[0, 0], [2, 4], [1, 1]], [[0, 4], [2, 0], [np.nan, 1]]]
    frames = np.asarray(frames, np.float32)
    count = frames.shape[1]
    given = {
        "fingerprint": "f",
        "layers": tuple(range(len(frames))),
        "axes": ("PC 1", "PC 2", "PC 3")[: frames.shape[2]],
        "labels": tuple("abc" * count)[:count],
        "color": Categories(np.arange(count) % 2, ("even", "odd")),
    }
    return MapData(frames=frames, **given | changes)


def unpacked(message: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """As cloud.js reads it."""
    length = int.from_bytes(message[:4], "little")
    header = json.loads(message[4 : 4 + length])
    body = message[4 + length :]
    arrays = {
        name: np.frombuffer(body, f"<{kind}", count, offset)
        for name, (kind, offset, count) in header["map"]["arrays"].items()
    }
    return header, arrays


def test_positions_are_units_of_the_common_bounds():
    header, arrays = unpacked(a_map().packed.message(key="k"))
    assert (header["map"]["low"], header["map"]["high"]) == ([0, 0], [2, 4])
    units = arrays["frames"].reshape(2, 3, 2) * 65_535 / 65_534
    np.testing.assert_allclose(units[0], [[0, 0], [1, 1], [0.5, 0.25]], atol=1e-6)
    np.testing.assert_allclose(units[1, :2], [[0, 1], [1, 0]], atol=1e-6)
    assert (arrays["frames"].reshape(2, 3, 2)[1, 2] == 1).all()  # a NaN on one axis: not drawn on any


def test_many_positions_are_sent_in_steps_no_coarser_than_promised():
    frames = np.random.default_rng(0).normal(size=(3, 41_000, 2)).astype(np.float32)
    assert frames.size > FLOATS_UP_TO
    frames[1, 7] = np.nan
    data = a_map(frames)
    _, arrays = unpacked(data.packed.message())
    stored = arrays["frames"].reshape(frames.shape)
    assert stored.dtype == np.uint16 and (stored[1, 7] == 65_535).all()
    low, high = bounds(data)
    found = low + stored / 65_534 * (high - low)
    gap = np.abs(found - frames) / (high - low)
    gap[1, 7] = 0
    assert gap.max() <= 0.5001 / 65_534


def test_bounds_hold_every_run_and_what_was_added():
    far = np.full((2, 3, 2), -5.0)
    extra = Extra(np.full((2, 1, 2), 9.0), ("mine",))
    low, high = bounds(a_map(overlays=(Overlay("null", far),), extra=extra))
    assert low.tolist() == [-5, -5] and high.tolist() == [9, 9]


@pytest.mark.parametrize("value", [0.0, 3.0, -1e-30, 1e20, np.nan])
def test_points_all_at_one_place_have_bounds_around_them(value):
    low, high = bounds(a_map(np.full((1, 3, 2), value)))
    assert np.isfinite([low, high]).all() and (low < high).all()
    assert (quantised(np.full((1, 2), value), low, high, fine=False) <= 65_535).all()


def test_arrays_begin_where_a_typed_array_may():
    header, _ = unpacked(a_map(labels=("odd", "numbered", "labels")).packed.message(key="kk"))
    assert all(offset % 8 == 0 for _, offset, _ in header["map"]["arrays"].values())


def test_labels_travel_once_each():
    data = a_map(
        np.zeros((1, 4, 2)), labels=("x", "long label", "x", "x"), color=Categories(np.zeros(4, int), ("c",))
    )
    _, arrays = unpacked(data.packed.message())
    assert arrays["labels"].tobytes().decode().split("\n") == ["x", "long label"]
    assert arrays["labelCodes"].tolist() == [0, 1, 0, 0]


def test_hostile_labels_stay_one_label_each():
    data = a_map(np.zeros((1, 6, 2)), labels=HOSTILE, color=Categories(np.zeros(6, int), ("c",)))
    _, arrays = unpacked(data.packed.message())
    labels = arrays["labels"].tobytes().decode().split("\n")
    assert len(labels) == 6 and all(len(label) <= 120 for label in labels)


def test_a_scale_keeps_numbers_beyond_its_ends_and_marks_the_undefined():
    scale = Scale([-10.0, 0.5, np.nan], "score", "bits", 0, 1)
    header, arrays = unpacked(a_map(color=scale).packed.message())
    color = header["map"]["color"]
    value = color["least"] + arrays["tint"] / 65_534 * color["span"]
    np.testing.assert_allclose(value[:2], [-10, 0.5], atol=1e-3)
    assert arrays["tint"][2] == 65_535 and color["undefined"] == 1


def test_a_point_without_a_category_is_none():
    header, arrays = unpacked(a_map(color=Categories([0, -7, 1], ("a", "b"))).packed.message())
    assert arrays["tint"].tolist() == [0, 255, 1]
    assert header["map"]["color"]["none"] == 1 and header["map"]["color"]["counts"] == [1, 1]


def test_five_thousand_names_still_fit():
    names = tuple(f"name {code}" for code in range(5_000))
    _, arrays = unpacked(
        a_map(np.zeros((1, 5_000, 2)), labels=(), color=Categories(np.arange(5_000), names)).packed.message()
    )
    assert arrays["tint"].dtype == np.uint16 and arrays["tint"].tolist() == list(range(5_000))


def test_a_hundred_thousand_points_with_labels_take_two_megabytes_at_most():
    rng = np.random.default_rng(0)
    for different in (4_000, 100_000):
        labels = tuple(f"{place % different:012d}" for place in range(100_000))
        scale = Scale(rng.normal(size=100_000), "norm", "", 0, 1)
        data = a_map(rng.normal(size=(1, 100_000, 2)), labels=labels, color=scale)
        assert len(data.packed.message()) <= 2 * MEGABYTE


def test_all_layers_of_five_thousand_points_take_one_megabyte():
    labels = tuple(f"text {place:06d}" for place in range(5_000))
    data = a_map(np.random.default_rng(0).normal(size=(31, 5_000, 2)), labels=labels)
    assert len(data.packed.message()) <= MEGABYTE


def test_a_million_points_take_five_megabytes():
    data = a_map(np.random.default_rng(0).random((1, 1_000_000, 2), np.float32), labels=())
    assert len(data.packed.message()) <= 5.1 * MEGABYTE


def test_the_same_map_has_the_same_content_and_another_has_not():
    moved = a_map().frames.copy()
    moved[0, 1, 0] = 1.5
    assert a_map().packed.content == a_map().packed.content
    changed = [a_map(moved), a_map(labels=("a", "b", "d")), a_map(title="Another"), a_map(trails="all")]
    assert len({data.packed.content for data in [a_map(), *changed]}) == 5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"axes": ("one",)}, "two or three axes, not 1"),
        ({"layers": (1, 0)}, "ascend"),
        ({"layers": (0, 1, 2)}, r"\(3, 'point', 2\), not \(2, 3, 2\)"),
        ({"labels": ("a",)}, "1 labels do not name 3 points"),
        ({"trails": "some"}, "Trails"),
        ({"color": Categories([0], ("a",))}, r"shape \(1,\), not \(3,\)"),
        ({"color": Scale(np.zeros((3, 2)), "t", "", 0, 1)}, r"not \(3,\) or \(2, 3\)"),
        ({"overlays": (Overlay("null", np.zeros((1, 3, 2))),)}, "An overlay has the map's shape"),
        ({"extra": Extra(np.zeros((2, 2, 2)), ("one",))}, "Extra frames"),
    ],
)
def test_what_does_not_fit_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        a_map(**changes)


def test_parts_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="The code 2 has no name"):
        Categories([0, 2], ("a", "b"))
    with pytest.raises(ValueError, match="whole numbers"):
        Categories([0.5], ("a",))
    with pytest.raises(ValueError, match="low to high"):
        Scale([0.0], "t", "", 1, 1)
    with pytest.raises(ValueError, match="edited or null"):
        Overlay("base", np.zeros((1, 1, 2)))


# ---- what comes back


def test_a_view_that_fits_is_read():
    data = a_map()
    assert view_of({"fingerprint": "f", "layer": 1.0, "point": 2}, data) == (1, 2)
    assert view_of({"fingerprint": "f", "layer": 0, "point": None}, data) == (0, None)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "old"},
        {"layer": 2},
        {"layer": "1"},
        {"layer": True},
        {"point": 3},
        {"point": -1},
        {"point": 0.5},
        {"point": "0"},
    ],
)
def test_a_view_that_does_not_fit_is_dropped(change):
    event = {"fingerprint": "f", "layer": 1, "point": 2} | change
    assert view_of(event, a_map()) is None
    assert view_of([event], a_map()) is None and view_of(None, a_map()) is None


def test_a_selection_is_one_bit_a_point():
    # 9 and 11 are bits 1 and 3 of the byte with index 1: 2 + 8 = 10
    assert as_bits([11, 9], 20) == {"first": 1, "bits": base64.b64encode(bytes([10])).decode()}
    assert as_bits([], 20) == {"first": 0, "bits": ""}
    assert as_bits([19, 20, -1], 20) == {"first": 2, "bits": base64.b64encode(bytes([8])).decode()}


def test_any_selection_survives_the_journey():
    data = a_map(np.zeros((1, 1_003, 2)), labels=(), color=Categories(np.zeros(1_003, int), ("c",)))
    rng = np.random.default_rng(0)
    for size in (0, 1, 17, 1_003):
        chosen = tuple(sorted(rng.choice(1_003, size, replace=False).tolist()))
        assert selection_of({"fingerprint": "f", **as_bits(chosen, 1_003)}, data) == chosen


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "old"},
        {"first": -1},
        {"first": 1},
        {"first": None},
        {"bits": "not base64!"},
        {"bits": base64.b64encode(bytes(2)).decode()},
        {"bits": "A" * 1_000_000},
        {"bits": 7},
    ],
)
def test_a_selection_that_does_not_fit_is_dropped(change):
    event = {"fingerprint": "f", "first": 0, "bits": base64.b64encode(bytes([7])).decode()}
    assert selection_of(event, a_map()) == (0, 1, 2)
    assert selection_of(event | change, a_map()) is None


def test_bits_beyond_the_last_point_select_nothing():
    event = {"fingerprint": "f", "first": 0, "bits": base64.b64encode(bytes([255])).decode()}
    assert selection_of(event, a_map()) == (0, 1, 2)


# ---- colours


def test_the_first_twelve_categories_are_told_apart_and_six_without_colour():
    for mode in MODES:
        assert len({(colors.shape(code), colors.category_color(code, mode)) for code in range(12)}) == 12
    assert len({colors.shape(code) for code in range(6)}) == 6


@pytest.mark.parametrize(("mode", "page"), [("light", "#fbfcfc"), ("dark", "#0e171c")])
def test_every_category_stands_out_from_the_page(mode, page):
    for code in range(-1, 8):
        assert contrast(colors.category_color(code, mode), page) >= (2.5 if code < 0 else 3)
    for diverging in (False, True):
        assert all(contrast(stop, page) >= 1.5 for stop in colors.stops(diverging, mode))


# ---- the pictures


def drawn(svg: str, name: str) -> list[ElementTree.Element]:
    return [path for path in ElementTree.fromstring(svg).iter(f"{SVG}path") if path.get("class") == name]


def points_of(svg: str) -> list[ElementTree.Element]:
    (group,) = [
        group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if group.get("class") == "points"
    ]
    return list(group)


def test_svg_draws_each_point_that_has_a_place():
    assert len(points_of(map_svg(a_map(), layer=0))) == 3
    assert len(points_of(map_svg(a_map(), layer=1))) == 2


def test_svg_has_equal_scales():
    square = a_map([[[0, 0], [1, 0], [0, 1]]], color=Categories([0, 0, 0], ("c",)))
    places = [
        [float(part) for part in re.findall(r"-?[\d.]+", path.get("d"))[:2]]
        for path in points_of(map_svg(square, layer=0))
    ]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert y0 == y1 and x0 == x2
    assert x1 - x0 == pytest.approx(y0 - y2, abs=0.2) and x1 > x0 and y2 < y0


def test_svg_draws_an_arrow_only_where_a_point_moved():
    still = a_map()
    moved = still.frames.copy()
    moved[0, 1] -= 1
    for mode in MODES:
        svg = map_svg(a_map(overlays=(Overlay("edited", moved),)), layer=0, mode=mode)
        (arrow,) = drawn(svg, "arrow")
        assert arrow.get("stroke") == KINDS["edited"].color(mode)
    assert not drawn(map_svg(a_map(overlays=(Overlay("edited", still.frames),)), layer=0), "arrow")


def test_svg_thins_many_points_and_says_so():
    frames = np.random.default_rng(0).normal(size=(1, 12_000, 2))
    svg = map_svg(a_map(frames, labels=(), color=Categories(np.zeros(12_000, int), ("c",))), layer=0)
    assert len(points_of(svg)) == 4_000 and "4,000 of 12,000 points" in svg


@pytest.mark.parametrize("dimensions", [2, 3])
def test_svg_of_everything_is_well_formed(dimensions):
    frames = np.random.default_rng(0).normal(size=(2, 6, dimensions))
    data = a_map(
        frames,
        labels=HOSTILE,
        color=Categories(np.arange(6), HOSTILE, title="<b>"),
        trails="all",
        overlays=(Overlay("edited", frames + 0.1), Overlay("null", frames - 0.1, name="<null>")),
        extra=Extra(frames[:, :1], HOSTILE[:1], name="<mine>"),
        title=HOSTILE[0],
        axes=("<x>", "&y", "z")[:dimensions],
    )
    for mode in MODES:
        root = ElementTree.fromstring(map_svg(data, layer=1, mode=mode))
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            *("svg", "title", "desc", "defs", "clipPath", "rect", "g", "path", "polyline", "text"),
        }


class Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags, self.texts = [], {}
        self._open = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = dict(attrs).get("id") or tag

    def handle_data(self, data):
        self.texts[self._open] = self.texts.get(self._open, "") + data


def page_of(data: MapData, **changes) -> str:
    given = {"title": "t", "explanation": ["e"], "provenance": {"model": "m"}, "code": "x"}
    return map_html(data, **given | changes)


def test_html_has_no_tag_that_was_not_written_here():
    hostile = a_map(
        np.zeros((1, 6, 2)), labels=HOSTILE, color=Categories(np.arange(6), HOSTILE), title=HOSTILE[0]
    )
    plain = a_map(np.zeros((1, 6, 2)), color=Categories(np.arange(6), tuple("abcdef")))
    words = {
        "title": HOSTILE[0],
        "explanation": HOSTILE,
        "provenance": {HOSTILE[0]: HOSTILE[1]},
        "code": HOSTILE[0],
    }
    read = Page(page_of(hostile, **words))
    assert {tag for tag, _ in read.tags} == {tag for tag, _ in Page(page_of(plain)).tags}
    assert not any(name.startswith("on") for _, given in read.tags for name in given)


def test_html_carries_the_message_that_the_app_sends():
    data = a_map()
    header, arrays = unpacked(base64.b64decode(Page(page_of(data, layer=1, point=2)).texts["map-data"]))
    assert header["placed"]["cursor"] == {"layer": 1, "point": 2}
    assert header["content"] == data.packed.content and len(arrays["frames"]) == 12


def test_html_has_a_table_twin():
    read = Page(page_of(a_map(), layer=1))
    assert [tag for tag, _ in read.tags].count("td") == 3 * 4  # label, two axes, name
    assert "not defined" in page_of(a_map(), layer=1)


def test_html_refuses_more_points_than_a_page_holds():
    frames = np.zeros((1, PAGE_POINTS + 1, 2))
    data = a_map(frames, labels=(), color=Categories(np.zeros(PAGE_POINTS + 1, int), ("c",)))
    with pytest.raises(ValueError, match="at most 20,000 points, not 20,001"):
        page_of(data)


def test_scales_leave_the_extremes_out_and_say_where_they_end():
    values = np.concatenate([np.linspace(0, 1, 101), [50.0, np.nan]]).astype(np.float32)
    assert scales.between_usual(values, "it", "").high == pytest.approx(1.0, abs=0.05)
    assert scales.from_zero(values, "it", "").low == 0
    centred = scales.between_usual(values - 0.25, "it", "", centred=True)
    assert centred.low == -centred.high and centred.diverging
    same = scales.between_usual(np.full(4, 3.0, np.float32), "it", "")
    assert same.low < 3 < same.high


def test_lengths_are_those_beside_the_layers_own():
    norms = np.array([[1, 2, 4], [100, 200, 400]], np.float32)
    scale = scales.lengths(norms, np.array([2, 200], np.float32))
    assert scale.values.tolist() == [[0.5, 1, 2], [0.5, 1, 2]]
    assert (scale.low + scale.high) / 2 == 1
