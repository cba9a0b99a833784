"""Edits: by hand, their laws on the toy, and what is refused."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.edits import BASE, Ablate, Edit, Replace, Site, Steer, Variant
from analysis.errors import AnalysisError

TEXT = "The sea is deep."
PLACE = Site(2)
FLOAT32 = float(np.finfo(np.float32).eps)
ROUNDING = 1e-5
"""Relative to the largest value: sums in another order (another batch shape, the cache) differ by a few
float32 units (1.2e-7), which three layers of large random weights amplify."""

numbers = st.floats(-100, 100, width=32)
directions = arrays(np.float32, 5, elements=numbers).filter(lambda v: np.linalg.norm(v) > 0.1)
states = arrays(np.float32, (3, 5), elements=numbers)


def off(a, b) -> float:
    """Largest difference, relative to the largest value where that exceeds 1."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max()))


def applied(edit: Edit, x) -> np.ndarray:
    x = torch.as_tensor(np.asarray(x, np.float32))
    before = x.clone()
    result = edit.apply(x, torch.arange(len(x))).numpy()
    assert torch.equal(x, before), "an edit never writes into what it is given"
    return result


def run(model, *edits, text=TEXT, read="all"):
    """One row, under these edits."""
    return model.run(text, read=read, variants=(Variant("row", edits),))


def vector(model, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=model.d_model).astype(np.float32)


# worked values


def test_steering_adds_a_multiple_of_the_direction_as_given():
    steer = Steer(PLACE, np.array([1, -2], np.float32), scale=0.5)
    assert applied(steer, [[1, 2], [3, 4]]).tolist() == [[1.5, 1], [3.5, 3]]


def test_ablation_takes_out_the_component_along_the_unit_direction():
    assert applied(Ablate(PLACE, np.array([2, 0], np.float32)), [[3, 4], [-1, 2]]).tolist() == [
        [0, 4],
        [0, 2],
    ]
    halved = applied(Ablate(PLACE, np.array([3, 3], np.float32)), [[3, 1]])  # (4 / 2) (1, 1) goes
    assert np.allclose(halved, [[1, -1]], atol=4 * FLOAT32)  # 1/sqrt(2) has no exact float


def test_replacing_puts_each_row_at_its_own_position():
    replace = Replace(PLACE, np.array([[1, 1], [2, 2]], np.float32), positions=(4, 1))
    x = torch.zeros(2, 2)
    assert replace.apply(x, torch.tensor([1, 4])).tolist() == [[2, 2], [1, 1]]
    assert replace.apply(x[:1], torch.tensor([4])).tolist() == [[1, 1]]


def test_edits_of_a_bfloat16_stream_are_computed_in_float32_and_rounded_once():
    x = torch.tensor([[256.0]]).bfloat16()  # the next bfloat16 is 258
    steer = Steer(PLACE, np.array([0.75], np.float32), scale=2.0)
    result = steer.apply(x, torch.tensor([0]))
    assert result.dtype == torch.bfloat16
    assert result.item() == 258  # 257.5 rounds up; two steps of 0.75 would each have rounded away


# laws


@given(states, directions)
def test_scale_zero_gives_back_every_bit(x, v):
    assert applied(Steer(PLACE, v, scale=0.0), x).tobytes() == x.tobytes()


@given(states, directions, numbers)
def test_a_push_and_the_opposite_push_cancel(x, v, scale):
    pushed = applied(Steer(PLACE, v, scale), x)
    back = applied(Steer(PLACE, -v, scale), pushed)
    # x + v is rounded to the spacing of floats near its own size, which may be far above that of x
    assert np.abs(back - x).max() <= FLOAT32 * max(np.abs(pushed).max(), np.abs(x).max())


@given(states, directions)
def test_ablation_leaves_nothing_along_the_direction_and_is_idempotent(x, v):
    once = applied(Ablate(PLACE, v), x)
    unit = v.astype(np.float64) / np.linalg.norm(v.astype(np.float64))
    bound = 20 * FLOAT32 * max(1.0, np.linalg.norm(x))  # five products and sums of numbers as large as x
    assert np.abs(once @ unit).max() <= bound
    assert np.abs(applied(Ablate(PLACE, v), once) - once).max() <= bound


@given(states, directions, st.sampled_from([-1.0, 0.01, 7.5, 1e4]))
def test_ablation_does_not_depend_on_the_length_or_sign_of_the_direction(x, v, factor):
    bound = 20 * FLOAT32 * max(1.0, np.linalg.norm(x))
    scaled = applied(Ablate(PLACE, v * np.float32(factor)), x)
    assert np.abs(scaled - applied(Ablate(PLACE, v), x)).max() <= bound


def test_an_edit_at_a_layer_leaves_earlier_layers_alone(toy):
    for layer in range(toy.n_layers + 1):
        plain, edited = run(toy), run(toy, Steer(Site(layer), vector(toy)))
        for site in plain.sites:
            comes_later = site.layer > layer or site == Site(layer)
            assert np.array_equal(plain.at(site), edited.at(site)) != comes_later, str(site)


