"""The lenses against plain transformers, against values worked by hand, and against their own laws."""

import dataclasses

import numpy as np
import pytest
import torch

from analysis import AnalysisError, LogitLens, Replace, Site, Steer, Variant, follow, read, samples
from analysis.methods import LENSES, lens, shortcut
from analysis.models import opening, toy
from analysis.numerics import Distribution, divergence, largest
from analysis.results import Bounds, LayerByPosition, LayerCurve, Provenance

TEXT = "the theme is in the end"


@pytest.fixture(scope="module")
def random_toy():
    made = toy.build("toy:random")
    model = opening.load("toy:random")
    yield model, made.network  # the second one has no hooks: plain transformers
    model.close()


@pytest.fixture(scope="module")
def read_toy(random_toy):
    model, _ = random_toy
    trace = model.run(TEXT)
    return model, trace, read(model, trace, top=7)


def plain_log_probabilities(network, trace, layer):
    """What transformers' own modules make of one layer's states."""
    states = torch.from_numpy(trace.residuals()[layer].copy())
    with torch.no_grad():
        return network.lm_head(network.model.norm(states)).double().log_softmax(-1).numpy()


# Worked values


def test_the_largest_entries_come_in_order_with_ties_by_index():
    x = torch.zeros(2, 300)
    x[0, [5, 199, 64]] = torch.tensor([3.0, 3.0, 4.0])
    x[1, 299] = 1.0
    values, ids = largest(x, 3)
    assert ids[0].tolist() == [64, 5, 199]
    assert values[0].tolist() == [4.0, 3.0, 3.0]
    assert ids[1, 0] == 299 and values[1].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("width", [7, 63, 64, 641, 1280])
def test_the_largest_entries_equal_a_full_sort(width):
    x = torch.randn(11, width, generator=torch.Generator().manual_seed(width))
    k = min(5, width)
    assert torch.equal(largest(x, k)[0], x.sort(descending=True).values[:, :k])


def test_statistics_of_a_worked_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]]))
    stats = Distribution(logits, torch.empty_like(logits))
    # H(1/2, 1/4, 1/4) = 1.5 bits, H(uniform on 3) = log2(3) bits
    assert np.allclose(stats.entropy() / np.log(2), [1.5, np.log2(3)], atol=1e-6)
    assert np.allclose(stats.log_total, 0, atol=1e-6)
    entropy = torch.tensor([1.5 * np.log(2)], dtype=torch.float32)
    kl = divergence(torch.tensor([[0.5, 0.25, 0.25]]), entropy, logits[1:], stats.log_total[1:])
    # KL(p || uniform on 3) = log2(3) - H(p)
    assert kl.item() / np.log(2) == pytest.approx(np.log2(3) - 1.5, abs=1e-6)


def test_settling_is_the_first_layer_after_which_the_top_token_stays():
    tops = np.array([[4, 9, 1], [9, 9, 9], [4, 9, 9], [9, 9, 9]])
    assert lens.settling_layer(tops).tolist() == [3, 0, 1]


def test_a_planted_direction_is_read_as_its_token_at_every_layer_and_others_are_not():
    model = opening.load("toy:planted")
    token = model.tokenizer.find(toy.PLANTED_TOKEN)
    planted = 60 * toy.planted_direction()
    other = np.roll(planted, 5)
    for layer in range(model.n_layers + 1):
        for direction, expected in ((planted, True), (other, False)):
            edit = Steer(Site(layer), direction)
            trace = model.run(TEXT, variants=[Variant("steered", (edit,))])
            reading = read(model, trace)
            assert (reading.top_ids[layer:, :, 0] == token).all() == expected
    model.close()


# Against plain transformers


