"""NSNet2: the authors' program, written anew around onnxruntime, and weights from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from sounds import DEMO

from unhear import audio
from unhear.enhancers import load_enhancer
from unhear.enhancers.nsnet2 import SOURCE
from unhear.errors import InputError
from unhear.networks.onnx_weights import weights_in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import ModelProto

ort = pytest.importorskip("onnxruntime", reason="the reference runs on onnxruntime")

MODEL = "nsnet2-20ms-baseline.onnx"
WINDOW = np.sqrt(np.hanning(320))


def graph(seed: int, bins: int = 161, hidden: int = 400, resets_first: int = 0) -> ModelProto:
    """Another training of the architecture, with names and an order of its own."""
    draw = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}

    def weight(name: str, *shape: int) -> str:
        tensors[name] = (draw.normal(size=shape) / np.sqrt(hidden)).astype(np.float32)
        return name

    def dense(x: str, wide: int, high: int, activation: str) -> list[onnx.NodeProto]:
        product = helper.make_node("MatMul", [x, weight(f"{x}/w", wide, high)], [f"{x}/xw"])
        # The bias goes first, as in some exports.
        added = helper.make_node("Add", [weight(f"{x}/b", high), f"{x}/xw"], [f"{x}/y"])
        return [product, added, helper.make_node(activation, [f"{x}/y"], [f"{x}+"])]

    def gru(x: str) -> list[onnx.NodeProto]:
        kernels = [weight(f"{x}/{k}", 1, 3 * hidden, hidden) for k in "WR"]
        inputs = [x, *kernels, weight(f"{x}/B", 1, 6 * hidden)]
        settings: Any = {"hidden_size": hidden, "linear_before_reset": 1 - resets_first}
        node = helper.make_node("GRU", inputs, [f"{x}/seq"], **settings)
        return [node, helper.make_node("Squeeze", [f"{x}/seq", "axis"], [f"{x}+"])]

    tensors["axis"] = np.array([1])
    swap: Any = {"perm": [1, 0, 2]}
    nodes = [
        *dense("in", bins, hidden, "Relu"),
        helper.make_node("Transpose", ["in+"], ["h"], **swap),
        *gru("h"),
        *gru("h+"),
        helper.make_node("Transpose", ["h++"], ["o"], **swap),
        *dense("o", hidden, 600, "Relu"),
        *dense("o+", 600, 600, "Relu"),
        *dense("o++", 600, bins, "Sigmoid"),
    ]
    kind = onnx.TensorProto.FLOAT
    start, end = (
        [helper.make_tensor_value_info(name, kind, [1, None, bins])] for name in ("in", "o+++")
    )
    constants = [numpy_helper.from_array(a, n) for n, a in reversed(tensors.items())]
    whole = helper.make_graph(nodes, "retrained", start, end, constants)
    opsets = [helper.make_opsetid("", 13)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=8)


@pytest.fixture(params=["published", "retrained"])
def weights(request: pytest.FixtureRequest, tmp_path: Path, fetched) -> Path:
    if request.param == "retrained":
        onnx.save_model(graph(0), tmp_path / "mine.onnx")
        return tmp_path / "mine.onnx"
    return fetched(SOURCE) / MODEL


def speech() -> np.ndarray:
    return audio.read(DEMO).samples[0, 8_000:56_123].astype(np.float32)


def reference(clip: np.ndarray, weights: Path) -> tuple[np.ndarray, np.ndarray]:
    """What the authors' program puts out from the clip on, and its gains (frames, bins)."""
    count = -(-clip.size // 160)
    padded = np.zeros(160 * (count + 1))
    padded[: clip.size] = clip
    spec = np.stack([np.fft.rfft(WINDOW * padded[160 * k :][:320]) for k in range(count)])
    feature = np.log10(np.maximum(np.abs(spec) ** 2, 1e-12))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(weights), options)
    (gains,) = session.run(None, {session.get_inputs()[0].name: feature[None].astype("f4")})
    gains = np.clip(gains[0].astype(float), 1e-4, 1)
    output = np.zeros_like(padded)
    for k, frame in enumerate(np.fft.irfft(gains * spec, 320)):
        output[160 * k :][:320] += WINDOW * frame
    return output[: clip.size], gains


