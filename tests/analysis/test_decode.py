"""Continuing a text: the choice of a token, seeds, ends, and what a generation leaves behind."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from analysis.edits import BASE, Site, Steer, Variant
from analysis.errors import AnalysisError
from analysis.models.decode import GREEDY, Sampling, choose, filtered

TEXT = "The sea"
DRAWN = Sampling(temperature=1.3, top_p=0.9, top_k=50, seed=3)


def steered(model, scale=4.0, seed=0) -> Variant:
    push = np.random.default_rng(seed).normal(size=model.d_model).astype(np.float32)
    return Variant(f"steered {scale} {seed}", (Steer(Site(1), push, scale),))


def generate(model, **settings):
    return list(model.generate(TEXT, **({"max_new_tokens": 12} | settings)))


def ids_of(steps, row=0):
    return tuple(step.ids[row] for step in steps)


def same(a, b) -> bool:
    return [s.ids for s in a] == [s.ids for s in b] and all(
        x.log_probabilities.tobytes() == y.log_probabilities.tobytes() for x, y in zip(a, b, strict=True)
    )


# worked values


def test_filters_by_hand():
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()[None]
    kept = lambda **knobs: torch.isfinite(filtered(logits, Sampling(temperature=1.0, **knobs)))[0].tolist()  # noqa: E731
    assert kept() == [True] * 4
    assert kept(top_k=2) == [False, True, False, True]
    assert kept(top_p=0.7) == [False, True, False, True]  # 0.5 is short of 0.7, 0.75 reaches it
    assert kept(top_p=0.01) == [False, True, False, False]  # the most probable always stays
    assert kept(top_k=3, top_p=0.8) == [False, True, False, True]  # of 0.9 that are left, 0.75 is 0.83
    cooled = filtered(logits, Sampling(temperature=0.5)).softmax(-1)[0]
    assert np.allclose(cooled, np.array([0.01, 0.25, 0.0225, 0.0625]) / 0.345, atol=1e-6)  # squares, float32


def test_draws_follow_the_probabilities():
    draws, generator = 1500, torch.Generator().manual_seed(0)
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    counts = np.bincount(
        [choose(logits, Sampling(temperature=1.0), [generator]).item() for _ in range(draws)], minlength=3
    )
    spread = np.sqrt(draws * np.array([0.25, 0.21, 0.16]))
    assert (np.abs(counts - draws * np.array([0.5, 0.3, 0.2])) < 4 * spread).all()  # four standard deviations


def test_greedy_takes_the_most_probable_token():
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 2.0, 1.0]])
    assert choose(logits, GREEDY, []).tolist() == [1, 0]


# laws


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    temperature=st.floats(0.05, 5),
    top_k=st.integers(0, 300),
    top_p=st.floats(0.01, 1),
    spread=st.sampled_from([0.1, 1.0, 8.0]),
)
def test_filters_equal_those_of_transformers(seed, temperature, top_k, top_p, spread):
    logits = torch.randn(3, 283, generator=torch.Generator().manual_seed(seed)) * spread
    wanted = TemperatureLogitsWarper(temperature)(None, logits)
    wanted = TopKLogitsWarper(top_k)(None, wanted) if top_k else wanted
    wanted = TopPLogitsWarper(top_p)(None, wanted) if top_p < 1 else wanted
    ours = filtered(logits, Sampling(temperature=temperature, top_k=top_k, top_p=top_p))
    assert torch.equal(ours, wanted)


def test_a_seed_reproduces_and_another_differs(toy):
    first = generate(toy, sampling=DRAWN)
    assert same(first, generate(toy, sampling=DRAWN))
    others = {ids_of(generate(toy, sampling=Sampling(1.3, 0.9, 50, seed))) for seed in range(4)}
    assert len(others) == 4


def test_rows_share_the_seed_and_do_not_disturb_one_another(toy):
    alone = generate(toy, sampling=DRAWN)
    idle = Variant("idle", steered(toy, scale=0.0).edits)
    together = generate(toy, sampling=DRAWN, variants=(steered(toy), BASE, idle))
    assert ids_of(together, 1) == ids_of(together, 2) == ids_of(alone)
    assert ids_of(together, 0) != ids_of(alone)


def test_seeds_reproduce_while_four_threads_generate_at_once(toy):
    samplings = [Sampling(1.3, 0.95, 0, seed) for seed in range(4)]
    solo = [generate(toy, sampling=sampling) for sampling in samplings]
    found: dict[int, list] = {}
    start = threading.Barrier(4)

    def work(i: int):
        start.wait()
        found[i] = [generate(toy, sampling=samplings[i]) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert all(same(steps, solo[i]) for i in range(4) for steps in found[i])


def test_generating_does_not_move_the_global_random_state(toy):
    torch.manual_seed(99)
    before = torch.get_rng_state()
    generate(toy, sampling=DRAWN)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert not torch.equal(torch.get_rng_state(), before)


def test_the_global_random_state_does_not_move_a_generation(toy):
    torch.manual_seed(1)
    first = generate(toy, sampling=DRAWN)
    torch.manual_seed(2)
    assert same(first, generate(toy, sampling=DRAWN))


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
def test_log_probabilities_are_those_of_the_whole_unfiltered_distribution(toy, sampling):
    prompt = toy.tokenize(TEXT)
    steps = generate(toy, sampling=sampling)
    new = ids_of(steps)
    text = prompt.extended(new, tuple(map(toy.tokenizer.piece, new)), (False,) * len(new))
    ids = torch.tensor([text.ids])
    logits = toy.on_worker(lambda: toy.network(ids, use_cache=False).logits[0, len(prompt) - 1 : -1])
    wanted = logits.log_softmax(-1).gather(1, torch.tensor(new)[:, None])[:, 0].numpy()
    ours = np.array([step.log_probabilities[0] for step in steps])
    assert np.abs(ours - wanted).max() < 1e-5  # one pass against twelve: sums in another order
    assert (ours < 0).all()


def test_a_generation_stopped_early_leaves_the_next_run_unaffected(toy):
    before, text = toy.run(TEXT, read="all"), generate(toy)
    for steps in range(4):
        running = toy.generate(TEXT, variants=(steered(toy),), max_new_tokens=50)
        for _ in range(steps):
            next(running)
        running.close()
        assert np.array_equal(toy.run(TEXT, read="all").values, before.values)
        assert same(generate(toy), text)


# ends


def _with_end(model, *ends: int):
    model.network.generation_config.eos_token_id = list(ends) if len(ends) > 1 else ends[0]


@pytest.fixture
def first_to_end(own_toy):
    """A token that the base row says at its fourth or later step for the first time, and the steered row never."""
    steps = generate(own_toy, variants=(BASE, steered(own_toy)))
    base, other = ids_of(steps, 0), ids_of(steps, 1)
    return next(t for i, t in enumerate(base) if i >= 3 and t not in base[:i] and t not in other), base, other


def test_an_end_token_stops_its_row_while_the_others_go_on(own_toy, first_to_end):
    end, base, other = first_to_end
    at = base.index(end)
    _with_end(own_toy, end)
    steps = generate(own_toy, variants=(BASE, steered(own_toy)))
    assert ids_of(steps, 0) == base[: at + 1] + (None,) * (len(base) - at - 1)
    assert ids_of(steps, 1) == other
    assert [step.ended[0] for step in steps] == [i >= at for i in range(len(base))]
    assert not any(step.ended[1] for step in steps)
    assert [np.isnan(step.log_probabilities[0]) for step in steps] == [i > at for i in range(len(base))]
    assert not any(True in step.broken for step in steps)


def test_generation_ends_when_every_row_has(own_toy, first_to_end):
    end, base, other = first_to_end
    _with_end(own_toy, end, other[5])
    steps = generate(own_toy, variants=(BASE, steered(own_toy)))
    ends = (end, other[5])
    lengths = [next(i for i, t in enumerate(row) if t in ends) + 1 for row in (base, other)]
    assert len(steps) == max(lengths) < len(base)
    assert steps[-1].ended == (True, True)


def test_greedy_text_ends_where_that_of_transformers_does(own_toy, first_to_end):
    end, base, _ = first_to_end
    _with_end(own_toy, end)
    prompt = torch.tensor([own_toy.tokenize(TEXT).ids])

    def generate_plain():
        mask = torch.ones_like(prompt)
        return own_toy.network.generate(
            prompt, attention_mask=mask, do_sample=False, max_new_tokens=12, pad_token_id=0
        )

    wanted = own_toy.on_worker(generate_plain)[0, prompt.shape[1] :].tolist()
    assert wanted[-1] == end
    assert list(ids_of(generate(own_toy))) == wanted


# contracts


def test_captured_states_cover_the_prompt_first_and_then_one_token_a_step(toy):
    prompt = toy.tokenize(TEXT)
    steps = generate(toy, variants=(BASE, steered(toy)), read=(Site(2), Site(1, "mlp")), max_new_tokens=3)
    assert [step.captured[Site(2)].shape for step in steps] == [
        (2, len(prompt), toy.d_model), (2, 1, toy.d_model), (2, 1, toy.d_model)
    ]  # fmt: skip
    assert all(set(step.captured) == {Site(2), Site(1, "mlp")} for step in steps)


@pytest.mark.parametrize(
    "knobs",
    [
        {"temperature": -1.0}, {"temperature": float("nan")}, {"temperature": 1e-30}, {"temperature": 1e9},
        {"top_p": 0.0}, {"top_p": 1.1}, {"top_k": -1}, {"seed": -1}, {"seed": 2**64},
    ],
)  # fmt: skip
def test_impossible_sampling_is_refused_in_words(knobs):
    with pytest.raises(AnalysisError, match="Sampling needs a temperature"):
        Sampling(**knobs)


def test_the_coldest_sampling_and_the_largest_filters_work(toy):
    cold = choose(torch.tensor([[0.0, 1.0, 0.5]]), Sampling(temperature=0.01), [torch.Generator()])
    assert cold.tolist() == [1]
    everything = Sampling(temperature=1.0, top_k=10**6, seed=2**63 - 1)
    assert len(generate(toy, sampling=everything)) == 12


def test_a_text_that_would_outgrow_the_context_is_refused_with_the_numbers(toy):
    with pytest.raises(AnalysisError, match=r"1,0\d\d tokens .* reads at most 1,024"):
        generate(toy, max_new_tokens=1020)


# numbers that break


def overflowing(model, positions="all", layer=1) -> Variant:
    push = np.full(model.d_model, 3e38, np.float32)  # ten times this is infinite in float32
    return Variant("strong", (Steer(Site(layer), push, 10.0, positions),))


def test_an_edit_so_strong_that_logits_overflow_is_named(toy):
    with pytest.raises(AnalysisError, match="not finite any more: an edit may be too strong"):
        generate(toy, variants=(overflowing(toy, layer=3),))
    assert len(generate(toy)) == 12


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
@pytest.mark.parametrize("begun", ["from a prefix", "in full"])
def test_a_row_whose_numbers_break_ends_and_the_others_go_on_as_without_it(family, begun, sampling):
    model = family.model
    knobs = {"sampling": sampling, "prefix": model.prefix(TEXT) if begun == "from a prefix" else None}
    others = (BASE, steered(model, scale=2.0))
    with_it = generate(model, variants=(overflowing(model), *others), **knobs)
    idle = Variant("idle", steered(model, scale=0.0).edits)
    without = generate(model, variants=(idle, *others), **knobs)
    assert {(step.ids[0], step.ended[0], step.broken[0]) for step in with_it} == {(None, True, True)}
    assert not any(step.ended[row] or step.broken[row] for step in with_it for row in (1, 2))
    for row in (1, 2):
        assert ids_of(with_it, row) == ids_of(without, row)
        apart = [
            a.log_probabilities[row] - b.log_probabilities[row] for a, b in zip(with_it, without, strict=True)
        ]
        assert np.nanmax(np.abs(apart)) <= 1e-5  # experts serve the tokens of all rows in one product
        assert np.isfinite(apart).sum() == 12


def test_a_row_may_break_in_the_middle_of_its_text(toy):
    prompt = toy.tokenize(TEXT)
    late = overflowing(toy, positions=(len(prompt) + 3,))
    steps = generate(toy, variants=(late, BASE))
    whole = ids_of(generate(toy))
    assert ids_of(steps, 0) == whole[:4] + (None,) * 8  # the edited token is the fourth that was written
    assert [step.broken[0] for step in steps] == [step.ended[0] for step in steps] == [False] * 4 + [True] * 8
    assert ids_of(steps, 1) == whole


def test_a_generation_ends_with_the_last_sound_row_and_raises_only_if_there_was_none(own_toy, first_to_end):
    end, base, _ = first_to_end
    _with_end(own_toy, end)
    steps = generate(own_toy, variants=(overflowing(own_toy), BASE))
    assert len(steps) == base.index(end) + 1
    assert steps[-1].ended == (True, True)
    assert steps[-1].broken == (True, False)
    with pytest.raises(AnalysisError, match="too strong"):
        two = (overflowing(own_toy), Variant("later", overflowing(own_toy, "generated").edits))
        generate(own_toy, variants=two, prefix=own_toy.prefix(TEXT))
