"""The checks at load: each must be able to fail, and what rests on a failed one is refused."""

import dataclasses

import pytest
import torch
from tokenizers import normalizers

from analysis.errors import AnalysisError
from analysis.models import parity
from analysis.models import toy as toys
from analysis.models.layouts import find_parts
from analysis.models.loaded import LoadedModel
from analysis.models.spec import ModelSpec


def proved(network, tokenizer, spoil_parts=lambda parts: parts, spoil_logits=lambda logits: logits):
    """A model with its checks, its parts or its plain logits spoiled before they are compared."""
    ids = parity.probe_ids(tokenizer)
    plain = spoil_logits(parity.plain_logits(network, ids))
    parts = spoil_parts(find_parts(network))
    model = LoadedModel(ModelSpec("toy:random"), network, tokenizer, parts, title="spoiled", revision="1")
    model.parity = parity.prove(model, plain, ids)
    return model


def failed(model) -> list[str]:
    return [check.concern for check in model.parity if not check.passed]


@pytest.fixture
def made():
    return toys.build("toy:random")


def test_a_sound_model_passes_every_check_and_is_refused_nothing(toy, planted):
    for model in (toy, planted):
        assert failed(model) == []
        for concern in ("logits", "hooks", "lens", "writes", "tokens", "dtype", "family"):
            parity.require(model, concern)


def test_logits_that_differ_in_one_bit_fail_the_checks(made):
    def spoil(logits):
        logits = logits.clone()
        logits[0, -1, 7] = torch.nextafter(logits[0, -1, 7], torch.tensor(torch.inf))
        return logits

    model = proved(made.network, made.tokenizer, spoil_logits=spoil)
    assert failed(model) == ["logits", "hooks", "lens"]
    model.close()


def test_a_final_norm_left_out_fails_the_lens_and_is_refused(made):
    model = proved(
        made.network, made.tokenizer, lambda parts: dataclasses.replace(parts, norm=torch.nn.Identity())
    )
    assert failed(model) == ["lens"]
    with pytest.raises(
        AnalysisError, match="spoiled cannot be read this way. The lens at the last layer is not"
    ):
        parity.require(model, "lens")
    parity.require(model, "writes")
    model.close()


def test_writes_taken_before_a_norm_that_follows_them_fail_to_add_up(network_of, families, made):
    assert failed(families("gemma2").model) == []
    network = network_of("gemma2", hidden_size=24, intermediate_size=37, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, head_dim=6)  # fmt: skip
    model = proved(
        network,
        made.tokenizer,
        lambda parts: dataclasses.replace(
            parts,
            attention=tuple(block.self_attn for block in parts.blocks),
            mlp=tuple(block.mlp for block in parts.blocks),
        ),
    )
    assert failed(model) == ["writes"]
    model.close()


def test_a_residual_multiplier_left_out_fails_to_add_up(network_of, made):
    network = network_of("granite", hidden_size=24, intermediate_size=37, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, residual_multiplier=0.22)  # fmt: skip
    model = proved(network, made.tokenizer, lambda parts: dataclasses.replace(parts, write_scale=1.0))
    assert failed(model) == ["writes"]
    model.close()


def test_a_softcap_left_out_fails_the_lens(network_of, made):
    network = network_of("gemma2", hidden_size=24, intermediate_size=37, num_hidden_layers=2, head_dim=6,
                         num_attention_heads=4, num_key_value_heads=2, final_logit_softcapping=3.0)  # fmt: skip
    model = proved(network, made.tokenizer, lambda parts: dataclasses.replace(parts, softcap=None))
    assert failed(model) == ["lens"]
    model.close()


def test_a_tokenizer_that_rewrites_text_fails_its_check(made):
    made.tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    model = proved(made.network, made.tokenizer)
    assert failed(model) == ["tokens"]
    model.close()
