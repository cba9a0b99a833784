"""Faster products for few rows equal the usual ones, and are taken only where they may be."""

import pytest
import torch
from torch import nn

from analysis.models import few_rows


def linear(out: int = 48, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(32, out, bias=bias).requires_grad_(False)


def quickened(module: nn.Linear, wanted: bool = True) -> nn.Linear:
    few_rows.quicken(nn.ModuleList([module]).modules(), lambda: wanted)
    return module


def state(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("out", [48, 47], ids=["even", "odd"])
@pytest.mark.parametrize("rows", range(1, few_rows.MOST + 2))
def test_the_product_is_the_usual_one_up_to_rounding(rows, out, bias):
    x, expected = state(rows, 1), linear(out, bias)(state(rows, 1))
    found = quickened(linear(out, bias))(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert found.is_contiguous()


def test_by_hand():
    module = quickened(nn.Linear(2, 2).requires_grad_(False))
    module.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    module.bias.copy_(torch.tensor([10.0, 20.0]))
    for rows in (1, 2, 3, 9):
        assert module(torch.tensor([[1.0, -1.0]] * rows)).tolist() == [[9.0, 19.0]] * rows


def test_rows_are_counted_over_all_axes(monkeypatch):
    module = quickened(linear())
    monkeypatch.setattr(few_rows, "_turned", lambda *_: pytest.fail("nine rows are not few"))
    monkeypatch.setattr(few_rows._Copy, "times", lambda *_: pytest.fail("nine rows are not few"))
    assert module(state(3, 3)).shape == (3, 3, 48)


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_where_it_is_not_wanted_every_bit_is_the_usual_one(rows):
    assert torch.equal(quickened(linear(), wanted=False)(state(rows)), linear()(state(rows)))


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_a_weight_that_changes_is_read_anew(rows):
    module, x = quickened(linear()), state(rows)
    before = module(x)
    module.weight.mul_(2)
    torch.testing.assert_close(module(x) - module.bias, 2 * (before - module.bias), rtol=1e-4, atol=1e-5)
    module.weight.data = torch.zeros_like(module.weight)
    torch.testing.assert_close(module(x), module.bias.expand(rows, -1))


def test_a_large_model_is_not_copied(monkeypatch):
    monkeypatch.setattr(few_rows, "LARGEST_COPY", 48 * 32 * 4 - 1)
    monkeypatch.setattr(few_rows._Copy, "times", lambda *_: pytest.fail("copied"))
    torch.testing.assert_close(quickened(linear())(state(6)), linear()(state(6)), rtol=1e-5, atol=1e-5)


def test_other_kinds_of_maps_stay_as_they_are():
    class Own(nn.Linear):
        pass

    for module in (linear().bfloat16(), Own(32, 8), nn.Embedding(4, 32)):
        assert "forward" not in vars(quickened(module))
