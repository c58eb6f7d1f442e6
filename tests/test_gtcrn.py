"""GTCRN: the network against the authors' streaming export, and the weights that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import soundfile
import torch
from onnx import helper, numpy_helper
from safetensors.torch import save_file
from sounds import DEMO

from unhear.enhancers import load_enhancer, registry
from unhear.enhancers.gtcrn import ONNX, SOURCE
from unhear.errors import InputError
from unhear.networks.gtcrn import GTCRN, HOP, MaskNetwork, spectrum, waveform

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

CARD = registry()["gtcrn"].card
AUTHORS = Path(__file__).parents[2] / "shared" / "weights" / "gtcrn"


@pytest.fixture(scope="module")
def export(fetched) -> Path:
    """The pinned ONNX file."""
    return fetched(SOURCE) / ONNX.name


@pytest.fixture(scope="module")
def speech() -> Tensor:
    return torch.from_numpy(soundfile.read(DEMO, dtype="float32")[0])[None]


def streamed(model: onnx.ModelProto, audio: Tensor) -> Tensor:
    """Frame by frame in onnxruntime, every frame with what the one before left behind."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = ("conv_cache", "tra_cache", "inter_cache")
    shapes = ((2, 1, 16, 16, 33), (2, 3, 1, 1, 16), (2, 1, 33, 16))
    caches = [np.zeros(shape, np.float32) for shape in shapes]
    enhanced: list[np.ndarray] = []
    for frame in torch.view_as_real(spectrum(audio))[0].numpy():
        inputs = {"mix": frame[None, :, None], **dict(zip(names, caches, strict=True))}
        output, *caches = session.run(None, inputs)
        enhanced.append(output[0, :, 0])
    spec = torch.view_as_complex(torch.from_numpy(np.stack(enhanced)))[None]
    return waveform(spec, audio.shape[-1])


def distance(given: Tensor, expected: Tensor) -> float:
    """Relative, in the L2 norm."""
    return float((given - expected).norm() / expected.norm())


def test_it_agrees_with_the_authors_export(export: Path, speech: Tensor) -> None:
    expected = streamed(onnx.load(export), speech)
    # Measured: 5e-7, which is sums in another order.
    assert distance(load_enhancer("gtcrn")(speech), expected) < 1e-5


def with_turned_convolutions(model: onnx.ModelProto) -> onnx.ModelProto:
    """As in later exports: no transposed convolutions over time, and their norms folded."""
    graph, constants = model.graph, {each.name: each for each in model.graph.initializer}
    nodes = list(graph.node)
    for index, node in enumerate(nodes):
        if node.op_type == "ConvTranspose" and "depth_conv" in node.input[1]:
            norm = nodes[index + 1] if nodes[index + 1].op_type != "Slice" else nodes[index + 2]
            assert norm.op_type == "BatchNormalization"
            kernel, bias, gain, shift, mean, variance = (
                numpy_helper.to_array(constants[name])
                for name in (*node.input[1:3], *norm.input[1:5])
            )
            gain = gain / np.sqrt(variance + 1e-5)
            turned = kernel[..., ::-1, ::-1] * gain[:, None, None, None]
            folded = {node.input[1]: turned, node.input[2]: (bias - mean) * gain + shift}
            for name, array in folded.items():
                constants[name].CopyFrom(numpy_helper.from_array(array, name))
            node.op_type = "Conv"
            pads = next(each for each in node.attribute if each.name == "pads")
            pads.CopyFrom(helper.make_attribute("pads", [0, 1, 0, 1]))
            node.output[0] = norm.output[0]
            graph.node.remove(norm)
    return model


def test_exports_with_turned_convolutions_are_read_too(
    export: Path, speech: Tensor, tmp_path: Path
) -> None:
    model = with_turned_convolutions(onnx.load(export))
    expected = load_enhancer("gtcrn")(speech[:, :16_000])
    assert distance(streamed(model, speech[:, :16_000]), expected) < 1e-5
    onnx.save(model, tmp_path / "later.onnx")
    enhancer = load_enhancer("gtcrn", str(tmp_path / "later.onnx"))
    assert distance(enhancer(speech[:, :16_000]), expected) < 1e-5


def test_names_in_an_export_do_not_matter(export: Path, speech: Tensor, tmp_path: Path) -> None:
    model = onnx.load(export)
    names = {each.name: f"w{i}" for i, each in enumerate(model.graph.initializer)}
    for each in model.graph.initializer:
        each.name = names[each.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    onnx.save(model, tmp_path / "renamed.onnx")
    enhancer = load_enhancer("gtcrn", str(tmp_path / "renamed.onnx"))
    assert torch.equal(enhancer(speech), load_enhancer("gtcrn")(speech))


def random_network(seed: int) -> MaskNetwork:
    """Batch norms included, so that none of their parts can be mixed up."""
    generator = torch.Generator().manual_seed(seed)
    network = MaskNetwork()
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.1 + 0.2 * torch.rand(tensor.shape, generator=generator))
    return network


