"""States of labelled examples: read once, at the right token, kept on disk, gone on with."""

import errno
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis import captures, places, store
from analysis.captures import EACH, SPOTS, capture, each_token, estimate, usable
from analysis.corpora import Corpus, of_labelled
from analysis.edits import Ablate, Site, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.labelled import LabelledSet
from analysis.models.opening import load
from analysis.models.spec import ModelSpec
from analysis.points import kept_points, points
from analysis.states_file import StatesFile

TEXTS = ("the sea is deep", "I see", "the sea is deep", "a very long sentence about nothing at all", "x y")


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))


def given(texts=TEXTS, spans=(), **changes) -> LabelledSet:
    targets = np.arange(len(texts)) % 2
    settings = {"id": "t", "name": "T", "question": "?", "classes": ("a", "b")} | changes
    return LabelledSet(texts=tuple(texts), targets=targets, spans=tuple(spans), **settings)


def alone(model, text: str, *edits) -> np.ndarray:
    """(layer, position, d_model) of one text by itself."""
    variants = (Variant("edited", edits),) if edits else (Variant("base"),)
    return model.run(text, variants=variants).residuals()


def near(a, b) -> bool:
    """Equal up to the rounding of another batch."""
    return np.allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_every_example_is_read_as_if_it_ran_alone(toy):
    states = capture(toy, given())
    assert states.values.shape == (toy.n_layers + 1, len(TEXTS), toy.d_model)
    for example, text in enumerate(TEXTS):
        assert near(states.values[:, example], alone(toy, text)[:, -1])
    assert np.array_equal(states.values[:, 0], states.values[:, 2])  # the same text
    assert not near(states.values[:, 0], states.values[:, 1])


def test_the_mean_leaves_the_first_token_out(toy):
    states = capture(toy, given(), "mean")
    assert near(states.values[:, 1], alone(toy, TEXTS[1])[:, 1:].mean(1))
    single = capture(toy, given(["a", "b"] * 2), "mean")
    assert near(single.values[:, 0], alone(toy, "a")[:, 0])  # there is no other


def test_a_span_is_read_at_its_last_token(toy):
    spans = ((4, 7), (0, 1), (0, 3), None, (2, 3))
    states = capture(toy, given(spans=spans), "span")
    for example, (text, span) in enumerate(zip(TEXTS, spans, strict=True)):
        pieces = toy.tokenize(text).pieces
        ends = np.cumsum([len(piece) for piece in pieces])
        at = len(pieces) - 1 if span is None else int(np.searchsorted(ends, span[1]))
        assert near(states.values[:, example], alone(toy, text)[:, at]), example


def test_spans_count_characters_and_tokens_bytes(toy):
    text = "été à la mer"
    states = capture(toy, given([text, "mer"] * 2, spans=((0, 3), (0, 1)) * 2), "span")
    assert near(states.values[:, 0], alone(toy, text)[:, len("été".encode()) - 1])


def words_of(tokens: LabelledSet) -> list[str]:
    return [text[slice(*span)] for text, span in zip(tokens.texts, tokens.spans, strict=True)]


def test_each_token_but_the_first_becomes_an_example(toy):
    tokens = each_token(toy, given(["ab c", "dé", "a"] * 2))
    # both bytes of the accented letter are one, and a text's only token is not left out
    assert words_of(tokens) == [*"b c", "é", "a"] * 2
    assert tokens.targets.tolist() == [0, 0, 0, 1, 0, 1, 1, 1, 0, 1]
    assert tokens.groups[:5] == ("ab c",) * 3 + ("dé", "a")
    assert (tokens.name, tokens.question) == ("T, every token", "?")
    states = capture(toy, tokens, EACH)
    assert near(states.values[:, 0], alone(toy, "ab c")[:, 1])
    assert near(states.values[:, 3], alone(toy, "dé")[:, 2])


def test_each_token_of_a_span_keeps_the_label_of_the_span(toy):
    marked = given(["abcd e"] * 4, spans=((0, 3), (3, 6), (0, 1), (2, 4)))
    tokens = each_token(toy, marked)
    assert words_of(tokens) == ["b", "c", "d", " ", "e", "a", "c", "d"]
    assert tokens.targets.tolist() == [0, 0, 1, 1, 1, 0, 1, 1]


