"""The shelf: what ships, what is kept, renamed, deleted and brought back; and what is brought from elsewhere."""

import json
import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from analysis import store
from analysis.dictionaries import bringing, shelf
from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Linear
from analysis.dictionaries.formats.sae_config import CONFIG
from analysis.dictionaries.formats.sae_folder import WEIGHTS, read_folder, write_folder
from analysis.edits import Site
from analysis.errors import AnalysisError, Cancelled
from analysis.models import hub_dictionaries
from tests.analysis import fake_hub
from tests.planted import a_dictionary

HERE = "bathyscope-tests/dictionaries"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "shipped"


def refused(work, *words: str):
    with pytest.raises(AnalysisError) as error:
        work()
    sentence = str(error.value)
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(".")


def ids(model) -> list[str]:
    return [offer.id for offer in shelf.offered(model)]


# ---- offers


def test_a_model_without_dictionaries_has_its_neurons(toy, shipped):
    assert ids(toy) == ["neurons.1", "neurons.2", "neurons.3"]
    assert shelf.open_dictionary(toy, "neurons.2").site == Site(2, "neurons")


def test_what_ships_is_offered_to_its_model_only_and_comes_first(toy, planted, shipped):
    card = {"trained_as": "batchtopk", "tokens": 1_000_000, "quality": {"explained_variance": 0.8}}
    write_folder(replace(a_dictionary(toy, 1), card=card), shipped / "toy" / "layer-1")
    write_folder(replace(a_dictionary(toy, 3), model="org/" + toy.title.upper()), shipped / "toy" / "layer-3")
    write_folder(replace(a_dictionary(toy, 2), model="another"), shipped / "other" / "layer-2")
    offers = shelf.offered(toy)
    assert [offer.id for offer in offers][:2] == ["shipped.layer-1", "shipped.layer-3"]
    assert offers[0].name == "Layer 1 · 41 features · BatchTopK · ships"
    assert offers[0].exploratory and not offers[1].exploratory
    assert all(offer.origin == "neurons" for offer in offers[2:])
    assert planted.title == toy.title or all(offer.origin == "neurons" for offer in shelf.offered(planted))
    opened = shelf.open_dictionary(toy, "shipped.layer-3")
    assert opened.decoder.dtype == np.float32 and opened.site == Site(3)


def test_folders_of_one_name_are_told_apart_by_their_model(toy, shipped):
    write_folder(replace(a_dictionary(toy, 1), model="another"), shipped / "another" / "layer")
    write_folder(a_dictionary(toy, 2), shipped / "toy" / "layer")
    assert shelf.open_dictionary(toy, "shipped.layer").site == Site(2)


def test_listing_never_opens_weights_and_reads_a_configuration_once(toy, shipped, monkeypatch):
    write_folder(a_dictionary(toy, 1), shipped / "toy" / "layer-1")
    shelf.keep(a_dictionary(toy, 2), "mine")
    read = []
    monkeypatch.setattr(shelf, "read_config", lambda folder: read.append(folder) or shelf_config(folder))
    monkeypatch.setattr(shelf, "read_folder", None)
    shelf._config.cache_clear()
    for _ in range(3):
        assert len(shelf.offered(toy)) == 5
    assert len(read) == 2
    os.utime(shipped / "toy" / "layer-1" / CONFIG)
    shelf.offered(toy)
    assert len(read) == 3


def shelf_config(folder):
    from analysis.dictionaries.formats.sae_config import read_config

    return read_config(folder)


def test_unknown_ids_are_refused(toy, shipped, tmp_path):
    write_folder(a_dictionary(toy, 1), tmp_path / "outside")
    for id in ("", "shipped.none", "kept.0123456789abcdef", "kept.../outside", "neurons.x", "magic.1"):
        refused(lambda id=id: shelf.open_dictionary(toy, id), "no dictionary")
    refused(lambda: shelf.open_dictionary(toy, "neurons.9"), "1 to 3")
    refused(lambda: shelf.rename("kept.../../outside", "x"), "16 digits")
    refused(lambda: shelf.delete("shipped.layer-1"), "neither renamed nor deleted")


# ---- keeping