def test_an_edit_of_a_write_leaves_what_comes_before_it_alone(toy):
    plain, edited = run(toy), run(toy, Steer(Site(2, "attention"), vector(toy)))
    changed = {site for site in plain.sites if not np.array_equal(plain.at(site), edited.at(site))}
    later = {site for site in plain.sites if site.layer > 2}
    assert changed == later | {Site(2, "attention"), Site(2, "mlp"), Site(2)}


def test_an_edit_at_a_position_leaves_earlier_positions_alone(toy):
    for position in (0, 5, len(toy.tokenize(TEXT)) - 1):
        plain = run(toy)
        edited = run(toy, Steer(Site(1), vector(toy), positions=(position,)))
        top = Site(toy.n_layers)
        assert not np.array_equal(plain.at(top)[position], edited.at(top)[position])
        assert np.array_equal(plain.values[:, :, :position], edited.values[:, :, :position])
        if position < len(plain.at(top)) - 1:
            assert not np.array_equal(plain.at(top)[-1], edited.at(top)[-1])


def test_replacing_activations_by_themselves_changes_no_bit(toy):
    plain = run(toy)
    every = tuple(range(len(plain.tokens[0])))
    for site in plain.sites:
        same = run(toy, Replace(site, plain.at(site).copy(), every))
        assert np.array_equal(same.values, plain.values), str(site)
        other = run(toy, Replace(site, plain.at(site) + 1, every))
        assert not np.array_equal(other.values, plain.values)


def test_replacing_every_position_by_another_prompt_reproduces_that_prompt(toy):
    source, target = "abcdefgh", "stuvwxyz"
    wanted, given_ = run(toy, text=source), run(toy, text=target)
    assert len(wanted.tokens[0]) == len(given_.tokens[0]) == 8
    for layer in range(toy.n_layers + 1):
        patch = Replace(Site(layer), wanted.at(Site(layer)).copy(), tuple(range(8)))
        patched = run(toy, patch, text=target)
        for site in (s for s in wanted.sites if s.layer > layer or s == Site(layer)):
            assert np.array_equal(patched.at(site), wanted.at(site)), f"{site} after a patch at {layer}"
        assert not np.array_equal(given_.at(Site(3)), wanted.at(Site(3)))


def test_edits_apply_from_left_to_right(toy):
    v = vector(toy)
    unit = v / np.linalg.norm(v)
    steer, ablate = Steer(PLACE, v), Ablate(PLACE, v)
    steered_last = run(toy, ablate, steer).at(PLACE) @ unit
    ablated_last = run(toy, steer, ablate).at(PLACE) @ unit
    assert np.allclose(steered_last, np.linalg.norm(v), atol=ROUNDING)
    assert np.allclose(ablated_last, 0, atol=ROUNDING)


def test_positions_name_the_prompt_what_was_generated_or_single_tokens(toy):
    prompt = toy.tokenize("abcd")
    text = prompt.extended((70, 71, 72), (b"g", b"h", b"i"), (False,) * 3)
    plain = run(toy, text=text).at(PLACE)
    for positions, touched in {
        "all": [0, 1, 2, 3, 4, 5, 6],
        "prompt": [0, 1, 2, 3],
        "generated": [4, 5, 6],
        (5, 2): [2, 5],
    }.items():
        edited = run(toy, Steer(PLACE, vector(toy), positions=positions), text=text).at(PLACE)
        assert np.flatnonzero((plain != edited).any(-1)).tolist() == touched
        assert np.allclose((edited - plain)[touched], vector(toy), atol=ROUNDING)


def test_edits_leave_padding_alone_and_reach_every_prompt_of_their_variant(toy):
    edited = Variant("edited", (Steer(PLACE, vector(toy)),))
    trace = toy.run(["ab", "abcdef", "abcd"], variants=(BASE, edited))
    gain = trace.values[trace.index(PLACE), 3:] - trace.values[trace.index(PLACE), :3]
    assert np.allclose(gain[trace.mask[3:]], vector(toy), atol=ROUNDING)
    assert not gain[~trace.mask[3:]].any()


def test_a_base_row_among_edited_rows_equals_the_base_alone(toy):
    edited = [Variant(f"edited {i}", (Steer(PLACE, vector(toy, i), 3.0),)) for i in range(3)]
    together, alone = toy.run(TEXT, read="all", variants=(BASE, *edited)), toy.run(TEXT, read="all")
    assert len({together.values[:, row].tobytes() for row in range(4)}) == 4
    assert off(together.values[:, 0], alone.values[:, 0]) <= ROUNDING


