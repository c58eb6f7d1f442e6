"""The weights in a streaming ONNX export of GTCRN, as a state dict of the whole network.

The export (``stream/gtcrn_stream.py`` of Xiaobin-Rong/gtcrn) runs frame by frame with the same
weights, except that the batch norm behind an ordinary convolution is folded into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from unhear.errors import InputError
from unhear.networks.onnx_weights import weights_in_order

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def state_of(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """The state dict for ``network``, a fresh one, out of the export at ``path``.

    Raises InputError when it is no ONNX file, or has not as many weights as an export.
    """
    weights = weights_in_order(path)
    for turned in (False, True):
        keys = _keys(network, turned=turned)
        if len(keys) == len(weights):
            pairs = zip(keys, weights, strict=True)
            found = {key: _as_in_network(key, value, turned=turned) for key, value in pairs}
            return _norms_that_do_nothing(network) | found
    raise InputError(
        f"{path} is not a streaming export of GTCRN: name the authors' gtcrn_simple.onnx, one "
        "made like it, or a PyTorch checkpoint"
    )


def _keys(network: nn.Module, *, turned: bool) -> list[str]:
    """The weights that an export has, in the order in which they are used.

    The decoder's convolutions over time are transposed ones as in the network, or ``turned``
    into ordinary ones, as in the authors' later exports.
    """

    def folded(key: str) -> bool:
        return "bn" in key and (key.startswith("encoder.") or (turned and "depth_bn" in key))

    keys = [key for key in network.state_dict() if "num_batches_tracked" not in key]
    kept = [key for key in keys if not folded(key)]
    # Defined beside its counterpart at the input, but used last of all.
    return sorted(kept, key=lambda key: key.startswith("erb.ierb_fc"))


def _as_in_network(key: str, weight: Tensor, *, turned: bool) -> Tensor:
    if key.endswith("act.weight"):
        return weight.flatten()
    is_kernel = key.endswith("depth_conv.weight") and weight.ndim == 4
    if turned and is_kernel and key.startswith("decoder."):
        return weight.flip(-2, -1)
    return weight


def _norms_that_do_nothing(network: nn.Module) -> dict[str, Tensor]:
    """Batch norms as if they saw mean 0 and variance 1, with their eps taken off."""
    state: dict[str, Tensor] = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            state |= layer.state_dict(prefix=f"{name}.")
            state[f"{name}.running_var"] = state[f"{name}.running_var"] - layer.eps
    return state
