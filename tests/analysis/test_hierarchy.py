"""Concepts as vectors: by hand, under the maps that must not matter, planted and found, shuffled and not found."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from analysis import causal
from analysis.causal import Whitening, concept_vector, distinct, from_moments, rows_of, whitening
from analysis.errors import AnalysisError, Cancelled
from analysis.hierarchy.plane import plane
from analysis.hierarchy.sets import FEWEST, find_sets
from analysis.hierarchy.words import Category, Hierarchy, shipped_hierarchy
from analysis.methods.hierarchy import concept_geometry

WIDTH = 96
KINDS = {"animal": ("mammal", "bird", "fish"), "plant": ("tree", "flower", "herb")}
OF_KIND = 24
OTHERS = 700


def cosine(a, b) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def rotation(rng, width: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(width, width)))[0]


# the estimator by hand


def test_the_vector_of_four_tokens_by_hand():
    """Spread 2 and 1/2 about (31, 29); 17/18 of it shrunk to 5/4, which leaves 23.25/18 and 21.75/18."""
    words = np.array([[33.0, 29], [29, 29], [31, 30], [31, 28]])
    assert causal._shrinkage((words - words.mean(0)) @ (words - words.mean(0)).T, 2) == (
        pytest.approx(17 / 18),
        pytest.approx(5 / 4),
    )
    assert np.allclose(
        concept_vector(words), [30, 30]
    )  # S^-1 m points along (1, 1), and m reaches 60/sqrt(2)


def test_where_nothing_is_shrunk_the_pseudo_inverse_decides():
    assert np.allclose(concept_vector(np.array([[3.0, 1], [1, 1]])), [2, 0])


@pytest.mark.parametrize("count", [9, 30, 31, 200])
def test_it_is_the_papers_estimator(rng, count):
    words = rng(count).normal(size=(count, 30)) * np.linspace(0.5, 2, 30) + rng(1).normal(size=30)
    mean, (covariance, share) = words.mean(0), ledoit_wolf(words)
    direction = np.linalg.pinv(covariance, hermitian=True) @ mean
    direction /= np.linalg.norm(direction)
    centred = words - mean
    assert causal._shrinkage(centred @ centred.T, 30)[0] == pytest.approx(share)
    assert np.allclose(concept_vector(words), (direction @ mean) * direction, rtol=1e-9)


def test_its_length_is_the_means_reach_along_it(rng):
    words = rng(2).normal(size=(40, 12)) + 2
    vector = concept_vector(words)
    assert np.linalg.norm(vector) == pytest.approx(vector @ words.mean(0) / np.linalg.norm(vector))


def test_it_scales_turns_and_forgets_the_order(rng):
    words, turn = rng(3).normal(size=(25, 40)) + 1, rotation(rng(4), 40)
    vector = concept_vector(words)
    assert np.allclose(concept_vector(7 * words), 7 * vector)
    assert np.allclose(concept_vector(words @ turn), vector @ turn)
    assert np.allclose(concept_vector(rng(5).permutation(words)), vector)


def test_sets_without_a_vector_are_refused():
    with pytest.raises(AnalysisError, match="needs at least 2 tokens; given 1. Add words"):
        concept_vector(np.ones((1, 4)))
    with pytest.raises(AnalysisError, match="share nothing"):
        concept_vector(np.array([[1.0, 2], [-1, -2]]))


# the causal inner product


def whitened(rows: np.ndarray) -> np.ndarray:
    return from_moments(rows.mean(0), np.cov(rows, rowvar=False, bias=True), len(rows))(rows)


def test_whitened_rows_have_unit_covariance(rng):
    found = whitened(rng(6).normal(size=(90, 7)) @ rng(7).normal(size=(7, 7)) + 5)
    assert np.allclose(found.mean(0), 0, atol=1e-12)
    assert np.allclose(np.cov(found, rowvar=False, bias=True), np.eye(7), atol=1e-10)


def test_states_mapped_the_other_way_keep_every_difference_of_logits(rng):
    rows, state = rng(8).normal(size=(50, 5)) @ rng(9).normal(size=(5, 5)), rng(10).normal(size=5)
    product = from_moments(rows.mean(0), np.cov(rows, rowvar=False, bias=True), 50)
    mapped = np.linalg.inv(product.root) @ state
    logits, again = rows @ state, product(rows) @ mapped
    assert np.allclose(again - again[0], logits - logits[0], atol=1e-10)


def test_angles_between_concepts_do_not_depend_on_the_basis(rng):
    rows, mixing = rng(11).normal(size=(400, 20)), rng(12).normal(size=(20, 20))
    rows[:30] += 2 * rng(13).normal(size=20)
    rows[30:60] += 2 * rng(14).normal(size=20)

    def angle(table):
        return cosine(concept_vector(table[:30]), concept_vector(table[30:60]))

    mixed = rows @ mixing + 3
    assert angle(whitened(mixed)) == pytest.approx(angle(whitened(rows)), abs=1e-9)
    assert angle(mixed) != pytest.approx(angle(rows), abs=0.05)


def test_equal_rows_count_once_and_numbers_no_row_uses_stay_finite(rng):
    rows = rng(15).normal(size=(40, 4))
    rows[:, 2] = 0
    assert distinct(np.concatenate([rows, rows[3:5]])).tolist() == list(range(40))
    assert np.isfinite(whitened(rows)).all()


# a model with a planted hierarchy


def letters(number: int) -> str:
    digits = (number // 26**place % 26 for place in range(4))
    return "".join("abcdefghijklmnopqrstuvwxyz"[digit] for digit in digits)


def plant(rng, *, strength: float = 5.0) -> np.ndarray:
    """Rows of the kinds' words, then of others; a parent and a kind each add a direction of their own."""
    axes = rotation(rng, WIDTH) * strength
    rows = rng.normal(size=(6 * OF_KIND + OTHERS, WIDTH))
    for parent, kind in itertools.product(range(2), range(3)):
        at = (3 * parent + kind) * OF_KIND
        rows[at : at + OF_KIND] += axes[parent] + axes[2 + 3 * parent + kind]
    return rows


