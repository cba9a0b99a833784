"""The map of many texts: coordinates, what it says of itself, and where new points go."""

from pathlib import Path

import numpy as np
import pytest

from analysis.captures import States
from analysis.errors import AnalysisError, Cancelled
from analysis.maps.quality import neighbours_for
from analysis.methods.corpus_map import CorpusMap, corpus_map, place
from analysis.projections.kinds import PROJECTIONS, UmapKnobs

BENT = tuple(id for id, kind in PROJECTIONS.items() if not kind.linear)


@pytest.fixture(scope="session")
def states() -> States:
    """90 examples at layers 0 to 3, three groups that drift; the last two come twice."""
    random = np.random.default_rng(5)
    base = random.normal(size=(90, 11)) + 3 * np.eye(3, 11)[np.arange(90) % 3]
    values = np.stack([base + 0.4 * layer * random.normal(size=base.shape) for layer in range(4)])
    values[:, 88:] = values[:, :2]
    return States((0, 1, 2, 3), values.astype(np.float32), "states of a test")


@pytest.fixture(scope="session")
def drawn(toy, states, maps_client) -> dict[str, CorpusMap]:
    """Every projection of them."""
    return {id: corpus_map(toy, states, id, layers=(1, 3), seed=2, client=maps_client) for id in PROJECTIONS}


@pytest.mark.parametrize("id", PROJECTIONS)
def test_every_projection_draws_all_layers_and_says_what_it_lost(drawn, id, toy):
    found = drawn[id]
    assert found.cloud.coordinates.shape == (2, 90, 2)
    assert found.layers == (1, 3) and len(found.cloud.axes) == 2 and found.cloud.labels[:2] == ("1", "2")
    assert found.displacement.shape == (1,) and 0 < found.displacement[0] < 1.3
    for layer, each in zip((1, 3), found.qualities, strict=True):
        assert (each.layer, each.k, each.n_measured) == (layer, 15, 90)
        assert each.trustworthiness > 0.7 and each.kept > 2 * each.kept_by_chance
        assert (each.explained is None) == (not PROJECTIONS[id].linear)
    told = dict(found.cloud.provenance.lines())
    assert told["model"] == toy.title and told["seed"] == "2" and told["misleads when"]
    assert told["points"] == "90 of 90 examples" and told["scale"].startswith("every state divided")
    assert PROJECTIONS[id].title in found.summary() and "chance 17%" in found.summary()
    assert "points move by" in found.summary()


def test_knobs_and_passes_are_in_the_provenance(drawn):
    told = dict(drawn["umap"].cloud.provenance.settings)
    assert told["neighbours"] == "15" and told["least distance"] == "0.1" and told["passes"] == "500"
    assert told["neighbours found by"] == "all pairs compared"


@pytest.mark.parametrize("id", PROJECTIONS)
def test_a_known_text_goes_to_its_own_point(drawn, states, id):
    found, rows = drawn[id], np.array([0, 17, 89])
    put = place(found, states, states.at(3)[rows], 3)
    if PROJECTIONS[id].linear:
        np.testing.assert_allclose(put, found.at(3)[rows], atol=1e-5)
    else:
        np.testing.assert_array_equal(put, found.at(3)[rows])


@pytest.mark.parametrize("id", PROJECTIONS)
def test_a_new_text_goes_among_its_like(drawn, states, id):
    found, new = drawn[id], states.at(1)[:30:3] + np.float32(0.05)
    put = place(found, states, new, 1)
    own = np.linalg.norm(put - found.at(1)[:30:3], axis=1)
    spread = np.linalg.norm(found.at(1) - found.at(1).mean(0), axis=1).mean()
    assert own.max() < 0.5 * spread


def test_where_nothing_can_be_placed_it_is_said(drawn, states, toy):
    found = drawn["umap"]
    with pytest.raises(AnalysisError, match="layers 1, 3; layer 2 is none"):
        place(found, states, states.at(2), 2)
    with pytest.raises(AnalysisError, match="not the states that the map was drawn from"):
        place(found, States(states.layers, states.values, "others"), states.at(1), 1)
    twin = corpus_map(toy, states, layers=(1,), twin="gaussian")
    with pytest.raises(AnalysisError, match="random twin"):
        place(twin, states, states.at(1), 1)


def test_pca_of_one_layer_is_that_of_scikit_learn(toy, states):
    from sklearn.decomposition import PCA

    rows = np.arange(5, 70)
    found = corpus_map(toy, states, layers=(2,), scale="raw", rows=rows)
    fitted = PCA(2, svd_solver="full").fit(states.at(2)[rows].astype(np.float64))
    signs = np.sign(fitted.components_[np.arange(2), np.abs(fitted.components_).argmax(1)])
    np.testing.assert_allclose(found.at(2), fitted.transform(states.at(2)[rows]) * signs, atol=1e-4)
    assert found.qualities[0].explained == pytest.approx(fitted.explained_variance_ratio_.sum(), abs=1e-5)
    assert found.displacement.shape == (0,)
    assert "points move" not in found.summary()