def test_every_layer_equals_plain_transformers(random_toy):
    model, network = random_toy
    trace = model.run(TEXT)
    reading = read(model, trace, top=13)
    final = plain_log_probabilities(network, trace, model.n_layers)
    for layer in range(model.n_layers + 1):
        want = plain_log_probabilities(network, trace, layer)
        got = np.take_along_axis(want, reading.top_ids[layer].astype(int), 1)
        assert np.abs(got - reading.top_log_probability[layer]).max() < 1e-5  # float32 sums over 283 words
        assert (reading.top_ids[layer, :, 0] == want.argmax(1)).all()
        entropy = -(np.exp(want) * want).sum(1) / np.log(2)
        assert np.abs(entropy - reading.entropy[layer]).max() < 1e-5
        kl = (np.exp(final) * (final - want)).sum(1) / np.log(2)
        assert np.abs(kl - reading.kl_to_final[layer]).max() < 2e-5
        target = np.take_along_axis(want, reading.targets[:, None].astype(int), 1)
        assert (reading.target_rank[layer] == (want > target).sum(1) + 1).all()


def test_the_last_layer_is_the_models_own_prediction(random_toy):
    model, network = random_toy
    trace = model.run(TEXT)
    reading = read(model, trace)
    with torch.no_grad():
        logits = network(torch.tensor([trace.tokens[0].ids])).logits[0]
    assert (reading.top_ids[-1, :, 0] == logits.argmax(-1).numpy()).all()
    assert (reading.kl_to_final[-1] == 0).all()
    assert reading.agrees[-1].all()


def test_trajectories_equal_the_readings_own_probabilities(read_toy):
    model, trace, reading = read_toy
    position = 3
    ids = tuple(reading.top_ids[-1, position, :3].tolist())
    curve = follow(model, trace, reading, LogitLens(), position, ids)
    assert np.allclose(curve.values[:, -1], np.exp(reading.top_log_probability[-1, position, :3]), atol=1e-5)
    assert np.allclose(curve.values[0], np.exp(reading.target_log_probability[:, position]), atol=1e-5)


# Laws


def test_reading_a_layer_equals_patching_it_into_the_last_layer(random_toy):
    model, _ = random_toy
    trace = model.run(TEXT)
    reading = read(model, trace)
    everywhere = tuple(range(len(trace.tokens[0])))
    for layer in range(model.n_layers):
        patch = Replace(Site(model.n_layers), trace.residuals()[layer], everywhere)
        patched = read(model, model.run(TEXT, variants=[Variant("patched", (patch,))]))
        assert np.array_equal(patched.top_ids[-1], reading.top_ids[layer])
        assert np.allclose(patched.top_log_probability[-1], reading.top_log_probability[layer], atol=1e-5)


def test_scaling_a_state_does_not_change_what_an_rms_norm_reads(random_toy):
    model, _ = random_toy
    states = model.run(TEXT).residuals()
    first = lens.read_states(model, states, LogitLens(), top=3)
    scaled = lens.read_states(model, 7 * states, LogitLens(), top=3)
    assert np.array_equal(first.top_ids, scaled.top_ids)
    assert np.allclose(first.entropy, scaled.entropy, atol=1e-4)  # the norm's epsilon is not scaled


def test_chunks_do_not_change_a_reading(random_toy, monkeypatch):
    model, _ = random_toy
    trace = model.run(TEXT)
    whole = read(model, trace)
    monkeypatch.setattr(lens, "rows_per_chunk", lambda vocabulary: 1)
    pieces = read(model, trace)
    assert np.array_equal(whole.top_ids, pieces.top_ids)
    assert np.allclose(whole.kl_to_final, pieces.kl_to_final, atol=1e-5)


def test_quantities_have_units_and_stay_in_their_bounds(read_toy):
    _, _, reading = read_toy
    for name, (title, unit) in lens.QUANTITIES.items():
        result = reading.quantity(name)
        assert (result.title, result.unit) == (title, unit)
        assert result.values.shape == (reading.n_layers + 1, len(reading.tokens))


