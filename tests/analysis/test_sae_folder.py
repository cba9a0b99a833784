"""Folders of SAELens and sparsify: the same activations and reconstructions, and sentences for what cannot be read."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from analysis.dictionaries.dictionary import SparseDictionary, reconstructed
from analysis.dictionaries.encoders import Gated, GroupMax, JumpRelu, Linear, Relu, TopK
from analysis.dictionaries.formats.hook_names import hook_of, site_of
from analysis.dictionaries.formats.sae_folder import WEIGHTS, read_folder, write_folder
from analysis.dictionaries.formats.sparsify_folder import read_sparsify_folder
from analysis.dictionaries.matching_pursuit import MatchingPursuit
from analysis.dictionaries.without_training.factors import Factors
from analysis.edits import Site
from analysis.errors import AnalysisError

D, F, K = 22, 61, 5
HOOK = "blocks.1.hook_resid_post"
ARCHITECTURES = ("standard", "topk", "jumprelu", "gated")


def weights(rng, architecture: str) -> dict[str, np.ndarray]:
    made = {"W_enc": (D, F), "b_enc": (F,), "W_dec": (F, D), "b_dec": (D,)}
    extra = {"jumprelu": ("threshold",), "gated": ("b_gate", "b_mag", "r_mag")}.get(architecture, ())
    made |= dict.fromkeys(extra, (F,))
    if architecture == "gated":
        del made["b_enc"]
    found = {name: rng.standard_normal(shape).astype(np.float32) * 0.5 for name, shape in made.items()}
    if "threshold" in found:
        found["threshold"] = np.abs(found["threshold"])
    return found


def config(architecture: str, /, **more) -> dict:
    metadata = {"sae_lens_version": "6.54.12", "model_name": "toy/toy:random", "hook_name": HOOK}
    said = {"architecture": architecture, "d_in": D, "d_sae": F, "dtype": "float32", "device": "cpu"}
    said |= {"apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none"}
    said |= {"k": K, "rescale_acts_by_decoder_norm": False} if architecture == "topk" else {}
    metadata |= more.pop("metadata", {})
    return said | {"metadata": metadata} | more


def folder(tmp_path: Path, tensors: dict, said: dict) -> Path:
    tmp_path.mkdir(exist_ok=True, parents=True)
    save_file(tensors, tmp_path / WEIGHTS)
    (tmp_path / "cfg.json").write_text(json.dumps(said))
    return tmp_path


def told(architecture: str, t: dict, said: dict, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Activations and reconstruction, from the definitions."""
    t = {name: values.astype(np.float64) for name, values in t.items()}
    undo = (1.0, 0.0)
    if said["normalize_activations"] == "constant_norm_rescale":
        length = np.linalg.norm(x, axis=1, keepdims=True) / np.sqrt(D)
        x, undo = x / length, (length, 0.0)
    if said["normalize_activations"] == "layer_norm":
        mean, spread = x.mean(1, keepdims=True), x.std(1, ddof=1, keepdims=True)
        x, undo = (x - mean) / (spread + 1e-5), (spread, mean)
    z = (x - t["b_dec"] * said["apply_b_dec_to_input"]) @ t["W_enc"] + t.get("b_enc", 0)
    rows = np.linalg.norm(t["W_dec"], axis=1) if said.get("rescale_acts_by_decoder_norm") else np.ones(F)
    if architecture == "standard":
        a = np.maximum(z, 0)
    elif architecture == "topk":
        z = z * rows
        a = np.where(z >= np.sort(z, axis=1)[:, [-K]], np.maximum(z, 0), 0)
    elif architecture == "jumprelu":
        a = np.where(z > t["threshold"], np.maximum(z, 0), 0)
    else:
        a = np.maximum(z * np.exp(t["r_mag"]) + t["b_mag"], 0) * (z + t["b_gate"] > 0)
    return a, ((a / rows) @ t["W_dec"] + t["b_dec"]) * undo[0] + undo[1]


