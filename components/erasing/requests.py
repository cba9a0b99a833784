"""What the erase page asks of the analysis, as shared jobs keyed by the request's fingerprint."""

from collections.abc import Sequence
from dataclasses import replace

from analysis import LoadedModel, Recipe, neutral
from analysis.background import Background, null_recipe
from analysis.captures import spot_of
from analysis.certificates.certificate import Certificate
from analysis.certificates.certify import certify
from analysis.certificates.compare import Comparison, compare
from analysis.data.labelled_sets import labelled_set
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.labelled import LabelledSet
from analysis.methods.erase import Fitted, Plan, erase
from analysis.neutral import Cost
from components.erase_link import EraseView
from components.requests import held
from components.steering.requests import recipe_key


def plan_of(model: LoadedModel, view: EraseView, spot: str) -> Plan:
    """The choices of the page as a plan for this model."""
    middle = model.n_layers // 2
    first, last = (min(layer, model.n_layers) for layer in view.layers or (middle, middle))
    return Plan(view.method, (first, last), view.sequence and last > first, spot, view.rank, view.iterations)


def fitted_key(model: LoadedModel, given: LabelledSet, plan: Plan) -> str:
    """One name for a fit."""
    examples = (given.texts, given.targets, given.groups, given.spans, given.classes, given.numbers)
    return fingerprint("erase", model.fingerprint, examples, plan)


def fitted_of(model: LoadedModel, given: LabelledSet, plan: Plan) -> Job[Fitted]:
    """The erasers of a plan."""

    def work(report: Report) -> Fitted:
        return erase(model, given, plan, report)

    return held(fitted_key(model, given, plan), f"Erasing {given.name}", work)


def cost_of(model: LoadedModel, recipe: Recipe, usual: Background) -> Job[tuple[Cost, Cost, Cost]]:
    """How ordinary text is read unedited, under the recipe, and under a random imitation of it."""

    def work(report: Report) -> tuple[Cost, Cost, Cost]:
        control = null_recipe(recipe, usual, "isotropic", 0)
        base, edited = neutral.costs(
            model, (recipe.edits(usual.norms), control.edits(usual.norms)), report=report
        )
        return base, *edited

    return held(fingerprint("cost", model.fingerprint, recipe_key(recipe)), "Reading ordinary text", work)


def certificate_key(key: str, others: Sequence[str], kind: str) -> str:
    """One name for a certificate; `key` names the fit."""
    return fingerprint("certificate", key, tuple(others), kind)


def certificate_of(
    model: LoadedModel, fitted: Fitted, key: str, usual: Background, others: Sequence[str], kind: str
) -> Job[Certificate]:
    """What an erasure hides and costs; `key` names the certificate, `others` shipped sets that should not be hurt."""

    def work(report: Report) -> Certificate:
        sets = [(given, spot_of(given)) for given in map(labelled_set, others)]
        return certify(model, fitted, usual, sets, kind=kind, report=report)

    return held(key, "Measuring the certificate", work)


def comparison_key(model: LoadedModel, given: LabelledSet, plan: Plan) -> str:
    """One name for a comparison: which eraser is chosen, and the layers below the last, do not count."""
    layer = plan.layers[1]
    alike = replace(plan, method="leace", layers=(layer, layer), sequence=False)
    return fingerprint("compare", fitted_key(model, given, alike))


def comparison_of(model: LoadedModel, given: LabelledSet, plan: Plan) -> Job[Comparison]:
    """All erasers at the plan's last layer."""

    def work(report: Report) -> Comparison:
        return compare(model, given, plan, report=report)

    return held(comparison_key(model, given, plan), "Comparing erasers", work)
