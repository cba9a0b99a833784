"""From files to a network, or one sentence why not."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertModel, ViTConfig, ViTForImageClassification

from analysis.errors import AnalysisError, Cancelled
from analysis.jobs import silent
from analysis.models import checkpoint
from analysis.models.checkpoint import choose_dtype, open_checkpoint, peek_config
from analysis.models.files import ModelFiles
from analysis.models.sources import locate
from analysis.models.spec import ModelSpec
from tests.analysis import small_models

GB = 10**9


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return small_models.save_llama(tmp_path_factory.mktemp("saved") / "tiny-llama")


@pytest.fixture
def model(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "tiny-llama"))


def files_of(folder) -> ModelFiles:
    return locate(ModelSpec(str(folder)))


def change_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_weights(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def refused(folder, words: str) -> None:
    with pytest.raises(AnalysisError, match=words):
        open_checkpoint(files_of(folder), torch.float32)


def test_a_model_opens_ready_to_be_read(model):
    seen = []
    opened = open_checkpoint(files_of(model), torch.float32, lambda *progress: seen.append(progress))
    assert not opened.model.training
    assert not any(p.requires_grad for p in opened.model.parameters())
    assert opened.note == ""
    assert opened.tokenizer.decode(opened.tokenizer("ab c").input_ids) == "ab c"
    weights = load_file(model / "model.safetensors")
    assert all(torch.equal(weights[name], values) for name, values in opened.model.named_parameters())
    counted = [done for message, done, *_ in (p for p in seen if len(p) > 1) if message.startswith("Opening")]
    assert counted
    assert counted == sorted(counted)


def test_bfloat16_is_honoured(model):
    opened = open_checkpoint(files_of(model), torch.bfloat16)
    assert {p.dtype for p in opened.model.parameters()} == {torch.bfloat16}


def test_tied_weights_are_not_missing(tmp_path):
    folder = small_models.save_llama(tmp_path / "tied", tie_word_embeddings=True)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    network = open_checkpoint(files_of(folder), torch.float32).model
    assert network.lm_head.weight is network.model.embed_tokens.weight


def test_opening_can_be_cancelled_and_the_next_one_is_whole(model):
    def cancelled(message, done=0.0, total=None):
        if done >= 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        open_checkpoint(files_of(model), torch.float32, cancelled)
    assert open_checkpoint(files_of(model), torch.float32, silent).model is not None


def test_outline_needs_no_weights_in_memory(model):
    outline = peek_config(files_of(model))
    assert (outline.architecture, outline.layers, outline.d_model, outline.vocab) == (
        "LlamaForCausalLM",
        3,
        24,
        small_models.VOCAB,
    )
    assert outline.parameters == sum(v.numel() for v in load_file(model / "model.safetensors").values())
    assert "3 layers" in outline.title


# ---- what is refused


@pytest.mark.parametrize("missing", ["model.layers.1.mlp.up_proj.weight", "lm_head.weight"])
def test_missing_weights_are_refused_rather_than_made_up(model, missing):
    change_weights(model, lambda weights: weights.pop(missing))
    refused(model, rf"lacks 1 of its weights, {missing} .*random numbers.*Download the model again")


def test_other_shapes_are_refused(model):
    change_config(model, intermediate_size=44)
    refused(model, "do not have the shapes that its config.json describes.*saved with these weights")


def test_more_layers_than_described_are_said(model):
    change_config(model, num_hidden_layers=2)
    opened = open_checkpoint(files_of(model), torch.float32)
    assert "model.layers.2" in opened.note
    assert "were left out" in opened.note


def test_weights_cut_short_after_they_were_found_are_named(model):
    files = files_of(model)
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AnalysisError, match="model.safetensors is damaged or was cut short.*again"):
        open_checkpoint(files, torch.float32)


def save_with_tokenizer(network, folder: Path) -> Path:
    network.save_pretrained(folder)
    small_models.tokenizer().save_pretrained(folder)
    return folder


BERT = {
    "vocab_size": 263,
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 30,
}


@pytest.mark.parametrize(("kind", "name"), [(BertForMaskedLM, "BertForMaskedLM"), (BertModel, "BertModel")])
def test_an_encoder_is_refused(tmp_path, kind, name):
    folder = save_with_tokenizer(kind(BertConfig(**BERT)), tmp_path / "bert")
    refused(folder, f"bert is a {name}, which does not continue text.*Expected a causal language model")


def test_an_image_model_is_refused(tmp_path):
    config = ViTConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=30, image_size=32
    )
    refused(
        save_with_tokenizer(ViTForImageClassification(config), tmp_path / "vit"), "does not continue text"
    )


@pytest.mark.parametrize("kind", ["from-the-future", None, 3, ["llama"]])
def test_an_unknown_model_type_is_refused(model, kind):
    change_config(model, model_type=kind)
    refused(model, r"model type .*, which this version of transformers does not know")


def test_a_config_that_contradicts_itself_is_refused(model):
    change_config(model, num_attention_heads="many")
    refused(model, "config.json of tiny-llama cannot be understood.*again")


@pytest.mark.parametrize("words", ["has no tokenizer", "cannot be opened"])
def test_a_missing_or_damaged_tokenizer_is_said(model, words):
    path = model / "tokenizer.json"
    path.write_text('{"version": "1.0", "model": {"type": "odd"}}') if "opened" in words else path.unlink()
    refused(model, f"{words}.*Copy")


def test_a_tokenizer_larger_than_the_model_is_refused(model, tmp_path):
    folder = small_models.save_llama(tmp_path / "short", vocab_size=101)
    refused(
        folder, "has tokens up to number 25[0-9], and the model has embeddings for 101.*saved with this model"
    )


def test_a_packed_model_asks_for_its_package(model):
    change_config(model, quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 8})
    refused(model, "tiny-llama (needs a package that is not installed|cannot be opened)")


def test_too_little_memory_is_refused_with_numbers(model, monkeypatch):
    monkeypatch.setattr(checkpoint, "available_memory", lambda: 1000)
    refused(model, r"tiny-llama needs \d+\.\d kB of memory in float32, and 1\.0 kB are free.*smaller model")


# ---- the number format


@pytest.fixture
def choose(model, monkeypatch):
    found = files_of(model)

    def chosen(parameters, free, ratio, asked="auto"):
        monkeypatch.setattr(checkpoint, "count_parameters", lambda files: int(parameters))
        monkeypatch.setattr(checkpoint, "available_memory", lambda: int(free))
        monkeypatch.setattr(checkpoint, "bfloat16_cost", lambda: ratio)
        return choose_dtype(found, asked)

    return chosen


@pytest.mark.parametrize(
    ("parameters", "free", "ratio", "dtype", "words"),
    [
        (0.135 * GB, 16 * GB, 0.6, torch.float32, "540.0 MB fit easily"),
        (1 * GB, 16 * GB, 0.6, torch.float32, "fit easily"),
        (1 * GB, 10 * GB, 0.6, torch.bfloat16, "4.0 GB of 10.0 GB free.*0.60 of their float32 time"),
        (1 * GB, 10 * GB, 11.0, torch.float32, "11.0 times as long"),
        (3 * GB, 100 * GB, 0.6, torch.bfloat16, "12.0 GB"),
        (3 * GB, 100 * GB, 30.0, torch.float32, "30.0 times"),
    ],
)
def test_auto_weighs_memory_and_speed(choose, parameters, free, ratio, dtype, words):
    chosen, reason = choose(parameters, free, ratio)
    assert chosen is dtype
    import re

    assert re.search(words, reason)


@pytest.mark.parametrize("ratio", [0.6, 30.0])
def test_what_fits_nowhere_is_refused_with_numbers(choose, ratio):
    with pytest.raises(
        AnalysisError, match=r"needs 30\.8 GB of memory in float32 and 15\.4 GB in bfloat16.*8\.0 GB are"
    ):
        choose(7 * GB, 8 * GB, ratio)


def test_what_is_asked_for_is_given(choose):
    assert choose(7 * GB, 1, 1.0, "float32")[0] is torch.float32
    assert choose(1, 1, 1.0, "bfloat16")[0] is torch.bfloat16


def test_the_probe_measures_this_processor():
    assert 0.01 < checkpoint.bfloat16_cost() < 1000