def both(dictionary, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a = dictionary.encode(torch.from_numpy(x.astype(np.float32)))
    return a.numpy(), dictionary.decode(a).numpy()


def near(found, expected):
    assert np.abs(found - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


def refused(read, *words: str):
    with pytest.raises(AnalysisError) as error:
        read()
    sentence = str(error.value)
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(".")


# ---- reading


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("applied", [True, False])
def test_every_architecture_is_read_as_it_is_defined(tmp_path, rng, architecture, applied):
    tensors, said = weights(rng(1), architecture), config(architecture, apply_b_dec_to_input=applied)
    x = rng(2).standard_normal((40, D))
    dictionary = read_folder(folder(tmp_path, tensors, said))
    for found, expected in zip(both(dictionary, x), told(architecture, tensors, said, x), strict=True):
        near(found, expected)
    assert dictionary.site == Site(2) and dictionary.features == F and dictionary.model == "toy/toy:random"


@pytest.mark.parametrize("how", ["constant_norm_rescale", "layer_norm"])
@pytest.mark.parametrize("architecture", ["topk", "jumprelu"])
def test_normalised_input_is_rebuilt_as_it_is_defined_and_told_in_the_states_own_units(
    tmp_path, rng, architecture, how
):
    tensors, said = weights(rng(1), architecture), config(architecture, normalize_activations=how)
    x = 30 * rng(2).standard_normal((40, D)) + 7
    dictionary = read_folder(folder(tmp_path, tensors, said))
    found, rebuilt = both(dictionary, x)
    expected, whole = told(architecture, tensors, said, x)
    near(rebuilt, whole)
    near(found[:, :F] / found[:, [F]], expected)
    rows = dictionary.directions(list(range(dictionary.features)))
    near(found @ rows, whole)  # nothing is left that is not a feature's


def test_choosing_by_the_decoders_length_is_a_decoder_of_unit_rows(tmp_path, rng):
    tensors, said = weights(rng(1), "topk"), config("topk", rescale_acts_by_decoder_norm=True)
    x = rng(2).standard_normal((40, D))
    dictionary = read_folder(folder(tmp_path, tensors, said))
    for found, expected in zip(both(dictionary, x), told("topk", tensors, said, x), strict=True):
        near(found, expected)
    np.testing.assert_allclose(np.linalg.norm(dictionary.decoder, axis=1), 1, atol=1e-6)


def test_the_average_scaling_of_inputs_is_folded_in_where_it_is_given(tmp_path, rng):
    tensors = weights(rng(1), "jumprelu")
    x = rng(2).standard_normal((40, D))
    plain = read_folder(folder(tmp_path / "plain", tensors, config("jumprelu")))
    scaled = config("jumprelu", normalize_activations="expected_average_only_in")
    place = folder(tmp_path / "scaled", tensors, scaled)
    assert "folded" in read_folder(place).card["assumed"]
    (place / "activation_scaler.json").write_text('{"scaling_factor": 0.25}')
    a, rebuilt = both(read_folder(place), x)
    a_of_quarter, rebuilt_of_quarter = both(plain, x * 0.25)
    near(a, a_of_quarter)
    near(rebuilt, rebuilt_of_quarter / 0.25)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions_are_read_as_the_numbers_they_hold(tmp_path, rng, dtype):
    given = {
        name: torch.from_numpy(v).to(getattr(torch, dtype)) for name, v in weights(rng(1), "jumprelu").items()
    }
    tmp_path.joinpath("cfg.json").write_text(json.dumps(config("jumprelu")))
    save_torch(given, tmp_path / WEIGHTS)
    found = read_folder(tmp_path)
    assert found.decoder.dtype == np.float32
    np.testing.assert_array_equal(found.decoder, given["W_dec"].float().numpy())


def test_a_missing_encoder_bias_is_zero(tmp_path, rng):
    tensors = weights(rng(1), "standard")
    del tensors["b_enc"]
    assert not read_folder(folder(tmp_path, tensors, config("standard"))).encoder_bias.any()


def test_matching_pursuit_takes_its_directions_in_turn(tmp_path, rng):
    rows = np.linalg.qr(rng(1).standard_normal((D, D)))[0].astype(np.float32)
    said = config("matching_pursuit", d_sae=D, max_iterations=3, residual_threshold=0.0)
    dictionary = read_folder(folder(tmp_path, {"W_dec": rows, "b_dec": np.ones(D, np.float32)}, said))
    a = np.zeros((2, D), np.float32)
    a[0, [3, 8, 11]], a[1, [0, 5]] = (5, 4, 3), (2, 1)
    found, rebuilt = both(dictionary, a @ rows + 1)
    near(found, a)
    near(rebuilt, a @ rows + 1)


def test_folders_from_before_version_6_are_read_and_what_is_assumed_is_said(tmp_path, rng):
    tensors = weights(rng(1), "topk")
    old = {"model_name": "gpt2-small", "hook_point": "blocks.1.hook_resid_pre", "d_in": D, "d_sae": F}
    old |= {
        "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": K},
        "neuronpedia_id": "gpt2-small/1-res",
    }
    dictionary = read_folder(folder(tmp_path, tensors, old))
    assert dictionary.kind == TopK(K) and dictionary.site == Site(1)
    assert dictionary.card["neuronpedia_id"] == "gpt2-small/1-res"
    assert "apply_b_dec_to_input is True" in dictionary.card["assumed"]
    x = rng(2).standard_normal((9, D))
    near(both(dictionary, x)[0], told("topk", tensors, config("topk"), x)[0])


# ---- writing


def kinds(rng) -> dict[str, SparseDictionary]:
    t = weights(rng, "gated") | weights(rng, "jumprelu")
    encoders = {
        "relu": Relu(),
        "topk": TopK(K),
        "jumprelu": JumpRelu(t["threshold"]),
        "gated": Gated(t["b_gate"], t["b_mag"], t["r_mag"]),
        "groupmax": GroupMax(1),
        "linear": Linear(),
    }
    parts = t["W_enc"], t["b_enc"], t["W_dec"], t["b_dec"]
    return {
        name: SparseDictionary(
            name, Site(2), kind, *(p.copy() for p in parts), "toy:random", card={"seed": 7}
        )
        for name, kind in encoders.items()
    }


@pytest.mark.parametrize("name", ["relu", "topk", "jumprelu", "gated", "groupmax", "linear"])
def test_what_is_written_is_read_back(tmp_path, rng, name):
    dictionary = kinds(rng(1))[name]
    x = rng(2).standard_normal((30, D))
    again = read_folder(write_folder(dictionary, tmp_path / "new", "float32"))
    for found, expected in zip(both(again, x), both(dictionary, x), strict=True):
        near(found, expected)
    assert again.site == dictionary.site and again.card["seed"] == 7 and again.signed == dictionary.signed
    half = read_folder(write_folder(dictionary, tmp_path / "new"))  # over the first one
    assert np.abs(half.decoder - dictionary.decoder).max() < 2e-3
    assert (tmp_path / "new" / WEIGHTS).stat().st_size < 2 * 2 * D * F + 6000


def test_pursuit_and_factors_are_written_and_read_back(tmp_path, rng):
    rows = rng(1).standard_normal((F, D)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    x = rng(2).standard_normal((12, D))
    pursuit = MatchingPursuit("p", Site(2), rows.copy(), np.ones(D, np.float32), 4, 0.1, True, "toy:random")
    factors = Factors("f", Site(1, "mlp"), rows[:7].copy(), np.ones(D, np.float32), "toy:random")
    for number, dictionary in enumerate((pursuit, factors)):
        again = read_folder(write_folder(dictionary, tmp_path / str(number), "float32"))
        assert type(again) is type(dictionary) and again.site == dictionary.site
        near(both(again, x)[0], both(dictionary, x)[0])
    assert read_folder(tmp_path / "0").stops_on_repeat


def test_numbers_that_float16_cannot_hold_stay_float32(tmp_path, rng):
    made = kinds(rng(1))["relu"]
    encoder = made.encoder.copy()
    encoder[0, 0] = 1e5
    large = SparseDictionary("l", Site(2), Relu(), encoder, made.encoder_bias, made.decoder, made.bias)
    assert read_folder(write_folder(large, tmp_path / "l")).encoder[0, 0] == 1e5


def test_what_float16_holds_exactly_takes_half_the_bytes_and_loses_nothing(tmp_path, rng):
    made = kinds(rng(1))["topk"]
    half = {n: getattr(made, n).astype(np.float16).astype(np.float32) for n in ("encoder", "decoder")}
    exact = SparseDictionary(
        "e", Site(2), TopK(K), half["encoder"], made.encoder_bias, half["decoder"], made.bias
    )
    place = write_folder(exact, tmp_path / "e", "float32")
    assert (place / WEIGHTS).stat().st_size < 2 * 2 * D * F + 6000
    assert read_folder(place).fingerprint == exact.fingerprint


def test_rescaled_dictionaries_are_written_with_their_normalisation(tmp_path, rng):
    said = config("topk", normalize_activations="layer_norm")
    dictionary = read_folder(folder(tmp_path, weights(rng(1), "topk"), said))
    x = torch.from_numpy(rng(2).standard_normal((9, D)).astype(np.float32))
    again = read_folder(write_folder(dictionary, tmp_path / "new", "float32"))
    assert torch.equal(reconstructed(again, x), reconstructed(dictionary, x))


def test_neurons_have_nothing_to_write(tmp_path, toy):
    from analysis.dictionaries.neurons import neurons

    refused(lambda: write_folder(neurons(toy, 1), tmp_path / "n"), "no weights of its own")


def test_a_full_disk_leaves_no_folder(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 100})())
    refused(lambda: write_folder(kinds(rng(1))["relu"], tmp_path / "n"), "are free")
    assert not list(tmp_path.iterdir())


