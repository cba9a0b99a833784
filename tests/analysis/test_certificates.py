"""Certificates: what they say is what was measured, with the opposite case beside it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis import neutral
from analysis.background import background
from analysis.certificates.as_json import FORMAT, to_json
from analysis.certificates.certify import certify
from analysis.certificates.compare import NOTHING, compare
from analysis.data import measure_erasure
from analysis.edits import Site
from analysis.errors import Cancelled
from analysis.labelled import LabelledSet
from analysis.methods.erase import Plan, erase
from analysis.methods.probe import probe
from analysis.probing import nonlinear
from analysis.probing.measures import Score
from tests.analysis.test_erase import endings, places


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("BATHYSCOPE_HOME", str(tmp_path_factory.mktemp("store")))
    patch.setattr(neutral, "CONTEXTS", 2)
    patch.setattr(nonlinear, "EPOCHS", 10)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def certified(toy, store):
    fitted = erase(toy, endings(), Plan("leace", (0, 0)))
    return certify(toy, fitted, background(toy), [(endings(1), "last")])


def test_before_is_what_the_probe_page_shows_and_after_is_chance(toy, certified):
    shown = probe(toy, endings(), "last", "logistic")
    assert [each.layer for each in certified.layers] == [0, 1, 2, 3]
    for each in certified.layers:
        assert each.before.value == shown.at(each.layer).score
    at = certified.at(0)
    assert at.before.value > 0.95
    assert at.after.value == pytest.approx(certified.chance)
    assert certified.hidden(at.after)
    assert not certified.hidden(at.before)


def test_the_control_keeps_the_concept(certified):
    assert certified.at(0).random.value > 0.95
    assert not certified.hidden(certified.at(0).random)


def test_the_promise_is_checked_on_the_examples_it_was_made_of(certified):
    (guarded,) = certified.guarded
    assert guarded.layer == 0
    assert guarded.before > 0.1
    assert guarded.after < 1e-3


def test_the_change_lies_along_the_concept_and_nothing_moves_below(certified):
    at = certified.at(0)
    assert 0 < at.moved < 1
    assert at.inside == pytest.approx(1, abs=1e-3)  # LEACE moves states along the means alone
    assert certified.at(3).inside < 1


def test_another_concept_is_kept(certified):
    assert {(each.name, each.layer) for each in certified.others} == {("Ending 1", 0), ("Ending 1", 3)}
    at = next(each for each in certified.others if each.layer == 0)
    assert at.before.value > 0.95
    assert at.after.value > 0.8


def test_ordinary_text_is_read_with_and_without(certified):
    assert certified.cost.bits > 0
    assert certified.random_cost.bits > 0
    assert certified.perplexity > 1


def test_its_sentences_follow_from_its_figures(certified):
    assert certified.summary().startswith("**Hidden from linear probes** at layer 0: from 1")
    assert f"where chance is {certified.chance:.0%}" in certified.summary()
    seen = replace(certified, layers=tuple(replace(e, after=e.before) for e in certified.layers))
    assert seen.summary().startswith("**Not hidden** at layer 0")
    assert seen.rebuilt.layer == 1
    assert "from layer 1 on probes read it again" in seen.summary()
    nothing = Score(certified.chance, certified.chance - 0.1, certified.chance + 0.1)
    never = replace(
        certified, layers=tuple(replace(e, before=nothing, after=nothing) for e in certified.layers)
    )
    assert "no linear probe read it to begin with" in never.summary()
    assert never.rebuilt is None
    assert "Up to layer 3 no probe reads it again." in never.summary()


def test_it_says_what_is_guaranteed_measured_and_left(certified):
    assert "No linear reading with a convex loss" in certified.guaranteed()[0]
    assert f"the {certified.learned} examples it was fitted to, at layer 0" in certified.guaranteed()[0]
    assert f"of the {certified.tested} held-out ones" in certified.measured()[0]
    read = replace(
        certified, networks=tuple(replace(e, after=Score(0.98, 0.9, 1.0)) for e in certified.networks)
    )
    assert "A small network still reads 98%" in read.unhidden()[0]
    silent = replace(
        certified,
        networks=(),
        layers=tuple(
            replace(e, after=Score(0.5, 0.3, 0.7), fresh_after=Score(0.5, 0.3, 0.7)) for e in certified.layers
        ),
    )
    assert "not proof" in silent.unhidden()[0]


def test_side_by_side_promises_the_first_layer_only_and_a_sequence_all(toy, store):
    usual = background(toy)
    apart = certify(toy, erase(toy, endings(), Plan("leace", (1, 2))), usual)
    assert "it was fitted to, at layer 1." in apart.guaranteed()[0]
    assert "Fit in sequence" in apart.guaranteed()[1]
    chained = certify(toy, erase(toy, endings(), Plan("leace", (1, 2), sequence=True)), usual)
    assert len(chained.guaranteed()) == 1
    assert max(each.after for each in chained.guarded) < 1e-2
    assert chained.hidden(chained.at(2).after)


def test_labels_that_mean_nothing_are_not_there_before_nor_after(toy, store):
    given = endings()
    shuffled = LabelledSet(
        "r", "R", "?", given.texts, np.random.default_rng(7).permutation(given.targets), given.classes
    )
    found = certify(toy, erase(toy, shuffled, Plan("leace", (2, 2))), background(toy))
    assert found.hidden(found.at(2).before)
    assert found.hidden(found.at(2).after)


def test_numbers_are_certified_by_r2_and_without_a_network(toy, store):
    found = certify(toy, erase(toy, places(), Plan("leace", (1, 1))), background(toy))
    assert found.measure == "R2"
    assert found.networks == ()
    assert found.at(1).after.value < 0.1 < found.at(1).before.value
    assert "%" not in found.summary().split(".")[0]


def test_json_holds_every_figure(certified):
    said = json.loads(to_json(certified))
    assert said["format"] == FORMAT
    assert [each["layer"] for each in said["layers"]] == [0, 1, 2, 3]
    assert said["layers"][0]["after"]["value"] == certified.at(0).after.value
    assert said["erasure"]["rank"] == [1]
    assert said["provenance"]["concept"] == "Ending 0"
    assert said["ordinary_text"]["erased"]["bits"] == certified.cost.bits
    broken = replace(certified, layers=tuple(replace(e, inside=float("nan")) for e in certified.layers))
    assert json.loads(to_json(broken))["layers"][0]["inside"] is None


def test_it_can_be_cancelled_and_what_was_read_is_kept(toy, store, monkeypatch):
    fitted, usual = erase(toy, endings(), Plan("leace", (2, 2))), background(toy)

    def stop_late(message, done=0, total=None):
        if message.startswith("After:"):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        certify(toy, fitted, usual, report=stop_late)
    certify(toy, fitted, usual)


# side by side


def test_erasers_are_compared_by_the_same_probes(toy, store):
    found = compare(toy, endings(), Plan(layers=(0, 0), iterations=100))
    rows = {row.method: row for row in found.rows}
    assert list(rows) == [NOTHING, "leace", "means", "inlp", "rlace", "direction", "random"]
    assert found.layer == 0
    assert rows[NOTHING].left.value > 0.95
    assert rows[NOTHING].bits == 0
    assert rows["leace"].left.value == pytest.approx(found.chance)
    assert rows["random"].left.value > 0.95
    assert rows["random"].rank == rows["leace"].rank == 1
    assert rows["leace"].bits > 0
    assert rows["inlp"].iterations > 0


def test_for_numbers_the_erasers_of_classes_are_left_out(toy, store):
    found = compare(toy, places(), Plan(layers=(1, 1)))
    assert {row.method for row in found.rows} >= {NOTHING, "leace", "means", "random"}
    assert "inlp" not in {row.method for row in found.rows}
    assert all(row.network is None for row in found.rows)


def test_the_table_of_concepts_has_a_row_each(toy, store, monkeypatch):
    monkeypatch.setattr(measure_erasure, "labelled_set", lambda name: {"a": endings(), "b": places()}[name])
    rows = list(measure_erasure.rows(toy, ["a", "b"], layer=0))
    assert [row[0] for row in rows] == ["a", "b"]
    assert rows[0][3].endswith("*")  # after: at chance
    assert not rows[0][2].endswith("*")
    assert float(rows[0][7]) > 0
    assert len(measure_erasure.line(rows[0]).split()) > 8


def test_an_edit_of_the_certificate_acts_where_the_erasure_does(certified):
    assert [edit.site for edit in certified.erasure.edits()] == [Site(0)]
