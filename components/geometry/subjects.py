"""What a curve is of: texts or a prompt, in a model, as they are or changed for a control."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from analysis import LoadedModel, Tokens
from analysis.corpora import Corpus
from analysis.edits import BASE, Edit, Variant
from analysis.fingerprint import fingerprint
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.measure import Given, Reads
from analysis.geometry.skips import read_skips
from analysis.geometry.views import read_views, standard_normal_views
from analysis.jobs import Report
from analysis.maps.twins import dealt
from analysis.methods.geometry import of_run, read
from analysis.models.untrained import untrained
from components.corpus_map.choices import layers_of
from components.geometry.choices import How
from components.kinds import KindName

SEED = 0
"""Of the draw of texts, the random weights and the Gaussian."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What a curve is of."""

    id: str
    """`base`, `shuffled 1`, `random`, `gaussian`, `edited` or `compared`."""
    name: str
    kind: KindName
    model: LoadedModel
    texts: Corpus | Tokens
    """Tokens are a prompt, which is read as it stands."""
    how: How
    deal: int | None = None
    """A seed: tokens are dealt anew among all places."""
    edits: tuple[Edit, ...] = ()
    edited: str = ""
    """One name for the edits."""
    random: bool = False
    """The weights are random."""
    imitates: "Subject | None" = None
    """It is a Gaussian cloud of the same size and shape as what is read of this subject."""

    def key(self, reads: Reads) -> str:
        """One name for what a measure of that kind is taken on."""
        texts = self.texts.ids if isinstance(self.texts, Tokens) else self.texts.fingerprint
        return fingerprint(
            "geometry",
            self.model.fingerprint,
            texts,
            self.how,
            (self.deal, self.edited, self.random, self.imitates is not None),
            reads,
        )

    def refusal(self, reads: Reads) -> str:
        """Why it is never read like that; empty where it can be."""
        if reads == "views" and isinstance(self.texts, Tokens):
            return "This is measured on noisy copies of many texts, and the prompt is one. Choose other texts above."
        return ""

    def can_be(self, reads: Reads) -> bool:
        """False where a control makes no sense: what a skipped block costs is about the texts and the weights."""
        return reads != "skips" or not (self.imitates or self.deal is not None or self.edits)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that are read."""
        return layers_of(self.model, self.how.stride)


@dataclass(frozen=True, eq=False)
class Taken:
    """What a measure is taken on, and the model it was read from."""

    given: Given
    model: str
    revision: str


def taken(subject: Subject, reads: Reads, imitated: Taken | None, report: Report) -> Taken:
    """Read what measures of one kind are taken on.

    Args:
        subject: what is read.
        reads: a cloud, views or skips.
        imitated: what was read of the subject that this one imitates.
        report: progress.

    Raises:
        AnalysisError: it cannot be read; why is said.
    """
    if imitated is not None:
        return replace(imitated, given=_GAUSSIAN[reads](imitated.given))
    model = untrained(subject.model, SEED, report) if subject.random else subject.model
    try:
        return Taken(_READ[reads](replace(subject, model=model), report), model.title, model.revision)
    finally:
        if subject.random:
            model.close()


def _cloud(subject: Subject, report: Report) -> Cloud:
    how = subject.how
    if isinstance(subject.texts, Tokens):
        return _prompt(subject, subject.texts)
    return read(
        subject.model,
        subject.texts,
        layers=subject.layers,
        length=how.length,
        most=how.most,
        tokens=how.tokens,
        outliers=how.outliers,
        deal=subject.deal,
        edits=subject.edits,
        report=report,
    )


def _prompt(subject: Subject, tokens: Tokens) -> Cloud:
    """A prompt's tokens at the layers that are wanted."""
    model, how = subject.model, subject.how
    if subject.deal is not None:
        (ids,) = dealt([tokens.ids], subject.deal)
        tokens = model.tokenizer.tokens(ids, prompt_length=len(ids))
    variant = Variant("edited", subject.edits) if subject.edits else BASE
    trace = model.run(tokens, variants=(variant,))
    whole = of_run(model, trace, name="The prompt", tokens=how.tokens, outliers=how.outliers)
    rows = [whole.layers.index(layer) for layer in subject.layers]
    if len(rows) == len(whole.layers):
        return whole
    key = fingerprint(whole.key, subject.layers)
    return replace(whole, layers=subject.layers, values=whole.values[rows], key=key, _made={})


def _views(subject: Subject, report: Report) -> Given:
    return read_views(
        subject.model,
        subject.texts,
        most=subject.how.most,
        layers=subject.layers,
        length=subject.how.length,
        edits=subject.edits,
        deal=subject.deal,
        report=report,
    )


def _skips(subject: Subject, report: Report) -> Given:
    corpus = subject.texts
    if isinstance(corpus, Tokens):
        corpus = Corpus("prompt", "The prompt", (corpus.text,))
    return read_skips(subject.model, corpus, length=subject.how.length, report=report)


_READ: dict[Reads, Callable[[Subject, Report], Given]] = {"cloud": _cloud, "views": _views, "skips": _skips}
_GAUSSIAN: dict[Reads, Callable[[Given], Given]] = {
    "cloud": lambda given: standard_normal(given, SEED),
    "views": lambda given: standard_normal_views(given, SEED),
}