# ---- places


@pytest.mark.parametrize(
    ("hook", "site"),
    [
        ("blocks.7.hook_resid_pre", Site(7)),
        ("blocks.0.hook_resid_pre", Site(0)),
        ("blocks.7.hook_resid_post", Site(8)),
        ("blocks.7.hook_attn_out", Site(8, "attention")),
        ("blocks.7.hook_mlp_out", Site(8, "mlp")),
        ("blocks.7.mlp.hook_post", Site(8, "neurons")),
        ("hook_embed", Site(0)),
        ("model.layers.15", Site(16)),
        ("layers.15", Site(16)),
        ("layers.15.mlp", Site(16, "mlp")),
        ("transformer.h.3.attn", Site(4, "attention")),
        ("gpt_neox.layers.3.attention", Site(4, "attention")),
    ],
)
def test_places_by_the_names_of_others(hook, site):
    assert site_of(hook) == site
    assert site_of(hook_of(site)) == site


@pytest.mark.parametrize(
    "hook",
    [
        "blocks.7.attn.hook_z",
        "blocks.7.hook_resid_mid",
        "model.layers.3.mlp.act_fn",
        "ln_final",
        "",
        "x" * 999,
    ],
)
def test_places_that_cannot_be_read_are_named(hook):
    refused(lambda: site_of(hook), "no place that can be read here")


