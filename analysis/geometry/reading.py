"""From texts or a run to a cloud: every token at every layer, with what does not count left out."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32, Int64

from analysis.activations import Trace
from analysis.captures import States, capture, each_token
from analysis.corpora import MOST_POINTS, Corpus
from analysis.corpora.columns import as_classes, kind
from analysis.data import corpus as shipped
from analysis.edits import Edit
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.geometry.cloud import Cloud
from analysis.geometry.texts import beginning, drawn, whole
from analysis.jobs import Report, silent
from analysis.maps.outliers import sinks
from analysis.maps.twins import dealt
from analysis.models.loaded import LoadedModel
from analysis.places import EACH, Examples, Places, places
from analysis.tokens import Tokens

TOKENS = {
    "all": "every token",
    "words": "tokens with a letter in them",
    "others": "tokens without any letter: punctuation, digits, spaces",
    "last": "the last token of each text",
}
"""Which tokens count, by id."""
CHARACTERS = 400
"""Of one piece of the shipped text: about 70 tokens."""


def shipped_text() -> Corpus:
    """Ordinary text that ships with the program, cut between words into pieces of about 70 tokens."""
    texts = tuple(piece for document in shipped.documents() for piece in _pieces(document))
    return Corpus(
        id="ordinary",
        name="Ordinary text",
        texts=texts,
        source="Pieces of text sampled from SmolLM2-135M-Instruct itself (seeded): encyclopedia, news, stories, "
        "letters, recipes, questions and answers, code. Fluent, not true.",
        license="CC0",
    )


def _pieces(document: str) -> list[str]:
    """Pieces that are long enough, cut at the last space."""
    found, rest = [], document.strip()
    while len(rest) >= CHARACTERS:
        end = max(rest.rfind(" ", 0, CHARACTERS), rest.rfind("\n", 0, CHARACTERS))
        end = end if end > CHARACTERS // 2 else CHARACTERS
        found.append(rest[:end])
        rest = rest[end:].strip()
    return found


def read(
    model: LoadedModel,
    corpus: Corpus,
    *,
    layers: tuple[int, ...] | None = None,
    length: int = 64,
    most: int = 200,
    tokens: str = "all",
    outliers: bool = False,
    deal: int | None = None,
    edits: Sequence[Edit] = (),
    seed: int = 0,
    report: Report = silent,
) -> Cloud:
    """Read every token of texts at every layer; what a stopped reading has read stays on disk.

    Args:
        model: the model.
        corpus: the texts; equal ones are read once. A column of classes becomes the labels of their tokens, or of
            the tokens in the examples' spans where they have any.
        layers: which ones, ascending; None reads all.
        length: tokens of a text that are read, from its beginning; a cut text may be split a little differently.
        most: texts at most; of more, some are drawn.
        tokens: which tokens count, one of `TOKENS`.
        outliers: first tokens, and those with norms far above the rest, count as well.
        deal: a seed: all tokens but the first of each text are dealt anew among all places of all texts.
        edits: run every text under these.
        seed: of the draw.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: no point is left, a text does not fit into memory, or the disk is full.
    Misleads when: one token of outlying norm counts: it decides covariances, entropies and linear maps alone.
    """
    _require(tokens, length, most)
    chosen = _cut(model, drawn(corpus, most, seed), length, report)
    every = each_token(model, whole(chosen), most=MOST_POINTS, first=True, report=report)
    states = capture(model, every, EACH, layers=layers, deal=deal, edits=edits, report=report)
    return of_states(
        model,
        every,
        states,
        name=corpus.name,
        labels=_labels(chosen, every),
        tokens=tokens,
        outliers=outliers,
        deal=deal,
        report=report,
    )


def of_states(
    model: LoadedModel,
    every: Examples,
    states: States,
    *,
    name: str = "",
    labels: tuple[str, ...] = (),
    tokens: str = "all",
    outliers: bool = False,
    deal: int | None = None,
    report: Report = silent,
) -> Cloud:
    """States that were read already, as a cloud.

    Args:
        model: the model.
        every: the examples, each a token of its own, see `captures.each_token`.
        states: of these examples.
        name: what is measured; empty takes the examples' name.
        labels: class of every example; empty where there are none.
        tokens: which tokens count, one of `TOKENS`.
        outliers: as for `read`.
        deal: the seed with which tokens were dealt anew before they were read.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: no point is left.
    """
    where = _places(places(model, every, EACH, report), len(every), deal)
    return _cloud(
        model,
        name or every.name,
        states.layers,
        states.values,
        where,
        labels,
        (tokens, outliers),
        fingerprint("cloud", states.key, tokens, outliers),
    )


def of_run(
    model: LoadedModel,
    trace: Trace,
    row: int = 0,
    *,
    name: str = "prompt",
    tokens: str = "all",
    outliers: bool = False,
) -> Cloud:
    """The tokens of one row of a run that read the residual stream of every layer.

    Args:
        model: the model.
        trace: the run.
        row: which row.
        name: what is measured, in a word or two.
        tokens: which tokens count, one of `TOKENS`.
        outliers: as for `read`.

    Raises:
        AnalysisError: no point is left.
    """
    _require(tokens, 1, 1)
    values = trace.residuals(row)
    own = trace.tokens[row]
    count = len(own)
    return _cloud(
        model,
        name,
        tuple(range(len(values))),
        values,
        (np.zeros(count, np.int64), np.arange(count), np.array(own.ids, np.int64)),
        (),
        (tokens, outliers),
        fingerprint("cloud", trace.model, own.ids, trace.rows[row].variant, tokens, outliers, values),
    )


def _require(tokens: str, length: int, most: int) -> None:
    if tokens not in TOKENS:
        raise AnalysisError(f"{tokens!r} is no choice of tokens; there are {', '.join(TOKENS)}.")
    if length < 1 or most < 1:
        raise AnalysisError(f"At least one token of one text is read; given {length} of {most}.")


def _cut(model: LoadedModel, corpus: Corpus, length: int, report: Report) -> Corpus:
    """The same examples on texts of at most so many tokens; a span behind the cut is none."""
    kept: dict[str, str] = {}
    for number, text in enumerate(dict.fromkeys(corpus.texts)):
        if number % 100 == 0:
            report("Splitting texts into tokens", number, len(corpus))
        kept[text] = beginning(model, text, length, number)
    spans = tuple(
        span if span is not None and span[1] <= len(kept[text]) else None
        for text, span in zip(corpus.texts, corpus.spans, strict=True)
    )
    return replace(corpus, texts=tuple(map(kept.get, corpus.texts)), spans=spans)


def _places(
    where: list[tuple[Tokens, Places]], count: int, deal: int | None
) -> tuple[Int64[np.ndarray, " every"], Int64[np.ndarray, " every"], Int64[np.ndarray, " every"]]:
    """Text, position and token of every example."""
    own = [tokens.ids for tokens, _ in where]
    ids = own if deal is None else dealt(own, deal)
    found = np.zeros((3, count), np.int64)
    for text, (_, examples) in enumerate(where):
        for example, (position, *_) in examples:
            found[:, example] = text, position, ids[text][position]
    return found[0], found[1], found[2]


def _labels(chosen: Corpus, every: Corpus) -> tuple[str, ...]:
    """Class of every token; empty for those outside of every span, and no labels where there are no classes."""
    name = chosen.label
    if name is None or kind(chosen.columns[name]) != "classes":
        return ()
    classes = as_classes(chosen.columns[name]).tolist()
    if all(span is None for span in chosen.spans):
        of_text = dict(zip(chosen.texts, classes, strict=True))
        return tuple(of_text[own] for own in every.texts)
    marked: dict[str, list[tuple[tuple[int, int], str]]] = {}
    for own, span, label in zip(chosen.texts, chosen.spans, classes, strict=True):
        if span is not None:
            marked.setdefault(own, []).append((span, label))
    return tuple(
        _label_at(span, marked.get(own, [])) for own, span in zip(every.texts, every.spans, strict=True)
    )


def _label_at(token: tuple[int, int] | None, marked: list[tuple[tuple[int, int], str]]) -> str:
    """The class of the span in which a token ends: a word's last token has read it all."""
    return next((label for span, label in marked if token and span[0] < token[1] == span[1]), "")


