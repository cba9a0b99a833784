"""The on-disk store: whole files or none, and names that cannot leave it."""

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import store
from analysis.errors import AnalysisError
from analysis.jobs import silent


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "home"))


def test_home_follows_the_environment(monkeypatch, tmp_path):
    assert store.home() == tmp_path / "home"
    monkeypatch.delenv("BATHYSCOPE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert store.home() == tmp_path / "cache" / "bathyscope"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.home() == tmp_path / ".cache" / "bathyscope"


def test_folder_is_made_inside_the_store():
    place = store.folder("lenses", "a" * 64)
    assert place.is_dir()
    assert place.relative_to(store.home()) == Path("lenses", "a" * 64)


@pytest.mark.parametrize("key", ["", "..", "a/b", "a\\b", "/etc", "a\0b", ".hidden", "a..b", "x" * 129, "é"])
def test_keys_that_could_leave_the_store_are_refused(key):
    with pytest.raises(AnalysisError, match="cannot name a folder of the store"):
        store.folder("lenses", key)
    with pytest.raises(AnalysisError, match="cannot name a folder of the store"):
        store.folder(key, "a")


@given(st.text())
def test_any_text_has_a_safe_name(text):
    assert store._checked(store.safe_name(text))


def test_safe_names_differ_where_texts_differ():
    assert store.safe_name("a/b") != store.safe_name("a-b")


def test_a_store_that_cannot_be_made_says_how_to_move_it(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "file"))
    with pytest.raises(AnalysisError, match="Set BATHYSCOPE_HOME"):
        store.folder("lenses", "a")


def test_tensors_and_metadata_come_back_exactly(tmp_path):
    tensors = {
        "values": np.arange(12, dtype=np.float32).reshape(3, 4),
        "transposed": np.arange(6, dtype=np.float64).reshape(2, 3).T,
        "scalar": np.array(7, dtype=np.int64),
        "empty": np.zeros((0, 5), dtype=np.float32),
        "flags": np.array([True, False]),
    }
    store.write_tensors(tmp_path / "fit.safetensors", tensors, {"how": "ridge"})
    back, metadata = store.read_tensors(tmp_path / "fit.safetensors")
    assert metadata == {"how": "ridge"}
    assert back.keys() == tensors.keys()
    for name, array in tensors.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_json_comes_back_exactly(tmp_path):
    value = {"text": "日本", "list": [1, 2.5, None]}
    store.write_json(tmp_path / "v.json", value)
    assert store.read_json(tmp_path / "v.json") == value


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "other"])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "fit.safetensors"
    store.write_tensors(path, {"x": np.ones(1000, dtype=np.float32)}, {})
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes({"truncate": data[:-200], "flip": data, "empty": b"", "other": b"PK\3\4" * 50}[damage])
    with pytest.raises(AnalysisError, match="fit.safetensors cannot be read.*Delete it"):
        store.read_tensors(path)


def test_damaged_and_missing_json_are_named(tmp_path):
    (tmp_path / "v.json").write_bytes(b"{\xff")
    with pytest.raises(AnalysisError, match="v.json cannot be read"):
        store.read_json(tmp_path / "v.json")
    with pytest.raises(AnalysisError, match="no stored file"):
        store.read_json(tmp_path / "none.json")


def test_a_full_disk_says_how_much_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "fit.safetensors"
    store.write_tensors(path, {"x": np.zeros(4, dtype=np.float32)}, {})

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        AnalysisError, match=r"disk is full: .*fit\.safetensors needs 4,000 bytes.*BATHYSCOPE_HOME"
    ):
        store.write_tensors(path, {"x": np.ones(1000, dtype=np.float32)}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["fit.safetensors"]
    assert store.read_tensors(path)[0]["x"].shape == (4,)


def test_the_native_writer_s_full_disk_is_understood(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise store.SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    monkeypatch.setattr(store, "save_file", full)
    with pytest.raises(AnalysisError, match="disk is full"):
        store.write_tensors(tmp_path / "fit.safetensors", {"x": np.ones(3, dtype=np.float32)}, {})
    assert not list(tmp_path.iterdir())


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    with pytest.raises(RuntimeError), store.new_folder(target) as partial:
        (partial / "half").write_text("")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with store.new_folder(target) as partial:
        (partial / "whole").write_text("")
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["whole"]


def test_space_is_asked_for_with_numbers(tmp_path, monkeypatch):
    store.require_space(tmp_path / "not" / "there", 1, "The model")
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    with pytest.raises(AnalysisError, match=r"The model needs .*B on the disk.*are free\. Free some space"):
        store.require_space(tmp_path, free * 2, "The model")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (98_362_432, "98.4 MB"), (2e12, "2.0 TB")]
)
def test_sizes_read_well(size, text):
    assert store.size_text(size) == text


def test_what_was_used_longest_ago_is_deleted_first():
    places = [store.folder("states", f"s{number}") for number in range(4)]
    for age, place in enumerate(places):
        (place / "values").write_bytes(b"x" * 100)
        os.utime(place, (1000 - age, 1000 - age))
    store.prune("states", 250, places[3])  # used now, though it is the oldest
    assert [place.exists() for place in places] == [True, False, False, True]
    store.prune("states", 10, places[0])
    assert [place.exists() for place in places] == [True, False, False, False]


def test_what_is_in_use_or_being_written_is_not_deleted():
    places = [store.folder("states", f"s{number}") for number in range(4)]
    for place in places:
        (place / "values").write_bytes(b"x" * 100)
    with store.held("states-s2", silent, "waiting"):
        store.prune("states", 0, places[0], places[1])
    assert [place.exists() for place in places] == [True, True, True, False]
    store.prune("states", 0, places[0])
    assert [place.exists() for place in places] == [True, False, False, False]


def test_a_table_is_read_with_the_mark_it_was_written_with(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    store.write_table(tmp_path / "t.parquet", table, "made of this")
    assert store.mark_of(tmp_path / "t.parquet") == "made of this"
    assert store.read_table(tmp_path / "t.parquet").equals(table)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    assert store.mark_of(tmp_path / "t.parquet") is None
    assert store.mark_of(tmp_path / "none.parquet") is None
    with pytest.raises(AnalysisError, match="cannot be read"):
        store.read_table(tmp_path / "t.parquet")
