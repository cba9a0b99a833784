"""Texts from tables, files and pasted lines: what is kept, what is guessed and told, and what is refused in words."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from analysis import corpora, table_files
from analysis.corpora import Corpus, from_plain_text, from_table, occurrences, of_labelled, read_file
from analysis.corpora.columns import as_classes, kind, tidy
from analysis.data.labelled_sets import IDS, labelled_set
from analysis.errors import AnalysisError

TABLE = pd.DataFrame(
    {"text": ["the sea", "a town", "the sea"], "label": ["a", "b", "a"], "n": ["1", "2.5", ""]}
)


def notes(corpus: Corpus) -> str:
    return " ".join(corpus.notes)


# tables


def test_a_table_s_text_and_all_its_other_columns():
    corpus = from_table(TABLE, "t.csv")
    assert corpus.texts == ("the sea", "a town", "the sea")
    assert list(corpus.columns) == ["label", "n"]
    assert corpus.columns["n"].tolist()[:2] == [1.0, 2.5]
    assert np.isnan(corpus.columns["n"][2])
    assert (corpus.label, corpus.name, corpus.source) == ("label", "t.csv", "Uploaded: t.csv.")


def test_duplicates_and_empty_cells_are_counted_and_kept():
    said = notes(from_table(TABLE, "t.csv"))
    assert "1 of the 3 texts have come before" in said
    assert "`n` lacks 1" in said


def test_rows_without_text_are_left_out_and_counted():
    table = pd.DataFrame({"text": ["a b", "", None, "  ", "c d", float("nan")], "x": range(6)})
    corpus = from_table(table, "t")
    assert corpus.texts == ("a b", "c d")
    assert corpus.columns["x"].tolist() == [0, 4]
    assert "4 rows have no text and are left out (2, 3, 4, 6)." in corpus.notes


def test_the_column_of_texts_is_found_and_told():
    only = from_table(pd.DataFrame({"number": [1, 2], "sentence": ["one two", "three"]}), "t")
    assert only.texts == ("one two", "three")
    assert "column `sentence`, the only one of text" in notes(only)
    longest = from_table(pd.DataFrame({"id": ["a", "b"], "review": ["it was good", "bad"]}), "t")
    assert longest.texts == ("it was good", "bad")
    assert "column `review`, whose entries are the longest" in notes(longest)
    named = from_table(pd.DataFrame({" Text ": ["a", "b"], "review": ["it was good", "bad"]}), "t")
    assert (named.texts, named.notes) == (("a", "b"), ())


def test_a_table_of_numbers_has_no_texts():
    with pytest.raises(AnalysisError, match="t.csv needs a column of texts, best called `text`; it has a, b"):
        from_table(pd.DataFrame({"a": [1], "b": [2]}), "t.csv")


def test_numbers_in_a_column_called_text_are_texts():
    assert from_table(pd.DataFrame({"text": ["1", "2"]}), "t").texts == ("1", "2")


def test_a_label_of_5000_values_is_kept_and_colours_nothing():
    table = pd.DataFrame(
        {"text": [f"t {n}" for n in range(5_000)], "label": [f"id{n}" for n in range(5_000)]}
    )
    corpus = from_table(table, "t")
    assert corpus.label is None
    assert corpus.columns["label"].nunique() == 5_000
    assert "The column `label` has 5,000 different values; up to 50 are told apart by colour." in notes(
        corpus
    )
    assert from_table(table.assign(topic=["x", "y"] * 2_500), "t").label == "topic"
    assert from_table(table.assign(label=range(5_000)), "t").label == "label"  # numbers colour by size


def test_a_column_of_spans_marks_what_an_example_is_about():
    table = pd.DataFrame({"text": ["a deep sea", "a town"], "span": ["sea", ""]})
    assert from_table(table, "t").spans == ((7, 10), None)
    other = from_table(table.assign(span=["sea", "sea"]), "t")
    assert other.spans == (None, None)
    assert "`span` names no parts of the texts: “sea” is not in the text of example 2" in notes(other)


def test_a_single_row_is_a_corpus_and_none_is_not():
    assert len(from_table(TABLE[:1], "t")) == 1
    with pytest.raises(AnalysisError, match="No row of t has a text"):
        from_table(pd.DataFrame({"text": ["", None]}), "t")


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(AnalysisError, match="Two columns of t are called 'x'"):
        from_table(pd.DataFrame([["a", 1, 2]], columns=["text", "x", "x"]), "t")


def test_too_many_texts_are_refused(monkeypatch):
    monkeypatch.setattr("analysis.corpora.tables.MOST_TEXTS", 2)
    with pytest.raises(AnalysisError, match="3 texts were given; at most 2 are used"):
        from_table(TABLE, "t")


# columns


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", " 2 ", None, ""], [1.0, 2.0, np.nan, np.nan]),
        (["1e3", "-.5"], [1000.0, -0.5]),
        ([1, 2.5], [1.0, 2.5]),
        (["1,5", "2"], ["1,5", "2"]),
        (["nan", "1"], ["nan", "1"]),
        (["1e999", "1"], ["1e999", "1"]),
        ([True, False], ["True", "False"]),
        ([["a", "é"], {"b": 1}], ['["a", "é"]', '{"b": 1}']),
    ],
)
def test_cells_become_numbers_where_all_are_and_text_otherwise(cells, expected):
    found = tidy(cells)
    if isinstance(expected[0], float):
        assert np.array_equal(found.to_numpy(), expected, equal_nan=True)
    else:
        assert found.tolist() == expected


def test_what_a_column_can_be_used_for():
    assert kind(pd.Series(["a", "b", None])) == "classes"
    assert kind(pd.Series([f"v{n}" for n in range(51)])) == "texts"
    assert kind(pd.Series(np.arange(7.0))) == "classes"
    assert kind(pd.Series(np.arange(8.0))) == "numbers"
    assert kind(pd.Series([None, None], dtype="str")) == "texts"
    assert as_classes(pd.Series([1.0, 2.0, np.nan])).tolist() == ["1", "2", "(missing)"]
    assert as_classes(pd.Series([0.5, 2.0])).tolist() == ["0.5", "2.0"]


# files


def as_parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


ACCENTED = "text,label\nhéllo there,a\nnaïve café,b\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_are_read_without_a_word(encoding):
    corpus = read_file(ACCENTED.encode(encoding), "t.csv")
    assert (corpus.texts, corpus.notes) == (("héllo there", "naïve café"), ())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_told(encoding):
    corpus = read_file(ACCENTED.encode(encoding), "t.csv")
    assert corpus.texts == ("héllo there", "naïve café")
    assert notes(corpus) == f"The file says no encoding; it was read as {encoding.upper()}."


def test_windows_1252_and_mixed_files_are_told():
    corpus = read_file("text\nhéllo “you”\n".encode("cp1252"), "t.csv")
    assert corpus.texts == ("héllo “you”",)
    assert "1 of 3 lines are not UTF-8 and were read as Windows-1252" in notes(corpus)
    mixed = read_file("été\n".encode() + "été\n".encode("latin-1") + b"\x81\xe9\n", "t.txt")
    assert mixed.texts == ("été", "été", "\x81é")  # 81 means nothing in Windows-1252
    assert "2 of 4 lines" in notes(mixed)


def test_every_kind_of_file_gives_the_same_corpus():
    table = TABLE.assign(n=[1, 2.5, 3])
    files = {
        "t.csv": table.to_csv(index=False).encode(),
        "t.tsv": table.to_csv(index=False, sep="\t").encode(),
        "T.JSONL": "\n".join(map(json.dumps, table.to_dict("records"))).encode(),
        "t.parquet": as_parquet(table),
    }
    for name, data in files.items():
        corpus = read_file(data, name)
        assert corpus.texts == tuple(table["text"]), name
        assert corpus.columns["n"].tolist() == [1, 2.5, 3], name
        assert corpus.columns["label"].tolist() == ["a", "b", "a"], name


def test_semicolons_between_cells_are_told():
    corpus = read_file(b"text;n\na, b;1\nc;2\n", "t.csv")
    assert corpus.texts == ("a, b", "c")
    assert "separated by semicolons" in notes(corpus)


BAD = {
    "empty": (b"", "t.csv", "t.csv cannot be read as CSV"),
    "header only": (b"text,label\n", "t.csv", "t.csv holds no rows"),
    "no json": (b'{"text": ', "t.jsonl", "cannot be read as JSONL"),
    "no parquet": (b"PAR1", "t.parquet", "cannot be read as PARQUET"),
    "no text": (b" \n\n", "t.txt", "t.txt holds no text"),
    "an unknown kind": (b"x", "t.docx", "t.docx is no file of texts this page reads. Give one of .csv"),
    "unquoted commas": (b"text\na, b, c\n", "t.csv", "Put texts with commas into quotes"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_words(name):
    data, filename, sentence = BAD[name]
    with pytest.raises(AnalysisError, match=sentence):
        read_file(data, filename)


@pytest.mark.parametrize("filename", ["t.csv", "t.txt", "t.parquet"])
def test_large_files_are_refused_before_they_are_read(filename, monkeypatch):
    monkeypatch.setattr("analysis.corpora.files.LARGEST", 2 * 2**20)
    with pytest.raises(AnalysisError, match=f"{filename} has 3 MB; at most 2 are read. Take a sample"):
        read_file(b"x" * (3 * 2**20), filename)


def test_a_small_file_that_unpacks_to_much_is_refused(monkeypatch):
    bomb = as_parquet(pd.DataFrame({"text": [str(n) + "a" * 5_000 for n in range(400)]}))
    assert len(bomb) < 400_000
    monkeypatch.setattr(table_files, "UNPACKED", 1)
    monkeypatch.setattr(pd, "read_parquet", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(AnalysisError, match="once it is unpacked"):
        table_files.read_table(bomb, "t.parquet", largest=len(bomb), most=1_000)
    with pytest.raises(AnalysisError, match="400 texts were given; at most 3"):
        table_files.read_table(bomb, "t.parquet", largest=len(bomb), most=3)


# plain text


def test_lines_are_texts_and_paragraphs_are_where_empty_lines_part_them():
    lines = from_plain_text("one\ntwo\n\n three \n")
    assert lines.texts == ("one two", "three")
    assert "Paragraphs between empty lines are the texts." in lines.notes
    assert from_plain_text("one\ntwo\nthree").texts == ("one", "two", "three")
    assert from_plain_text("one\n\ntwo\n\nthree").texts == ("one", "two", "three")
    assert from_plain_text("one\ntwo\n\nthree", cut="lines").texts == ("one", "two", "three")


def test_a_stray_empty_line_among_many_lines_makes_no_paragraphs():
    text = "\n".join(map(str, range(20))) + "\n\n" + "\n".join(map(str, range(20, 40)))
    assert len(from_plain_text(text)) == 40


def test_written_texts_and_files_are_told_apart():
    written, file = from_plain_text("a\nb"), from_plain_text("a\nb", "t.txt")
    assert (written.id, written.source) == ("written", "Written on the page.")
    assert (file.id, file.source) == ("own", "Uploaded: t.txt.")


# the corpus itself


@pytest.mark.parametrize("id", IDS)
def test_every_shipped_set_is_a_corpus(id):
    given = labelled_set(id)
    corpus = of_labelled(given)
    assert (corpus.id, corpus.name, corpus.texts, corpus.spans) == (
        given.id,
        given.name,
        given.texts,
        given.spans,
    )
    assert corpus.label in corpus.columns
    if given.classes:
        assert corpus.columns["label"].tolist() == [given.classes[n] for n in given.targets]
    else:
        assert np.array_equal(corpus.columns[list(given.numbers)], given.targets)


def test_taking_some_takes_everything_of_them():
    corpus = from_table(TABLE.assign(span=["sea", "town", ""]), "t").taking([2, 1, 1])
    assert corpus.texts == ("the sea", "a town", "a town")
    assert corpus.columns["label"].tolist() == ["a", "b", "b"]
    assert corpus.columns.index.tolist() == [0, 1, 2]
    assert corpus.spans == (None, (2, 6), (2, 6))


def test_two_corpora_have_one_fingerprint_only_if_they_are_the_same():
    corpus = from_table(TABLE, "t")
    assert corpus.fingerprint == from_table(TABLE, "other").fingerprint
    others = [
        corpus.taking([0, 1]),
        corpus.taking([1, 0, 2]),
        from_table(TABLE.assign(label=["a", "b", "b"]), "t"),
        from_table(TABLE.rename(columns={"n": "m"}), "t"),
        from_table(TABLE.assign(span=["sea", "", ""]), "t"),
    ]
    assert len({each.fingerprint for each in (corpus, *others)}) == 6


def test_what_is_no_corpus_is_refused(monkeypatch):
    with pytest.raises(AnalysisError, match="given 0. Give some texts"):
        Corpus("c", "C", ())
    with pytest.raises(AnalysisError, match="given 2 texts, 1 spans and 2 rows"):
        Corpus("c", "C", ("a", "b"), spans=(None,))
    with pytest.raises(AnalysisError, match="span of example 1 runs from 0 to 9"):
        Corpus("c", "C", ("a",), spans=((0, 9),))
    with pytest.raises(AnalysisError, match="no column 'x' to colour by"):
        Corpus("c", "C", ("a",), label="x")
    monkeypatch.setattr(corpora.corpus, "MOST_POINTS", 2)
    with pytest.raises(AnalysisError, match="holds 1 to 2 examples; given 3. Take a sample"):
        Corpus("c", "C", ("a", "b", "c"))


# occurrences


def marked(corpus: Corpus) -> list[str]:
    return [text[slice(*span)] for text, span in zip(corpus.texts, corpus.spans, strict=True)]


BANKS = Corpus(
    "c",
    "C",
    ("Bank by bank", "no banks, embankment", "the BANK.", "a river bank’s edge"),
    pd.DataFrame({"n": [1, 2, 3, 4]}),
)


def test_every_whole_occurrence_is_an_example():
    found = occurrences(BANKS, "bank")
    assert marked(found) == ["Bank", "bank", "BANK", "bank"]
    assert found.columns["n"].tolist() == [1, 1, 3, 4]
    assert found.spans[:2] == ((0, 4), (8, 12))
    assert "4 occurrences in 3 of 4 texts." in found.notes
    assert found.name == "C, bank"


def test_several_words_and_phrases_say_which_they_are():
    found = occurrences(BANKS, " river bank, bank ,banks")
    assert marked(found) == ["Bank", "bank", "banks", "BANK", "river bank"]
    assert found.columns["word"].tolist() == ["bank", "bank", "banks", "bank", "river bank"]
    assert found.label == "word"


def test_signs_in_a_word_are_no_pattern():
    found = occurrences(Corpus("c", "C", ("what is c++ or c+?", "cc")), "c++")
    assert marked(found) == ["c++"]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [(" , ", "Give a word whose occurrences"), ("ban", "'ban' occurs in none of the 4 texts")],
)
def test_words_that_are_not_there_are_refused(word, sentence):
    with pytest.raises(AnalysisError, match=sentence):
        occurrences(BANKS, word)


def test_the_shipped_senses_hold_each_word_where_its_span_is():
    senses = of_labelled(labelled_set("senses"))
    found = occurrences(senses, "bank, spring, bat, match, light, crane")
    assert found.spans == senses.spans
    assert [label.partition(" (")[0] for label in found.columns["label"]] == found.columns["word"].tolist()