def test_of_too_many_tokens_some_are_drawn_by_a_seed_and_it_is_said(toy):
    texts = ["abcdefghijk", "ab", "ac", "lmnopqrstuv"]
    whole, some = each_token(toy, given(texts)), each_token(toy, given(texts), most=9)
    assert (len(whole), len(some)) == (22, 9)
    assert "drawn" not in whole.source
    assert some.source.endswith("9 of its 22 tokens, drawn with seed 0.")
    assert set(some.texts) == set(texts)  # no text is lost
    places = list(zip(whole.texts, whole.spans, strict=True))
    drawn = [places.index(place) for place in zip(some.texts, some.spans, strict=True)]
    assert drawn == sorted(drawn)
    assert each_token(toy, given(texts), most=9).spans == some.spans
    assert any(each_token(toy, given(texts), most=9, seed=s).spans != some.spans for s in (1, 2))
    assert len(each_token(toy, given(texts), most=1)) == 4


def test_whole_texts_are_not_read_as_tokens(toy):
    with pytest.raises(AnalysisError, match="Call `each_token` first"):
        capture(toy, given(), EACH)


def test_splitting_into_tokens_can_be_stopped(toy):
    def stop(message, done=0, total=None):
        raise Cancelled

    with pytest.raises(Cancelled):
        each_token(toy, given(), report=stop)


def test_neurons_are_read_at_layers_from_one_on(toy):
    states = capture(toy, given(), stream="neurons")
    assert states.layers == (1, 2, 3)
    assert states.values.shape == (3, len(TEXTS), toy.n_neurons)
    site = Site(2, "neurons")
    expected = toy.run(TEXTS[3], read=(site,)).at(site)[-1]
    assert near(states.at(2)[3], expected)
    assert states.key != capture(toy, given()).key
    with pytest.raises(AnalysisError, match="Layer 0 was not read; there are layers 1 to 3"):
        states.at(0)


@pytest.mark.parametrize("stream", ["attention", "mlp"])
def test_what_a_block_adds_can_be_read(toy, stream):
    site = Site(2, stream)
    states = capture(toy, given(), stream=stream, layers=(2,))
    assert states.values.shape == (1, len(TEXTS), toy.d_model)
    assert near(states.at(2)[3], toy.run(TEXTS[3], read=(site,)).at(site)[-1])
    with pytest.raises(AnalysisError, match="lie between 1 and 3"):
        capture(toy, given(), stream=stream, layers=(0,))


def test_edits_are_run_and_kept_apart(toy):
    edit = Ablate(Site(1), np.ones(toy.d_model, np.float32))
    base, edited = capture(toy, given()), capture(toy, given(), edits=(edit,))
    assert base.key != edited.key
    assert near(edited.values[:, 1], alone(toy, TEXTS[1], edit)[:, -1])
    assert np.abs(edited.values[1].sum(-1)).max() < 1e-3 < np.abs(base.values[1].sum(-1)).max()
    assert near(edited.values[0], base.values[0])


def test_what_is_on_disk_is_not_run_again(toy, monkeypatch):
    first = capture(toy, given())
    monkeypatch.setattr(type(toy), "run", lambda *_, **__: pytest.fail("it was run again"))
    again = capture(toy, given())
    assert again.key == first.key
    assert np.array_equal(again.values, first.values)
    # labels do not matter to the states
    assert capture(toy, given(classes=("c", "d"))).key == first.key


def test_a_cancelled_run_goes_on_where_it_stopped(toy, monkeypatch):
    monkeypatch.setattr(places, "BATCH_ROWS", 1)
    runs = []
    real = type(toy).run

    def counted(self, prompts, **settings):
        runs.append(len(prompts))
        return real(self, prompts, **settings)

    monkeypatch.setattr(type(toy), "run", counted)

    def stop(message, done=0, total=None):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        capture(toy, given(), report=stop)
    assert len(runs) == 2
    states = capture(toy, given())
    assert len(runs) == 4  # distinct texts
    for example, text in enumerate(TEXTS):
        assert near(states.values[:, example], alone(toy, text)[:, -1])


def test_batches_hold_texts_of_similar_length(toy, monkeypatch):
    sizes = []
    real = type(toy).run

    def watched(self, prompts, **settings):
        sizes.append([len(tokens) for tokens in prompts])
        return real(self, prompts, **settings)

    monkeypatch.setattr(type(toy), "run", watched)
    monkeypatch.setattr(places, "BATCH_TOKENS", 40)
    capture(toy, given(["a" * n for n in (30, 3, 4, 20, 5, 6, 19)]))
    assert sizes == [[30], [20, 19], [6, 5, 4, 3]]


