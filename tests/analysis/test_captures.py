"""States of labelled examples: read once, at the right token, kept on disk, gone on with."""

from types import SimpleNamespace

import numpy as np
import pytest

from analysis import captures, store
from analysis.captures import EACH, SPOTS, capture, each_token, usable
from analysis.edits import Ablate, Site, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.labelled import LabelledSet

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
    monkeypatch.setattr(captures, "BATCH_ROWS", 1)
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
    monkeypatch.setattr(captures, "BATCH_TOKENS", 40)
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
