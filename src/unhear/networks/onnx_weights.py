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
    from pathlib import Path

    from jaxtyping import Float
    from torch import Tensor

GRU_GATES = (1, 0, 2)  # torch: reset, update, new; ONNX: update, reset, hidden (new)
LSTM_GATES = (0, 2, 3, 1)  # torch: input, forget, cell, output; ONNX: i, o, f, c


def initializers(model: bytes | Path) -> dict[str, Tensor]:
    """The constant tensors of an ONNX graph by name; raises InputError for anything else."""
    content = model if isinstance(model, bytes) else model.read_bytes()
    try:
        graph = onnx.load_model_from_string(content).graph
    except DecodeError as error:
        raise InputError(f"{model!r:.80} is not an ONNX file: name one") from error
    arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def in_torch_order(
    stacked: Float[Tensor, "stacked ..."], gates: tuple[int, ...]
) -> Float[Tensor, "stacked ..."]:
    """The gates of one direction of an ONNX GRU or LSTM (W, R or half of B), reordered."""
    return torch.cat([stacked.chunk(len(gates))[gate] for gate in gates])
