"""The two sides of a concept: what is read from lines and tables, and what is refused in words."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import sides, table_files
from analysis.errors import AnalysisError
from analysis.sides import Sides, from_lines, from_table, labels_of, read_table, to_lines

PAIRS = pd.DataFrame({"positive": ["good day", "fine"], "negative": ["bad day", "foul"]})
LABELLED = pd.DataFrame({"text": ["yes", "no", "sure", "never"], "label": ["1", "0", "1", "0"]})
HOSTILE = (
    "a\0b",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\u202eright to left",
    "$x$ ~~s~~ [a](b)",
)


def encoded(table: pd.DataFrame, kind: str) -> bytes:
    if kind == ".parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer)
        return buffer.getvalue()
    if kind == ".jsonl":
        return "\n".join(json.dumps(row) for row in table.to_dict("records")).encode()
    return table.to_csv(index=False, sep="\t" if kind == ".tsv" else ",").encode()


def uploaded(data: bytes | str, filename: str, **settings) -> Sides:
    return from_table(read_table(data.encode() if isinstance(data, str) else data, filename), **settings)


# worked values


def test_lines_are_pairs_with_empty_lines_passed_over():
    read = from_lines("good | bad\n\n   \n  up|down  \n")
    assert (read.positive, read.negative) == (("good", "up"), ("bad", "down"))
    assert (read.paired, read.chat, len(read)) == (True, False, 4)
    assert from_lines("good | bad\nup | down", chat=True).chat


@pytest.mark.parametrize("kind", table_files.TABLES)
def test_every_kind_of_table_is_read_as_pairs_and_as_a_labelled_set(kind):
    pairs = uploaded(encoded(PAIRS, kind), f"My.Table{kind.upper()}")
    assert pairs == Sides(("good day", "fine"), ("bad day", "foul"))
    assert labels_of(PAIRS) == ()
    table = read_table(encoded(LABELLED, kind), f"t{kind}")
    assert labels_of(table) == ("0", "1")
    assert from_table(table) == Sides(("yes", "sure"), ("no", "never"), paired=False)
    assert from_table(table, positive="0", chat=True) == Sides(
        ("no", "never"), ("yes", "sure"), paired=False, chat=True
    )


def test_names_of_columns_may_be_written_in_capitals_and_with_spaces():
    assert uploaded(" Positive ,NEGATIVE,note\na,b,x\nc,d,y\n", "t.csv") == Sides(("a", "c"), ("b", "d"))


def test_whole_numbers_are_labels_and_texts():
    lines = (
        '{"text": 3, "label": 0}\n{"text": 4, "label": 1}\n{"text": 5, "label": 0}\n{"text": 6, "label": 1}'
    )
    assert uploaded(lines, "t.jsonl") == Sides(("4", "6"), ("3", "5"), paired=False)


def test_one_label_of_many_stands_against_all_others():
    table = pd.DataFrame({"text": list("abcdef"), "label": ["x", "y", "z"] * 2})
    assert from_table(table, positive="y") == Sides(("b", "e"), ("a", "c", "d", "f"), paired=False)


def test_a_table_keeps_words_that_pandas_takes_for_missing():
    assert uploaded("positive,negative\nNA,null\nnan,None\n", "t.csv") == Sides(
        ("NA", "nan"), ("null", "None")
    )


def test_line_separators_of_unicode_stay_inside_a_text():
    rows = [{"positive": "a\u2028b", "negative": "c\x85d"}, {"positive": "e", "negative": "f"}]
    text = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert uploaded(text, "t.jsonl").positive == ("a\u2028b", "e")
    assert uploaded(text, "t.jsonl").negative == ("c\x85d", "f")


# laws

words = st.text(
    st.characters(blacklist_characters="|", blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1
)
pairs = st.lists(
    st.tuples(words, words)
    .map(lambda pair: tuple(" ".join(word.split()) for word in pair))
    .filter(lambda pair: all(pair) and pair[0] != pair[1]),
    min_size=2,
    max_size=6,
).filter(lambda pairs: set(a for a, _ in pairs) - set(b for _, b in pairs))


@given(pairs)
def test_lines_written_from_pairs_read_back_as_the_same_pairs(pairs):
    written = Sides(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))
    assert from_lines(to_lines(written)) == written


def test_a_separator_inside_a_text_becomes_a_comma():
    awkward = Sides(("a|b", "line\nbreak"), ("c", "d"))
    assert from_lines(to_lines(awkward)) == Sides(("a,b", "line break"), ("c", "d"))


@given(st.text())
def test_any_typed_text_gives_pairs_or_a_sentence(text):
    try:
        read = from_lines(text)
    except AnalysisError as error:
        assert str(error)
    else:
        assert all(a and b and a != b for a, b in zip(read.positive, read.negative, strict=True))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    typed = text.replace("|", "")
    assert from_lines(f"{typed} | a\nb | c").positive[0] == typed
    table = pd.DataFrame({"positive": [text, "b"], "negative": ["a", "c"]})
    for kind in table_files.TABLES:
        assert uploaded(encoded(table, kind), f"t{kind}").positive[0] == text


def test_half_a_surrogate_pair_is_kept_as_text_or_refused():
    half = "a\ud800"
    assert from_lines(f"{half} | b\nc | d").positive[0] == half
    with pytest.raises(AnalysisError, match="t.jsonl cannot be read as JSONL: .*surrogates"):
        uploaded(json.dumps({"positive": half, "negative": "b"}), "t.jsonl")


# damaged files


@pytest.mark.parametrize("table", [PAIRS, LABELLED], ids=["pairs", "labelled"])
@pytest.mark.parametrize("kind", table_files.TABLES)
def test_a_damaged_file_gives_a_sentence_or_a_table_and_nothing_else(kind, table, rng):
    valid, random = encoded(table, kind), rng(0)
    damaged = [valid[: round(cut)] for cut in np.linspace(0, len(valid), 25, endpoint=False)]
    for _ in range(60):
        bent = bytearray(valid)
        for place in random.integers(len(bent), size=random.integers(1, 8)):
            bent[place] = random.integers(256)
        damaged.append(bytes(bent))
    damaged.extend(random.bytes(size) for size in (1, 3, 17, 300))
    outcomes = {"sides": 0, "refused": 0}
    for data in damaged:
        try:
            assert isinstance(uploaded(data, f"t{kind}"), Sides)
            outcomes["sides"] += 1
        except AnalysisError as error:
            assert len(str(error)) > 10
            outcomes["refused"] += 1
    assert outcomes["refused"], "none of this was damaged enough to be noticed"


def test_a_parquet_file_with_text_that_is_no_unicode_is_refused():
    data = encoded(PAIRS, ".parquet")
    assert b"fine" in data
    with pytest.raises(AnalysisError, match="t.parquet cannot be read as PARQUET"):
        uploaded(data.replace(b"fine", b"f\xffne"), "t.parquet")


ODD_CELLS = {
    "lists": ([["a"], ["b"]], None),
    "missing text": (pd.array(["a", None], "string"), "Positive text 2 is empty"),
    "missing number": (pd.array([1, None], "Int64"), "Positive text 2 is empty"),
    "not a number": ([1.5, np.nan], "Positive text 2 is empty"),
    "not a time": (pd.to_datetime(["2020-01-01", None]), "Positive text 2 is empty"),
    "bytes": ([b"a", b"\xff"], None),
    "records": ([{"a": 1}, {"a": 2}], None),
}


@pytest.mark.parametrize("name", ODD_CELLS)
def test_cells_that_are_no_text_become_text_or_are_refused(name):
    cells, sentence = ODD_CELLS[name]
    data = encoded(pd.DataFrame({"positive": cells, "negative": ["x", "y"]}), ".parquet")
    if sentence is None:
        assert all(isinstance(text, str) and text for text in uploaded(data, "t.parquet").positive)
    else:
        with pytest.raises(AnalysisError, match=sentence):
            uploaded(data, "t.parquet")


def test_a_table_without_pandas_own_notes_is_read():
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.table({"positive": ["a", "b"], "negative": ["c", "d"]}), buffer)
    assert uploaded(buffer.getvalue(), "t.parquet") == Sides(("a", "b"), ("c", "d"))


# contracts


BAD_LINES = {
    "nothing": ("", "No pair was given"),
    "only spaces": (" \n \n", "No pair was given"),
    "one side": ("a | b\nalone", r"Line 2 needs two texts with one \| between them; given: “alone”"),
    "an empty side": ("a | b\n | d", "Line 2 needs two texts"),
    "three sides": ("a | b\n\nc | d | e", "Line 3 needs two texts"),
    "the same twice": ("a | b\nsame | same ", "Both sides of line 2 are the same: “same”. Change one"),
    "one pair": ("a | b", "At least two examples of each side"),
    "sides swapped": ("a | b\nb | a", "Both sides hold the same texts"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_lines_that_are_no_pairs_are_refused_with_their_number(name):
    text, sentence = BAD_LINES[name]
    with pytest.raises(AnalysisError, match=sentence):
        from_lines(text)


BAD_SIDES = {
    "unequal lengths": (
        lambda: Sides(("a", "b"), ("c",)),
        "as many positive as negative texts; given 2 and 1",
    ),
    "none": (lambda: Sides((), ()), "given 0 positive and 0 negative"),
    "one of a side": (lambda: Sides(("a",), ("b", "c"), paired=False), "given 1 positive and 2 negative"),
    "an empty text": (lambda: Sides(("a", " \t"), ("b", "c")), "Positive text 2 is empty"),
    "identical pair": (lambda: Sides(("a", "b"), ("c", "b")), "Both sides of pair 2 are the same: “b”"),
    "the same sets": (lambda: Sides(("a", "b"), ("b", "a", "a"), paired=False), "Both sides hold the same"),
    "too long": (lambda: Sides(("a", "b" * 4001), ("c", "d")), "Positive text 2 has 4,001 characters"),
    "too many": (
        lambda: Sides(("a",) * 1001, ("b",) * 1000, paired=False),
        "2,001 texts were given; at most 2,000",
    ),
}


@pytest.mark.parametrize("name", BAD_SIDES)
def test_sides_that_say_nothing_are_refused(name):
    make, sentence = BAD_SIDES[name]
    with pytest.raises(AnalysisError, match=sentence):
        make()


BAD_TABLES = {
    "unknown suffix": (b"a", "t.xlsx", "t.xlsx is no table this page reads. Give one of .csv, .tsv, .jsonl"),
    "no suffix": (b"a", "table", "is no table"),
    "a folder's name": (b"a", "../.csv/..", "is no table"),
    "empty file": (b"", "t.csv", "t.csv cannot be read as CSV"),
    "empty jsonl": (b"\n\n", "t.jsonl", "t.jsonl holds no rows"),
    "header only": (b"positive,negative\n", "t.csv", "holds no rows"),
    "no parquet": (b"PAR1", "t.parquet", "cannot be read as PARQUET"),
    "wrong encoding": ("positive,negative\nä,b".encode("latin-1"), "t.csv", "cannot be read as CSV"),
    "half a record": (b'{"positive": "a"', "t.jsonl", "cannot be read as JSONL"),
    "too deep": (b"[" * 100_000, "t.jsonl", "cannot be read as JSONL"),
    "wrong columns": (b"good,bad\na,b\n", "t.csv", "`text` and `label`; it has good, bad. Rename them"),
    "no columns": (b"[1, 2]\n[3, 4]", "t.jsonl", "it has 0, 1"),
    "bare numbers": (b"1\n2", "t.jsonl", "The table needs columns"),
    "half the columns": (b"positive,label\na,1\n", "t.csv", "it has positive, label"),
    "a short row": (b"positive,negative\na,b\nc\n", "t.csv", "Negative text 2 is empty"),
    "a long row": (b"positive,negative\na,b\nc,d,e\n", "t.csv", "Expected 2 fields in line 3, saw 3"),
    "an empty row": (b"text,label\na,1\n,0\nb,1\nc,0\n", "t.csv", "Negative text 1 is empty"),
    "one label": (b"text,label\na,1\nb,1\n", "t.csv", "two kinds at least; given only “1”"),
    "three labels": (b"text,label\na,1\nb,2\nc,3\n", "t.csv", r"3 labels \(1, 2, 3\). Choose which"),
    "an identical pair": (
        b"positive,negative\na,b\nc,c\n",
        "t.csv",
        "Both sides of pair 2 are the same: “c”",
    ),
    "a missing cell": (
        b'{"positive":"a","negative":"b"}\n{"positive":"c"}',
        "t.jsonl",
        "Negative text 2 is empty",
    ),
    "not a number": (
        b'{"positive":1,"negative":2}\n{"positive":NaN,"negative":3}',
        "t.jsonl",
        "Positive text 2",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_tables_that_do_not_fit_are_refused_in_words(name):
    data, filename, sentence = BAD_TABLES[name]
    with pytest.raises(AnalysisError, match=sentence):
        uploaded(data, filename)


def test_a_label_that_does_not_occur_is_refused():
    with pytest.raises(AnalysisError, match="No row has the label '2'; there are 0, 1"):
        from_table(LABELLED, positive="2")
    with pytest.raises(AnalysisError, match="two kinds at least"):
        from_table(LABELLED.iloc[:0])


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(monkeypatch):
    data = encoded(PAIRS, ".csv")
    monkeypatch.setattr(sides, "LARGEST", len(data))
    assert uploaded(data, "t.csv")
    monkeypatch.setattr(sides, "LARGEST", len(data) - 1)
    monkeypatch.setattr(table_files, "_text_table", lambda *_: pytest.fail("it was parsed"))
    with pytest.raises(AnalysisError, match="t.csv has 0 MB; at most 0 are read"):
        uploaded(data, "t.csv")


def test_rows_with_more_fields_than_the_header_are_refused():
    with pytest.raises(AnalysisError, match="quotes"):
        uploaded("positive,negative\nwell, good,bad\nso, fine,foul\n", "t.csv")


def test_a_row_without_a_label_is_refused():
    lines = '{"text": "a", "label": 1}\n{"text": "b"}\n{"text": "c", "label": 1}\n{"text": "d"}'
    with pytest.raises(AnalysisError, match="label"):
        uploaded(lines, "t.jsonl")


def test_a_small_file_that_unpacks_to_many_rows_is_refused_before_it_is_unpacked(monkeypatch):
    many = encoded(pd.DataFrame({"positive": ["a"] * 100_000, "negative": ["b"] * 100_000}), ".parquet")
    assert len(many) < sides.LARGEST / 1_000
    monkeypatch.setattr(pd, "read_parquet", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(AnalysisError, match="at most 2,000"):
        read_table(many, "t.parquet")