# ---- what cannot be read


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "skip_transcoder"}, ("transcoder", "rebuild")),
        ({"architecture": "temporal"}, ("'temporal'", "known are")),
        ({"normalize_activations": "covariance_whitening"}, ("covariance_whitening", "Fold")),
        ({"reshape_activations": "hook_z"}, ("attention heads",)),
        ({"metadata": {"hook_name": "blocks.1.hook_resid_mid"}}, ("hook_resid_mid",)),
        ({"metadata": {"hook_name": None}}, ("where its dictionary reads",)),
        ({"k": F + 1}, (f"k = {F + 1}", f"{F} features")),
        ({"k": "many"}, ("k = many",)),
        ({"k": None}, ("k = None",)),
        ({"d_sae": F + 1}, ("(61, 22)", "(62, 22)", "not of one")),
        ({"d_in": -3}, ("d_in = -3",)),
    ],
)
def test_configurations_that_do_not_fit_are_refused_in_words(tmp_path, rng, change, words):
    place = folder(tmp_path, weights(rng(1), "topk"), config("topk", **change))
    refused(lambda: read_folder(place), *words)


def test_a_batchtopk_folder_needs_its_threshold(tmp_path, rng):
    place = folder(tmp_path, weights(rng(1), "standard"), config("batchtopk", k=K))
    refused(lambda: read_folder(place), "threshold")
    tensors = weights(rng(1), "standard") | {"threshold": np.full(1, 0.3, np.float32)}
    found = read_folder(folder(tmp_path, tensors, config("batchtopk", k=K)))
    assert found.kind.threshold.shape == (F,)


def test_a_partial_download_is_refused(tmp_path, rng):
    place = folder(tmp_path, weights(rng(1), "standard"), config("standard"))
    whole = (place / WEIGHTS).read_bytes()
    for size in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        (place / WEIGHTS).write_bytes(whole[:size])
        refused(lambda: read_folder(place), "cut short", "again")


