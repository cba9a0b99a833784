"""The lines of Python that measure what is shown, without the app."""

import re
from collections.abc import Iterator, Sequence

from analysis.data.labelled_sets import labelled_sets
from analysis.geometry.measure import Reads
from analysis.knobs import knobs
from analysis.methods.geometry import Measured
from components import session
from components.figures.geometry_svg import Shown
from components.frame import Frame
from components.geometry_link import PROMPT, SHIPPED, GeometryView
from components.steering.take_away import recipe_lines
from components.take_away import opening_lines

READS: tuple[Reads, ...] = ("cloud", "views", "skips")


def snippet(frame: Frame, shown: Sequence[Shown], view: GeometryView) -> str:
    """The code.

    Args:
        frame: model and prompt.
        shown: name, kind and measure of every curve.
        view: which texts are read, and how.
    """
    reads = [each for each in READS if any(one.measure.reads == each for _, _, one in shown)]
    needed = {(kind, _role(name, kind)) for name, kind, _ in shown}
    lines = [*_imports(reads, needed, view), "", *_opening(frame, view, needed), ""]
    lines += _reading(reads, view)
    for each in reads:
        own = dict.fromkeys((name, kind) for name, kind, one in shown if one.measure.reads == each)
        lines += [f"{each}_of = {{}}", *(_subject(each, *subject, tuple(own), view) for subject in own)]
    return "\n".join([*lines, "", *_measuring(reads, shown)])


def profile_snippet(revision: str) -> str:
    """The code of a model's profile."""
    return "\n".join(
        [
            "from analysis import ModelSpec, load",
            "from analysis.geometry.profile import to_json",
            "from analysis.geometry.profiling import take_profile",
            "",
            _model_line(revision),
            "profile = take_profile(model, report=lambda message, done=0, total=None: print(message))",
            "for finding in profile.findings:",
            "    print(finding.verdict, finding.title, finding.sentence)",
            "print(to_json(profile)[:1000])",
        ]
    )


def _model_line(revision: str) -> str:
    spec = session.view().spec
    said = [repr(spec.source)]
    said += [f"revision={spec.revision!r}"] if spec.revision else []
    said += [f"dtype={spec.dtype!r}"] if spec.dtype != "auto" else []
    return f"model = load(ModelSpec({', '.join(said)}))  # revision {revision}"


def _role(name: str, kind: str) -> str:
    """What a subject is, from its name as the page gives it: base, edited, asked, gaussian, random, or shuffled."""
    if kind != "null":
        return kind
    known = {"shuffled": "shuffled", "random": "random", "gaussian": "gaussian"}
    return next((role for begin, role in known.items() if name.lower().startswith(begin)), "gaussian")


def _imports(reads: Sequence[Reads], needed: set[tuple[str, str]], view: GeometryView) -> Iterator[str]:
    roles = {role for _, role in needed}
    edited = "edited" in roles
    names = ["ModelSpec", "load", *["Dose", "Recipe", "Sides", "background"] * edited]
    names += ["BASE", "Variant"] * (PROMPT in (view.data, view.against))
    if view.stride > 1 and PROMPT in (view.data, view.against):
        yield "from dataclasses import replace"
    yield f"from analysis import {', '.join(sorted(names, key=str.lower))}, corpora"
    if edited:
        yield "from analysis.data.presets import concept"
        yield "from analysis.methods import contrast, unembedding"
    yield "from analysis.data.labelled_sets import labelled_set"
    yield "from analysis.geometry.cloud import standard_normal"
    yield "from analysis.geometry.measures import measure"
    if "skips" in reads:
        yield "from analysis.geometry.skips import read_skips"
    if "views" in reads:
        yield "from analysis.geometry.views import read_views, standard_normal_views"
    yield "from analysis.maps.twins import dealt"
    yield "from analysis.methods.geometry import measured, of_run, read, shipped_text"
    if "random" in roles:
        yield "from analysis.models.untrained import untrained"


def _opening(frame: Frame, view: GeometryView, needed: set[tuple[str, str]]) -> Iterator[str]:
    roles = {role for _, role in needed}
    model, *tokens = opening_lines(frame.tokens, frame.model.revision)
    yield model
    if PROMPT in (view.data, view.against):
        yield from tokens
    if view.data != PROMPT:
        yield f"corpus = {_corpus(view.data)}"
    if "random" in roles:
        yield "blank = untrained(model, 0)"
    if "asked" in roles and view.against == "texts":
        yield f"other_corpus = {_corpus(view.other)}"
    if "asked" in roles and view.against == "model":
        yield f"other = load(ModelSpec({view.other!r}))"
    if "edited" in roles:
        yield "usual = background.background(model)"
        yield from recipe_lines(session.view().recipe)
        yield "edits = recipe.edits(usual.norms)"


