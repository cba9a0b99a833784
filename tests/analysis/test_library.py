"""The library: what is kept comes back exactly, under a key that cannot leave it, whoever else uses it."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis import exchange, library, store
from analysis.directions import Direction, Probe, Separation
from analysis.erasers.erasure import Erasure
from analysis.erasers.projections import random_subspace
from analysis.errors import AnalysisError
from analysis.recipes import Dose, Recipe


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def direction(name="sea", seed=0, **changed) -> Direction:
    values = np.random.default_rng(seed).normal(size=(3, 4)).astype(np.float32)
    fields = {
        "name": name,
        "layers": (1, 2, 3),
        "values": values,
        "weights": "toy: random weights (1)",
        "how": "By hand.",
        "source": "Nobody 2026",
        "layer": 2,
        "why": "Any will do.",
        "separation": (Separation(1, 0.75, 0.1, 0.5, 1 / 3),),
        "probe": Probe(2, values[0], 0.1, 0.2),
    }
    return Direction(**fields | changed)


def recipe(name="coast", strength=0.2) -> Recipe:
    doses = (
        Dose(direction(), strength, (1, 2)),
        Dose(direction("land", 1, weights="another (2)"), 0.1, (3, 3), "project", (0, 2)),
    )
    return Recipe(name, doses)


def erasure(name="gender", seed=0, **changed) -> Erasure:
    erasers = tuple(random_subspace(4, rank, seed, np.full(4, 0.5)) for rank in (1, 2))
    fields = {
        "layers": (1, 2),
        "weights": "toy: random weights (1)",
        "how": "By hand.",
        "positions": "prompt",
    }
    return Erasure(**{"name": name, "erasers": erasers} | fields | changed)


def same(one, other) -> bool:
    return one.name == other.name and exchange.content_key(one) == exchange.content_key(other)


def keys() -> list[str]:
    return [entry.key for entry in library.entries()]


def told(call, *arguments) -> str:
    with pytest.raises(AnalysisError) as caught:
        call(*arguments)
    return str(caught.value)


def test_a_new_library_is_empty_and_looking_makes_nothing(own_store):
    assert library.entries() == library.damaged() == ()
    assert not own_store.exists()


def test_a_direction_is_kept():
    entry = library.save_direction(direction(), ("mood", " place ", "mood"))
    assert library.entries() == (entry,)
    assert (entry.kind, entry.name, entry.tags) == ("direction", "sea", ("mood", "place"))
    assert entry.weights == "toy: random weights (1)"
    assert entry.summary == "Layers 1 to 3, 4 numbers each. By hand."
    assert entry.saved.endswith("+00:00")
    back = library.load_direction(entry.key)
    assert same(back, direction())
    assert back.values.tobytes() == direction().values.tobytes()
    assert back.separation == direction().separation


def test_a_recipe_is_kept_with_its_directions():
    library.save_direction(direction())
    entry = library.save_recipe(recipe(), ("both",))
    assert (entry.kind, entry.name, entry.tags) == ("recipe", "coast", ("both",))
    assert entry.summary == "add 'sea' +0.2 at layers 1 to 2; project 'land' at layer 3"
    assert entry.weights == "toy: random weights (1), another (2)"
    library.delete(exchange.content_key(direction()))
    assert same(library.load_recipe(entry.key), recipe())


def test_an_erasure_is_kept():
    entry = library.save_erasure(erasure(), ("people",))
    assert library.entries() == (entry,)
    assert (entry.kind, entry.name, entry.tags) == ("erasure", "gender", ("people",))
    assert entry.summary == "random subspace, rank 2, layers 1, 2, 4 numbers each. By hand."
    assert entry.weights == "toy: random weights (1)"
    back = library.load_erasure(entry.key)
    assert same(back, erasure())
    assert back.positions == "prompt"
    for one, other in zip(back.erasers, erasure().erasers, strict=True):
        assert [getattr(one, name).tobytes() for name in ("mean", "left", "right")] == [
            getattr(other, name).tobytes() for name in ("mean", "left", "right")
        ]
    library.rename(entry.key, "sex")
    assert library.load_erasure(entry.key).name == "sex"
    library.delete(entry.key)
    assert library.undelete(entry.key).name == "sex"
    assert library.save_erasure(erasure("again")).name == "sex"


def test_a_recipe_is_kept_with_its_erasures():
    given = replace(recipe(), erasures=(erasure(weights="a third (3)", layers=(2, 5)),))
    entry = library.save_recipe(given)
    assert entry.summary == (
        "erase 'gender' (random subspace), rank 2, layers 2, 5; add 'sea' +0.2 at layers 1 to 2; "
        "project 'land' at layer 3"
    )
    assert entry.weights == "a third (3), toy: random weights (1), another (2)"
    assert same(library.load_recipe(entry.key), given)
    only = library.save_recipe(
        Recipe("only", erasures=(erasure(layers=(1,), erasers=erasure().erasers[:1]),))
    )
    assert only.summary == "erase 'gender' (random subspace), rank 1, layer 1"


def test_an_erasure_is_nothing_else():
    entry = library.save_erasure(erasure())
    assert "'gender' is an erasure and no recipe. Open it as an erasure." in told(
        library.load_recipe, entry.key
    )
    assert "is a recipe and no erasure" in told(library.load_erasure, library.save_recipe(recipe()).key)
    assert "already has an erasure named 'gender'" in told(library.save_direction, direction("gender"))


def test_a_flipped_bit_of_an_erasure_is_found_when_loading_and_mended_by_saving(own_store):
    entry = library.save_erasure(erasure())
    path = own_store / "library" / entry.key / "erasure.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "checksum" in told(library.load_erasure, entry.key)
    library.save_erasure(erasure())
    assert same(library.load_erasure(entry.key), erasure())


def test_the_library_s_files_are_files_to_give_away(own_store):
    entry = library.save_direction(direction())
    data = (own_store / "library" / entry.key / "direction.safetensors").read_bytes()
    assert same(exchange.read(data, "sea.safetensors"), direction())


def test_the_newest_comes_first():
    saved = [library.save_direction(direction(str(seed), seed)) for seed in range(4)]
    assert library.entries() == tuple(reversed(saved))


def test_the_key_is_of_the_content():
    entry = library.save_recipe(recipe())
    library.delete(entry.key)
    assert library.save_recipe(recipe("other name")).key == entry.key
    assert library.save_recipe(recipe(strength=0.3)).key != entry.key


def test_the_same_content_is_kept_once():
    entry = library.save_direction(direction(), ("one",))
    assert library.save_direction(direction(), ("two",)) == entry
    assert library.save_direction(direction("other name")) == entry
    assert library.entries() == (entry,)


def test_a_name_belongs_to_one_entry():
    library.save_direction(direction())
    for save, kept in (
        (library.save_direction, direction(seed=1)),
        (library.save_direction, direction(" sea ", 1)),
        (library.save_recipe, recipe("sea")),
    ):
        assert "already has a direction named 'sea', with another content. Choose another name" in told(
            save, kept
        )
    assert len(keys()) == 1


def test_a_renamed_entry_keeps_its_key_and_is_the_same_thing():
    entry = library.save_direction(direction())
    renamed = library.rename(entry.key, " ocean ")
    assert renamed == replace(entry, name="ocean")
    assert library.entries() == (renamed,)
    back = library.load_direction(entry.key)
    assert same(back, direction("ocean"))
    assert library.save_direction(back) == renamed
    assert library.save_direction(direction("sea", 1)).name == "sea"
    assert library.rename(entry.key, "ocean") == renamed
    assert "Choose another name" in told(library.rename, entry.key, "sea")
    recipe_key = library.save_recipe(recipe()).key
    library.rename(recipe_key, "shore")
    assert library.load_recipe(recipe_key).name == "shore"


def test_tags_are_replaced():
    entry = library.save_direction(direction(), ("a",))
    assert library.retag(entry.key, ("b", "c")).tags == ("b", "c")
    assert library.entries()[0].tags == ("b", "c")
    assert library.retag(entry.key, ()).tags == ()


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 81, "a\nb", "a\x00b", "\x1b[31m", "\ud800", "a\u2028b", "b\x85a"]
)
def test_names_that_do_not_fit_are_refused(name):
    entry = library.save_direction(direction())
    for call in (lambda: library.save_direction(direction(name, 1)), lambda: library.rename(entry.key, name)):
        text = told(call)
        assert text.startswith("A name with ")
        assert "1 to 80 characters" in text
    assert library.entries() == (entry,)


@pytest.mark.parametrize(
    "name", ["x", "x" * 80, "日本 🐋👩‍🚀", "../../etc", "a/b\\c", "<b>", "שלום", "%s {}"]
)
def test_any_other_name_is_kept(name):
    entry = library.save_direction(direction(name))
    assert library.load_direction(entry.key).name == entry.name == name


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (("",), "A tag with 0 characters"),
        (("x" * 25,), "A tag with 25 characters"),
        (("a\tb",), r"the character '\t'"),
        (tuple("abcdefghi"), "9 tags were given; an entry has up to 8"),
    ],
)
def test_tags_that_do_not_fit_are_refused(tags, words):
    assert words in told(library.save_direction, direction(), tags)
    assert library.entries() == ()
    entry = library.save_direction(direction())
    assert words in told(library.retag, entry.key, tags)


BAD_KEYS = [
    "",
    "..",
    "../../../etc",
    "a" * 15,
    "a" * 17,
    "A" * 16,
    "g" * 16,
    "0" * 15 + "\n",
    "0" * 16 + "\n",
    "١" * 16,
    "trash",
]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_from_a_link_cannot_leave_the_library(key, own_store):
    library.save_direction(direction())
    before = sorted(own_store.rglob("*"))
    calls = (
        library.load_direction,
        library.load_recipe,
        library.load_erasure,
        library.delete,
        library.undelete,
    )
    for call in calls:
        assert "is no key of the library" in told(call, key)
    assert "is no key of the library" in told(library.rename, key, "x")
    assert "is no key of the library" in told(library.retag, key, ())
    assert [path for path in sorted(own_store.rglob("*")) if "trash" not in path.name] == before


def test_a_key_of_another_type_is_refused(unchecked):
    assert "is no key of the library" in told(library.load_direction, None)


def test_an_unknown_key_says_what_may_have_happened():
    for call in (library.load_direction, library.load_recipe, library.delete):
        assert "holds no entry 0123456789abcdef" in told(call, "0123456789abcdef")
    assert "trash holds no entry" in told(library.undelete, "0123456789abcdef")


def test_a_direction_is_no_recipe():
    one, other = library.save_direction(direction()), library.save_recipe(recipe())
    assert "'sea' is a direction and no recipe" in told(library.load_recipe, one.key)
    assert "'coast' is a recipe and no direction" in told(library.load_direction, other.key)


# ---- the trash


def test_what_is_deleted_can_be_brought_back():
    entry = library.save_recipe(recipe(), ("t",))
    library.delete(entry.key)
    assert library.entries() == ()
    assert "holds no entry" in told(library.load_recipe, entry.key)
    assert library.undelete(entry.key) == entry
    assert library.entries() == (entry,)
    assert same(library.load_recipe(entry.key), recipe())
    assert "trash holds no entry" in told(library.undelete, entry.key)


def test_nothing_is_brought_back_over_something_else():
    entry = library.save_direction(direction())
    library.delete(entry.key)
    other = library.save_direction(direction(seed=1))
    assert "Choose another name" in told(library.undelete, entry.key)
    library.rename(other.key, "other")
    library.undelete(entry.key)
    library.delete(entry.key)
    library.save_direction(direction())
    assert "holds 'sea' again already" in told(library.undelete, entry.key)
    assert len(keys()) == 2


def test_of_two_deletions_the_later_is_brought_back():
    first = library.save_direction(direction(), ("first",))
    library.delete(first.key)
    library.save_direction(direction(), ("second",))
    library.delete(first.key)
    assert library.undelete(first.key).tags == ("second",)


def test_the_trash_keeps_the_last_twenty(own_store):
    made = [library.save_direction(direction(str(seed), seed)).key for seed in range(23)]
    for key in made:
        library.delete(key)
    assert len(list((own_store / "library" / "trash").iterdir())) == 20
    assert "keeps the last 20" in told(library.undelete, made[2])
    assert library.undelete(made[3]).name == "3"
    assert library.undelete(made[-1]).name == "22"


# ---- damage


def harm(folder: Path, how: str) -> None:
    content, entry = folder / "direction.safetensors", folder / "entry.json"
    said = json.loads(entry.read_text())
    if how == "no content":
        content.unlink()
    elif how == "cut content":
        content.write_bytes(content.read_bytes()[:-1])
    elif how == "no entry":
        entry.unlink()
    elif how == "empty":
        content.unlink()
        entry.unlink()
    else:
        entry.write_bytes(
            {
                "cut entry": entry.read_bytes()[:-9],
                "not utf-8": b"\xff",
                "list": b"[]",
                "number": b"7",
                "deep": b"[" * 100_000,
                "fields": b"{}",
                "more": json.dumps(said | {"more": 1}).encode(),
                "kind": json.dumps(said | {"kind": "../x"}).encode(),
                "key": json.dumps(said | {"key": "0" * 16}).encode(),
                "name": json.dumps(said | {"name": 7}).encode(),
                "tags": json.dumps(said | {"tags": [1]}).encode(),
                "no tags": json.dumps(said | {"tags": None}).encode(),
            }[how]
        )


HARMS = [
    "no content", "cut content", "no entry", "empty", "cut entry", "not utf-8", "list", "number", "deep", "fields",
    "more", "kind", "key", "name", "tags", "no tags",
]  # fmt: skip


@pytest.mark.parametrize("how", HARMS)
def test_a_damaged_entry_is_left_out_named_and_can_be_replaced(own_store, how):
    whole, broken = library.save_direction(direction("whole", 1)), library.save_direction(direction())
    harm(own_store / "library" / broken.key, how)
    assert library.entries() == (whole,)
    assert library.damaged() == (broken.key,)
    for call in (library.load_direction, library.load_recipe):
        told(call, broken.key)
    told(library.rename, broken.key, "x")
    library.delete(broken.key)
    assert library.damaged() == ()
    told(library.undelete, broken.key)
    assert library.save_direction(direction()).key == broken.key
    harm(own_store / "library" / broken.key, how)
    again = library.save_direction(direction())
    assert same(library.load_direction(again.key), direction())
    assert library.entries() == (again, whole)
    assert library.damaged() == ()


def test_damage_is_judged_alike_without_type_checks(own_store, unchecked):
    broken = library.save_direction(direction())
    for how in ("kind", "name", "tags", "number"):
        harm(own_store / "library" / broken.key, how)
        assert library.damaged() == (broken.key,)
        library.save_direction(direction())


def test_a_flipped_bit_is_found_when_loading_and_mended_by_saving(own_store):
    entry = library.save_direction(direction())
    path = own_store / "library" / entry.key / "direction.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "checksum" in told(library.load_direction, entry.key)
    library.save_direction(direction())
    assert same(library.load_direction(entry.key), direction())


def test_what_does_not_belong_is_passed_over(own_store):
    entry = library.save_direction(direction())
    root = own_store / "library"
    (root / "notes.txt").write_text("mine")
    (root / ".0123456789abcdef.partial").mkdir()
    (root / "lost+found").mkdir()
    assert library.entries() == (entry,)
    assert library.damaged() == ()


def test_a_library_that_cannot_be_used_says_so(own_store):
    own_store.write_text("a file")
    assert "BATHYSCOPE_HOME" in told(library.save_direction, direction())
    assert "BATHYSCOPE_HOME" in told(library.entries)


def test_a_full_disk_leaves_no_entry(own_store, monkeypatch):
    kept = library.save_direction(direction())

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert "disk is full" in told(library.save_direction, direction("land", 1))
        assert "disk is full" in told(library.rename, kept.key, "x")
    assert library.entries() == (kept,)
    assert {path.name for path in (own_store / "library").iterdir()} == {kept.key}


# ---- many at once


def test_eight_threads_save_without_losing_anything():
    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(lambda seed: library.save_direction(direction(str(seed), seed)), range(24)))
    assert {entry.key for entry in saved} == set(keys())
    assert all(
        same(library.load_direction(entry.key), direction(entry.name, int(entry.name))) for entry in saved
    )
    assert library.damaged() == ()


def test_eight_threads_saving_the_same_make_one_entry():
    start = threading.Barrier(8)

    def save(_):
        start.wait()
        return library.save_recipe(recipe())

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(save, range(8)))) == 1
    assert len(keys()) == 1


def test_of_eight_threads_one_gets_the_name():
    def save(seed):
        try:
            return library.save_direction(direction(seed=seed))
        except AnalysisError as error:
            assert "Choose another name" in str(error)

    with ThreadPoolExecutor(8) as pool:
        assert sum(entry is not None for entry in pool.map(save, range(8))) == 1
    assert len(keys()) == 1


def test_readers_never_see_half_an_entry():
    first = library.save_direction(direction("first", 99))
    end = threading.Event()
    seen = []

    def look():
        while not end.is_set():
            seen.append((first in library.entries(), library.damaged()))
            time.sleep(0.001)

    with ThreadPoolExecutor(3) as pool:
        lookers = [pool.submit(look) for _ in range(2)]
        for seed in range(6):
            entry = library.save_direction(direction(str(seed), seed))
            library.rename(entry.key, f"r{seed}")
            library.delete(entry.key)
            library.undelete(entry.key)
        end.set()
        [looker.result() for looker in lookers]
    assert set(seen) == {(True, ())}


def test_another_process_waits_its_turn():
    with ThreadPoolExecutor(1) as pool:
        with store.held("library", lambda *_: None, ""):
            waiting = pool.submit(library.save_direction, direction())
            time.sleep(0.3)
            assert not waiting.done()
        assert waiting.result(timeout=30).name == "sea"