def test_what_is_kept_is_offered_and_gives_the_same_activations(toy, shipped, rng):
    dictionary = a_dictionary(toy, 2)
    offer = shelf.keep(dictionary, "  my features ", "Trained here.", {"quality": {"l0": 3.0}})
    assert offer.id in ids(toy) and offer.about.name == "my features" and offer.about.how == "Trained here."
    assert offer.card["quality"] == {"l0": 3.0} and offer.name == "my features · layer 2 · 41 features"
    x = torch.from_numpy(rng(3).standard_normal((20, toy.d_model)).astype(np.float32))
    again = shelf.open_dictionary(toy, offer.id)
    assert (again.encode(x) - dictionary.encode(x)).abs().max() < 0.01  # kept as float16
    exact = shelf.keep(replace(dictionary, bias=dictionary.bias + 1), "exact", card={"dtype": "float32"})
    assert np.array_equal(shelf.open_dictionary(toy, exact.id).decoder, dictionary.decoder)


def test_the_same_weights_are_kept_once_and_names_are_free_once(toy, shipped):
    first = shelf.keep(a_dictionary(toy, 2), "one")
    assert shelf.keep(a_dictionary(toy, 2), "two") == first
    refused(lambda: shelf.keep(a_dictionary(toy, 2, seed=1), "one"), "'one'", "another name")
    other = shelf.keep(a_dictionary(toy, 2, seed=1), "two")
    refused(lambda: shelf.rename(other.id, "one"), "kept already")
    for name in ("", "  ", "a\nb", "x" * 81):
        refused(lambda name=name: shelf.rename(other.id, name), "1 to 80 characters")
    assert shelf.rename(other.id, "three").about.name == "three"
    assert shelf.open_dictionary(toy, other.id).site == Site(2)


def test_components_are_kept_too(toy, shipped):
    made = a_dictionary(toy, 2)
    signed = SparseDictionary(
        "pca", Site(2), Linear(), made.encoder, made.encoder_bias, made.decoder, made.bias, toy.title
    )
    offer = shelf.keep(signed, "components")
    assert offer.kind == "linear" and shelf.open_dictionary(toy, offer.id).signed


def test_a_card_can_be_added_to(toy, shipped):
    offer = shelf.keep(a_dictionary(toy, 2), "one")
    time.sleep(0.01)
    described = shelf.describe(offer.id, quality={"explained_variance": 0.7})
    assert described.card["quality"] == {"explained_variance": 0.7}
    assert shelf.offer_of(toy, offer.id).card["model_name"] == toy.title


def test_what_is_deleted_can_be_brought_back_as_long_as_nothing_took_its_place(toy, shipped):
    offer = shelf.keep(a_dictionary(toy, 2), "one")
    shelf.delete(offer.id)
    assert offer.id not in ids(toy)
    refused(lambda: shelf.delete(offer.id), "no dictionary")
    assert shelf.undelete(offer.id) == offer and offer.id in ids(toy)
    refused(lambda: shelf.undelete(offer.id), "trash")
    shelf.delete(offer.id)
    shelf.keep(a_dictionary(toy, 2, seed=1), "one")
    refused(lambda: shelf.undelete(offer.id), "'one'")


def test_the_trash_keeps_the_last_five(toy, shipped):
    kept = [shelf.keep(a_dictionary(toy, 2, features=3, seed=seed), f"n{seed}") for seed in range(7)]
    for offer in kept:
        shelf.delete(offer.id)
    refused(lambda: shelf.undelete(kept[1].id), "last 5")
    shelf.undelete(kept[2].id)


def test_damaged_folders_are_named_and_nothing_crashes(toy, shipped, home):
    offers = [shelf.keep(a_dictionary(toy, 2, seed=seed), f"n{seed}") for seed in range(4)]
    (offers[0].folder / CONFIG).write_text("{")
    (offers[1].folder / WEIGHTS).write_bytes(b"short")
    (offers[2].folder / "about.json").write_text('{"key": 3}')
    assert [each.id for each in shelf.offered(toy)][0] == offers[3].id
    assert {id for id, _ in shelf.damaged()} == {offer.id for offer in offers[:3]}
    assert all(reason.endswith(".") for _, reason in shelf.damaged())
    for id, _ in shelf.damaged():
        shelf.delete(id)
    assert not shelf.damaged()


def test_a_full_disk_keeps_nothing_and_says_so(toy, shipped, home, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10})())
    refused(lambda: shelf.keep(a_dictionary(toy, 2), "one"), "are free")
    assert not shelf.damaged() and all(id.startswith("neurons") for id in ids(toy))


