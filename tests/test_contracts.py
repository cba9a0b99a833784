"""Everything registered keeps the promises of its kind."""

import dataclasses
import inspect

import numpy as np
import pytest
import torch

from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Relu
from analysis.edits import (
    BASE,
    EDITS,
    Ablate,
    Change,
    ChangeFeatures,
    Edit,
    Erase,
    KeepPart,
    PushAsFar,
    Reflect,
    Replace,
    SetComponent,
    Site,
    Steer,
    Variant,
)
from analysis.fingerprint import fingerprint
from analysis.models.layouts import LAYOUTS

TEXT = "The sea is deep."
LAYERS, WIDTH, LENGTH = 3, 22, 14
"""Of the toy, and of this text in it."""


def vector(seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=WIDTH).astype(np.float32)


def dictionary(site) -> SparseDictionary:
    rows = np.random.default_rng(5).normal(size=(29, WIDTH)).astype(np.float32)
    encoder, zeros = np.ascontiguousarray(rows.T), np.zeros(29, np.float32)
    return SparseDictionary("29 features", site, Relu(), encoder, zeros, rows, vector(7))


def changed(site, positions) -> ChangeFeatures:
    return ChangeFeatures(dictionary(site), (Change(3, "clamp", 4.0), Change(11, "add", 2.0)), positions)


EXAMPLES = {
    Steer: lambda site, positions: Steer(site, vector(), 2.0, positions),
    Ablate: lambda site, positions: Ablate(site, vector(), positions),
    Reflect: lambda site, positions: Reflect(site, vector(), positions),
    SetComponent: lambda site, positions: SetComponent(site, vector(), 1.5, positions),
    Erase: lambda site, positions: Erase(
        site, vector(3), np.stack([vector(), vector(1)], 1), np.stack([vector(), vector(1)]), positions
    ),
    Replace: lambda site, positions: Replace(site, np.stack([vector(p) for p in positions]), positions),
    ChangeFeatures: changed,
    PushAsFar: lambda site, positions: PushAsFar(changed(site, positions), np.stack([vector(1), vector(2)])),
    KeepPart: lambda site, positions: KeepPart(dictionary(site), "error", positions),
}
"""One edit of every kind that changes whatever it touches, at the given positions."""


# families


def test_every_family_of_every_row_is_built_by_the_tests(model_types):
    listed = [model_type for row in LAYOUTS for model_type in row.model_types]
    assert len(set(listed)) == len(listed), "a model type belongs to one row"
    assert set(listed) == model_types


def test_every_family_is_read_by_its_own_row(family):
    layout = family.model.parts.layout
    assert family.model.parts.known
    assert family.plain.config.model_type in layout.model_types
    check = next(check for check in family.model.parity if check.concern == "family")
    assert check.sentence == f"Read as {layout.family}. {layout.remark}".strip()


def test_every_row_has_a_name_of_its_own_and_remarks_are_sentences():
    assert len({row.family for row in LAYOUTS}) == len(LAYOUTS)
    assert all(not row.remark or (row.remark[0].isupper() and row.remark.endswith(".")) for row in LAYOUTS)


# edits


def test_every_edit_has_an_example():
    assert set(EXAMPLES) == set(EDITS)


@pytest.fixture(params=EDITS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def test_an_edit_is_frozen_data_with_a_label_a_source_and_a_warning(kind):
    edit = EXAMPLES[kind](Site(2), (0, 3))
    assert isinstance(edit, Edit)
    assert kind.__dataclass_params__.frozen
    with pytest.raises(dataclasses.FrozenInstanceError):
        edit.site = Site(1)
    assert kind.label == kind.label.strip().lower()
    assert not kind.label.endswith(".")
    text = inspect.getdoc(kind)
    assert len(text.splitlines()[0]) < 120
    assert text.splitlines()[0].endswith(".")
    assert "\nSource: " in text
    assert "arXiv" in text
    assert "\nMisleads when: " in text
    fields = {field.name for field in dataclasses.fields(kind)}
    assert {"site", "positions"} <= fields


def test_labels_of_edits_differ():
    assert len({kind.label for kind in EDITS}) == len(EDITS)


def test_an_edit_has_a_fingerprint_of_its_own(kind):
    names = {fingerprint(EXAMPLES[other](Site(2), (0, 3))) for other in EDITS}
    assert len(names) == len(EDITS)
    assert fingerprint(EXAMPLES[kind](Site(2), (0, 3))) in names
    assert fingerprint(EXAMPLES[kind](Site(1), (0, 3))) not in names


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_edit_returns_a_new_tensor_of_the_same_shape_and_kind(kind, dtype):
    x = torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(0)).to(dtype)
    before = x.clone()
    result = EXAMPLES[kind](Site(2), (0, 3)).apply(x, torch.tensor([0, 3]))
    assert torch.equal(x, before)
    assert (result.shape, result.dtype) == (x.shape, dtype)
    assert not torch.equal(result, x)
    result.zero_()
    assert torch.equal(x, before)


@pytest.mark.parametrize("stream", ["residual", "attention", "mlp"])
def test_an_edit_runs_on_the_toy_and_touches_its_own_place_only(toy, kind, stream):
    site, positions = Site(2, stream), (3, 5)
    edited = Variant("edited", (EXAMPLES[kind](site, positions),))
    trace = toy.run(TEXT, read="all", variants=(BASE, edited))
    assert trace.at(site).shape == (LENGTH, WIDTH)
    # row with the same row: two rows of one batch may differ in the last bit even where nothing was edited
    idle = toy.run(TEXT, read="all", variants=(BASE, Variant("idle")))
    changed = (trace.at(site, 1) != idle.at(site, 1)).any(-1)
    assert np.flatnonzero(changed).tolist() == list(positions)
    assert not np.array_equal(trace.at(Site(LAYERS), 1)[5:], idle.at(Site(LAYERS), 1)[5:])
    assert np.array_equal(idle.values[:, 0], trace.values[:, 0])
    for earlier in (Site(0), Site(1), Site(1, "mlp"), Site(1, "attention")):
        assert np.array_equal(trace.at(earlier, 1), idle.at(earlier, 1))
    assert np.array_equal(trace.values[:, 1, :3], idle.values[:, 1, :3])


def test_an_edit_works_while_a_text_is_written(toy, kind):
    edited = Variant("edited", (EXAMPLES[kind](Site(2), (1, 15, 16)),))
    prompt = toy.tokenize(TEXT)
    steps = list(toy.generate(prompt, variants=(BASE, edited), max_new_tokens=4, read=(Site(2),)))
    new = tuple(step.ids[1] for step in steps)
    text = prompt.extended(new, tuple(map(toy.tokenizer.piece, new)), (False,) * 4)
    # the same text with the prompt's position edited and those of the new tokens left alone
    partly = toy.run(text, variants=(Variant("partly", (EXAMPLES[kind](Site(2), (1,)),)),)).at(Site(2))
    seen = np.concatenate([step.captured[Site(2)][1] for step in steps])
    apart = np.abs(seen - partly[: len(seen)]).max(-1)
    assert np.flatnonzero(apart > 1e-3).tolist() == [15, 16]  # far above rounding, about 1e-6
    assert apart[[i for i in range(len(seen)) if i not in (15, 16)]].max() < 1e-4
