"""Every model family, as a tiny random model, against plain transformers."""

import dataclasses

import numpy as np
import pytest
import torch

from analysis.edits import BASE, Replace, Site, Steer, Variant
from analysis.errors import AnalysisError
from analysis.models import hooks
from analysis.models.layouts import find_parts

TEXT = "The sea is deep, and 2 + 2 = 4."
PROMPTS = ("The sea", "is deep, and 2 + 2", "4.")
STREAMS = ("residual", "attention", "mlp")
WRITES_ARE_NORMED_AGAIN = ("opt-post-norm",)
"""Here a norm runs over the sum, so no module's output is what the residual stream gains."""
FAMILY_GRID = {
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
ROUTED = ("mixtral", "olmoe", "qwen3-moe")
ROUNDING = 1e-5
"""Float32 sums of the same numbers in another order (other batch shapes, other kernels) differ by a few
units in the last place (1.2e-7); four layers of large random weights amplify that by up to about 30."""


def off(a, b) -> float:
    """Largest difference, relative to the largest value where that exceeds 1."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max()))


def layer_of(model) -> int:
    return 3 * model.n_layers // 4


def direction(model, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=model.d_model).astype(np.float32)


def plain_output(family, ids):
    with torch.inference_mode():
        return family.plain(torch.tensor([ids]), use_cache=False, output_hidden_states=True)


def logits_of(model, trace, row=0) -> np.ndarray:
    last = torch.from_numpy(trace.at(Site(model.n_layers), row).copy())
    return model.on_worker(lambda: model.read_out(last)).numpy()


def generated(model, steps, row=0) -> tuple[int, ...]:
    return tuple(step.ids[row] for step in steps)


def test_every_check_at_load_passes_or_says_why(family):
    failed = [check for check in family.model.parity if not check.passed]
    if family.name in WRITES_ARE_NORMED_AGAIN:
        assert [check.concern for check in failed] == ["writes"]
        assert "does not add up" in failed[0].sentence
    else:
        assert not failed
    assert {check.concern for check in family.model.parity} == {
        "logits", "hooks", "lens", "writes", "tokens", "dtype", "family"
    }  # fmt: skip


def test_attention_is_not_uniform_and_gains_are_not_one(family):
    """The tiny models would hide mistakes if every token were mixed evenly or every norm did nothing."""
    one, other = (plain_output(family, ids).logits[0, -1] for ids in ([5, 80, 7, 9], [80, 5, 7, 9]))
    assert (one - other).abs().max() > 1e-3
    vectors = [weight for weight in family.plain.parameters() if weight.dim() == 1]
    assert all(weight.std() > 0.05 for weight in vectors)


def test_the_residual_stream_equals_transformers_hidden_states(family):
    model = family.model
    trace = model.run(TEXT)
    output = plain_output(family, trace.tokens[0].ids)
    stream = trace.residuals()
    for layer in range(model.n_layers):
        assert off(stream[layer], output.hidden_states[layer][0]) <= ROUNDING, f"layer {layer}"
    # transformers' last hidden state is already normed (and projected, where the family does that)
    normed = model.parts.norm(torch.from_numpy(stream[-1].copy()))
    normed = normed if model.parts.after_norm is None else model.parts.after_norm(normed)
    assert off(normed, output.hidden_states[-1][0]) <= ROUNDING


def test_reading_out_the_last_layer_gives_the_logits(family):
    trace = family.model.run(TEXT)
    logits = plain_output(family, trace.tokens[0].ids).logits[0]
    assert off(logits_of(family.model, trace), logits) <= ROUNDING
    assert off(logits_of(family.model, trace), logits.flip(0)) > 1e-2


def test_greedy_text_equals_generate_token_for_token(family):
    model = family.model
    ids = model.tokenize("The sea is").ids
    steps = list(model.generate("The sea is", max_new_tokens=24))
    with torch.inference_mode():
        prompt = torch.tensor([ids])
        text = family.plain.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=24, pad_token_id=0
        )
    assert generated(model, steps) == tuple(text[0, len(ids) :].tolist())
    assert len(steps) == 24


def test_a_batch_of_three_lengths_equals_three_single_runs(family):
    model = family.model
    together = model.run(PROMPTS, read="all")
    assert len({len(tokens) for tokens in together.tokens}) == 3
    for row, prompt in enumerate(PROMPTS):
        alone = model.run(prompt, read="all")
        for site in alone.sites:
            assert off(together.at(site, row), alone.at(site)) <= ROUNDING, f"{site} of {prompt!r}"
    assert not together.values[:, ~together.mask].any()


def test_a_pass_that_ends_early_reads_what_a_whole_one_does(family):
    model = family.model
    whole = model.run(PROMPTS, read="all")
    for layer in range(model.n_layers + 1):
        assert np.array_equal(
            model.run(PROMPTS, read=[Site(layer)]).values[0], whole.values[whole.index(Site(layer))]
        )


@pytest.mark.parametrize("stream", STREAMS)
def test_resuming_at_an_edit_equals_the_full_run(family, stream):
    model = family.model
    edit = Steer(Site(layer_of(model), stream), direction(model), scale=2.0)
    variants = (BASE, Variant("edited", (edit,)))
    base = model.run(PROMPTS, read="all")
    full = model.run(PROMPTS, read="all", variants=variants)
    resumed = model.rerun(base, read="all", variants=variants)
    assert resumed.rows == full.rows
    assert resumed.sites == full.sites
    assert np.array_equal(resumed.mask, full.mask)
    top = full.index(Site(model.n_layers))
    assert off(full.values[top, 3:], full.values[top, :3]) > 1e-2
    for i, site in enumerate(full.sites):
        assert off(resumed.values[i], full.values[i]) <= ROUNDING, str(site)


@pytest.mark.parametrize("stream", STREAMS)
def test_steering_a_stream_moves_it_by_exactly_the_vector(family, stream):
    model = family.model
    site, push = Site(layer_of(model), stream), direction(model)
    edited = Variant("edited", (Steer(site, push, scale=2.0),))
    trace = model.run(TEXT, read="all", variants=(BASE, edited))
    assert (
        off(trace.at(site, 1) - trace.at(site, 0), np.tile(2.0 * push, (len(trace.tokens[0]), 1))) <= ROUNDING
    )
    assert off(logits_of(model, trace, 1), logits_of(model, trace, 0)) > 1e-2


def test_what_an_mlp_adds_arrives_in_the_residual_stream_unscaled(family):
    if family.name in WRITES_ARE_NORMED_AGAIN:
        pytest.skip("a norm runs over the sum")
    model, layer = family.model, layer_of(family.model)
    edited = Variant("edited", (Steer(Site(layer, "mlp"), direction(model), scale=2.0),))
    trace = model.run(TEXT, variants=(BASE, edited))
    gained = trace.at(Site(layer), 1) - trace.at(Site(layer), 0)
    assert off(gained, np.tile(2.0 * direction(model), (len(gained), 1))) <= ROUNDING


@pytest.mark.parametrize("stream", STREAMS)
def test_an_edit_that_changes_nothing_changes_no_bit(family, stream):
    model = family.model
    site = Site(layer_of(model), stream)
    plain = model.run(TEXT, read="all")
    for edit in (
        Steer(site, direction(model), scale=0.0),
        Steer(site, direction(model), positions=(10_000,)),
    ):
        same = model.run(TEXT, read="all", variants=(Variant("same", (edit,)),))
        assert np.array_equal(same.values, plain.values)


@pytest.mark.parametrize("stream", STREAMS)
def test_an_edit_of_one_row_changes_no_bit_of_another(family, stream):
    model = family.model
    site = Site(layer_of(model), stream)
    idle, strong = (Variant("edited", (Steer(site, direction(model), scale=s),)) for s in (0.0, 5.0))
    with_idle = model.run(TEXT, read="all", variants=(BASE, idle))
    with_strong = model.run(TEXT, read="all", variants=(BASE, strong))
    assert not np.array_equal(with_idle.values[:, 1], with_strong.values[:, 1])
    if family.name in ROUTED:  # experts serve the tokens of all rows in one product of varying shape
        assert off(with_idle.values[:, 0], with_strong.values[:, 0]) <= ROUNDING
    else:
        assert np.array_equal(with_idle.values[:, 0], with_strong.values[:, 0])


@pytest.mark.parametrize("positions", ["all", "prompt", "generated", (1, 6)])
def test_an_edited_text_under_the_cache_equals_its_recomputation(family, positions):
    model = family.model
    edits = tuple(
        Steer(Site(layer, stream), direction(model, seed=layer), scale=1.5, positions=positions)
        for layer, stream in ((1, "attention"), (layer_of(model), "residual"), (model.n_layers, "mlp"))
    )
    edited = Variant("edited", edits)
    prompt = model.tokenize("The s")
    steps = list(model.generate(prompt, variants=(edited,), max_new_tokens=8))
    new = generated(model, steps)
    log_probabilities = [step.log_probabilities[0] for step in steps]
    unedited = [step.log_probabilities[0] for step in model.generate(prompt, max_new_tokens=8)]
    assert off(log_probabilities, unedited) > 1e-2
    text = prompt.extended(new, tuple(map(model.tokenizer.piece, new)), (False,) * len(new))
    trace = model.run(text, variants=(edited,))
    logits = torch.from_numpy(logits_of(model, trace))[len(prompt) - 1 : -1]
    assert tuple(logits.argmax(-1).tolist()) == new
    recomputed = logits.log_softmax(-1).gather(1, torch.tensor(new)[:, None])[:, 0]
    assert off(log_probabilities, recomputed) <= ROUNDING


def test_falcon_writes_into_what_its_mlp_returned_and_the_trace_is_not_fooled(families):
    falcon = families("falcon")
    seen = {}
    watch = falcon.plain.transformer.h[2].mlp.register_forward_hook(
        lambda module, args, output: seen.update(kept=output, copied=output.clone())
    )
    trace = falcon.model.run(TEXT, read="all")
    plain_output(falcon, trace.tokens[0].ids)
    watch.remove()
    assert not torch.equal(seen["kept"], seen["copied"])
    assert off(trace.at(Site(3, "mlp")), seen["copied"][0]) <= ROUNDING
    gained = trace.at(Site(3)) - trace.at(Site(2)) - trace.at(Site(3, "attention"))
    assert off(trace.at(Site(3, "mlp")), gained) <= ROUNDING


def test_gemma_caps_its_logits_and_granite_divides_them(families):
    for name, part in (("gemma2", "softcap"), ("granite", "logit_divisor")):
        model = families(name).model
        trace = model.run(TEXT)
        last = torch.from_numpy(trace.at(Site(model.n_layers)).copy())
        undone = dataclasses.replace(model.parts, softcap=None, logit_divisor=1.0)
        assert getattr(model.parts, part) != getattr(undone, part)
        assert off(undone.read_out(last), logits_of(model, trace)) > 0.1


def test_a_post_norm_model_without_a_final_norm_is_read_out_without_one(families):
    assert families("opt-post-norm").plain.model.decoder.final_layer_norm is None
    assert isinstance(families("opt-post-norm").model.parts.norm, torch.nn.Identity)
    assert isinstance(families("opt").model.parts.norm, torch.nn.LayerNorm)


def test_replacing_the_last_residual_by_the_stream_of_a_layer_reads_that_layer(families):
    """The lens at layer l is the model itself with layer l's stream patched to the end."""
    model = families("gemma2").model
    trace = model.run(TEXT)
    early = trace.at(Site(2))
    patch = Replace(Site(model.n_layers), early.copy(), tuple(range(len(early))))
    patched = model.run(TEXT, variants=(Variant("patched", (patch,)),))
    lens = model.on_worker(lambda: model.read_out(torch.from_numpy(early.copy())))
    assert np.array_equal(logits_of(model, patched), lens.numpy())


def test_a_model_that_runs_in_bfloat16_proves_itself_too(network_of, families, wrapped, toy):
    network = network_of("llama", **FAMILY_GRID).bfloat16()
    model = wrapped(network, toy.tokenizer._tokenizer, "llama in bfloat16")
    assert model.dtype_name == "bfloat16"
    assert all(check.passed for check in model.parity)
    # bfloat16 keeps 8 bits: 0.4 % a rounding, some dozens of roundings in four layers
    assert off(model.run(TEXT).residuals(), families("llama").model.run(TEXT).residuals()) < 0.1
    model.close()


@pytest.mark.parametrize("stream", ["attention", "mlp"])
def test_scaling_a_write_there_and_back_costs_no_bit_where_nothing_was_edited(
    network_of, wrapped, toy, stream
):
    """Granite multiplies what it adds; in bfloat16 x * 0.22 / 0.22 * 0.22 is another number than x * 0.22."""
    once = torch.randn(10_000, generator=torch.Generator().manual_seed(0)).bfloat16() * 0.22
    assert not torch.equal(once / 0.22 * 0.22, once)
    settings = FAMILY_GRID | {"residual_multiplier": 0.22}
    model = wrapped(
        network_of("granite", **settings).bfloat16(), toy.tokenizer._tokenizer, "granite in bfloat16"
    )
    text = "A longer text has more numbers in it, and one in a hundred would be another."
    strong = Variant("edited", (Steer(Site(2, stream), direction(model), scale=5.0, positions=(3,)),))
    plain = model.run(text, read="all", variants=(BASE, Variant("edited")))
    edited = model.run(text, read="all", variants=(BASE, strong))
    assert np.array_equal(edited.values[:, 0], plain.values[:, 0])
    assert np.array_equal(edited.values[:, 1, :3], plain.values[:, 1, :3])
    assert not np.array_equal(edited.values[:, 1, 3], plain.values[:, 1, 3])
    model.close()


def test_an_unlisted_type_with_known_names_is_read_and_says_so(network_of, wrapped, toy):
    network = network_of("starcoder2", **FAMILY_GRID)
    model = wrapped(network, toy.tokenizer._tokenizer, "starcoder2")
    assert all(check.passed for check in model.parity)
    sentence = next(check.sentence for check in model.parity if check.concern == "family")
    assert "'starcoder2' is not listed" in sentence
    assert "read as Llama" in sentence
    base = model.run(TEXT)
    edited = (Variant("edited", (Steer(Site(3), direction(model)),)),)
    assert off(model.rerun(base, variants=edited).values, model.run(TEXT, variants=edited).values) <= ROUNDING
    model.close()


def test_an_unlisted_type_whose_logits_are_made_otherwise_fails_the_lens_check(network_of, wrapped, toy):
    network = network_of("cohere", **FAMILY_GRID, logit_scale=0.25)
    model = wrapped(network, toy.tokenizer._tokenizer, "cohere")
    failed = [check for check in model.parity if not check.passed]
    assert [check.concern for check in failed] == ["lens"]
    assert "is not the model's logits" in failed[0].sentence
    model.close()


def test_an_unknown_family_is_refused_with_the_part_that_is_missing(network_of):
    network = network_of("mpt", d_model=24, n_heads=4, n_layers=2)
    with pytest.raises(
        AnalysisError, match=r"'mpt' are not known here.*not found: .*the final norm"
    ) as refusal:
        find_parts(network)
    assert "Known families: Llama" in str(refusal.value)
    assert hooks.count(network) == 0


def test_a_known_family_with_a_part_elsewhere_is_refused_with_its_path(network_of):
    network = network_of(
        "llama", hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37
    )
    network.model.last_norm = network.model.norm
    del network.model.norm
    with pytest.raises(AnalysisError, match=r"This Llama model .* has no final norm at 'model.norm'"):
        find_parts(network)
