"""One real process that computes maps for all tests: compiling UMAP takes as long as all of them together."""

import pytest

from analysis.projections.client import Client


@pytest.fixture(scope="session")
def maps_client() -> Client:
    client = Client("tests.analysis.checked_fits", warming=())
    yield client
    client.close()