def test_a_value_outside_its_bounds_is_refused():
    provenance = Provenance("m", "r", "float32", "lens", "source", "never")
    with pytest.raises(AnalysisError, match=r"\[0, 1\].*1.5 came out"):
        LayerByPosition(
            "share", "probability", Bounds(0, 1), provenance, np.full((2, 1), 1.5, np.float32), ("a",)
        )
    with pytest.raises(TypeError):
        LayerCurve("share", values=np.zeros((1, 2), np.float32), labels=("a",))  # no unit, no result


def test_bad_requests_get_sentences(read_toy):
    model, trace, reading = read_toy
    with pytest.raises(AnalysisError, match="283 entries"):
        read(model, trace, target=283)
    with pytest.raises(AnalysisError, match="no quantity 'colour'"):
        reading.quantity("colour")
    with pytest.raises(AnalysisError, match="layers \\[1\\] were read"):
        read(model, model.run(TEXT, read=[Site(1)]))
    with pytest.raises(AnalysisError, match="another model"):
        read(model, dataclasses.replace(trace, model="0" * 64))


def test_a_lens_that_fails_its_check_is_refused(read_toy):
    model, trace, _ = read_toy
    kept = model.parity
    failed = [dataclasses.replace(check, passed=check.concern != "lens") for check in kept]
    model.parity = tuple(failed)
    try:
        with pytest.raises(AnalysisError, match="cannot be read this way"):
            read(model, trace)
    finally:
        model.parity = kept


def test_every_lens_says_where_it_comes_from_and_when_it_misleads():
    for each in LENSES:
        assert each.id and each.title and each.misleads_when and each.__doc__
        assert any(character.isdigit() for character in each.source)  # a year


# The linear shortcut


def sentences(count: int, seed: int = 0) -> tuple[str, ...]:
    rng = np.random.default_rng(seed)
    words = ["the", "sea", "is", "deep", "and", "cold", "at", "night", "in", "winter", "one", "ten"]
    return tuple(" ".join(rng.choice(words, 40)) for _ in range(count))


@pytest.fixture(scope="module")
def fitted(random_toy):
    model, _ = random_toy
    return model, shortcut.fit(model, sentences(24), fit_tokens=1500, held_out_tokens=400)


def test_the_shortcut_equals_a_float64_least_squares_solution(random_toy, monkeypatch):
    model, _ = random_toy
    monkeypatch.setattr(shortcut, "RIDGE", 0.0)
    texts = sentences(24)
    maps = shortcut.fit(model, texts, fit_tokens=1500, held_out_tokens=400).maps
    training, _ = shortcut._split(samples.windows(model, texts), 1500, 400)
    states = np.concatenate(
        [samples.usual_states(model, batch) for batch in samples.batches(training)], axis=1
    )
    states = states.astype(np.float64)
    for layer in range(model.n_layers):
        want = np.linalg.lstsq(states[layer], states[-1], rcond=None)[0]
        assert np.abs(maps[layer] - want).max() < 1e-4 * np.abs(want).max()  # stored in float32
        residual = states[-1] - states[layer] @ want
        scale = np.linalg.norm(states[layer]) * np.linalg.norm(states[-1])
        assert np.abs(states[layer].T @ residual).max() < 1e-9 * scale  # X'E = 0


def test_the_shortcut_is_exact_on_a_linear_toy(random_toy):
    """A network whose blocks add nothing non-linear: the last layer is a linear map of every other."""
    network, tokenizer = toy.build("toy:random").network, toy.build("toy:random").tokenizer
    with torch.no_grad():
        for number, block in enumerate(network.model.layers):
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
            mixing = torch.randn(toy.D_MODEL, toy.D_MODEL, generator=torch.Generator().manual_seed(number))
            block.mlp.forward = lambda x: x
            block.post_attention_layernorm.forward = lambda x, mixing=mixing: x @ mixing * 0.2
    model = opening.wrap(opening.ModelSpec("linear"), network, tokenizer, title="linear toy")
    fitted = shortcut.fit(model, sentences(24), fit_tokens=1500, held_out_tokens=400)
    assert max(q.kl_bits for q in fitted.quality) < 1e-3
    assert min(q.agreement for q in fitted.quality) > 0.99
    assert max(q.logit_kl_bits for q in fitted.quality) > 0.1  # the logit lens is not exact there
    model.close()