def test_flipped_bits_in_what_was_written_here_are_noticed(tmp_path, rng):
    place = write_folder(kinds(rng(1))["relu"], tmp_path / "n")
    data = bytearray((place / WEIGHTS).read_bytes())
    data[-3] ^= 1
    (place / WEIGHTS).write_bytes(data)
    refused(lambda: read_folder(place), "checksum")


def test_pickles_are_refused_and_why(tmp_path):
    (tmp_path / "cfg.json").write_text(json.dumps(config("standard")))
    refused(lambda: read_folder(tmp_path), "has no sae_weights.safetensors")
    (tmp_path / "sae_weights.pt").write_bytes(b"\x80\x02")
    refused(lambda: read_folder(tmp_path), "sae_weights.pt", "pickle", "any code")


def test_folders_that_are_none_are_refused(tmp_path, rng):
    refused(lambda: read_folder(tmp_path / "nowhere"), "no cfg.json")
    place = folder(tmp_path, weights(rng(1), "standard"), config("standard"))
    (place / "cfg.json").write_text("[1, 2")
    refused(lambda: read_folder(place), "damaged")
    (place / "cfg.json").write_text(json.dumps(config("standard")))
    tensors = weights(rng(1), "standard")
    tensors["W_dec"][3, 4] = np.nan
    refused(lambda: read_folder(folder(place, tensors, config("standard"))), "not finite")
    del tensors["W_dec"]
    refused(lambda: read_folder(folder(place, tensors, config("standard"))), "lacks W_dec")
    whole = {"W_dec": np.zeros((F, D), np.int64)}
    refused(lambda: read_folder(folder(place, whole, config("standard"))), "I64")


def test_weights_larger_than_the_memory_are_refused_before_they_are_read(tmp_path, rng, monkeypatch):
    place = folder(tmp_path, weights(rng(1), "standard"), config("standard"))
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 1000})())
    refused(lambda: read_folder(place), "memory")


# ---- sparsify


def sparsified(rng, place: Path, **more) -> tuple[Path, dict]:
    shapes = {"encoder.weight": (F + 3, D), "encoder.bias": (F + 3,), "W_dec": (F + 3, D), "b_dec": (D,)}
    tensors = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    place.mkdir(parents=True)
    save_file(tensors, place / "sae.safetensors")
    said = {"activation": "topk", "d_in": D, "num_latents": F + 3, "k": 4, "normalize_decoder": True}
    (place / "cfg.json").write_text(json.dumps(said | more))
    (place.parent / "config.json").write_text(json.dumps({"model": "org/Toy", "ctx_len": 64}))
    return place, tensors


def test_sparsifys_folders_are_read_as_it_defines_them(tmp_path, rng):
    place, t = sparsified(rng(1), tmp_path / "layers.1")
    x = rng(2).standard_normal((20, D)).astype(np.float32)
    dictionary = read_sparsify_folder(place)
    z = np.maximum((x - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"], 0)
    a = np.where(z >= np.sort(z, axis=1)[:, [-4]], z, 0)
    found, rebuilt = both(dictionary, x)
    near(found, a)
    near(rebuilt, a @ t["W_dec"] + t["b_dec"])
    assert dictionary.site == Site(2) and dictionary.model == "org/Toy"


def test_group_maxima_leave_one_feature_of_each_group(tmp_path, rng):
    place, t = sparsified(rng(1), tmp_path / "layers.1.mlp", activation="groupmax")
    x = rng(2).standard_normal((20, D)).astype(np.float32)
    z = np.maximum((x - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"], 0).reshape(20, 4, 16)
    a = np.where(z == z.max(2, keepdims=True), z, 0).reshape(20, 64)
    near(both(read_sparsify_folder(place), x)[0], a)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"transcode": True}, ("transcoder",)),
        ({"k": 65}, ("k = 65", "64 features")),
        ({"activation": "fancy"}, ("fancy",)),
        ({"num_latents": 65}, ("(64, 22)", "(65, 22)")),
        ({"d_in": None}, ("d_in = None",)),
    ],
)
def test_sparsify_folders_that_do_not_fit_are_refused(tmp_path, rng, more, words):
    place, _ = sparsified(rng(1), tmp_path / "layers.1", **more)
    refused(lambda: read_sparsify_folder(place), *words)