def test_a_text_that_is_too_long_is_named(family):
    model = family.model
    if model.context is None:
        pytest.skip("it has no longest text")
    texts = ["a b", "c d", "a b c " * model.context, "e f"]
    for read in (capture, each_token):
        with pytest.raises(AnalysisError, match="Example 3 cannot be read: The text has"):
            read(model, given(texts))


def test_one_long_row_of_many_is_named_before_anything_runs(toy, monkeypatch):
    monkeypatch.setattr(type(toy), "run", lambda *_, **__: pytest.fail("something ran"))
    texts = [f"text {n}" for n in range(10_000)]
    texts[6_789] = "a b c d e " * 500
    with pytest.raises(
        AnalysisError, match=r"Example 6790 cannot be read: The text has 5,000 tokens .* at most 1,024"
    ):
        capture(toy, given(texts))


def test_a_place_that_does_not_exist_is_refused(toy):
    with pytest.raises(AnalysisError, match="no place to read at; there are last, span, mean, token"):
        capture(toy, given(), "first")
    assert all(sentence.startswith(("the ", "every ")) for sentence in SPOTS.values())


def test_a_full_disk_is_said_before_anything_runs(toy, monkeypatch):
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(AnalysisError):
        capture(toy, given())


def test_examples_read_at_a_first_token_are_left_out_and_counted(toy):
    texts = ("abc", "a", "ab", "cd", "b", "dc")  # one character is one token
    found = usable(toy, given(texts), "last")
    assert (found.given.texts, found.left_out, found.at_first) == (("abc", "ab", "cd", "dc"), 2, False)
    assert found.given.targets.tolist() == [0, 0, 1, 1]
    whole = usable(toy, given(), "last")
    assert (len(whole.given), whole.left_out, whole.at_first) == (len(TEXTS), 0, False)


def test_a_set_of_single_tokens_is_kept_whole(toy):
    found = usable(toy, given(("a", "b", "c", "d")), "last")
    assert (len(found.given), found.left_out, found.at_first) == (4, 0, True)


# some layers only, and texts with whatever came with them


def corpus(texts=TEXTS, **changes) -> Corpus:
    columns = pd.DataFrame({"number": [float(n) for n in range(len(texts))]})
    return Corpus(**{"id": "c", "name": "C", "texts": tuple(texts), "columns": columns} | changes)


def test_a_corpus_and_a_labelled_set_of_the_same_texts_have_the_same_states(toy):
    assert capture(toy, corpus()).key == capture(toy, given()).key == capture(toy, of_labelled(given())).key


def test_some_layers_are_those_of_all(toy):
    some, whole = capture(toy, corpus(), layers=(0, 2)), capture(toy, corpus())
    assert some.layers == (0, 2)
    assert some.values.shape[0] == 2
    for layer in some.layers:
        assert near(some.at(layer), whole.at(layer))
    with pytest.raises(AnalysisError, match="Layer 1 was not read; there are layers 0, 2"):
        some.at(1)
    neurons = capture(toy, corpus(), stream="neurons", layers=(2,))
    assert near(neurons.at(2), capture(toy, corpus(), stream="neurons").at(2))


@pytest.mark.parametrize("layers", [(), (2, 1), (1, 1), (0, 4), (-1,)])
def test_layers_that_do_not_exist_or_ascend_are_refused(toy, layers):
    with pytest.raises(AnalysisError, match="Layers ascend and lie between 0 and 3"):
        capture(toy, corpus(), layers=layers)


@pytest.fixture
def watched(toy, monkeypatch):
    """Every batch that runs, as its tokens and the layers that are read."""
    found, real = [], type(toy).run

    def run(self, prompts, read="residual", **settings):
        found.append((prompts, [site.layer for site in read] if read != "residual" else []))
        return real(self, prompts, read=read, **settings)

    monkeypatch.setattr(type(toy), "run", run)
    return found


def test_only_the_layers_asked_for_are_read(toy, watched):
    capture(toy, corpus(), layers=(0, 1))
    assert [layers for _, layers in watched] == [[0, 1]]