def test_the_shortcut_at_the_last_layer_is_the_model_itself(fitted):
    model, lens_ = fitted
    assert lens_.quality[-1].kl_bits == 0 and lens_.quality[-1].agreement == 1
    state = torch.randn(3, model.d_model)
    assert lens_.carry(model, model.n_layers, state) is state


def test_a_shortcut_belongs_to_one_model(fitted):
    _, lens_ = fitted
    other = opening.load("toy:planted")
    with pytest.raises(AnalysisError, match="another model or revision"):
        read(other, other.run(TEXT), lens_)
    other.close()


def test_held_out_documents_are_not_fitted_on(random_toy):
    model, _ = random_toy
    documents = samples.windows(model, sentences(24))
    training, held_out = shortcut._split(documents, 10**9, 400)
    belongs = {id(window): number for number, document in enumerate(documents) for window in document}
    assert not {belongs[id(w)] for w in training} & {belongs[id(w)] for w in held_out}
    assert len(training) + len(held_out) == len(belongs) and sum(map(len, held_out)) >= 400


def test_too_little_text_is_refused_with_the_numbers(random_toy):
    model, _ = random_toy
    with pytest.raises(AnalysisError, match="d_model 22"):
        shortcut.fit(model, ("a short text of a few words",))


def test_a_kept_shortcut_reads_back_the_same(random_toy, tmp_path, monkeypatch):
    model, _ = random_toy
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    monkeypatch.setattr(shortcut.corpus, "documents", lambda: sentences(30))
    first = shortcut.shortcut(model)
    second = shortcut.load_kept(model)
    assert np.array_equal(first.maps, second.maps)
    assert first.quality == second.quality and first.settings == second.settings
    next(tmp_path.rglob("maps.safetensors")).write_bytes(b"damaged")
    assert shortcut.load_kept(model) is None  # and the file is gone, so it is fitted again
    assert not list(tmp_path.rglob("maps.safetensors"))


# The default model, on real weights


@pytest.fixture(scope="module")
def default_model():
    model = opening.load()
    yield model
    model.close()


def test_the_default_model_passes_every_check(default_model):
    assert [check.sentence for check in default_model.parity if not check.passed] == []


def test_the_shortcut_beats_the_logit_lens_at_every_middle_layer(default_model):
    quality = shortcut.shortcut(default_model).quality
    middle = quality[5:28]
    assert all(q.kl_bits < q.logit_kl_bits for q in middle)
    assert all(q.agreement > q.logit_agreement for q in middle)
    assert quality[14].kl_bits < 5 < 15 < quality[14].logit_kl_bits  # measured 3.4 and 24 bits


def test_the_default_model_knows_paris_and_the_shortcut_sees_it_early(default_model):
    trace = default_model.run("The capital of France is")
    paris = default_model.tokenizer.find(" Paris")
    plain = read(default_model, trace)
    early = read(default_model, trace, shortcut.shortcut(default_model))
    assert plain.top_ids[-1, -1, 0] == early.top_ids[-1, -1, 0] == paris
    assert early.settled_at[-1] < plain.settled_at[-1]


def test_a_random_model_of_the_same_reading_has_no_early_answer(random_toy):
    """The control: where nothing was learned, early layers agree with the last at chance."""
    model, _ = random_toy
    reading = read(model, model.run("the sea is deep and cold at night in winter " * 4))
    assert reading.agrees[: model.n_layers - 1].mean() < 0.2