def _cloud(
    model: LoadedModel,
    name: str,
    layers: tuple[int, ...],
    values: Float32[np.ndarray, "layer every d_model"],
    where: tuple[Int64[np.ndarray, " every"], Int64[np.ndarray, " every"], Int64[np.ndarray, " every"]],
    labels: tuple[str, ...],
    counting: tuple[str, bool],
    key: str,
) -> Cloud:
    """The points that count, in the order of texts and positions."""
    text, position, ids = where
    wanted, outliers = counting
    apart = sinks(position, np.stack([np.linalg.norm(own, axis=1) for own in values]))
    able = np.ones(len(ids), bool) if outliers else ~apart
    kept = able & _FILTERS[wanted](model, text, position, ids)
    rows = np.flatnonzero(kept)
    rows = rows[np.lexsort((position[rows], text[rows]))]
    if not len(rows):
        only = "" if wanted == "all" else f", and only {TOKENS[wanted]} count"
        raise AnalysisError(
            f"No token is left of {len(ids):,}: first tokens and outliers of norm stand apart{only}. Give longer "
            "texts, or let more tokens count."
        )
    return Cloud(
        name=name,
        layers=layers,
        values=values,
        rows=rows,
        text=text[rows],
        position=position[rows],
        token=ids[rows],
        shown=tuple(model.tokenizer.label(int(token)) for token in ids[rows]),
        labels=tuple(labels[row] for row in rows) if labels else (),
        left_out=0 if outliers else int(apart.sum()),
        outlying=tuple(model.tokenizer.label(int(token)) for token in ids[~able & (position > 0)]),
        key=key,
    )


def _all(
    model: LoadedModel, text: np.ndarray, position: np.ndarray, ids: np.ndarray
) -> Bool[np.ndarray, " every"]:
    return np.ones(len(ids), bool)


def _words(
    model: LoadedModel, text: np.ndarray, position: np.ndarray, ids: np.ndarray
) -> Bool[np.ndarray, " every"]:
    different, which = np.unique(ids, return_inverse=True)
    spelled = [model.tokenizer.piece(token).decode(errors="ignore") for token in different]
    return np.array([any(map(str.isalpha, each)) for each in spelled])[which]


def _others(
    model: LoadedModel, text: np.ndarray, position: np.ndarray, ids: np.ndarray
) -> Bool[np.ndarray, " every"]:
    return ~_words(model, text, position, ids)


def _last(
    model: LoadedModel, text: np.ndarray, position: np.ndarray, ids: np.ndarray
) -> Bool[np.ndarray, " every"]:
    final = np.zeros(int(text.max()) + 1, np.int64)
    np.maximum.at(final, text, position)
    return position == final[text]


_FILTERS: dict[str, Callable[..., np.ndarray]] = {
    "all": _all,
    "words": _words,
    "others": _others,
    "last": _last,
}