def test_the_parameters_are_counted() -> None:
    assert sum(each.numel() for each in MaskNetwork().parameters()) == CARD.parameters


def test_checkpoints_load_bare_or_beside_other_things(speech: Tensor, tmp_path: Path) -> None:
    network = random_network(1)
    state = network.state_dict()
    torch.save({"epoch": 3, "optimizer": {"lr": 0.1}, "model": state}, tmp_path / "all.tar")
    torch.save(state, tmp_path / "bare.pt")
    save_file(state, tmp_path / "safe.safetensors")
    expected = GTCRN(CARD, network)(speech[:, :8000])
    assert expected.any()
    for name in ("all.tar", "bare.pt", "safe.safetensors"):
        enhancer = load_enhancer("gtcrn", str(tmp_path / name))
        assert torch.equal(enhancer(speech[:, :8000]), expected), name


@pytest.mark.parametrize("trained_on", ["vctk", "dns3"])
def test_the_authors_checkpoints_load_unchanged(trained_on: str, speech: Tensor) -> None:
    path = AUTHORS / f"model_trained_on_{trained_on}.tar"
    if not path.is_file():
        pytest.skip(f"no checkpoint at {path}")
    output = load_enhancer("gtcrn", str(path))(speech)
    # Noise is taken out and speech is left.
    assert 0.3 < float(output.norm() / speech.norm()) < 0.95
    assert float((output * speech).sum() / output.norm() / speech.norm()) > 0.5


@pytest.mark.parametrize("samples", [1, 255, 256, 257, 511, 512, 513, 8191])
def test_the_transform_inverts(samples: int) -> None:
    audio = torch.randn(2, samples, generator=torch.Generator().manual_seed(samples))
    torch.testing.assert_close(waveform(spectrum(audio), samples), audio, rtol=0, atol=1e-5)


def test_the_front_end_by_hand(speech: Tensor) -> None:
    """Frames around multiples of the hop, with mirrored edges, by a square-root Hann window."""
    spec = spectrum(speech[:, :2000])
    assert spec.shape == (1, 1 + 2048 // HOP, 257)
    window = torch.sin(torch.pi * torch.arange(512) / 512)
    third = torch.fft.rfft(speech[0, 3 * HOP - 256 : 3 * HOP + 256] * window)
    torch.testing.assert_close(spec[0, 3], third, rtol=1e-4, atol=1e-5)
    mirrored = torch.cat([speech[0, 1:257].flip(0), speech[0, :256]])
    torch.testing.assert_close(spec[0, 0], torch.fft.rfft(mirrored * window), rtol=0, atol=1e-5)


def test_nothing_looks_ahead(speech: Tensor) -> None:
    """An output sample may know the samples of its own two frames, never later ones."""
    enhancer = GTCRN(CARD, random_network(2))
    changed = speech[:, :16_000].clone()
    changed[:, 8192:] *= -1
    before = slice(0, 8192 - 512)
    given, expected = enhancer(changed)[:, before], enhancer(speech[:, :16_000])[:, before]
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-6)


def other_shape(path: Path) -> None:
    state = random_network(3).state_dict()
    state["erb.erb_fc.weight"] = torch.zeros(64, 193)
    torch.save({"model": state}, path)


def other_network(path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), path)


def text(path: Path) -> None:
    path.write_text("hello")


def other_graph(path: Path) -> None:
    mix, enh = (helper.make_tensor_value_info(name, 1, [3]) for name in ("mix", "enh"))
    weight = numpy_helper.from_array(np.ones(3, np.float32), "weight")
    node = helper.make_node("Mul", ["mix", "weight"], ["enh"])
    onnx.save(helper.make_model(helper.make_graph([node], "g", [mix], [enh], [weight])), path)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("weights.tar", other_shape, r"another network than gtcrn .*erb_fc\.weight"),
        ("weights.tar", other_network, "another network than gtcrn"),
        ("weights.tar", text, "is not a weights file"),
        ("weights.tar", lambda path: None, "neither a weights file nor a model"),
        ("weights.onnx", text, "ONNX file"),
        ("weights.onnx", other_graph, "is not a streaming export of GTCRN"),
        ("weights.onnx", lambda path: None, "neither a weights file nor a model"),
    ],
)
def test_wrong_weights_are_refused(
    name: str, make: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    make(tmp_path / name)
    with pytest.raises(InputError, match=message):
        load_enhancer("gtcrn", str(tmp_path / name))


def test_an_export_of_another_shape_is_refused(export: Path, tmp_path: Path) -> None:
    model = onnx.load(export)
    slope = next(each for each in model.graph.initializer if "PRelu" in each.name)
    slope.CopyFrom(numpy_helper.from_array(np.ones((16, 1, 1), np.float32), slope.name))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(InputError, match=r"another network than gtcrn .*act\.weight"):
        load_enhancer("gtcrn", str(tmp_path / "other.onnx"))