@pytest.mark.parametrize("positions", ["all", "prompt", "generated", (1, 7)])
@pytest.mark.parametrize("kind", [Steer, Ablate])
def test_generating_under_an_edit_with_the_cache_equals_recomputing_the_text(toy, kind, positions):
    prompt = toy.tokenize(TEXT[:6])
    row = Variant(
        "row", (kind(PLACE, vector(toy), positions=positions), kind(Site(1, "mlp"), vector(toy, 1)))
    )
    steps = list(toy.generate(prompt, variants=(BASE, row), max_new_tokens=10, read=(PLACE,)))
    assert not np.allclose(steps[-1].log_probabilities[0], steps[-1].log_probabilities[1], atol=1e-3)
    new = tuple(step.ids[1] for step in steps)
    text = prompt.extended(new, tuple(map(toy.tokenizer.piece, new)), (False,) * len(new))
    trace = run(toy, *row.edits, text=text)
    seen = np.concatenate([step.captured[PLACE][1] for step in steps])
    assert off(seen, trace.at(PLACE)[:-1]) <= ROUNDING
    last = torch.from_numpy(trace.at(Site(3)).copy())
    logits = toy.on_worker(lambda: toy.read_out(last))[len(prompt) - 1 : -1]
    assert tuple(logits.argmax(-1).tolist()) == new
    recomputed = logits.log_softmax(-1).gather(1, torch.tensor(new)[:, None])[:, 0]
    given_ = np.array([step.log_probabilities[1] for step in steps])
    assert off(given_, recomputed) <= ROUNDING


# contracts


@dataclass(frozen=True)
class Bent:
    """An edit whose attributes are whatever a test wants."""

    site: Site
    positions: object = "all"

    def apply(self, x, at):
        return x


REFUSED = {
    "not a number": (lambda d: Steer(PLACE, np.full(d, np.nan)), "vector of finite numbers.*22 not finite"),
    "infinite": (lambda d: Ablate(PLACE, np.full(d, np.inf)), "vector of finite numbers"),
    "a matrix": (lambda d: Steer(PLACE, np.ones((2, d))), r"given shape \(2, 22\)"),
    "too wide": (lambda d: Steer(PLACE, np.ones(d + 1)), "needs vectors of 22 numbers; given 23"),
    "zero direction": (lambda d: Ablate(PLACE, np.zeros(d)), "direction of positive length"),
    "scale not finite": (lambda d: Steer(PLACE, np.ones(d), np.inf), "finite scale; given inf"),
    "layer too high": (lambda d: Steer(Site(4), np.ones(d)), "no layer 4 residual: layers run from 0 to 3"),
    "negative layer": (lambda d: Steer(Site(-1), np.ones(d)), "no layer -1 residual"),
    "a write of the embedding": (lambda d: Ablate(Site(0, "mlp"), np.ones(d)), "layers run from 1 to 3"),
    "no such stream": (
        lambda d: Steer(Site(1, "resid"), np.ones(d)),
        "streams are residual, attention, mlp and neurons",
    ),
    "rows missing": (lambda d: Replace(PLACE, np.ones((1, d)), (1, 2)), "one finite vector for each"),
    "a row twice": (lambda d: Replace(PLACE, np.ones((2, d)), (1, 1)), "different positions"),
    "replace everywhere": (lambda d: Replace(PLACE, np.ones((3, d)), "all"), "tuple of different positions"),
    "replace by nan": (lambda d: Replace(PLACE, np.full((1, d), np.nan), (1,)), "one finite vector for each"),
    "counted from the end": (lambda d: Bent(PLACE, (-1,)), r"counted from 0; given \(-1,\)"),
    "no position": (lambda d: Bent(PLACE, ()), "counted from 0"),
    "no such part": (
        lambda d: Bent(PLACE, "promt"),
        "'all', 'after_first', 'prompt', 'generated'.*given 'promt'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("unchecked")
def test_an_edit_that_cannot_be_meant_is_refused_in_words_and_the_model_works_on(toy, name):
    make, sentence = REFUSED[name]
    before = run(toy)
    for use in (
        lambda: run(toy, make(toy.d_model)),
        lambda: list(toy.generate(TEXT, variants=(Variant("row", (make(toy.d_model),)),))),
        lambda: toy.rerun(toy.run(TEXT), variants=(Variant("row", (make(toy.d_model),)),)),
    ):
        with pytest.raises(AnalysisError, match=sentence):
            use()
    assert np.array_equal(run(toy).values, before.values)


def test_variants_need_names_of_their_own_and_base_is_unedited(toy):
    with pytest.raises(AnalysisError, match="names of their own; given"):
        toy.run(TEXT, variants=(Variant("a"), Variant("a")))
    with pytest.raises(AnalysisError, match="given none"):
        toy.run(TEXT, variants=())
    with pytest.raises(AnalysisError, match="'base' names the unedited run"):
        toy.run(TEXT, variants=(Variant("base", (Steer(PLACE, vector(toy)),)),))


def test_the_arrays_of_an_edit_cannot_be_written_to(toy):
    for edit in (Steer(PLACE, vector(toy)), Ablate(PLACE, vector(toy))):
        with pytest.raises(ValueError, match="read-only"):
            edit.direction[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        Replace(PLACE, vector(toy)[None], (0,)).values[0, 0] = 1


def test_sites_are_named_and_ordered_by_layer():
    assert str(Site(3, "mlp")) == "layer 3 mlp"
    assert min(Site(2), Site(1, "mlp"), Site(3, "attention")) == Site(1, "mlp")