# ---- bringing


def fitted(model, layer: int = 2) -> SparseDictionary:
    """The model's own principal axes there: they explain everything."""
    states = bringing._states(model, (Site(layer),))[0]
    mean = states.mean(0)
    axes = np.linalg.svd(states - mean, full_matrices=False)[2].astype(np.float32)
    parts = np.ascontiguousarray(axes.T), np.zeros(len(axes), np.float32), axes, mean
    return SparseDictionary("axes", Site(layer), Linear(), *parts, model.title)


def test_a_dictionary_that_fits_is_tried_without_a_warning(toy):
    trial = bringing.tried(toy, fitted(toy))
    assert trial.explained > 0.999 and trial.active == pytest.approx(toy.d_model) and not trial.warning
    assert trial.tokens > 500


def test_one_of_another_layer_is_noticed_and_the_layer_named(toy):
    trial = bringing.tried(toy, replace(few_axes(toy, 3), site=Site(1)))
    assert trial.explained < 0.5 and "At layer" in trial.warning


def few_axes(model, layer: int) -> SparseDictionary:
    """A few axes: enough where they were fitted."""
    whole = fitted(model, layer)
    states = bringing._states(model, (Site(layer),))[0]
    enough = next(n for n in range(1, 23) if explained(states, whole, n) > 0.75)
    return replace(
        whole,
        encoder=np.ascontiguousarray(whole.encoder[:, :enough]),
        encoder_bias=whole.encoder_bias[:enough].copy(),
        decoder=whole.decoder[:enough].copy(),
    )


def explained(states, dictionary, count: int) -> float:
    centred = states - states.mean(0)
    kept = centred @ dictionary.encoder[:, :count] @ dictionary.decoder[:count]
    return 1 - ((centred - kept) ** 2).sum() / (centred**2).sum()


def test_random_directions_explain_little_and_that_is_said(toy):
    trial = bringing.tried(toy, a_dictionary(toy, 2, features=5))
    assert trial.explained < 0.5 and f"{trial.explained:.0%}" in trial.warning


def test_a_dictionary_of_another_model_or_width_is_refused(toy):
    dictionary = replace(a_dictionary(toy, 2), model="gpt2-small")
    refused(lambda: bringing.tried(toy, dictionary), "made for gpt2-small", toy.title)
    assert bringing.made_for_another(dictionary, toy)
    taken = bringing.taken_for(dictionary, toy)
    assert taken.card["made_for"] == "gpt2-small" and bringing.tried(toy, taken).tokens
    wide = SparseDictionary(
        "w", Site(2), Linear(), *(np.zeros(s, np.float32) for s in ((30, 4), (4,), (4, 30), (30,)))
    )
    assert not bringing.made_for_another(wide, toy)
    refused(lambda: bringing.tried(toy, wide), "reads 30 numbers", "22 numbers there")
    deep = replace(a_dictionary(toy, 2), site=Site(9))
    refused(lambda: bringing.tried(toy, deep), "layer 9", "3 layers")


def test_a_folder_is_found_by_its_path_or_by_a_file_in_it(toy, tmp_path):
    place = write_folder(a_dictionary(toy, 2), tmp_path / "many" / "layer-2")
    for path in (place, str(place) + "/", place / CONFIG):
        assert bringing.from_folder(path).features == 41
    refused(lambda: bringing.from_folder(tmp_path / "many"), "layer-2", "give one of these")
    refused(lambda: bringing.from_folder(tmp_path / "nowhere"), "no folder")
    for odd in ("", "  ", "a\0b", "~nobody-here/x"):
        refused(lambda odd=odd: bringing.from_folder(odd))


def test_two_files_make_a_dictionary(toy, tmp_path):
    place = write_folder(a_dictionary(toy, 2), tmp_path / "d", "float32")
    config, weights = ((place / name).read_bytes() for name in (CONFIG, WEIGHTS))
    assert np.array_equal(bringing.from_files(config, weights).decoder, a_dictionary(toy, 2).decoder)
    refused(lambda: bringing.from_files(config, weights[:-9]), "cut short")
    refused(lambda: bringing.from_files(b"{}", weights), "where its dictionary reads")