def _corpus(data: str) -> str:
    if data == SHIPPED:
        return "shipped_text()"
    if data in {each.id for each in labelled_sets()}:
        return f"corpora.of_labelled(labelled_set({data!r}))"
    return (
        "corpora.read_file(open('texts.csv', 'rb').read(), 'texts.csv')  # the texts you brought, as a file"
    )


def _reading(reads: Sequence[Reads], view: GeometryView) -> Iterator[str]:
    """Functions that read what measures are taken on."""
    if view.stride > 1:
        yield "def layers_of(model):"
        yield f"    return tuple(sorted({{*range(0, model.n_layers + 1, {view.stride}), model.n_layers}}))"
        yield ""
    layers = "layers_of(model)" if view.stride > 1 else "None"
    if "cloud" in reads:
        yield from _reading_clouds(view, layers)
    if "views" in reads:
        yield "def views(model, corpus, **settings):"
        settings = f"layers={layers}, length={view.length}, most={view.most}, **settings"
        yield f"    return read_views(model, corpus, {settings})"
        yield ""
    if "skips" in reads:
        yield "def skips(model, corpus):"
        yield f"    return read_skips(model, corpus, length={view.length})"
        yield ""


def _reading_clouds(view: GeometryView, layers: str) -> Iterator[str]:
    counted = f"tokens={view.tokens!r}, outliers={view.outliers}"
    if view.data != PROMPT or view.against == "texts":
        yield "def cloud(model, corpus, **settings):"
        yield (
            f"    return read(model, corpus, layers={layers}, length={view.length}, most={view.most}, {counted}, "
            "**settings)"
        )
        yield ""
    if PROMPT in (view.data, view.against):
        yield "def prompt(model, tokens, deal=None, edits=()):"
        yield "    if deal is not None:"
        yield "        (ids,) = dealt([tokens.ids], deal)"
        yield "        tokens = model.tokenizer.tokens(ids, prompt_length=len(ids))"
        yield "    trace = model.run(tokens, variants=(Variant('edited', edits) if edits else BASE,))"
        yield f"    whole = of_run(model, trace, {counted})"
        if view.stride > 1:
            yield f"    layers = {layers}"
            yield "    return replace(whole, layers=layers, values=whole.values[list(layers)], _made={})"
        else:
            yield "    return whole"
        yield ""


def _subject(reads: Reads, name: str, kind: str, own: Sequence[tuple[str, str]], view: GeometryView) -> str:
    """A line that reads one subject."""
    role = _role(name, kind)
    model = {"random": "blank", "asked": "other" if view.against == "model" else "model"}.get(role, "model")
    if role == "gaussian":
        base = next(each for each, of in own if of == "base")
        make = "standard_normal" if reads == "cloud" else "standard_normal_views"
        return f"{reads}_of[{name!r}] = model, {make}({reads}_of[{base!r}][1], 0)"
    settings = {"shuffled": f", deal={_draw(name) - 1}", "edited": ", edits=edits"}.get(role, "")
    return f"{reads}_of[{name!r}] = {model}, {_made(reads, role, model, view)}{settings})"


def _made(reads: Reads, role: str, model: str, view: GeometryView) -> str:
    """The call that reads it, still open."""
    prompt = view.against == PROMPT if role == "asked" and view.against != "model" else view.data == PROMPT
    if prompt and reads == "cloud":
        return f"prompt({model}, {'tokens' if model != 'other' else 'other.tokenize(tokens.text)'}"
    if prompt:
        return f"{reads}({model}, corpora.Corpus('prompt', 'The prompt', (tokens.text,))"
    corpus = "other_corpus" if role == "asked" and view.against == "texts" else "corpus"
    return f"{reads}({model}, {corpus}"


def _draw(name: str) -> int:
    """Which draw of shuffled tokens it is, counted from 1."""
    found = re.search(r"\d+$", name)
    return int(found[0]) if found else 1


def _measuring(reads: Sequence[Reads], shown: Sequence[Shown]) -> Iterator[str]:
    yield f"given = {{{', '.join(f'{each!r}: {each}_of' for each in reads)}}}"
    yield "turned = {"
    for measured in {one.measure.id: one for _, _, one in shown}.values():
        yield f"    {measured.measure.id!r}: {_turned(measured)},"
    yield "}"
    yield "for id, own in turned.items():"
    yield "    about = measure(id)"
    yield "    for name, (reader, points) in given[about.reads].items():"
    yield "        found = measured(reader, points, about, about.params(**own))"
    yield "        print(id, name, found.layers, found.values)"


def _turned(measured: Measured) -> dict[str, object]:
    """The knobs that differ from their defaults."""
    values = {each.name: getattr(measured.params, each.name) for each in knobs(measured.params)}
    return {
        each.name: values[each.name] for each in knobs(measured.params) if values[each.name] != each.default
    }
