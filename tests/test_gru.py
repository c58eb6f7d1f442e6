"""The fast way through frozen GRU layers, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unhear.networks.base import run
from unhear.networks.gru import run_frozen


@pytest.mark.parametrize(("batch", "steps"), [(3, 9), (3, 1), (1, 9), (1, 1)])
@pytest.mark.parametrize(
    "kind",
    [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True}],
)
def test_outputs_and_gradients_are_those_of_torch(
    kind: dict[str, int], batch: int, steps: int
) -> None:
    torch.manual_seed(0)
    layers = nn.GRU(5, 7, batch_first=True, **kind).double().requires_grad_(requires_grad=False)
    x = torch.randn(batch, steps, 5, dtype=torch.float64, requires_grad=True)
    expected, found = layers(x)[0], run_frozen(layers, x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weight = torch.randn_like(expected)
    gradients = [torch.autograd.grad(y, x, weight)[0] for y in (expected, found)]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-12, atol=1e-12)


def test_it_is_taken_where_a_gradient_is_wanted() -> None:
    layers = nn.GRU(2, 3, batch_first=True).requires_grad_(requires_grad=False)
    x = torch.randn(1, 4, 2)
    assert run(layers, x).grad_fn is None
    names: set[str] = set()
    waiting = [run(layers, x.requires_grad_()).grad_fn]
    while waiting:
        function = waiting.pop()
        if function is not None:
            names.add(type(function).__name__)
            waiting += [each for each, _ in function.next_functions]
    assert "_RecurrenceBackward" in names