def test_a_dictionary_is_saved_into_a_new_folder_and_never_over_anything(toy, tmp_path):
    offer = shelf.keep(a_dictionary(toy, 2), "one")
    place = bringing.save_into(offer.folder, tmp_path / "new" / "place")
    assert sorted(each.name for each in place.iterdir()) == [CONFIG, WEIGHTS]
    assert read_folder(place).fingerprint == shelf.open_dictionary(toy, offer.id).fingerprint
    refused(lambda: bringing.save_into(offer.folder, place), "not empty")
    (tmp_path / "file").write_text("precious")
    refused(lambda: bringing.save_into(offer.folder, tmp_path / "file"), "not empty")
    assert (tmp_path / "file").read_text() == "precious"


# ---- the hub


@pytest.fixture
def served(tmp_path, monkeypatch, toy):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with fake_hub.serving(fake_hub.FakeHub()) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        place = write_folder(a_dictionary(toy, 2), tmp_path / "d")
        files = {name: (place / name).read_bytes() for name in (CONFIG, WEIGHTS)}
        folders = ("blocks.10.hook", "blocks.2.hook", "deep/er")
        running.repos[HERE] = {f"{folder}/{name}": data for folder in folders for name, data in files.items()}
        running.repos[HERE] |= {"README.md": b"hello", "blocks.2.hook/optimizer.pt": b"\x80\x02"}
        yield running


def test_a_dictionary_of_the_hub_is_fetched_once_and_read_without_a_network_later(served, toy, monkeypatch):
    found = bringing.from_hub(f"{HERE}/blocks.2.hook")
    assert found.features == 41
    assert not any(".pt" in each or "README" in each for each in served.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert bringing.from_hub(f"https://huggingface.co/{HERE}/tree/main/blocks.2.hook").features == 41
    refused(lambda: bringing.from_hub(f"{HERE}/deep/er"), "not on this machine")


def test_the_folders_of_a_repository_are_named_in_order(served):
    assert hub_dictionaries.folders(HERE) == ("blocks.2.hook", "blocks.10.hook", "deep/er")
    refused(lambda: bringing.from_hub(HERE), "blocks.2.hook, blocks.10.hook, deep/er")
    refused(lambda: bringing.from_hub(f"{HERE}/blocks.3.hook"), "'blocks.3.hook'", "blocks.2.hook")


def test_what_the_hub_does_not_have_is_said(served):
    refused(lambda: bringing.from_hub("bathyscope-tests/none/x"), "no model")
    served.repos["bathyscope-tests/old"] = {"a/cfg.json": b"{}", "a/sae.pt": b"\x80\x02"}
    refused(lambda: bringing.from_hub("bathyscope-tests/old/a"), "a/sae.pt", "pickle")
    served.repos["bathyscope-tests/none-here"] = {"README.md": b""}
    refused(lambda: bringing.from_hub("bathyscope-tests/none-here"), "holds no dictionary")


def test_too_large_a_dictionary_is_not_fetched(served):
    served.sizes[f"blocks.2.hook/{WEIGHTS}"] = 10**15
    refused(lambda: bringing.from_hub(f"{HERE}/blocks.2.hook"), "are free")


def test_fetching_can_be_stopped(served):
    def stop(message, done=0, total=None):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        bringing.from_hub(f"{HERE}/blocks.2.hook", stop)


@pytest.mark.parametrize("text", ["", "one", "a/b/../c", "a/b/c\0", "a/../b/c", "-/x/y", "a/b/~"])
def test_texts_that_are_no_places_of_the_hub_are_refused(text):
    refused(lambda: hub_dictionaries.parse(text))


def test_places_of_the_hub_are_understood():
    assert hub_dictionaries.parse(" own/name ") == ("own/name", "", None)
    assert hub_dictionaries.parse("own/name@v2/a/b-1") == ("own/name", "a/b-1", "v2")
    address = "https://huggingface.co/own/name/tree/main/a"
    assert hub_dictionaries.parse(address) == ("own/name", "a", "main")


def test_the_store_and_the_shelf_agree_where_things_lie(toy, shipped):
    offer = shelf.keep(a_dictionary(toy, 2), "one")
    assert offer.folder.parent == store.home() / "dictionaries"
    said = json.loads((offer.folder / CONFIG).read_text())
    assert said["metadata"]["sae_lens_version"] == "6.54.12" and said["d_sae"] == 41
    shutil.rmtree(offer.folder)
    refused(lambda: shelf.open_dictionary(toy, offer.id), "no dictionary")
