"""Whether a dictionary was made for a model: by the model's name, the layer and the width of its states."""

from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.models.loaded import LoadedModel

ALIASES = {"gpt2-small": "gpt2"}
"""Names that other tools give a model, and what the hub calls it."""


def same_model(named: str, title: str) -> bool:
    """True if two names mean one model: the owner and the case do not count, and an empty name fits any.

    Args:
        named: as a dictionary's card has it, `HuggingFaceTB/SmolLM2-135M-Instruct`.
        title: as a loaded model has it, `SmolLM2-135M-Instruct`.
    """
    return not named or not title or _last(named) == _last(title)


def width_at(model: LoadedModel, site: Site) -> int:
    """Numbers of a state at a site of the model."""
    return model.n_neurons if site.stream == "neurons" else model.d_model


def has_site(model: LoadedModel, site: Site) -> bool:
    """True if the model has such a place."""
    lowest = 0 if site.stream == "residual" else 1
    readable = site.stream != "neurons" or bool(model.neuron_sites())
    return readable and lowest <= site.layer <= model.n_layers


def fits(model: LoadedModel, named: str, site: Site, width: int) -> bool:
    """True if a dictionary with this model's name, site and width can be used with the model."""
    return same_model(named, model.title) and has_site(model, site) and width_at(model, site) == width


def require_fits(model: LoadedModel, named: str, site: Site, width: int) -> None:
    """Refuse a model that a dictionary was not made for.

    Args:
        model: that is loaded.
        named: the model that the dictionary was made for; empty where nobody says.
        site: where it reads.
        width: numbers of a state that it reads.

    Raises:
        AnalysisError: another model, a place that does not exist, or states of another width.
    """
    if not same_model(named, model.title):
        raise AnalysisError(
            f"This dictionary was made for {named}, and the loaded model is {model.title}. Load {named}, or choose a "
            "dictionary of this model."
        )
    if not has_site(model, site) or width_at(model, site) != width:
        raise AnalysisError(
            f"This dictionary reads {width:,} numbers at {site}; {model.title} has {model.n_layers} layers with "
            f"{width_at(model, site):,} numbers there. Choose a dictionary of this model."
        )


def _last(name: str) -> str:
    last = name.rstrip("/").rpartition("/")[2].lower()
    return ALIASES.get(last, last)
