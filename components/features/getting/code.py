"""The lines of Python that make the same dictionary without the app."""

from dataclasses import MISSING, fields

from analysis import samples
from analysis.data.labelled_sets import labelled_sets
from analysis.dictionaries.training.run import Order
from analysis.dictionaries.without_training.fitting import Plan
from analysis.edits import Site
from components.features.read_texts import ORDINARY, ReadTexts
from components.features.training.choices import TEXTS
from components.frame import Frame
from components.take_away import opening_lines

OWN = "texts = open('texts.txt').read().split('\\n\\n')  # the texts you brought, in a file"


def training_lines(frame: Frame, order: Order) -> str:
    """Code that trains a dictionary, or goes on with the same training."""
    data = next((data for data, name in TEXTS.items() if name[:80] == order.text), "")
    text = {
        "docs": (
            "from analysis.dictionaries.training.own_text import documentation",
            "texts = documentation()",
        ),
        "model": (
            "from analysis.dictionaries.training.own_text import written",
            f"texts = written(model, {order.tokens})",
        ),
    }.get(data) or _brought(order.text)
    length = "" if order.length == samples.WINDOW else f", length={order.length}"
    said = f"{_site(order.site)}, plan, {order.tokens}, {order.name!r}, {order.text!r}{length}"
    return _joined(
        [
            "from analysis import ModelSpec, load",
            "from analysis.dictionaries.training.plan import Plan",
            "from analysis.dictionaries.training.run import Order, train",
            "from analysis.edits import Site",
            *text[:-1],
        ],
        [
            _model_line(frame),
            text[-1],
            f"plan = {told(order.plan)}",
            f"order = Order({said})",
            "trained = train(model, order, texts, lambda message, done=0, total=None: print(message))",
            "print('\\n'.join(trained.quality.lines()), trained.offer.id)",
        ],
    )


def fitting_lines(frame: Frame, plan: Plan, texts: ReadTexts) -> str:
    """Code that fits a dictionary without training."""
    text = _brought(texts.name)
    if texts.name == ORDINARY:
        text = ("from analysis.data import corpus", "texts = corpus.documents()")
    return _joined(
        [
            "from analysis import ModelSpec, load",
            "from analysis.dictionaries.without_training.fitting import Plan, fit_without_training",
            "from analysis.edits import Site",
            *text[:-1],
        ],
        [
            _model_line(frame),
            text[-1],
            f"found = fit_without_training(model, {told(plan)}, texts)",
            "print(found.explained, found.principal, found.random, found.active, found.stable)",
            "print(found.dictionary.directions([0]))",
        ],
    )


def told(plan: object) -> str:
    """A plan as the code that makes it: what is as it would be anyway is left out."""
    said = []
    for field in fields(plan):
        value = getattr(plan, field.name)
        if field.default is MISSING or value != field.default:
            said.append(f"{field.name}={_site(value) if isinstance(value, Site) else repr(value)}")
    return f"Plan({', '.join(said)})"


def _site(site: Site) -> str:
    return f"Site({site.layer}{'' if site.stream == 'residual' else f', {site.stream!r}'})"


def _brought(name: str) -> tuple[str, ...]:
    """The import and the line that read a labelled set, or texts of one's own."""
    for each in labelled_sets():
        if each.name == name:
            return (
                "from analysis.data.labelled_sets import labelled_set",
                f"texts = labelled_set({each.id!r}).texts",
            )
    return (OWN,)


def _model_line(frame: Frame) -> str:
    return opening_lines(frame.tokens, frame.model.revision)[0]


def _joined(imports: list[str], lines: list[str]) -> str:
    return "\n".join([*sorted(imports), "", *lines])