@pytest.fixture(scope="module")
def made(network_of, wrapped):
    """`made(rows)`: a model with these rows as its unembedding, one token a word, and an unknown one."""

    def build(rows: np.ndarray):
        vocabulary = {f" {letters(i)}": i for i in range(len(rows))} | {"?": len(rows)}
        backend = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
        network = network_of(
            "llama", hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=4, vocab_size=len(rows) + 1, tie_word_embeddings=False,
        )  # fmt: skip
        with torch.no_grad():
            network.lm_head.weight[:-1] = torch.from_numpy(rows).float()
        return wrapped(network, PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?"), "planted")

    return build


@pytest.fixture(scope="module")
def model(made):
    made_here = made(plant(np.random.default_rng(20)))
    yield made_here
    made_here.close()


def words_of(kind: int) -> tuple[str, ...]:
    """Twelve words of two forms each."""
    forms = [letters(i) for i in range(kind * OF_KIND, (kind + 1) * OF_KIND)]
    return tuple(f"{one} {other}" for one, other in zip(forms[::2], forms[1::2], strict=True))


def hierarchy(*parents: str) -> Hierarchy:
    numbers = {name: i for i, name in enumerate(itertools.chain(*KINDS.values()))}
    made = (
        Category(parent, children=tuple(Category(kind, words_of(numbers[kind])) for kind in kinds))
        for parent, kinds in KINDS.items()
        if parent in (parents or KINDS)
    )
    return Hierarchy("thing", tuple(made))


@pytest.fixture(scope="module")
def found(model):
    return concept_geometry(model, hierarchy())


def test_a_planted_hierarchy_is_found(found):
    assert [each.name for each in found.sets.concepts] == [
        "thing", "animal", "mammal", "bird", "fish", "plant", "tree", "flower", "herb",
    ]  # fmt: skip
    assert found.sets.edges == ((1, 0), (2, 1), (3, 1), (4, 1), (5, 0), (6, 5), (7, 5), (8, 5))
    assert np.abs(found.right_angle.values).max() < 0.15
    assert found.right_angle.outside.all()
    assert found.right_angle.nulls.max() < -0.3
    assert found.told.values.min() > 0.95
    assert found.told.outside.all()
    assert found.carried.values.min() > 0.6
    assert (found.carried.values > found.carried.band[1]).all()
    assert np.nanmax(np.abs(found.levels.values)) < 0.2
    own, siblings, strangers = found.projected[1:4].T
    assert own.min() > 0.7 > siblings.max() > siblings.min() > abs(strangers).max()
    assert "In 8 of 8 concepts" in found.summary()
    assert "What is not free: with no word in common" in found.summary()


def test_what_shuffling_keeps_is_said_to_be_free(found):
    assert np.abs(found.shuffled).max() < found.near
    assert "shuffled over the words it holds in 100%" in found.summary()
    assert 0.4 < found.told.nulls.mean() < 0.6
    assert found.shuffled_cosines[2, 6] > 0.3 > abs(found.cosines[2, 6])  # a mammal is no tree


def test_words_that_mean_nothing_are_not_found(made):
    random = made(np.random.default_rng(21).normal(size=(6 * OF_KIND + OTHERS, WIDTH)))
    found = concept_geometry(random, hierarchy())
    assert np.abs(found.right_angle.values).max() < found.near  # free: nested sets
    assert 0.35 < found.told.values.mean() < 0.65
    assert abs(found.carried.values.mean()) < 0.2
    assert "**What is not free is not there**" in found.summary()
    random.close()


def test_siblings_of_equal_standing_form_a_regular_simplex(found):
    top, animals, plants = found.simplices
    assert (top.parent, animals.children, plants.children) == (0, (2, 3, 4), (6, 7, 8))
    for each in (animals, plants):
        assert each.dimension == pytest.approx(2, abs=0.1)
        assert each.uneven < 0.15
        assert each.angles[~np.eye(3, dtype=bool)] == pytest.approx(-0.5, abs=0.2)
        assert np.allclose(np.diag(each.angles), 1)
    assert top.dimension == pytest.approx(1)
    assert len(top.shuffled_uneven) == 10


def test_nothing_depends_on_the_basis_of_the_unembedding(made, found):
    rows = plant(np.random.default_rng(20))
    mixed = made(rows @ np.random.default_rng(22).normal(size=(WIDTH, WIDTH)) + 0.5)
    again = concept_geometry(mixed, hierarchy())
    # the unknown token's row is another one, so the covariance is a little
    assert np.allclose(again.right_angle.values, found.right_angle.values, atol=0.02)
    assert np.allclose(again.cosines, found.cosines, atol=0.02)
    mixed.close()


def test_the_same_request_gives_the_same_numbers(model, found):
    again = concept_geometry(model, hierarchy(), product=whitening(model))
    assert np.array_equal(again.told.nulls, found.told.nulls)
    assert np.array_equal(again.vectors, found.vectors)
    other = concept_geometry(model, hierarchy(), seed=1)
    assert np.array_equal(other.vectors, found.vectors)
    assert not np.array_equal(other.told.nulls, found.told.nulls)


def test_the_order_of_words_moves_no_vector(model, found):
    given = hierarchy()
    turned = tuple(
        Category(parent.name, children=tuple(Category(kind.name, kind.words[::-1]) for kind in parent.children))
        for parent in given.parents
    )  # fmt: skip
    again = concept_geometry(model, Hierarchy("thing", turned), draws=1)
    assert np.allclose(again.vectors, found.vectors, atol=1e-4)


def test_a_single_parent_is_everything(model):
    found = concept_geometry(model, hierarchy("plant"), draws=2)
    assert [each.name for each in found.sets.concepts] == ["plant", "tree", "flower", "herb"]
    assert np.isnan(found.levels.values).all()
    assert len(found.simplices) == 1
    assert "3 of 3" in found.summary()


def test_where_it_comes_from_is_written_down(found):
    settings = dict(found.provenance.settings)
    assert settings["words"] == "72 of one token, 0 without"
    assert (settings["left out"], settings["draws"], settings["seed"]) == ("nothing", "10", "0")
    assert "2406.01506" in found.provenance.source
    assert found.labels[0] == f"·{letters(0)}"


def test_work_stops_when_it_is_cancelled(model):
    def stop(message, done=0, total=None):
        if message.startswith("Shuffling") and done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        concept_geometry(model, hierarchy(), report=stop)


# which words count


def test_words_without_a_token_are_counted_and_left_out(model):
    parents = (
        Category(
            "animal",
            children=(
                Category("mammal", (*words_of(0), "aardvark aardvarks", f"okapi {letters(OF_KIND * 6)}")),
                Category("bird", words_of(1)),
                Category("fish", words_of(2)[: FEWEST - 1]),
            ),
        ),
        Category("plant", children=(Category("tree", words_of(3)), Category("herb", ("basil",)))),
    )
    found = find_sets(model, Hierarchy("thing", parents))
    assert [each.name for each in found.concepts] == ["animal", "mammal", "bird"]
    mammal = found.concepts[1]
    assert (mammal.words, mammal.tokens, mammal.missing) == (13, 25, 1)
    assert found.left_out == (f"fish ({FEWEST - 1})", "herb (0)", "plant (1 kinds)")
    assert len(found.ids) == len(set(found.ids)) == found.concepts[0].tokens == 49


def test_a_token_of_two_kinds_counts_for_neither_and_a_repeated_one_once(model):
    kinds = (
        Category("mammal", (*words_of(0), words_of(0)[0])),
        Category("bird", (*words_of(1), words_of(0)[1].split()[0])),
    )
    found = find_sets(model, Hierarchy("thing", (Category("animal", children=kinds),)))
    mammal, bird = found.concepts[1:]
    assert (mammal.words, mammal.tokens, mammal.missing) == (12, 23, 1)
    assert (bird.words, bird.tokens, bird.missing) == (12, 24, 1)


def test_a_model_without_the_words_is_told_so(toy):
    with pytest.raises(AnalysisError, match="8 words that are one token of .*mammal \\(0\\).*Choose other"):
        concept_geometry(toy, hierarchy())


def test_a_vocabulary_without_other_words_has_no_controls(made):
    small = made(plant(np.random.default_rng(23))[: 6 * OF_KIND + 30])
    with pytest.raises(
        AnalysisError, match="Controls need 144 words outside of the hierarchy.* has 30 tokens"
    ):
        concept_geometry(small, hierarchy())
    small.close()


def test_padded_and_repeated_rows_leave_the_whitening_alone(made):
    rows = plant(np.random.default_rng(24))
    plain = made(rows)
    padded = made(np.concatenate([rows, rows[:1], rows[:1]]))
    with torch.no_grad():
        padded.parts.head.weight[-1] = plain.parts.head.weight[-1]
    one, other = whitening(plain), whitening(padded)
    assert one.rows == other.rows == len(rows) + 1
    assert np.allclose(one.root, other.root, atol=1e-9)
    table = one(rows_of(plain, np.arange(len(rows) + 1)))
    assert np.allclose(np.cov(table, rowvar=False, bias=True), np.eye(WIDTH), atol=1e-8)
    assert isinstance(one, Whitening) and not one.root.flags.writeable
    plain.close()
    padded.close()


# words between siblings


def test_three_corners_lie_in_the_plane_as_they_lie_in_space(found):
    drawn = plane(found, (2, 3, 4))
    assert drawn.share == pytest.approx(1)
    assert len(drawn.points) == 72
    assert drawn.held_out.sum() == 3 * len([*range(12)][round(0.7 * 12) :]) * 2
    trained = [drawn.rows[(drawn.corner == i) & ~drawn.held_out] for i in range(3)]
    vectors = [concept_vector(found.table[rows].astype(np.float64)) for rows in trained]
    for a, b in itertools.combinations(range(3), 2):
        apart = np.linalg.norm(vectors[a] - vectors[b])
        assert np.linalg.norm(drawn.corners[a] - drawn.corners[b]) == pytest.approx(apart)


def test_held_out_words_lie_at_their_corner_and_dealt_anew_they_do_not(found):
    real, dealt = plane(found, (6, 7, 8)), plane(found, (6, 7, 8), shuffled=True)
    assert real.nearest > 0.9
    assert dealt.nearest < 0.6
    assert set(real.rows) == set(dealt.rows)


def test_what_makes_no_plane_is_refused(found):
    for chosen in ((2, 3), (2, 3, 6), (0, 1, 5), (2, 2, 3)):
        with pytest.raises(AnalysisError, match="three or four concepts of one parent"):
            plane(found, chosen)


# the words that come with the program


def test_shipped_kinds_are_distinct_and_large():
    given = shipped_hierarchy()
    kinds = [kind for parent in given.parents for kind in parent.children]
    assert [parent.name for parent in given.parents] == ["animal", "plant", "artefact", "person", "place"]
    assert min(len(kind.words) for kind in kinds) >= 25
    forms = [form for kind in kinds for word in kind.words for form in word.split()]
    assert len(forms) == len(set(forms))
    assert all(form.replace("-", "").isalpha() for form in forms)
    assert (
        f"{sum(len(kind.words) for kind in kinds):,} common English words of {len(kinds)} kinds" in given.made
    )
    of = {form: kind.name for kind in kinds for word in kind.words for form in word.split()}
    assert [of[word] for word in ("mice", "penguin", "shark", "oaks", "violin", "Kenya", "rabbi")] == [
        "mammal", "bird", "fish", "tree", "musical instrument", "country", "cleric",
    ]  # fmt: skip


def test_parents_are_chosen_in_their_own_order():
    given = shipped_hierarchy().only(("plant", "animal"))
    assert [parent.name for parent in given.parents] == ["animal", "plant"]
    assert given.note == shipped_hierarchy().note
    with pytest.raises(AnalysisError, match="'mineral' is no parent here; there are animal, plant"):
        given.only(("mineral",))
    with pytest.raises(AnalysisError, match="has no parent. Choose one"):
        given.only(())


def test_a_hierarchy_of_another_shape_is_refused():
    kind = Category("mammal", ("dog",))
    with pytest.raises(AnalysisError, match="needs words or kinds with words, and not both"):
        Category("animal")
    with pytest.raises(AnalysisError, match="'mammal' has another depth"):
        Hierarchy("thing", (kind,))
    with pytest.raises(AnalysisError, match="'thing' has another depth"):
        Hierarchy("all", (Category("thing", children=(Category("animal", children=(kind,)),)),))
    with pytest.raises(AnalysisError, match="The name 'mammal' stands 2 times"):
        Hierarchy("all", (Category("animal", children=(kind, kind)),))