def test_first_tokens_are_points_where_they_are_wanted(toy):
    texts = ["ab c", "dé", "a"]
    assert words_of(each_token(toy, corpus(texts))) == [*"b c", "é", "a"]
    every = each_token(toy, corpus(texts), first=True)
    assert words_of(every) == [*"ab c", *"dé", "a"]
    assert every.columns["number"].tolist() == [0, 0, 0, 0, 1, 1, 2]
    assert near(capture(toy, every, EACH).values[:, 0], alone(toy, "ab c")[:, 0])


# the table beside the states


def test_points_say_what_was_read_where(toy):
    marked = corpus(["ab c", "é de", "ab c"], spans=((1, 4), (0, 1), None))
    table = points(toy, marked, "span")
    assert table["text_number"].tolist() == [0, 1, 0]
    assert table["text"].tolist() == ["ab c", "é de", "ab c"]
    assert table["position"].tolist() == table["first_position"].tolist() == [3, 1, 3]
    assert table["token"].tolist() == ["c", "⟨A9⟩", "c"]
    assert list(zip(table["start"], table["end"], strict=True)) == [(3, 4), (0, 1), (3, 4)]
    assert table["number"].tolist() == [0, 1, 2]


def test_a_mean_is_of_all_positions_but_the_first(toy):
    table = points(toy, corpus(["abc", "d"]), "mean")
    assert table[["first_position", "position", "start", "end"]].to_numpy().tolist() == [
        [1, 2, 1, 3],
        [0, 0, 0, 1],
    ]


def test_the_table_lies_beside_the_states_and_follows_the_columns(toy):
    named = corpus(columns=pd.DataFrame({"text": list("abcde")}))
    place = store.home() / "states" / capture(toy, named).key
    stored = kept_points(place.name)
    assert stored["text"].tolist() == list(TEXTS)
    assert stored["text (given)"].tolist() == list("abcde")
    pd.testing.assert_frame_equal(stored, points(toy, named, "last"), check_dtype=False)
    capture(toy, given())
    assert pd.read_parquet(place / "points.parquet")["label"].tolist() == list("ababa")


# the same tokens in places that mean nothing


def test_dealt_texts_have_the_same_first_tokens_lengths_and_tokens(toy, watched):
    base = capture(toy, corpus(), "mean")
    twin = capture(toy, corpus(), "mean", deal=0)
    (first, _), (ran, _) = watched
    texts = {tokens.text: tokens.ids for tokens in first}
    assert sorted(len(tokens) for tokens in ran) == sorted(map(len, texts.values()))
    assert sorted(t.ids[0] for t in ran) == sorted(ids[0] for ids in texts.values())
    assert sorted(i for t in ran for i in t.ids) == sorted(i for ids in texts.values() for i in ids)
    assert {tokens.text for tokens in ran} != set(texts)
    assert twin.values.shape == base.values.shape
    assert len({base.key, twin.key, capture(toy, corpus(), "mean", deal=1).key}) == 3
    assert capture(toy, corpus(), "mean", deal=0).key == twin.key


# what it takes


def test_an_estimate_counts_what_is_then_read(toy):
    found = estimate(toy, corpus(), "last", (0, 2))
    tokens = sum(len(toy.tokenize(text)) for text in set(TEXTS))
    assert (found.points, found.texts, found.tokens, found.exact) == (5, 4, tokens, True)
    assert found.bytes == capture(toy, corpus(), "last", layers=(0, 2)).values.nbytes
    assert found.seconds is None  # nothing has been measured yet
    assert found.sentence() == f"5 points from 4 texts with {tokens} tokens: 880 bytes on disk."


def test_an_estimate_of_every_token_knows_about_how_many(toy):
    whole = corpus(["abc", "de", "f" * 9])
    assert estimate(toy, whole, EACH).points == len(each_token(toy, whole)) == 11
    assert estimate(toy, whole, EACH, first=True).points == len(each_token(toy, whole, first=True)) == 14
    assert not estimate(toy, whole, EACH).exact


def test_of_many_texts_a_part_is_counted(toy, monkeypatch):
    monkeypatch.setattr(captures, "COUNTED", 10)
    found = estimate(toy, corpus([f"{n:04}" for n in range(100)]))
    assert (found.tokens, found.exact) == (400, False)
    assert "with about 400 tokens: about" in found.sentence()