def test_only_the_chosen_rows_have_a_say(toy, states):
    values = states.values.copy()
    values[:, 40] = 1e4  # an attention sink
    marred = States(states.layers, values, "marred")
    rows = np.delete(np.arange(90), 40)
    with_it = corpus_map(toy, marred, "pooled", scale="raw")
    without = corpus_map(toy, marred, "pooled", scale="raw", rows=rows)
    np.testing.assert_array_equal(without.rows, rows)
    clean = corpus_map(toy, states, "pooled", scale="raw", rows=rows)
    np.testing.assert_array_equal(without.cloud.coordinates, clean.cloud.coordinates)
    assert not np.allclose(with_it.cloud.coordinates[:, rows], clean.cloud.coordinates)


def test_the_states_that_are_drawn_are_scaled_as_asked(toy, states):
    stretched = states.values * np.linspace(1, 3, 90, dtype=np.float32)[:, None]
    other = States(states.layers, stretched, "stretched")
    for scale, same in (("unit", True), ("raw", False)):
        a, b = (corpus_map(toy, each, layers=(1,), scale=scale).at(1) for each in (states, other))
        assert np.allclose(a, b, atol=1e-5) is same


def test_the_random_twin_keeps_the_spread_and_loses_the_groups(toy, states):
    own, twin = (corpus_map(toy, states, layers=(0, 1), scale="raw", twin=kind) for kind in ("", "gaussian"))
    groups = np.arange(90) % 3

    def apart(cloud: np.ndarray) -> float:
        """Variance between groups over all variance, 0 to 1."""
        means = np.stack([cloud[groups == group].mean(0) for group in range(3)])
        return float(means.var(0).sum() / cloud.var(0).sum())

    assert apart(own.at(0)) > 0.6 > 0.2 > apart(twin.at(0))
    assert 0.5 < twin.at(0).var() / own.at(0).var() < 2
    assert "random twin" in twin.summary() and ("random twin" in dict(twin.cloud.provenance.settings))
    again = corpus_map(toy, states, layers=(0, 1), scale="raw", twin="gaussian")
    np.testing.assert_array_equal(again.cloud.coordinates, twin.cloud.coordinates)


def test_the_twin_is_drawn_by_every_kind_of_projection(toy, states, maps_client):
    found = corpus_map(toy, states, "pacmap", layers=(1,), twin="gaussian", client=maps_client)
    assert found.cloud.coordinates.shape == (1, 90, 2)


def test_few_points_are_drawn_where_they_can_be(toy, states):
    found = corpus_map(toy, states, "pooled", layers=(0, 1), rows=np.array([3, 7]))
    assert found.qualities == (None, None) and "too few to say" in found.summary()
    found = corpus_map(toy, states, "pca", layers=(0,), rows=np.arange(5))
    assert found.qualities[0].k == neighbours_for(5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"projection": "mds"}, "no projection"),
        ({"params": UmapKnobs()}, "nothing to set; given UmapKnobs"),
        ({"scale": "cosine"}, "no scale"),
        ({"twin": "shuffled"}, "'shuffled' is no twin; there are gaussian"),
        ({"layers": (3, 1)}, "ascending order"),
        ({"layers": ()}, "one or more"),
        ({"layers": (7,)}, "Layer 7 was not read"),
        ({"rows": np.arange(0)}, "No point is left"),
        ({"rows": np.array([90])}, "there are 90 examples"),
        ({"rows": np.array([1])}, "1 points were given"),
        ({"projection": "umap", "rows": np.array([0, 1, 88, 89])}, "only 2 of them differ at layer 0"),
        ({"projection": "aligned", "layers": (0,), "rows": np.zeros(2001, int)}, "2,001 points take about"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(toy, states, settings, sentence):
    with pytest.raises(AnalysisError, match=sentence):
        corpus_map(toy, states, **settings)


def test_a_map_can_be_cancelled(toy, states):
    def stop(message: str, done: float = 0, total: float | None = None) -> None:
        raise Cancelled(message)

    with pytest.raises(Cancelled):
        corpus_map(toy, states, report=stop)


def test_states_may_be_mapped_from_disk(toy, states, tmp_path: Path):
    np.save(tmp_path / "values.npy", states.values)
    mapped = States(states.layers, np.load(tmp_path / "values.npy", mmap_mode="r"), states.key)
    one, other = (corpus_map(toy, each, "pooled") for each in (states, mapped))
    np.testing.assert_array_equal(one.cloud.coordinates, other.cloud.coordinates)
    assert not isinstance(other.cloud.coordinates, np.memmap)
    np.testing.assert_allclose(
        one.at(2), one.basis.project(states.at(2), 2)
    )  # the basis scales and projects what was read


def test_layers_at_which_all_points_are_one_are_left_out_of_bent_pictures(toy, states, maps_client):
    """Every occurrence of one word has the same embedding."""
    values = np.array(states.values)
    values[0] = values[0, 0]
    same = States(states.layers, values, "same at layer 0")
    found = corpus_map(toy, same, "pacmap", layers=(0, 1, 2), client=maps_client)
    assert found.layers == (1, 2) and found.cloud.coordinates.shape[0] == 2
    assert corpus_map(toy, same, "pca", layers=(0, 1, 2)).layers == (0, 1, 2)
    with pytest.raises(AnalysisError, match="only 1 of them differ at layer 0"):
        corpus_map(toy, same, "pacmap", layers=(0,), client=maps_client)