def test_a_sparsify_folder_of_an_unknown_place_is_refused_unless_told(tmp_path, rng):
    place, _ = sparsified(rng(1), tmp_path / "mine")
    refused(lambda: read_sparsify_folder(place), "'mine'")
    assert read_sparsify_folder(place, "layers.2").site == Site(3)


# ---- SAELens itself, where it is installed


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "matching_pursuit"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_saelens_and_this_reader_agree_in_both_directions(tmp_path, rng, architecture, dtype):
    sae_lens = pytest.importorskip("sae_lens")
    tensors, said = weights(rng(1), architecture), config(architecture)
    if architecture == "matching_pursuit":
        rows = tensors["W_dec"] / np.linalg.norm(tensors["W_dec"], axis=1, keepdims=True)
        tensors = {"W_dec": rows, "b_dec": tensors["b_dec"]}
        said |= {"max_iterations": 6, "residual_threshold": 0.1, "stop_on_duplicate_support": False}
    x = rng(2).standard_normal((50, D)).astype(np.float32)
    theirs = sae_lens.SAE.load_from_disk(folder(tmp_path / "a", tensors, said))
    ours = read_folder(tmp_path / "a")
    written = sae_lens.SAE.load_from_disk(write_folder(ours, tmp_path / "b", dtype))
    again = read_folder(tmp_path / "b")
    for sae, dictionary in ((theirs, ours), (written, again)):
        with torch.no_grad():
            a = sae.encode(torch.from_numpy(x))
            found = both(dictionary, x)
            near(found[0], a.numpy())
            near(found[1], sae.decode(a).numpy())


def test_saelens_pursuit_that_ends_on_a_repeat_is_read(tmp_path, rng):
    sae_lens = pytest.importorskip("sae_lens")
    tensors = weights(rng(1), "matching_pursuit")
    rows = tensors["W_dec"] / np.linalg.norm(tensors["W_dec"], axis=1, keepdims=True)
    said = config("matching_pursuit", max_iterations=30, residual_threshold=0.001)
    place = folder(tmp_path, {"W_dec": rows, "b_dec": tensors["b_dec"]}, said)
    x = torch.from_numpy(rng(2).standard_normal((50, D)).astype(np.float32))
    ours = read_folder(place)
    assert ours.stops_on_repeat
    with torch.no_grad():
        theirs = sae_lens.SAE.load_from_disk(place).encode(x)
        near(ours.encode(x).numpy(), theirs.numpy())
        assert not torch.allclose(replace(ours, stops_on_repeat=False).encode(x), theirs, atol=1e-4)


@pytest.mark.parametrize("how", ["layer_norm", "constant_norm_rescale"])
def test_saelens_and_this_reader_agree_on_normalised_input(tmp_path, rng, how):
    sae_lens = pytest.importorskip("sae_lens")
    place = folder(tmp_path, weights(rng(1), "topk"), config("topk", normalize_activations=how))
    x = 9 * rng(2).standard_normal((50, D)).astype(np.float32) + 2
    with torch.no_grad():
        theirs = sae_lens.SAE.load_from_disk(place)(torch.from_numpy(x)).numpy()
    near(both(read_folder(place), x)[1], theirs)


@pytest.mark.parametrize("rescales", [True, False])
def test_what_saelens_trains_with_batchtopk_is_read(tmp_path, rng, rescales):
    sae_lens = pytest.importorskip("sae_lens")
    torch.manual_seed(0)
    settings = {"d_in": D, "d_sae": F, "k": K, "rescale_acts_by_decoder_norm": rescales}
    sae = sae_lens.BatchTopKTrainingSAE(sae_lens.BatchTopKTrainingSAEConfig(**settings))
    sae.topk_threshold.fill_(0.4)
    sae.cfg.metadata.hook_name = HOOK
    sae.save_inference_model(tmp_path)
    x = torch.from_numpy(rng(2).standard_normal((50, D)).astype(np.float32))
    theirs = sae_lens.SAE.load_from_disk(tmp_path)
    with torch.no_grad():
        near(read_folder(tmp_path).encode(x).numpy(), theirs.encode(x).numpy())


def test_saelens_refuses_what_only_this_program_can_read(tmp_path, rng):
    sae_lens = pytest.importorskip("sae_lens")
    with pytest.raises(Exception, match="linear"):
        sae_lens.SAE.load_from_disk(write_folder(kinds(rng(1))["linear"], tmp_path / "n"))