def test_the_speed_of_the_last_reading_is_remembered(toy, monkeypatch):
    monkeypatch.setattr(captures, "FEWEST_SECONDS", 0.0)
    capture(toy, corpus())
    all_of_it, half = estimate(toy, corpus()), estimate(toy, corpus(), layers=(0, 1))
    assert all_of_it.seconds > 0
    assert half.seconds == pytest.approx(all_of_it.seconds / 3)  # blocks above the first do not run


# stopped, killed, out of room


READ_SLOWLY = """
import sys, time
from analysis import captures, places
from analysis.corpora import Corpus
from analysis.models.opening import load
from analysis.models.spec import ModelSpec

captures.KEEP_EVERY, places.BATCH_ROWS = 0.0, 3
texts = tuple(sys.argv[1].split("|"))
captures.capture(load(ModelSpec("toy:random")), Corpus("c", "C", texts), report=lambda *_: time.sleep(0.05))
"""


def test_a_killed_process_loses_nothing_it_had_kept(tmp_path, monkeypatch):
    texts = tuple(f"text {'x' * (n % 7)} {n}" for n in range(90))
    child = subprocess.Popen(
        [sys.executable, "-c", READ_SLOWLY, "|".join(texts)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
    )
    try:
        kept = _kept_texts(tmp_path, child, at_least=9)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert 9 <= kept < len(texts)
    monkeypatch.setattr(places, "BATCH_ROWS", 3)
    told = []
    model = load(ModelSpec("toy:random"))
    resumed = capture(
        model, corpus(texts), report=lambda message, done=0, total=None: told.append((message, done))
    )
    first = next(done for message, done in told if message == "Reading texts")
    assert first >= kept
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "other"))
    whole = capture(model, corpus(texts))
    model.close()
    assert whole.key == resumed.key
    assert np.allclose(resumed.values, whole.values, rtol=1e-5, atol=1e-6)


def _kept_texts(home: Path, child: subprocess.Popen, at_least: int) -> int:
    """Waits until a process has kept so many texts."""
    while child.poll() is None:
        for file in home.glob("states/*/done.json"):
            if (found := json.loads(file.read_bytes())["texts"]) >= at_least:
                return found
        time.sleep(0.01)
    raise AssertionError(child.communicate()[1].decode())


def test_a_stopped_and_resumed_reading_is_the_same_bit_for_bit(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "BATCH_ROWS", 2)
    texts = [f"text {'y' * (n % 5)} {n}" for n in range(20)]

    def stop(message, done=0, total=None):
        if done == 6:
            raise Cancelled

    with pytest.raises(Cancelled):
        capture(toy, corpus(texts), report=stop)
    resumed = capture(toy, corpus(texts))
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "other"))
    assert np.array_equal(resumed.values, capture(toy, corpus(texts)).values)


def test_a_disk_that_fills_up_is_said_and_the_reading_goes_on_later(toy, watched, monkeypatch):
    monkeypatch.setattr(places, "BATCH_ROWS", 1)
    real, writes = StatesFile._write_at, []

    def fills_up(self, row, states):
        writes.append(row)
        if len(writes) > 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, row, states)

    monkeypatch.setattr(StatesFile, "_write_at", fills_up)
    texts = [f"text {n}" for n in range(8)]
    with pytest.raises(
        AnalysisError, match="The disk is full: .* takes 2.8 kB in all. What was read is kept"
    ):
        capture(toy, corpus(texts))
    monkeypatch.setattr(StatesFile, "_write_at", real)
    watched.clear()
    states = capture(toy, corpus(texts))
    assert len(watched) == 6  # four layers of two texts had been written
    for example, text in enumerate(texts):
        assert near(states.values[:, example], alone(toy, text)[:, -1])


def test_a_damaged_file_is_read_anew(toy):
    first = np.array(capture(toy, corpus()).values)
    (place,) = (store.home() / "states").iterdir()
    (place / captures.VALUES).write_bytes(b"no array")
    assert np.array_equal(capture(toy, corpus()).values, first)


def test_states_at_hand_are_not_deleted_to_make_room(toy, monkeypatch):
    monkeypatch.setattr(captures, "MOST_KEPT", 0)
    first, second = capture(toy, corpus()), capture(toy, corpus(), "mean")
    assert {place.name for place in (store.home() / "states").iterdir()} == {first.key, second.key}
    del first
    third = capture(toy, corpus(), deal=0)
    assert {place.name for place in (store.home() / "states").iterdir()} == {second.key, third.key}
