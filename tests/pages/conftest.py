"""What every test of a page shares."""

import pytest
import streamlit as st


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch, toy_name):
    """Caches outlive an AppTest, and the store outlives the process: every test gets its own."""
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    monkeypatch.setenv("BATHYSCOPE_MODEL", toy_name)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def toy_name(request) -> str:
    """The model the app opens: the module's `TOY`."""
    return request.module.TOY
