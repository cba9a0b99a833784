"""A prompt run once and gone on from: never another text than without, and the control that moved comes first."""

import dataclasses
import threading

import numpy as np
import pytest
import torch

from analysis.edits import BASE, Ablate, Replace, Site, Steer, Variant
from analysis.errors import AnalysisError
from analysis.models import prefix as prefixes
from analysis.models.decode import GREEDY, Sampling

TEXT = "The sea is deep"
DRAWN = Sampling(temperature=1.3, top_p=0.9, top_k=50, seed=3)
NEW = 7
ROUNDING = 1e-5
"""Float32 sums of the same numbers in another order; see test_families."""


def vector(model, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=model.d_model).astype(np.float32)


def steer(model, layer, stream="residual", positions="all", scale=2.0) -> Variant:
    edit = Steer(Site(layer, stream), vector(model, layer), scale, positions)
    return Variant(f"{layer} {stream} {positions} {scale}", (edit,))


CASES = {
    "base alone": lambda m: (BASE,),
    "residual": lambda m: (BASE, *(steer(m, 2, scale=scale) for scale in (1.0, 2.0, 3.0))),
    "no base": lambda m: (steer(m, 2), steer(m, 3)),
    "several lowest layers": lambda m: (steer(m, 3), BASE, steer(m, 1), steer(m, 2, "mlp"), steer(m, 3, "mlp")),
    "layer 0": lambda m: (BASE, steer(m, 0), steer(m, 2)),
    "first block": lambda m: (steer(m, 1, "attention"), BASE, steer(m, 2)),
    "last layer": lambda m: (BASE, steer(m, m.n_layers), steer(m, m.n_layers, "mlp")),
    "attention": lambda m: (BASE, steer(m, 2, "attention"), steer(m, 3, "attention")),
    "mlp": lambda m: (BASE, steer(m, 2, "mlp"), steer(m, 3, "mlp")),
    "prompt only": lambda m: (BASE, steer(m, 2, positions="prompt"), steer(m, 1, positions="prompt")),
    "generated only": lambda m: (BASE, steer(m, 2, positions="generated")),
    "positions": lambda m: (steer(m, 2, positions=(3,)), BASE, steer(m, 1, positions=(16, 18))),
    "several edits of a row": lambda m: (
        BASE,
        Variant(
            "both",
            (
                Steer(Site(1), vector(m), 1.0, "generated"),
                Ablate(Site(2, "attention"), vector(m, 1)),
                Replace(Site(3), vector(m, 2)[None], (4,)),
            ),
        ),
        Variant("an edit below that meets no token", (*steer(m, 1, positions=(900,)).edits, *steer(m, 3).edits)),
    ),
}  # fmt: skip


def written(steps, row: int) -> tuple[tuple[int, ...], list[float]]:
    """A row's tokens and their log-probabilities, in whichever steps they came."""
    found = [(s.ids[row], s.log_probabilities[row]) for s in steps if s.ids[row] is not None]
    return tuple(i for i, _ in found), [p for _, p in found]


def require_same_texts(ours, wanted, rows: int) -> None:
    for row in range(rows):
        (ids, found), (wanted_ids, expected) = written(ours, row), written(wanted, row)
        assert ids == wanted_ids
        assert np.abs(np.subtract(found, expected)).max() <= ROUNDING


def require_same_continuation(model, tokens, prefix, variants, sampling) -> None:
    knobs = {"variants": variants, "sampling": sampling, "max_new_tokens": NEW}
    ours = list(model.generate(tokens, prefix=prefix, **knobs))
    require_same_texts(ours, list(model.generate(tokens, **knobs)), len(variants))
    assert all(len(written(ours, row)[0]) == NEW for row in range(len(variants)))


def bytes_of(prefix) -> bytes:
    tensors = [prefix.residual, prefix.logits]
    tensors += [tensor for pair in prefixes.memory(prefix.cache) for tensor in pair]
    return b"".join(tensor.numpy().tobytes() for tensor in tensors)


# laws


def test_every_family_can_begin_from_a_prefix(family):
    prefix = family.model.prefix(TEXT)
    assert prefix.cache is not None
    assert prefix.residual.shape == (family.model.n_layers + 1, len(prefix.tokens), family.model.d_model)


@pytest.mark.parametrize("case", CASES)
def test_with_a_prefix_the_same_text_is_written(family, case):
    model, variants = family.model, CASES[case](family.model)
    tokens = model.tokenize(TEXT)
    prefix = model.prefix(tokens)
    before = bytes_of(prefix)
    require_same_continuation(model, tokens, prefix, variants, DRAWN)
    assert bytes_of(prefix) == before


