"""The profile of a model: what it is made of, as a page that loads nothing and as JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.geometry import measures, profiling
from analysis.geometry.profile import DEPTHS, PROFILE, at_depths, to_json
from analysis.geometry.profiling import DEALS, take_profile
from analysis.geometry.reported import REPORTED
from analysis.jobs import Job
from analysis.methods.geometry import measured, read, shipped_text
from components.figures.geometry_profile_html import profile_html
from components.figures.geometry_svg import curves_svg, ticks
from tests.components.test_take_away import HOSTILE, Tags


@pytest.fixture(scope="module")
def profile(toy, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("BATHYSCOPE_HOME", str(tmp_path_factory.mktemp("home")))
        yield take_profile(toy, texts=12, length=24)


def test_every_measure_of_the_profile_exists_and_is_there_once():
    assert set(PROFILE) <= {each.id for each in measures.MEASURES}
    assert len(set(PROFILE)) == len(PROFILE)


def test_what_findings_read_is_measured():
    needed = {id for each in REPORTED for id in each.measures}
    assert needed <= {*PROFILE}


def test_the_profile_holds_every_measure_or_says_why_not(profile):
    taken = [each.base.measure.title for each in profile.curves]
    known = {each.id: each.title for each in measures.MEASURES}
    assert {*taken, *dict(profile.missing)} >= {known[id] for id in PROFILE}
    assert len(taken) > len(PROFILE) // 2


def test_the_curves_are_those_of_the_analysis(profile, toy):
    cloud = read(toy, shipped_text(), most=12, length=24)
    dealt = read(toy, shipped_text(), most=12, length=24, deal=DEALS[1])
    compared = next(each for each in profile.curves if each.base.measure.id == "curvature")
    assert np.array_equal(
        compared.base.values, measured(toy, cloud, compared.base.measure).values, equal_nan=True
    )
    again = measured(toy, dealt, compared.base.measure)
    assert np.array_equal(compared.shuffled[1].values, again.values, equal_nan=True)
    assert not np.array_equal(compared.base.values, compared.untrained.values)
    assert len(compared.gaussian.layers) == 2
    assert (profile.points, profile.texts) == (len(cloud), len(cloud.texts))


def test_linearity_is_measured_with_outliers_too_and_nothing_else_is(profile):
    assert {each.base.measure.id for each in profile.curves if each.outliers is not None} == {"linearity"}


def test_what_a_block_costs_has_no_control_but_random_weights(profile):
    compared = next(each for each in profile.curves if each.base.measure.id == "skip_cost")
    assert compared.untrained is not None and compared.gaussian is None and not compared.shuffled


def test_progress_never_goes_back_and_ends_whole(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    seen = []
    take_profile(
        toy, texts=8, length=12, report=lambda message, done=0, total=None: seen.append((done, total))
    )
    done = [each for each, _ in seen]
    assert done == sorted(done) and len({total for _, total in seen}) == 1
    assert seen[-1][1] - 2 < done[-1] <= seen[-1][1]


def test_a_cancelled_profile_closes_its_second_model(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    job, closed = Job("profile"), []
    made = profiling.untrained

    def watched(*args):
        blank = made(*args)
        close = blank.close
        monkeypatch.setattr(blank, "close", lambda: (closed.append(True), close()), raising=False)
        job.cancel()
        return blank

    monkeypatch.setattr(profiling, "untrained", watched)
    job.run(lambda report: take_profile(toy, texts=8, length=12, report=report))
    assert job.state == "cancelled" and closed == [True]


def test_values_are_read_at_five_depths(profile):
    compared = next(each for each in profile.curves if each.base.measure.id == "block_influence")
    found = at_depths(compared.base)
    assert len(found) == len(DEPTHS) and [layer for layer, _ in found] == [1, 1, 1, 2, 3]
    assert [value for _, value in found] == [compared.base.values[layer] for layer, _ in found]


def test_json_holds_every_value_and_no_nan(profile):
    held = json.loads(to_json(profile), parse_constant=lambda name: pytest.fail(name))
    assert held["read"]["model"] == profile.model and len(held["findings"]) == len(REPORTED)
    first = held["measures"][0]
    assert first["curves"][0]["values"] == pytest.approx(profile.curves[0].base.values.tolist(), rel=1e-6)
    subjects = [each["subject"] for each in first["curves"]]
    assert subjects[1:] == ["shuffled tokens"] * 2 + ["random-weights model", "standard normal cloud"]


def test_the_page_parses_loads_nothing_and_holds_what_it_should(profile):
    page = profile_html(profile, f"print({HOSTILE!r})")
    tags = Tags(page)
    assert tags.open == [] and "img" not in tags.seen and not tags.addresses
    assert "style=" not in page and "default-src 'none'" in page
    assert all(each.base.measure.title in page for each in profile.curves)
    assert all(each.title in page for each in profile.findings)
    assert profile.revision in page and "d_model 22" in page and "Misleads when" in page
    assert page.count("<figure>") == 1


def test_an_empty_profile_is_still_a_page(profile):
    page = profile_html(replace(profile, curves=(), model=HOSTILE, missing=((HOSTILE, HOSTILE),)), "")
    assert "<img" not in page and "Not measured" in page


def test_marks_of_an_axis_are_round_and_span_it():
    assert ticks(0.0, 1.0) == [0, 0.5, 1]
    assert ticks(2.03, 2.11) == [2.0, 2.05, 2.1, 2.15]
    assert ticks(3.0, 3.0)[0] < 3 < ticks(3.0, 3.0)[-1]
    assert ticks(-120, 4000)[0] <= -120 and ticks(-120, 4000)[-1] >= 4000


def test_curves_need_no_layout_to_be_drawn(profile):
    one = [("x", "base", profile.curves[0].base)]
    assert curves_svg(one).count("<polyline") == 1
