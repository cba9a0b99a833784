"""The shipped concepts: complete, without repeats, and nothing to be tested on among what is learned from."""

import re
from collections import Counter
from dataclasses import FrozenInstanceError
from importlib.resources import files

import pytest

from analysis.data.presets import IDS, Concept, concept, concepts
from analysis.errors import AnalysisError
from analysis.sides import LONGEST, Sides, from_lines, to_lines

FRENCH = re.compile(
    r"\b(le|la|les|un|une|des|du|de|est|et|il|elle|je|tu|nous|dans|que|ma|sa|ce|cette)\b|[àâçéèêëîïôûùœ]",
    re.I,
)
"""What no English text of the shipped kind contains."""
each = pytest.mark.parametrize("shipped", concepts(), ids=lambda shipped: shipped.id)


def texts(shipped: Concept) -> list[str]:
    return [text for pair in shipped.pairs for text in pair]


def words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def sentences(text: str) -> set[str]:
    return {" ".join(words(part)) for part in re.split(r"[.?!]", text) if words(part)}


def sides(shipped: Concept) -> Sides:
    return Sides(*(tuple(side) for side in zip(*shipped.pairs, strict=True)), chat=shipped.chat)


def test_every_file_is_a_concept_of_its_name():
    folder = files("analysis.data").joinpath("concepts")
    assert sorted(file.name for file in folder.iterdir()) == sorted(f"{id}.json" for id in IDS)
    assert tuple(shipped.id for shipped in concepts()) == IDS
    assert all(concept(id).id == id for id in IDS)
    assert concepts() is concepts()


@each
def test_a_file_is_small_utf_8_and_ends_with_a_line_break(shipped):
    data = files("analysis.data").joinpath("concepts", f"{shipped.id}.json").read_bytes()
    assert len(data) < 60_000
    assert data.decode().endswith("}\n")
    assert b"\\u" not in data


@each
def test_every_field_is_filled(shipped):
    assert 1 <= len(words(shipped.name)) <= 3
    assert all(1 <= len(words(side)) <= 4 for side in (shipped.positive, shipped.negative))
    assert shipped.positive != shipped.negative
    assert shipped.question.endswith("?")
    assert shipped.license == "CC0-1.0"
    assert shipped.made.endswith(".")
    assert shipped.ask.endswith(". ")
    assert shipped.chat == (shipped.id == "refusal")
    assert shipped.strength == 0.25


@each
def test_a_concept_cannot_be_changed(shipped):
    with pytest.raises(FrozenInstanceError):
        shipped.name = "other"
    assert isinstance(hash(shipped), int)


@each
def test_48_pairs_whose_sides_differ_and_no_text_twice(shipped):
    assert len(shipped.pairs) == 48
    plain = [" ".join(text.lower().split()) for text in texts(shipped)]
    assert [text for text, times in Counter(plain).items() if times > 1] == []


@each
def test_both_sides_of_a_pair_are_of_similar_length(shipped):
    for pair in shipped.pairs:
        shorter, longer = sorted(map(len, pair))
        assert longer <= 2.2 * shorter, pair
    assert all(5 <= len(text.split()) <= 20 for text in texts(shipped))


@each
def test_both_sides_of_a_pair_end_alike(shipped):
    for positive, negative in shipped.pairs:
        ends = [text[-1] if not text[-1].isalnum() else "a word" for text in (positive, negative)]
        assert ends[0] == ends[1], (positive, negative)


def test_code_and_prose_of_a_pair_end_in_the_same_word():
    for pair in concept("code").pairs:
        assert len({re.findall(r"[a-z]+|\d+", text.lower())[-1] for text in pair}) == 1, pair


@each
def test_texts_are_clean_and_typed_pairs_keep_them(shipped):
    for text in [*texts(shipped), *shipped.prompts]:
        assert text == " ".join(text.split())
        assert len(text) <= LONGEST
    assert from_lines(to_lines(sides(shipped)), chat=shipped.chat) == sides(shipped)


@each
def test_no_opening_is_shared_by_more_than_six_pairs(shipped):
    for side in range(2):
        openings = Counter(tuple(pair[side].lower().split()[:3]) for pair in shipped.pairs)
        assert max(openings.values()) <= 6, openings.most_common(1)


@each
def test_held_out_prompts_are_distinct_and_occur_in_no_pair(shipped):
    assert len(shipped.prompts) == len(set(shipped.prompts)) == 8
    learned = set().union(*map(sentences, texts(shipped)))
    for prompt in shipped.prompts:
        assert 4 <= len(prompt.split()) <= 10
        assert not sentences(prompt) & learned
        for text in texts(shipped):
            assert " ".join(words(prompt)) not in " ".join(words(text)), (prompt, text)


@each
def test_words_are_single_and_on_one_side_only(shipped):
    positive, negative = shipped.words
    for side in shipped.words:
        assert 8 <= len(side) == len(set(side)) <= 12
        assert all(word.isalpha() for word in side)
    assert not {word.lower() for word in positive} & {word.lower() for word in negative}


def test_french_texts_are_french_and_their_pairs_are_not():
    for french, english in concept("french").pairs:
        assert FRENCH.search(french), french
        assert not FRENCH.search(english), english


@pytest.mark.parametrize("unknown", ["", "Sentiment", "../samples", "love"])
def test_an_unknown_concept_is_refused_naming_the_known_ones(unknown):
    with pytest.raises(AnalysisError, match="no built-in concept; there are sentiment, formality") as refused:
        concept(unknown)
    assert repr(unknown) in str(refused.value)
    assert all(id in str(refused.value) for id in IDS)