@pytest.mark.parametrize("case", CASES)
def test_without_a_draw_the_same_text_is_written_too(toy, case):
    """What is said of a draw is said of families; that nothing is drawn is the same for all of them."""
    tokens = toy.tokenize(TEXT)
    require_same_continuation(toy, tokens, toy.prefix(tokens), CASES[case](toy), GREEDY)


def test_the_edits_of_every_case_change_the_text_or_its_probabilities(toy):
    """Or the law above would hold for edits that do nothing."""
    ids, expected = written(list(toy.generate(TEXT, max_new_tokens=NEW)), 0)
    for variants in (case(toy) for case in CASES.values()):
        steps = list(toy.generate(TEXT, variants=variants, max_new_tokens=NEW))
        for row, variant in enumerate(variants):
            other, found = written(steps, row)
            changed = other != ids or np.abs(np.subtract(found, expected)).max() > 1e-3
            assert changed == bool(variant.edits), variant.name


def test_text_that_was_generated_before_belongs_to_the_prompt_pass_and_not_to_the_prompt(toy):
    prompt = toy.tokenize("The sea")
    tokens = prompt.extended((40, 41, 42), (b"(", b")", b"*"), (False,) * 3)
    variants = (BASE, steer(toy, 2, positions="generated"), steer(toy, 1, positions="prompt"))
    ours = list(toy.generate(tokens, variants=variants, prefix=toy.prefix(tokens), max_new_tokens=NEW))
    assert ours[0].ids[2] is None  # both edited rows needed a pass
    require_same_texts(ours, list(toy.generate(tokens, variants=variants, max_new_tokens=NEW)), 3)


