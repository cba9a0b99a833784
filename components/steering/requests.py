"""What the steering page asks of the analysis, as shared jobs keyed by the request's fingerprint."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from analysis import (
    AnalysisError,
    Direction,
    Dose,
    Erasure,
    Lens,
    LoadedModel,
    Reading,
    Recipe,
    Tokens,
    background,
    library,
    read,
)
from analysis.background import Background
from analysis.data.presets import Concept, concept, concepts
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.methods import contrast, effect, unembedding
from analysis.methods.effect import Effect
from analysis.next_token import word_ids
from analysis.sides import Sides
from components import session
from components.recipe_link import DoseView
from components.requests import held, trace_of


def background_of(model: LoadedModel) -> Job[Background]:
    """The model's usual norms and states."""
    key = fingerprint("background", model.fingerprint)
    return held(key, "Measuring usual norms", lambda report: background.background(model, report))


def direction_of(model: LoadedModel, reference: str) -> Job[Direction]:
    """The direction a recipe's row names: built, read off the model, or taken from the library."""
    key = fingerprint("direction", model.fingerprint, reference)
    return held(key, "Building the direction", lambda report: _direction(model, reference, report))


def erasure_of(reference: str) -> Job[Erasure]:
    """The erasure a recipe's row names, taken from the library."""
    key = fingerprint("erasure", reference)
    return held(key, "Opening the erasure", lambda report: _erased(*reference.split(".")[1:]))


def built(model: LoadedModel, *request: object, work: Callable[[Report], Direction]) -> Job[Direction]:
    """A direction made in the page, known by everything that decides it."""
    key = fingerprint("built", model.fingerprint, *request)
    return held(key, "Building the direction", work)


def _direction(model: LoadedModel, reference: str, report: Report) -> Direction:
    kind, _, rest = reference.partition(".")
    if kind == "preset":
        return preset(model, rest, report)
    if kind == "kept":
        return _kept(*rest.split("."))
    if kind == "random":
        return background.random_direction(model, int(rest))
    token, against, product = rest.split(".")
    return unembedding.towards_token(
        model, int(token), None if against == "-" else int(against), product=product, report=report
    )


def _kept(key: str, number: str | None = None) -> Direction:
    """A direction of the library, or the numbered one of a recipe there."""
    if number is None:
        return library.load_direction(key)
    doses = library.load_recipe(key).doses
    if int(number) >= len(doses):
        raise AnalysisError(f"The recipe has {len(doses)} directions, and the link asks for number {number}.")
    return doses[int(number)].direction


def _erased(key: str, number: str | None = None) -> Erasure:
    """An erasure of the library, or the numbered one of a recipe there."""
    if number is None:
        return library.load_erasure(key)
    erasures = library.load_recipe(key).erasures
    if int(number) >= len(erasures):
        raise AnalysisError(
            f"The recipe has {len(erasures)} erasures, and the link asks for number {number}."
        )
    return erasures[int(number)]


def preset(model: LoadedModel, name: str, report: Report) -> Direction:
    """A built-in concept as a direction: the difference of means at the last token."""
    chosen = concept(name)
    if chosen.chat and not model.tokenizer.has_template:
        raise AnalysisError(
            f"The concept {chosen.name} is about a conversation, and {model.title} defines no chat template."
        )
    positive, negative = zip(*chosen.pairs, strict=True)
    sides = Sides(positive, negative, chat=chosen.chat)
    return contrast.contrast(model, sides, name=chosen.name, report=report)


def words_of(model: LoadedModel) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Tokens for and against the concept the recipe begins with; None where it is no built-in one."""
    chosen = preset_at_hand()
    if chosen is None:
        return None
    plus, minus = (word_ids(model, side, chat=session.view().chat) for side in chosen.words)
    return (plus, minus) if plus and minus else None


def preset_at_hand() -> Concept | None:
    """The built-in concept the recipe's first direction is, if it is one."""
    doses = [row for row in session.view().recipe if not row.erases]
    kind, _, name = doses[0].reference.partition(".") if doses else ("", "", "")
    return next((each for each in concepts() if kind == "preset" and each.id == name), None)


def dose_of(model: LoadedModel, view: DoseView, direction: Direction) -> Dose:
    """A row of the editor as a dose of this model.

    Raises:
        AnalysisError: the direction is another model's, or the settings make no sense.
    """
    direction.require_fit(model)
    layers = view.layers or (direction.layer, direction.layer)
    return Dose(direction, view.strength, layers, view.operation, view.positions, view.stream)


def erasure_here(model: LoadedModel, view: DoseView, erasure: Erasure) -> Erasure:
    """A row of the editor as an erasure in this model, at the row's tokens.

    Raises:
        AnalysisError: the erasure is another model's.
    """
    erasure.require_fit(model)
    return dataclasses.replace(erasure, positions=view.positions)


def recipe_key(recipe: Recipe) -> str:
    """One name for what a recipe does; names and provenance of its directions and erasures do not count."""
    return fingerprint(
        *(
            (
                dose.operation,
                dose.strength,
                dose.layers,
                dose.positions,
                dose.stream,
                dose.direction.values,
                dose.direction.layers,
            )
            for dose in recipe.doses
        ),
        *(
            (
                "erase",
                erasure.layers,
                erasure.positions,
                [(each.mean, each.left, each.right) for each in erasure.erasers],
            )
            for erasure in recipe.erasures
        ),
    )


@dataclass(frozen=True)
class Controls:
    """How the random controls are drawn."""

    nulls: int = 8
    kind: str = "isotropic"
    seed: int = 0


def effect_key(model: LoadedModel, tokens: Tokens, recipe: Recipe, controls: Controls) -> str:
    """One name for a recipe's effect on a text."""
    text = (tokens.ids, tokens.prompt_length)
    return fingerprint("effect", model.fingerprint, text, recipe_key(recipe), controls)


def effect_of(
    model: LoadedModel, tokens: Tokens, recipe: Recipe, usual: Background, controls: Controls
) -> Job[Effect]:
    """What the recipe changes in this text, beside random controls."""

    def work(report: Report) -> Effect:
        base = trace_of(model, tokens)
        return effect.measure(
            model, tokens, recipe, usual, base=base, **dataclasses.asdict(controls), report=report
        )

    return held(effect_key(model, tokens, recipe, controls), "Measuring the effect", work)


def edited_reading_of(
    model: LoadedModel, effect: Effect, key: str, lens: Lens, base: Reading
) -> Job[Reading]:
    """The edited run read through a lens, following the tokens that the base's reading follows.

    Args:
        model: the model.
        effect: whose edited row is read.
        key: names the effect.
        lens: how.
        base: the reading of the unedited run through the same lens.
    """

    def work(report: Report) -> Reading:
        return read(model, effect.edited, lens, target=base.targets, report=report)

    return held(fingerprint("edited reading", key, lens.id, base.targets), "Reading the edited layers", work)
