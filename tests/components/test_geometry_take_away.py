"""What is taken away of curves: pictures and pages that need nothing, tables that hold all, code that runs."""

import io
from contextlib import redirect_stdout
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from analysis.geometry.cloud import standard_normal
from analysis.geometry.measures import measure
from analysis.geometry.skips import read_skips
from analysis.geometry.views import read_views
from analysis.methods.geometry import measured, of_run, read, shipped_text
from analysis.models.untrained import untrained
from components import session
from components.figures.geometry_html import geometry_html
from components.figures.geometry_svg import curves_svg, lines_of, runs
from components.figures.geometry_table import has_tokens, parquet, table, token_table
from components.figures.page import text
from components.geometry import snippet as snippets
from components.geometry.take_away import answer_of, note, title_of
from components.geometry_link import GeometryView
from tests.components.test_take_away import HOSTILE, Tags

IDS = ("curvature", "block_influence")
VIEW = GeometryView(most=16, length=16)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("BATHYSCOPE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def view(monkeypatch):
    """The session's view, which a test may set."""
    held = SimpleNamespace(now=session.View(spec=session.ModelSpec("toy:random")))
    monkeypatch.setattr(session, "view", lambda: held.now)
    return held


@pytest.fixture(scope="module")
def clouds(toy):
    corpus, how = shipped_text(), {"most": 16, "length": 16}
    base = read(toy, corpus, **how)
    blank = untrained(toy, 0)
    found = {
        "Ordinary text": ("base", toy, base),
        "Gaussian": ("null", toy, standard_normal(base, 0)),
        "Shuffled tokens, draw 1": ("null", toy, read(toy, corpus, deal=0, **how)),
        "Shuffled tokens, draw 2": ("null", toy, read(toy, corpus, deal=1, **how)),
        "Random weights": ("null", blank, read(blank, corpus, **how)),
    }
    yield found
    blank.close()


@pytest.fixture(scope="module")
def shown(clouds):
    return [
        (name, kind, measured(model, cloud, measure(id)))
        for id in IDS
        for name, (kind, model, cloud) in clouds.items()
    ]


def test_draws_of_one_control_are_one_band(shown):
    lines = lines_of(shown)
    assert list(lines) == list(IDS)
    by_name = {line.name: line for line in lines["curvature"]}
    assert list(by_name) == ["Ordinary text", "Gaussian", "Shuffled tokens", "Random weights"]
    assert len(by_name["Shuffled tokens"].others) == 1 and by_name["Gaussian"].is_constant
    one_draw = [each for each in shown if "draw 2" not in each[0] or each[2].measure.id == "curvature"]
    assert all(line.is_band for own in lines_of(one_draw).values() for line in own if "Shuffled" in line.name)


def test_the_picture_is_a_file_of_its_own(shown):
    svg = curves_svg(shown, note=note(shown))
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg") and root.get("width") and " style=" not in svg and "<style" not in svg
    words = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert {"Curvature", "Random weights", "layer"} <= set(words)
    assert len([each for each in root.iter() if each.tag.endswith("polygon")]) == len(IDS)


def test_marks_stand_where_the_values_are(shown):
    svg = ElementTree.fromstring(curves_svg(shown[:1]))
    base = shown[0][2]
    dots = [each for each in svg.iter() if each.tag.endswith("circle")][1:]  # the first is the key's
    height = [float(each.get("cy")) for each in dots]
    assert len(dots) == np.isfinite(base.values).sum()
    assert np.corrcoef(height, base.values[np.isfinite(base.values)])[0, 1] == pytest.approx(-1, abs=1e-3)


def test_a_curve_breaks_where_there_is_no_value():
    found = runs(np.array([np.nan, 1, 2, np.nan, 3]))
    assert [each.tolist() for each in found] == [[1, 2], [4]]


def test_a_level_far_away_is_told_at_the_edge_and_does_not_flatten(shown):
    base, gaussian = shown[0][2], shown[1][2]
    far = replace(gaussian, curve=replace(gaussian.curve, values=np.full((1, 2), 3.0, np.float32)))
    near = curves_svg([("own", "base", base), ("Gaussian", "null", far)])
    assert "Gaussian 3 ↑" in near
    assert "Gaussian 3" not in curves_svg([("own", "base", base)])


def test_models_of_different_depth_share_an_axis(shown):
    base = shown[0][2]
    deeper = replace(base, layers=(0, 2, 4, 6))
    assert "share of the depth" in curves_svg([("a", "base", base), ("b", "asked", deeper)])
    assert "share of the depth" not in curves_svg([("a", "base", base), ("b", "asked", base)])


def test_a_measure_without_any_value_says_so(shown):
    base = shown[0][2]
    empty = replace(base, curve=replace(base.curve, values=np.full_like(base.curve.values, np.nan)))
    assert "no value" in curves_svg([("a", "base", empty)])


def test_the_page_parses_loads_nothing_and_says_what_every_measure_is(shown):
    hostile = [(HOSTILE, kind, one) for name, kind, one in shown if kind == "base"]
    page = geometry_html(
        [*shown, *hostile], title=title_of(shown), answer=answer_of(shown), code=f"print({HOSTILE!r})"
    )
    tags = Tags(page)
    assert tags.open == [] and "img" not in tags.seen and not tags.addresses
    assert "style=" not in page and "default-src 'none'" in page
    for id in IDS:
        about = measure(id)
        assert all(each in page for each in (about.title, text(about.source), "Misleads when", "Formula"))
    assert shown[0][2].curve.provenance.revision in page


def test_the_table_holds_every_value_and_where_it_comes_from(shown, tmp_path):
    rows = table(shown)
    assert len(rows) == sum(len(one.layers) for _, _, one in shown)
    for name, kind, one in shown:
        own = rows[(rows.subject == name) & (rows.measure == one.measure.id)]
        assert np.array_equal(own.value, one.values, equal_nan=True) and own.layer.tolist() == list(
            one.layers
        )
        assert set(own.kind) == {kind} and set(own.n) == {one.count}
        assert set(own.source) == {one.measure.source} and own.settings.iloc[0]
    (tmp_path / "a.parquet").write_bytes(parquet(rows))
    assert pd.read_parquet(tmp_path / "a.parquet").equals(rows)


def test_companions_and_notes_are_of_their_layer(shown):
    one = shown[0][2]
    made = replace(
        one, beside={"R2": np.array([0.5, np.nan, 1, 1], np.float32)}, notes=("Layer 2: all alike.",)
    )
    rows = table([("a", "base", made)])
    assert rows.companions.tolist() == ["R2: 0.5", "", "R2: 1", "R2: 1"]
    assert rows.notes.tolist() == ["", "", "Layer 2: all alike.", ""]


def test_the_table_of_tokens_names_them(shown, clouds):
    assert has_tokens(shown)
    cloud = clouds["Ordinary text"][2]
    rows = token_table(shown, {"Ordinary text": cloud})
    own = rows[(rows.subject == "Ordinary text") & (rows.measure == "block_influence") & (rows.layer == 2)]
    one = next(
        one for name, _, one in shown if name == "Ordinary text" and one.measure.id == "block_influence"
    )
    assert own.value.tolist() == one.per_point[2].tolist()
    assert own.token.tolist() == list(cloud.shown) and own.position.tolist() == cloud.position.tolist()
    assert rows[rows.subject == "Random weights"].token.isna().all()
    assert rows.value.notna().all()


def ran(code: str) -> dict[tuple[str, str], np.ndarray]:
    """What the lines print, by measure and subject."""
    held: dict = {}
    with redirect_stdout(io.StringIO()):
        exec(
            code.replace("print(id, name, found.layers, found.values)", "keep[id, name] = found.values"),
            {"keep": held},
        )
    return held


def frame(toy, prompt: str = "the sea is deep and the sky is high"):
    return SimpleNamespace(model=toy, tokens=toy.tokenize(prompt))


def test_the_code_computes_the_same_curves(shown, toy, view):
    code = snippets.snippet(frame(toy), shown, VIEW)
    held = ran(code)
    assert len(held) == len(shown)
    for name, _, one in shown:
        assert held[one.measure.id, name] == pytest.approx(one.values, rel=1e-4, abs=1e-5, nan_ok=True)


def test_the_code_turns_the_knobs(toy, clouds, view):
    about = measure("state_angle")
    turned = replace(about.params(), **{"k": 2}) if hasattr(about.params(), "k") else about.params()
    one = measured(toy, clouds["Ordinary text"][2], about, turned)
    held = ran(snippets.snippet(frame(toy), [("Ordinary text", "base", one)], VIEW))
    assert held["state_angle", "Ordinary text"] == pytest.approx(one.values, rel=1e-4, nan_ok=True)


def test_the_code_of_a_prompt_is_of_that_prompt(toy, view):
    view.now = replace(view.now, prompt="the sea is deep and the sky is high")
    own = frame(toy)
    one = measured(toy, of_run(toy, toy.run(own.tokens)), measure("curvature"))
    shown = [("The prompt", "base", one), ("Shuffled tokens, draw 1", "null", one), ("Gaussian", "null", one)]
    held = ran(snippets.snippet(own, shown, replace(VIEW, data="prompt")))
    assert held["curvature", "The prompt"] == pytest.approx(one.values, rel=1e-4, nan_ok=True)
    assert not np.allclose(held["curvature", "Shuffled tokens, draw 1"], one.values, equal_nan=True)


def test_the_code_of_every_second_layer_reads_those(toy, view):
    cloud = read(toy, shipped_text(), layers=(0, 2, 3), most=16, length=16)
    one = measured(toy, cloud, measure("curvature"))
    held = ran(snippets.snippet(frame(toy), [("Ordinary text", "base", one)], replace(VIEW, stride=2)))
    assert held["curvature", "Ordinary text"] == pytest.approx(one.values, rel=1e-4)


def test_the_code_reads_views_and_skips(toy, view):
    views = measured(toy, read_views(toy, shipped_text(), length=16, most=16), measure("infonce"))
    skips = measured(toy, read_skips(toy, shipped_text(), length=16, texts=16), measure("skip_cost"))
    shown = [("Ordinary text", "base", views), ("Gaussian", "null", views), ("Ordinary text", "base", skips)]
    held = ran(snippets.snippet(frame(toy), shown, VIEW))
    assert held["infonce", "Ordinary text"] == pytest.approx(views.values, rel=1e-3)
    assert set(held) == {
        ("infonce", "Ordinary text"),
        ("infonce", "Gaussian"),
        ("skip_cost", "Ordinary text"),
    }


@pytest.mark.parametrize("against, other", [("texts", "senses"), ("model", "toy:planted"), ("prompt", "")])
def test_the_code_of_a_comparison_reads_both(toy, view, shown, against, other):
    view.now = replace(view.now, prompt="the sea is deep and the sky is high")
    both = [shown[0], ("Other", "asked", shown[0][2])]
    held = ran(snippets.snippet(frame(toy), both, replace(VIEW, against=against, other=other)))
    assert not np.allclose(*held.values(), equal_nan=True)


def test_the_code_of_a_recipe_edits(toy, view, shown):
    view.now = replace(
        view.now, recipe=session.from_address({"recipe": "random.7*add*0.3*1-1*all"}, view.now).recipe
    )
    held = ran(snippets.snippet(frame(toy), [shown[0], ("Edited", "edited", shown[0][2])], VIEW))
    own, edited = held.values()
    assert own[0] == pytest.approx(edited[0], rel=1e-5) and not np.allclose(own[1:], edited[1:])


def test_the_code_of_texts_of_ones_own_opens_a_file(toy, view, shown):
    code = snippets.snippet(frame(toy), shown[:1], replace(VIEW, data="own"))
    assert "corpora.read_file(open('texts.csv', 'rb').read(), 'texts.csv')" in code
    compile(code, "code", "exec")


def test_the_code_of_a_profile_takes_it(toy, view):
    code = snippets.profile_snippet("r").replace(
        "take_profile(model,", "take_profile(model, texts=8, length=12,"
    )
    held: dict = {}
    with redirect_stdout(io.StringIO()) as said:
        exec(code, held)
    assert len(held["profile"].curves) > 5 and '"format"' in said.getvalue()