def test_two_threads_may_begin_from_one_prefix_at_once(toy):
    prefix = toy.prefix(TEXT)
    before = bytes_of(prefix)
    requests = [(BASE, steer(toy, 1 + i % 3), steer(toy, 1, "mlp", scale=1.0 + i)) for i in range(4)]

    def write(variants):
        steps = toy.generate(TEXT, variants=variants, prefix=prefix, sampling=DRAWN, max_new_tokens=NEW)
        return [(step.ids, step.log_probabilities.tobytes()) for step in steps]

    alone, found, start = [write(variants) for variants in requests], {}, threading.Barrier(4)

    def work(i: int):
        start.wait()
        found[i] = [write(requests[i]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert all(found[i] == [alone[i]] * 5 for i in range(4))
    assert bytes_of(prefix) == before


def test_a_model_in_bfloat16_begins_from_its_prefix_too(network_of, wrapped, toy):
    settings = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 37}
    model = wrapped(network_of("llama", **settings).bfloat16(), toy.tokenizer._tokenizer, "bfloat16")
    knobs = {"variants": (BASE, steer(model, 2)), "max_new_tokens": 1}
    (ours,) = model.generate(TEXT, prefix=model.prefix(TEXT), **knobs)
    (wanted,) = model.generate(TEXT, **knobs)
    assert ours.ids == wanted.ids
    assert np.abs(ours.log_probabilities - wanted.log_probabilities).max() < 0.1  # 8 bits; see test_families
    model.close()


# what comes when


def counted(model, monkeypatch) -> list[int]:
    calls, do = [], model.worker.do

    def counting(call):
        calls.append(1)
        return do(call)

    monkeypatch.setattr(model.worker, "do", counting)
    return calls


def test_base_and_the_first_edited_row_come_first_and_then_the_others(toy, monkeypatch):
    variants = (BASE, *(steer(toy, 2, scale=scale) for scale in (1.0, 2.0, 3.0)))
    prefix, calls = toy.prefix(TEXT), counted(toy, monkeypatch)
    running = toy.generate(TEXT, variants=variants, prefix=prefix, max_new_tokens=3)
    first, second = next(running), next(running)
    assert len(calls) == 2  # others are served between any two steps
    assert [index is None for index in first.ids] == [False, False, True, True]
    assert [index is None for index in second.ids] == [True, True, False, False]
    assert np.isnan(first.log_probabilities).tolist() == [False, False, True, True]
    assert first.ended == second.ended == first.broken == second.broken == (False,) * 4
    assert [None in step.ids for step in running] == [False, False]


def test_a_row_that_no_edit_meets_in_the_prompt_needs_no_pass(own_toy):
    prefix = own_toy.prefix(TEXT)
    passes = watch(own_toy, own_toy.parts.attention[-1])
    variants = (BASE, steer(own_toy, 1, positions="generated"), steer(own_toy, 1, positions=(500,)))
    running = own_toy.generate(TEXT, variants=variants, prefix=prefix)
    assert None not in next(running).ids
    assert passes == []


def test_blocks_below_the_lowest_edit_of_the_prompt_do_not_run_again(own_toy):
    prefix = own_toy.prefix(TEXT)
    passes = [watch(own_toy, attention) for attention in own_toy.parts.attention]
    edits = (*steer(own_toy, 1, positions="generated").edits, *steer(own_toy, 2).edits)
    next(own_toy.generate(TEXT, variants=(BASE, Variant("x", edits)), prefix=prefix))
    assert passes == [[], [], [(1, len(prefix.tokens))]]


def watch(model, module) -> list[tuple[int, int]]:
    """(rows, columns) of every pass through a module, from now on."""
    seen, forward = [], module.forward

    def watching(*args, **kwargs):
        seen.append(tuple((args[0] if args else kwargs["hidden_states"]).shape[:2]))
        return forward(*args, **kwargs)

    module.forward = watching
    return seen


def test_a_row_that_ends_at_its_first_token_stays_ended_while_others_begin(own_toy):
    variants = (BASE, steer(own_toy, 2, scale=-3.0), steer(own_toy, 2, scale=-6.0))
    ids = next(own_toy.generate(TEXT, variants=variants)).ids
    assert ids[0] not in ids[1:]
    own_toy.network.generation_config.eos_token_id = ids[0]
    ours = list(own_toy.generate(TEXT, variants=variants, prefix=own_toy.prefix(TEXT), max_new_tokens=4))
    require_same_texts(ours, list(own_toy.generate(TEXT, variants=variants, max_new_tokens=4)), 3)
    assert written(ours, 0)[0] == ids[:1]
    assert all(step.ended[0] for step in ours)
    assert not ours[0].ended[2]


# contracts


def test_what_is_read_is_the_same_with_a_prefix(toy):
    knobs = {"variants": (BASE, steer(toy, 2)), "read": (Site(1), Site(1, "mlp")), "max_new_tokens": 2}
    ours = list(toy.generate(TEXT, prefix=toy.prefix(TEXT), **knobs))
    wanted = list(toy.generate(TEXT, **knobs))
    assert [s.ids for s in ours] == [s.ids for s in wanted]
    for step, other in zip(ours, wanted, strict=True):
        assert all(np.array_equal(step.captured[site], other.captured[site]) for site in knobs["read"])


def test_a_model_that_keeps_something_else_than_keys_and_values_runs_the_whole_prompt(toy, monkeypatch):
    monkeypatch.setattr(prefixes, "KNOWN_LAYERS", ())
    prefix = toy.prefix(TEXT)
    assert prefix.cache is None
    knobs = {"variants": (BASE, steer(toy, 2)), "max_new_tokens": NEW}
    ours, wanted = list(toy.generate(TEXT, prefix=prefix, **knobs)), list(toy.generate(TEXT, **knobs))
    assert [(s.ids, s.log_probabilities.tobytes()) for s in ours] == [
        (s.ids, s.log_probabilities.tobytes()) for s in wanted
    ]


def test_a_prefix_of_another_model_is_refused(toy, planted):
    with pytest.raises(AnalysisError, match="made by another model; make one with this model"):
        next(toy.generate(TEXT, prefix=planted.prefix(TEXT)))


def test_a_prefix_of_another_text_is_refused_with_the_lengths(toy):
    with pytest.raises(AnalysisError, match=r"another text \(6 tokens; the prompt has 5\)"):
        next(toy.generate("The sea"[:6], prefix=toy.prefix("The sea")))
    with pytest.raises(AnalysisError, match="another text"):
        next(toy.generate("The see", prefix=toy.prefix("The sea")))


def test_a_prefix_is_frozen(toy):
    with pytest.raises(dataclasses.FrozenInstanceError):
        toy.prefix(TEXT).residual = torch.zeros(1, 1, 1)


def test_no_new_tokens_are_no_steps(toy):
    assert list(toy.generate(TEXT, max_new_tokens=0)) == []
    assert list(toy.generate(TEXT, prefix=toy.prefix(TEXT), max_new_tokens=0)) == []
    assert len(list(toy.generate(TEXT, prefix=toy.prefix(TEXT), max_new_tokens=1))) == 1
