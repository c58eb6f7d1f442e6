"""DTLN: the authors' real-time program, written anew around onnxruntime, and other weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from sounds import DEMO

from unhear import audio
from unhear.enhancers import load_enhancer
from unhear.enhancers.dtln import SOURCE
from unhear.errors import InputError

ort = pytest.importorskip("onnxruntime", reason="the reference runs on onnxruntime")

DELAY = 384  # samples, of the authors' program


@pytest.fixture(scope="module")
def folder(fetched) -> Path:
    return fetched(SOURCE)


def speech() -> np.ndarray:
    return audio.read(DEMO).samples[0, 8_000:48_123].astype(np.float32)


def session(file: Path) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(file), options)


def reference(clip: np.ndarray, folder: Path) -> np.ndarray:
    """Block by block, as the sound comes in: late, and without its last samples."""
    models = [session(folder / f"model_{stage}.onnx") for stage in (1, 2)]
    states = [np.zeros((1, 2, 128, 2), np.float32)] * 2
    incoming, outgoing, output = np.zeros(512), np.zeros(512), []

    def run(stage: int, data: np.ndarray) -> np.ndarray:
        signal, state = (each.name for each in models[stage].get_inputs())
        given = {signal: data[None, None].astype(np.float32), state: states[stage]}
        result, states[stage] = models[stage].run(None, given)
        return result[0, 0]

    for start in range(0, clip.size - 127, 128):
        incoming = np.concatenate([incoming[128:], clip[start : start + 128]])
        spec = np.fft.rfft(incoming)
        block = np.fft.irfft(run(0, np.abs(spec)) * spec)
        outgoing = np.concatenate([outgoing[128:], np.zeros(128)]) + run(1, block)
        output.append(outgoing[:128])
    return np.concatenate(output)


def test_the_output_is_that_of_the_authors_program_without_its_delay(folder: Path):
    clip = speech()
    output = load_enhancer("dtln", str(folder))(torch.from_numpy(clip)[None])[0].numpy()
    expected = reference(clip, folder)[DELAY:]
    overlap = output[: expected.size]
    apart = np.linalg.norm(overlap - expected) / np.linalg.norm(expected)
    assert apart < 4e-6  # single against double precision
    assert np.abs(overlap - expected).max() < 4e-6


def test_the_end_is_what_it_would_be_before_silence(folder: Path):
    """Of the last 384 samples, which the authors' program never puts out."""
    enhancer = load_enhancer("dtln", str(folder))
    clip = torch.from_numpy(speech())[None]
    longer = enhancer(torch.nn.functional.pad(clip, (0, 1000)))[:, : clip.shape[1]]
    torch.testing.assert_close(enhancer(clip), longer, rtol=0, atol=1e-6)


def disguised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph, all of it called otherwise and written from its end to its beginning."""
    kept = {each.name for each in (*model.graph.input, *model.graph.output)} | {""}

    def other(name: str) -> str:
        return name if name in kept else f"x{hash(name)}"

    for tensor in model.graph.initializer:
        tensor.name = other(tensor.name)
    for node in model.graph.node:
        node.name = ""
        node.input[:] = [other(name) for name in node.input]
        node.output[:] = [other(name) for name in node.output]
    parts: list[Any] = [model.graph.node, model.graph.initializer]
    for part in parts:
        turned = list(reversed(part))
        del part[:]
        part.extend(turned)
    return model


def test_the_users_weights_need_the_same_layers_but_not_the_same_names(
    folder: Path, tmp_path: Path
):
    for name in ("model_1.onnx", "model_2.onnx"):
        onnx.save_model(disguised(onnx.load_model(folder / name)), tmp_path / name)
    clip = torch.from_numpy(speech()[None, :4000])
    mine = load_enhancer("dtln", str(tmp_path))(clip)
    assert torch.equal(mine, load_enhancer("dtln", str(folder))(clip))


def test_other_weights_give_another_output(folder: Path, tmp_path: Path):
    shutil.copy(folder / "model_1.onnx", tmp_path)
    model = onnx.load_model(folder / "model_2.onnx")
    bias = next(t for t in model.graph.initializer if "dense_3/BiasAdd" in t.name)
    bias.CopyFrom(numpy_helper.from_array(np.full(256, -3, np.float32), bias.name))
    onnx.save_model(model, tmp_path / "model_2.onnx")
    clip = speech()[:8000]
    output = load_enhancer("dtln", str(tmp_path))(torch.from_numpy(clip)[None])[0].numpy()
    expected = reference(clip, tmp_path)[DELAY:]
    np.testing.assert_allclose(output[: expected.size], expected, rtol=0, atol=4e-6)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("model_2.onnx", "model_1.onnx", "model_1.onnx holds the weights of another network"),
        ("model_1.onnx", "model_1.onnx", "model_2.onnx holds the weights of another network"),
        ("model_1.onnx", None, "is no folder with model_2.onnx: name one that has"),
        (None, "model_2.onnx", "is no folder with model_1.onnx: name one that has"),
        ("LICENSE", "model_2.onnx", "model_1.onnx is not a complete ONNX file"),
    ],
)
def test_wrong_weights_are_refused(
    first: str | None, second: str | None, message: str, folder: Path, tmp_path: Path
):
    for stage, name in enumerate((first, second), 1):
        if name:
            shutil.copy(folder / name, tmp_path / f"model_{stage}.onnx")
    with pytest.raises(InputError, match=message):
        load_enhancer("dtln", str(tmp_path))


def test_one_file_is_no_folder(folder: Path):
    with pytest.raises(InputError, match=r"model_1.onnx is no folder with model_1.onnx"):
        load_enhancer("dtln", str(folder / "model_1.onnx"))
