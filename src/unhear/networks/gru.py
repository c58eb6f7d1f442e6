"""GRU layers whose gradient with respect to the input costs about as much as their output.

On CPUs torch records ten operations for every step of a GRU and takes five times as long to go
back as to go forward. Weights that are not trained need far less: the derivatives of the gates
are known for all steps at once, and what is left of a step is one product with a matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Float
    from torch import Tensor, nn


def run_frozen(
    layers: nn.GRU, x: Float[Tensor, "batch steps ins"]
) -> Float[Tensor, "batch steps outs"]:
    """What ``layers(x)[0]`` is, for layers that take the batch first and are not trained."""
    steps = x.transpose(0, 1)
    for layer in range(layers.num_layers):
        directions = [_direction(layers, f"_l{layer}", steps)]
        if layers.bidirectional:
            backwards = _direction(layers, f"_l{layer}_reverse", steps.flip(0))
            directions.append(backwards.flip(0))
        steps = torch.cat(directions, dim=-1) if layers.bidirectional else directions[0]
    return steps.transpose(0, 1)


def _direction(
    layers: nn.GRU, name: str, steps: Float[Tensor, "steps batch ins"]
) -> Float[Tensor, "steps batch hidden"]:
    weights, biases, recurrent, recurrent_bias = (
        getattr(layers, f"{kind}{name}")
        for kind in ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
    )
    inputs = torch.nn.functional.linear(steps, weights, biases)
    return _Recurrence.apply(inputs, recurrent, recurrent_bias)


class _Recurrence(torch.autograd.Function):
    """The gates' inputs (steps, batch, 3·hidden), reset, update, new → hidden states.

    With r and z the reset and update gates, n the new state and m = W_hn h' + b_hn:
    h = n + z (h' - n), n = tanh(x_n + r m), where h' is the state one step before.

    A step is short, so what counts is how many operations it takes, and that a single clip is a
    vector: products with those are twice as fast as with matrices of one row.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Float[Tensor, "steps batch gates"],
        weight: Float[Tensor, "gates hidden"],
        bias: Float[Tensor, " gates"],
    ) -> Float[Tensor, "steps batch hidden"]:
        hidden, transposed = weight.shape[1], weight.t().contiguous()
        alone = inputs.shape[1] == 1
        whole = inputs.squeeze(1) if alone else inputs
        gates = whole[..., : 2 * hidden].clone()  # become r and z, in place
        n = whole[..., 2 * hidden :].clone()
        products, states = torch.empty_like(whole), torch.empty_like(n)
        m = products[..., 2 * hidden :]
        before = torch.zeros_like(n[0])
        for product, to_gate, m_, gate, r_, z_, n_, state in _steps(
            *(products, products[..., : 2 * hidden], m),
            *(gates, gates[..., :hidden], gates[..., hidden:], n, states),
        ):
            if alone:
                torch.addmv(bias, transposed.t(), before, out=product)
            else:
                torch.addmm(bias, before, transposed, out=product)
            gate.add_(to_gate).sigmoid_()
            n_.addcmul_(r_, m_).tanh_()
            before = torch.lerp(n_, before, z_, out=state)
        ctx.save_for_backward(states, gates, n, m, weight, transposed)
        return states.view(len(inputs), -1, hidden)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Float[Tensor, "steps batch hidden"]
    ) -> Any:
        states, gates, n, m, weight, transposed = ctx.saved_tensors
        hidden, alone = weight.shape[1], states.ndim == 2
        r, z = gates[..., :hidden], gates[..., hidden:]
        before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        to_new = (1 - z) * (1 - n * n)
        # d h / d (inputs of r, z, n): of each gate, and the same for the product with h'.
        slopes = torch.stack(
            [to_new * m * r * (1 - r), (before - n) * z * (1 - z), to_new], dim=-2
        )
        through = slopes.clone()
        through[..., 2, :] *= r  # the product reaches n through the reset gate
        # Of a state: also by way of the later ones.
        totals = gradient.reshape(states.shape).clone()
        pulled = torch.empty_like(slopes[0])
        passed_on = torch.zeros_like(states[0])
        back = list(_steps(totals, totals.unsqueeze(-2), z, through))
        for total, spread, kept, slope in reversed(back):
            total.add_(passed_on)
            torch.mul(spread, slope, out=pulled)
            torch.mul(total, kept, out=passed_on)
            if alone:
                passed_on.addmv_(transposed, pulled.view(-1))
            else:
                passed_on.addmm_(pulled.flatten(1), weight)
        found = totals.unsqueeze(-2) * slopes
        return found.reshape(len(gradient), -1, 3 * hidden), None, None


def _steps(*sequences: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The parts of each sequence, step by step, cut before the first of them is taken."""
    return zip(*map(torch.unbind, sequences), strict=True)
