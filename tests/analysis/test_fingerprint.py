"""One name for one request: nothing that differs may share it, and it is the same tomorrow."""

import os
import subprocess
import sys
from dataclasses import dataclass, make_dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.edits import BASE, Ablate, Replace, Site, Steer, Variant
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.models.spec import ModelSpec

V = np.arange(5, dtype=np.float32)
BIG = np.zeros(2_000_000, np.float32)


def with_one(value, at, array=BIG):
    changed = array.copy()
    changed[at] = value
    return changed


@dataclass(frozen=True)
class Box:
    inside: object


def elsewhere(name: str):
    """A dataclass of the same name and fields from another module."""
    return make_dataclass(name, ["inside"], namespace={"__module__": "another.module"})


DIFFERENT = {
    "numbers of different types": [1, 1.0, True, "1", b"1", np.float32(1), np.int64(1), (1,), [1], {1}],
    "nothing and its look-alikes": [None, "None", (), [], {}, set(), frozenset(), "", b"", 0, False],
    "the two zeros": [0.0, -0.0],
    "neighbouring floats": [0.1, np.nextafter(0.1, 1).item(), np.float32(0.1), np.float64(0.1)],
    "not a number and the infinities": [float("nan"), float("inf"), float("-inf")],
    "texts cut elsewhere": [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), "abc"],
    "tuples nested otherwise": [((1, 2), 3), (1, (2, 3)), (1, 2, 3), ((1, 2, 3),), ((1,), 2, 3)],
    "text and the path of it": ["/a", Path("/a")],
    "edits with the same fields": [
        Steer(Site(3), V), Ablate(Site(3), V), Steer(Site(2), V), Steer(Site(3, "mlp"), V),
        Steer(Site(3), V, 2.0), Steer(Site(3), V, positions="prompt"), Steer(Site(3), V, positions=(0,)),
        Replace(Site(3), V[None], (0,)), Replace(Site(3), V[None], (1,)),
    ],
    "edits inside variants": [
        Variant("a", (Steer(Site(3), V),)), Variant("a", (Ablate(Site(3), V),)), Variant("a", ()), BASE,
        Variant("a", (Steer(Site(3), V), Ablate(Site(3), V))), Variant("a", (Ablate(Site(3), V), Steer(Site(3), V))),
    ],
    "classes of one name in two modules": [Box(1), elsewhere("Box")(1)],
    "arrays differing in one coordinate": [BIG, *(with_one(1e-30, at) for at in (0, 1, 999_983, 1_999_999))],
    "arrays of one content": [
        np.zeros(6, np.float32), np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32),
        np.zeros(3, np.float64), np.zeros(6, np.int32), np.zeros(6, ">f4"),
    ],
    "arrays with the two zeros": [np.array([0.0]), np.array([-0.0])],
    "an array and its transpose": [np.arange(4).reshape(2, 2), np.arange(4).reshape(2, 2).T],
    "mappings": [{"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 1}, {"a": {"b": 2}}, {("a", 1): ("b", 2)}],
    "specs": [ModelSpec("a"), ModelSpec("b"), ModelSpec("a", "main"), ModelSpec("a", None, "float32")],
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENT)
def test_requests_that_differ_have_names_that_differ(name):
    names = [fingerprint(value) for value in DIFFERENT[name]]
    assert len(set(names)) == len(names)
    assert [fingerprint(value) for value in DIFFERENT[name]] == names


def test_the_number_of_arguments_counts():
    assert len({fingerprint(), fingerprint(None), fingerprint(None, None), fingerprint((None, None))}) == 4


def test_equal_requests_have_one_name_whatever_their_layout_in_memory_or_order():
    assert fingerprint(np.arange(6).reshape(2, 3)) == fingerprint(
        np.asfortranarray(np.arange(6).reshape(2, 3))
    )
    assert fingerprint(np.arange(10)[::2]) == fingerprint(np.array([0, 2, 4, 6, 8]))
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({*"abcdefgh"}) == fingerprint({*"hgfedcba"})
    steers = [
        Steer(Site(3), with_one(i, 500_000)) for i in range(6)
    ]  # printed alike, in no order of their own
    assert fingerprint({*steers}) == fingerprint({*reversed(steers)})
    assert len(fingerprint(1)) == 64


REQUEST = "fingerprint('ü\\ud800', 1.5, Path('/a'), {'a': {1, 'x', None}}, Variant('v', (Steer(Site(2), V),)), V > 1)"


def test_a_name_is_the_same_in_every_process():
    code = (
        "from pathlib import Path; import numpy as np; from analysis.fingerprint import fingerprint;"
        "from analysis.edits import *; V = np.arange(5, dtype=np.float32); print(" + REQUEST + ")"
    )
    root = Path(__file__).parents[2]
    elsewhere = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(root)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=elsewhere, capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == eval(REQUEST)  # the same words in this process


@pytest.mark.parametrize(
    "value",
    [object(), torch.zeros(2), lambda: 1, Box, range(3), iter([1]), 1j, np.array([object(), 1], dtype=object),
     np.zeros(2, [("a", "f4")])],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_has_no_sure_identity_is_refused_at_every_depth(value):
    for request in (value, (1, [value]), {"a": value}, Box(value)):
        with pytest.raises(
            AnalysisError, match=f"A {type(value).__name__} has no fingerprint. Give plain values"
        ):
            fingerprint(request)
