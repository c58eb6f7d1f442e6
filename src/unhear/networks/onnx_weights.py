"""Weights out of ONNX files, and in the order in which torch keeps them.

The graphs are not run: they are written anew as full-sequence modules, through which gradients
flow. The tests compare them with onnxruntime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jaxtyping import Float
    from torch import Tensor, nn

GRU_GATES = (1, 0, 2)  # torch: reset, update, new; ONNX: update, reset, hidden (new)
LSTM_GATES = (0, 2, 3, 1)  # torch: input, forget, cell, output; ONNX: i, o, f, c

# What ONNX raises for damaged files; TypeError: torch takes no four-bit or bfloat16 arrays.
UNREADABLE = (DecodeError, onnx.checker.ValidationError, OSError, ValueError, TypeError)


def in_torch_order(
    stacked: Float[Tensor, "stacked ..."], gates: tuple[int, ...]
) -> Float[Tensor, "stacked ..."]:
    """The gates of one direction of an ONNX GRU or LSTM (W, R or half of B), reordered."""
    return torch.cat([stacked.chunk(len(gates))[gate] for gate in gates])


def weights_in_order(model: Path) -> list[Tensor]:
    """The weights on the way from an ONNX graph's inputs to its first output.

    Their order is that of the computation, whatever the file calls them and however it sorts
    its nodes, and they are laid out as torch keeps them: matrices as (out, in), and a GRU or
    LSTM as weight_ih, weight_hh, bias_ih and bias_hh of each direction. Raises InputError for
    what is no ONNX file.
    """
    graph, constants = _read(model)
    weights: list[Tensor] = []
    for node in _in_order_of_use(graph):
        used = [constants[name] for name in node.input if name in constants]
        weights += _as_torch(node, [each for each in used if _is_weight(each)])
    return weights


def fill(network: nn.Module, weights: list[Tensor], file: Path, name: str) -> None:
    """Load weights whose number, order and shapes are those of the network's state dict.

    Raises InputError, naming the file and the enhancer, where they are not.
    """
    wanted = network.state_dict()
    if [each.shape for each in weights] != [each.shape for each in wanted.values()]:
        raise InputError(
            f"{file} holds the weights of another network than {name}: "
            "name the weights that belong to it"
        )
    network.load_state_dict(dict(zip(wanted, weights, strict=True)))


def _read(model: Path) -> tuple[onnx.GraphProto, dict[str, Tensor]]:
    """The graph and its constants by name."""
    try:
        graph = onnx.load_model(model, format="protobuf").graph
        arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        constants = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    except UNREADABLE as error:
        raise InputError(
            f"{model} is not a complete ONNX file with float weights: name one"
        ) from error
    return graph, constants


def _in_order_of_use(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes behind the first output, each after those that make its inputs.

    Several of these come in the order of the inputs, so that the kernel that meets the signal
    is told apart from the one of equal shape that meets the state.
    """
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    stack = [(makers[each.name], False) for each in graph.output[:1] if each.name in makers]
    seen: set[int] = set()
    while stack:
        index, is_ready = stack.pop()
        node = graph.node[index]
        if is_ready:
            yield node
        elif index not in seen:
            seen.add(index)
            stack.append((index, True))
            stack += [(makers[name], False) for name in reversed(node.input) if name in makers]


def _is_weight(constant: Tensor) -> bool:
    """Whether it is neither a shape or an index nor a number such as an epsilon."""
    return constant.is_floating_point() and constant.ndim > 0


def _as_torch(node: onnx.NodeProto, used: list[Tensor]) -> list[Tensor]:
    settings = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    match node.op_type:
        case "MatMul":
            return [matrix.mT for matrix in used]
        case "Gemm" if not settings.get("transB", 0):
            return [each.mT if each.ndim > 1 else each for each in used]
        # A GRU of ONNX's other kind stays as it is, and fits nothing: torch has no such layer.
        case "GRU" if settings.get("linear_before_reset", 0):
            return _recurrent(used, GRU_GATES)
        case "LSTM":
            return _recurrent(used, LSTM_GATES)
        case _:
            return used


def _recurrent(used: list[Tensor], gates: tuple[int, ...]) -> list[Tensor]:
    """From W, R and B, each (directions, …); initial states behind them are left out."""
    if len(used) < 3 or used[2].ndim != 2:
        return used  # without biases
    return [
        in_torch_order(each, gates)
        for w, r, b in zip(*used[:3], strict=True)
        for each in (w, r, *b.chunk(2))
    ]
