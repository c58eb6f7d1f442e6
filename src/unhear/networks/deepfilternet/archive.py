"""The published model, a tar.gz of three ONNX graphs and a config.ini, read in memory."""

from __future__ import annotations

import tarfile
import zlib
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import onnx
import torch
from onnx import numpy_helper

from unhear.errors import InputError
from unhear.networks.deepfilternet.network import DeepFilterNetwork
from unhear.networks.onnx_weights import GRU_GATES, UNREADABLE, fill, in_torch_order

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from onnx import GraphProto, NodeProto
    from torch import Tensor

GRAPHS = ("enc.onnx", "erb_dec.onnx", "df_dec.onnx")
CONFIG = "config.ini"
LARGEST = 50_000_000  # bytes of a member; the published ones have 3 MB

# What the front end is written for; the shapes of the weights tell the rest.
EXPECTED = {
    "sr": 48_000,
    "fft_size": 960,
    "hop_size": 480,
    "nb_erb": 32,
    "min_nb_erb_freqs": 2,
    "nb_df": 96,
    "norm_tau": 1,
    "df_order": 5,
    "df_lookahead": 2,
    "conv_lookahead": 2,
}


def load_network(path: Path) -> DeepFilterNetwork:
    """The network with the weights of an archive; raises InputError if it holds another one."""
    members = read_members(path)
    _check_config(members[CONFIG], path)
    network = DeepFilterNetwork()
    parts = (network.encoder, network.gain_decoder, network.filter_decoder)
    for name, part in zip(GRAPHS, parts, strict=True):
        fill(part, _weights(members[name], path), path, "DeepFilterNet3")
    return network


def read_members(path: Path) -> dict[str, bytes]:
    """The graphs and the configuration by file name, whatever folder they are in.

    Raises InputError when the file is no tar.gz or lacks one of them.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            members = dict(_wanted(archive))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} is not a tar.gz archive: name DeepFilterNet3_onnx.tar.gz"
        ) from error
    if missing := {*GRAPHS, CONFIG} - members.keys():
        raise InputError(
            f"{path} lacks {', '.join(sorted(missing))}: name a DeepFilterNet3_onnx.tar.gz"
        )
    return members


def _wanted(archive: tarfile.TarFile) -> Iterable[tuple[str, bytes]]:
    for member in archive:
        name = PurePosixPath(member.name).name
        if name in {*GRAPHS, CONFIG} and member.isfile() and member.size < LARGEST:
            content = archive.extractfile(member)
            if content is not None:
                yield name, content.read()


def _check_config(content: bytes, path: Path) -> None:
    config = ConfigParser(interpolation=None)
    try:
        config.read_string(content.decode())
        given = {**config["deepfilternet"], **config["df"]}
        wrong = {key: given[key] for key, v in EXPECTED.items() if float(given[key]) != v}
    except (UnicodeDecodeError, ConfigError, KeyError, ValueError) as error:
        raise InputError(
            f"{CONFIG} of {path} is not DeepFilterNet3's: name a DeepFilterNet3_onnx.tar.gz"
        ) from error
    if wrong:
        key, value = next(iter(wrong.items()))
        raise InputError(
            f"{path} has {key} = {value} where {EXPECTED[key]} is needed: "
            "name the standard DeepFilterNet3_onnx.tar.gz"
        )


def _weights(content: bytes, path: Path) -> list[Tensor]:
    """Those of convolutions, grouped layers and GRUs, in the order of the graph's nodes.

    The heads that estimate the SNR and weigh the filter, matrix products, are left out:
    nothing that is heard depends on them.
    """
    try:
        graph = onnx.load_model_from_string(content).graph
        constants = _constants(graph)
    except UNREADABLE as error:
        raise InputError(f"{path} holds a damaged graph: fetch the archive anew") from error
    found: list[Tensor] = []
    for node in graph.node:
        if node.op_type in {"Conv", "ConvTranspose", "Einsum"}:
            found += [constants[each] for each in node.input if each in constants]
        elif node.op_type == "GRU":
            found += _gru(node, constants)
    return found


def _constants(graph: GraphProto) -> dict[str, Tensor]:
    """Initialisers, and the outputs of Constant nodes: the published graphs use both."""
    arrays = {each.name: each for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            arrays[node.output[0]] = node.attribute[0].t
    return {
        name: torch.tensor(numpy_helper.to_array(tensor)) for name, tensor in arrays.items()
    }


def _gru(node: NodeProto, constants: dict[str, Tensor]) -> list[Tensor]:
    """Input and hidden weights, then their biases, as one layer of ``nn.GRU`` has them."""
    kept = [constants[name][0] for name in node.input[1:4] if name in constants]
    biases = [half for both in kept[2:] for half in both.chunk(2)]
    return [in_torch_order(each, GRU_GATES) for each in (*kept[:2], *biases)]
