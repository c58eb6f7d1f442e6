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
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Float[Tensor, "steps batch gates"],
        weight: Float[Tensor, "gates hidden"],
        bias: Float[Tensor, " gates"],
    ) -> Float[Tensor, "steps batch hidden"]:
        hidden, transposed = weight.shape[1], weight.t()
        gates = inputs[..., : 2 * hidden].clone()  # become r and z, in place
        new = inputs[..., 2 * hidden :].clone()  # becomes n
        states, memory = torch.empty_like(new), torch.empty_like(new)  # memory becomes m
        before = torch.zeros_like(new[0])
        for state, gate, n, m in zip(
            states.unbind(), gates.unbind(), new.unbind(), memory.unbind(), strict=True
        ):
            recurrent = torch.addmm(bias, before, transposed)
            gate.add_(recurrent[:, : 2 * hidden]).sigmoid_()
            m.copy_(recurrent[:, 2 * hidden :])
            n.addcmul_(gate[:, :hidden], m).tanh_()
            torch.lerp(n, before, gate[:, hidden:], out=state)
            before = state
        ctx.save_for_backward(states, gates, new, memory, weight)
        return states

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Float[Tensor, "steps batch hidden"]
    ) -> Any:
        states, gates, n, m, weight = ctx.saved_tensors
        hidden = weight.shape[1]
        r, z = gates[..., :hidden], gates[..., hidden:]
        before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        to_new = (1 - z) * (1 - n * n)
        # d h / d (inputs of r, z, n): of each gate, and the same for the product with h'.
        slopes = torch.cat(
            [to_new * m * r * (1 - r), (before - n) * z * (1 - z), to_new], dim=-1
        ).unflatten(-1, (3, hidden))
        through = slopes.clone()
        through[:, :, 2] *= r  # the product reaches n through the reset gate
        passed_on = torch.zeros_like(gradient[0])
        totals: list[Tensor] = []
        for step, kept, slope in zip(
            reversed(gradient.unbind()),
            reversed(z.unbind()),
            reversed(through.unbind()),
            strict=True,
        ):
            total = passed_on + step
            totals.append(total)
            pulled = (total[:, None] * slope).flatten(1)
            passed_on = torch.addmm(total * kept, pulled, weight)
        found = torch.stack(totals[::-1])[:, :, None] * slopes
        return found.flatten(2), None, None
