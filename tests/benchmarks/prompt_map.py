"""The map of a text against the run it needs, and its parts."""

from collections.abc import Iterator

from sklearn.manifold import trustworthiness

from analysis.maps.quality import quality
from analysis.maps.scaling import scaled
from analysis.methods.prompt_map import across_layers, prompt_map
from tests.benchmarks.measure import Quantity, ratio, seconds
from tests.benchmarks.models import model, tokens


def mapping() -> Iterator[Quantity]:
    text = tokens(64)

    def run() -> object:
        return model().run(text)

    for basis in ("pooled", "per_layer"):
        value = ratio(lambda basis=basis: prompt_map(model(), text, basis), run, rounds=9)
        target = 1.3 if basis == "pooled" else None
        yield Quantity(f"map of 64 tokens, {basis}", value, "x", target, "the run it needs")
    drawn = prompt_map(model(), text)
    yield Quantity(
        "  quality of all layers at once",
        seconds(lambda: across_layers(drawn)),
        "s",
        None,
        "this machine, now",
    )
    states = scaled(drawn.states, "unit").reshape(-1, drawn.states.shape[-1])
    places = drawn.cloud.coordinates.reshape(len(states), -1)
    value = ratio(lambda: quality(states, places), lambda: trustworthiness(states, places, n_neighbors=15))
    yield Quantity(
        f"  quality of {len(states):,} points", value, "x", None, "scikit-learn's trustworthiness alone"
    )
    yield Quantity("    its time", seconds(lambda: quality(states, places)), "s", None, "this machine, now")
