"""Taking the profile of a model: reading it and its controls, and measuring each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from analysis.corpora import Corpus
from analysis.errors import AnalysisError
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.compared import Compared
from analysis.geometry.measure import Measure, Reads
from analysis.geometry.measures import MEASURES
from analysis.geometry.profile import PROFILE, Profile, assembled
from analysis.geometry.skips import Skips, read_skips
from analysis.geometry.views import Views, read_views, standard_normal_views
from analysis.jobs import Report, silent
from analysis.methods.geometry import Measured, measured, read, shipped_text
from analysis.models.loaded import LoadedModel
from analysis.models.untrained import untrained

DEALS = (0, 1)
"""Seeds of the texts with shuffled tokens."""
VIEWED = 32
"""Texts that are read in noisy copies, at most: that is most of the time a profile takes."""
BESIDE_OUTLIERS = ("linearity",)
"""Measures that are taken a second time with first tokens and outliers among the points."""


@dataclass(frozen=True)
class _Texts:
    """What every subject reads."""

    corpus: Corpus
    most: int
    length: int
    seed: int


@dataclass(frozen=True, eq=False)
class _Subject:
    """What is measured; it is read when a measure first asks for it."""

    name: str
    model: LoadedModel
    texts: _Texts
    deal: int | None = None
    outliers: bool = False
    imitates: "_Subject | None" = None
    """It is a standard normal cloud of the same shape."""
    _given: dict = field(default_factory=dict)

    def can_be(self, measure: Measure) -> bool:
        """What skipping a block costs is measured of a model only; few measures mind outliers; noisy copies of texts
        take long to read, so they are dealt anew once.
        """
        if self.outliers:
            return measure.id in BESIDE_OUTLIERS
        if measure.reads == "views" and self.deal not in (None, DEALS[0]):
            return False
        return measure.reads != "skips" or (self.imitates is None and self.deal is None)

    def given(self, reads: Reads, report: Report) -> Cloud | Views | Skips:
        """What measures of that kind are taken on."""
        if reads not in self._given:
            make = {"cloud": self._cloud, "views": self._views, "skips": self._skips}[reads]
            self._given[reads] = make(report)
        return self._given[reads]

    def _cloud(self, report: Report) -> Cloud:
        if self.imitates is not None:
            return standard_normal(self.imitates.given("cloud", report), self.texts.seed)
        return read(
            self.model,
            self.texts.corpus,
            most=self.texts.most,
            length=self.texts.length,
            outliers=self.outliers,
            deal=self.deal,
            seed=self.texts.seed,
            report=report,
        )

    def _views(self, report: Report) -> Views:
        if self.imitates is not None:
            return standard_normal_views(self.imitates.given("views", report), self.texts.seed)
        return read_views(
            self.model,
            self.texts.corpus,
            most=min(VIEWED, self.texts.most),
            length=self.texts.length,
            deal=self.deal,
            seed=self.texts.seed,
            report=report,
        )

    def _skips(self, report: Report) -> Skips:
        return read_skips(
            self.model, self.texts.corpus, length=self.texts.length, seed=self.texts.seed, report=report
        )


@dataclass
class _Progress:
    """One bar over many pieces of work."""

    report: Report
    steps: int
    done: int = 0
    reached: float = 0.0

    @contextmanager
    def step(self) -> Iterator[Report]:
        """The report of the next piece."""

        def inner(message: str, done: float = 0, total: float | None = None) -> None:
            own = min(1.0, done / total) if total else 0.0
            self.reached = max(self.reached, self.done + own)  # reading comes before measuring in one step
            self.report(message, self.reached, self.steps)

        try:
            yield inner
        finally:
            self.done += 1


def take_profile(
    model: LoadedModel,
    corpus: Corpus | None = None,
    *,
    texts: int = 64,
    length: int = 64,
    seed: int = 0,
    report: Report = silent,
) -> Profile:
    """Read a model, the same texts with their tokens dealt anew, and a model of random weights; measure each.

    Args:
        model: the model.
        corpus: the texts; None takes those that ship.
        texts: at most so many.
        length: tokens of each at most.
        seed: of the draw of texts, of the random weights and of the standard normal cloud.
        report: progress; raises `Cancelled` to stop, and states that were read stay on disk.

    Returns:
        The profile; what a measure or a control could not be taken of is absent, and why is said.

    Raises:
        AnalysisError: the model cannot be read on these texts.
    """
    corpus = shipped_text() if corpus is None else corpus
    measures = _measures()
    base = _Subject("base", model, _Texts(corpus, texts, length, seed))
    progress = _Progress(report, 2 + len(measures) * (4 + len(DEALS)))
    with progress.step() as inner:
        cloud = base.given("cloud", inner)
    missing: dict[str, str] = {}
    with _blank(model, seed, progress, missing) as blank:
        subjects = _subjects(base, blank)
        found = {each.id: _compared(each, subjects, progress, missing) for each in measures}
    return assembled(
        model,
        (corpus.name, corpus.source),
        (len(cloud.texts), len(cloud), cloud.left_out),
        {id: each for id, each in found.items() if each is not None},
        tuple(missing.items()),
        (
            ("tokens of a text at most", str(length)),
            ("seed", str(seed)),
            ("seeds of shuffled tokens", ", ".join(map(str, DEALS))),
            ("texts in noisy copies at most", str(min(VIEWED, texts))),
        ),
    )


def _measures() -> tuple[Measure, ...]:
    known = {each.id: each for each in MEASURES}
    return tuple(known[id] for id in PROFILE)


@contextmanager
def _blank(
    model: LoadedModel, seed: int, progress: _Progress, missing: dict[str, str]
) -> Iterator[LoadedModel | None]:
    """The model of random weights for as long as it is needed; None where there is no room for it."""
    blank = None
    with progress.step() as inner:
        try:
            blank = untrained(model, seed, inner)
        except AnalysisError as error:
            missing["Random-weights model"] = str(error)
    try:
        yield blank
    finally:
        if blank is not None:
            blank.close()


def _subjects(base: _Subject, blank: LoadedModel | None) -> tuple[_Subject, ...]:
    """The model and its controls, the model first."""
    model, texts = base.model, base.texts
    shuffled = [_Subject("shuffled", model, texts, deal=deal) for deal in DEALS]
    untaught = [] if blank is None else [_Subject("untrained", blank, texts)]
    return (
        base,
        _Subject("outliers", model, texts, outliers=True),
        *shuffled,
        *untaught,
        _Subject("gaussian", model, texts, imitates=base),
    )


def _compared(
    measure: Measure, subjects: tuple[_Subject, ...], progress: _Progress, missing: dict[str, str]
) -> Compared | None:
    """One measure of every subject it can be taken of; None where the model itself is not among them."""
    taken: dict[str, list[Measured]] = {subject.name: [] for subject in subjects}
    for subject in subjects:
        with progress.step() as inner:
            if not subject.can_be(measure) or (subject.name != "base" and not taken["base"]):
                continue
            try:
                given = subject.given(measure.reads, inner)
                found = measured(subject.model, given, measure, report=inner)
                taken[subject.name].append(replace(found, per_point=None))  # curves are kept, points are not
            except AnalysisError as error:
                about = (
                    measure.title if subject.name == "base" else f"{measure.title}: {subject.name} control"
                )
                missing[about] = str(error)
    if not taken["base"]:
        return None
    one = {name: next(iter(each), None) for name, each in taken.items()}
    return Compared(
        taken["base"][0],
        tuple(taken["shuffled"]),
        one.get("untrained"),
        one["gaussian"],
        one["outliers"],
    )
