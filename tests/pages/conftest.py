"""What every test of a page shares."""

from functools import lru_cache

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner

from analysis import background
from components import model_picker
from components.shelf import Shelf

OPEN = Shelf()
"""The models that stay open from test to test: opening one costs more than most tests do."""


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch, toy_name):
    """Caches outlive an AppTest, and the store outlives the process: every test gets its own."""
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    monkeypatch.setenv("BATHYSCOPE_MODEL", toy_name)
    monkeypatch.setattr(model_picker, "shelf", lambda: OPEN)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def asked_once(monkeypatch):
    """How usual a model is, and which packages bring components: a server asks once, every AppTest would again."""
    monkeypatch.setattr(background, "background", _usual)
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", _scanned)


_scanned = lru_cache(manifest_scanner.scan_component_manifests)
_measured, _kept = background.background, {}


def _usual(model, *report):
    if model.fingerprint not in _kept:
        _kept[model.fingerprint] = _measured(model, *report)
    return _kept[model.fingerprint]


@pytest.fixture
def empty_shelf(monkeypatch) -> Shelf:
    """No model is open yet, whatever other tests opened."""
    shelf = Shelf()
    monkeypatch.setattr(model_picker, "shelf", lambda: shelf)
    return shelf


@pytest.fixture
def toy_name(request) -> str:
    """The model the app opens: the module's `TOY`."""
    return request.module.TOY