def test_the_output_is_that_of_the_authors_program(weights: Path):
    clip = speech()
    output = load_enhancer("nsnet2", str(weights))(torch.from_numpy(clip)[None])[0].numpy()
    expected, gains = reference(clip, weights)
    # Theirs begins with half a window, which fades the first 10 ms in: what the half window
    # before it has of them is missing.
    begin = np.concatenate([np.zeros(160), clip[:160]])
    half = np.fft.irfft(gains[0] * np.fft.rfft(WINDOW * begin)) * WINDOW
    expected[:160] += half[160:]
    apart = np.linalg.norm(output - expected) / np.linalg.norm(expected)
    assert apart < 2e-6  # single against double precision
    assert np.abs(output - expected).max() < 2e-6


def test_its_weights_are_found_in_a_folder_by_their_public_name(tmp_path: Path):
    clip = torch.from_numpy(speech()[None, :4000])
    onnx.save_model(graph(1), tmp_path / MODEL)
    by_folder = load_enhancer("nsnet2", str(tmp_path))(clip)
    assert torch.equal(by_folder, load_enhancer("nsnet2", str(tmp_path / MODEL))(clip))


def without_a_tensor(path: Path) -> None:
    model = graph(2)
    del model.graph.initializer[0]
    onnx.save_model(model, path)


def elsewhere(path: Path) -> None:
    onnx.save_model(graph(2), path, save_as_external_data=True, location="data")
    (path.parent / "data").unlink()


def of_four_bits(path: Path) -> None:
    model = graph(2)
    kind = onnx.TensorProto.INT4
    model.graph.initializer[0].CopyFrom(helper.make_tensor("quantised", kind, [2], [1, 2]))
    onnx.save_model(model, path)


def save(**options: int) -> Callable[[Path], None]:
    return lambda path: onnx.save_model(graph(3, **options), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (save(bins=513), "the weights of another network than nsnet2"),
        (save(hidden=300), "the weights of another network than nsnet2"),
        (save(resets_first=1), "the weights of another network than nsnet2"),
        (without_a_tensor, "the weights of another network than nsnet2"),
        (lambda path: path.write_bytes(b""), "the weights of another network than nsnet2"),
        (lambda path: path.write_text("hello"), "not a complete ONNX file"),
        (of_four_bits, "not a complete ONNX file"),
        (elsewhere, "not a complete ONNX file"),
        (lambda path: None, f"name a file, a folder with {MODEL}"),
    ],
)
def test_wrong_weights_are_refused(
    make: Callable[[Path], object], message: str, tmp_path: Path
):
    make(tmp_path / "some.onnx")
    with pytest.raises(InputError, match=message) as caught:
        load_enhancer("nsnet2", str(tmp_path / "some.onnx"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("turned", [0, 1])
def test_matrices_are_read_as_torch_keeps_them(turned: int, tmp_path: Path):
    """Gemm may keep them either way round, and nodes need no order in a file read like this."""
    kernel, bias = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(3, np.float32)
    constants = [
        numpy_helper.from_array(bias, "1"),
        numpy_helper.from_array(kernel.T if turned else kernel, "0"),
    ]
    nodes = [
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("Gemm", ["x", "0", "1"], ["y"], transB=turned),
        helper.make_node("Add", ["x", "1"], ["unused"]),
    ]
    start, end = ([helper.make_tensor_value_info(name, 1, None)] for name in "xz")
    model = helper.make_model(helper.make_graph(nodes, "gemm", start, end, constants))
    onnx.save_model(model, tmp_path / "gemm.onnx")
    first, second = weights_in_order(tmp_path / "gemm.onnx")
    assert torch.equal(first, torch.from_numpy(kernel.T))
    assert torch.equal(second, torch.from_numpy(bias))
