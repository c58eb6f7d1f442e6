"""Moonshine base, for English: reads clean speech as well as Whisper base, noisy speech a
little worse (docs/log.md), and a clip of a few seconds several times as fast, because it looks
at the clip alone and not at half a minute around it.

Jeffries and others, "Moonshine: Speech Recognition for Live Transcription and Voice Commands",
arXiv 2410.15608. An encoder and a decoder with weights of 8 bits, as its authors publish them
for onnxruntime, which runs them here; the most probable token is taken at each step, so nothing
is random. One thread, so that what it reads does not depend on how many there are.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from unhear.errors import InputError
from unhear.recognise.base import (
    SAMPLE_RATE,
    SHORTEST,
    Recogniser,
    Transcript,
    recognised,
    require_english,
    version,
)
from unhear.weights import WeightFile, WheelSource, fetch
from unhear.wheels import Member

if TYPE_CHECKING:
    from jaxtyping import Float, Float32

NAME = "moonshine"
ENGINE = "onnxruntime"
LONGEST = 30 * SAMPLE_RATE  # samples at a time: what it was trained on
QUIET = 5 * SAMPLE_RATE  # at the end of those, in which a longer recording is cut
FRAME = SAMPLE_RATE // 50  # 20 ms
TOKENS_PER_SECOND = 6.5  # the authors' limit, against loops
BEGIN, END = 1, 2  # tokens
SPACE = "▁"

PACKAGE = "moonshine_cpp-0.1.4.data/purelib/moonshine_cpp"
ENCODER, DECODER, TOKENS = "encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"


def _file(name: str, size: int, sha256: str, folder: str = "models/base-en/") -> WeightFile:
    member = Member("moonshine-cpp", "0.1.4", f"{PACKAGE}/{folder}{name}")
    return WeightFile(name, size, sha256, (member,))


SOURCE = WheelSource(
    title="Moonshine base",
    folder="moonshine-base",
    files=(
        _file(
            ENCODER,
            20_661_976,
            "9d1a19e044cbf89a207723d1adb667de89a5671a1e3e611b8ebe721b2c31219c",
        ),
        _file(
            DECODER,
            42_703_232,
            "370e0c1f161d68dc1c2264c1a82024fb123380da3b73f47f05531d1e8d3308c3",
        ),
        _file(
            TOKENS,
            241_639,
            "04670d78994d030185c3dd843c60591788fed0a56cc6750747bd326825f13ca9",
        ),
        _file(
            "LICENSE",
            1_069,
            "5184ec974ddac0a49e478471bd789fd9e9af7254030e1b7f2af74c2ab8a4161e",
            folder="",
        ),
    ),
)


@dataclass(frozen=True)
class Moonshine(Recogniser):
    """The model ``base`` for English."""

    @property
    def name(self) -> str:
        return f"{NAME} base"

    @property
    def identity(self) -> str:
        return f"{self.name}, {SOURCE.files[1].sha256[:8]}, {version(ENGINE)}"

    def load(self) -> None:
        _model()

    def transcribe(
        self, audio: Float[np.ndarray, " time"], language: str | None = None
    ) -> Transcript:
        require_english(NAME, language)
        return recognised(audio, "en", _listen)


def load(language: str | None) -> Moonshine:
    """Raises InputError for a language other than English, or when the package is missing."""
    if find_spec(ENGINE) is None:
        raise InputError(
            f"{NAME} needs {ENGINE}, which is missing: install it with "
            "pip install 'unhear[moonshine]'"
        )
    require_english(NAME, language)
    return Moonshine()


class _Model(NamedTuple):
    encoder: Any  # onnxruntime.InferenceSession
    decoder: Any
    tokens: list[bytes]


@cache
def _model() -> _Model:
    """The loaded model, one in each process."""
    folder = fetch(SOURCE)
    return _Model(
        _session(folder / ENCODER),
        _session(_unfolded(folder / DECODER)),
        read_tokens((folder / TOKENS).read_bytes()),
    )


def _session(model: Path | bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    content = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])


def _unfolded(model: Path) -> bytes:
    """The decoder as an ONNX model, of which onnxruntime computes the weights once.

    From its own format it does so at every step, which then takes five times as long.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.save_model_format", "ONNX")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "decoder.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
        made = onnx.load(path)
    # Branches lose their names on the way, and may not be without.
    made.graph.name = NAME
    for node in made.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                attribute.g.name = attribute.name
    return made.SerializeToString()


def read_tokens(content: bytes) -> list[bytes]:
    """The tokens of a vocabulary, each of which is written behind its length: one byte, or two
    where the first is 128 or more.
    """
    tokens: list[bytes] = []
    place = 0
    while place < len(content):
        length, place = content[place], place + 1
        if length >= 128:
            length, place = length - 128 + 128 * content[place], place + 1
        tokens.append(content[place : place + length])
        place += length
    return tokens


def _listen(samples: Float32[np.ndarray, " time"], language: str | None) -> Transcript:
    heard = [piece for piece in pieces(samples) if piece.size >= SHORTEST]
    texts = [_read(_model(), piece) for piece in heard]
    return Transcript(" ".join(filter(None, texts)), language or "")


def pieces(samples: Float32[np.ndarray, " time"]) -> list[Float32[np.ndarray, " _"]]:
    """The recording in pieces of at most half a minute, cut where it is quietest."""
    found: list[Float32[np.ndarray, " _"]] = []
    while samples.size > LONGEST:
        end = samples[LONGEST - QUIET : LONGEST].reshape(-1, FRAME)
        cut = LONGEST - QUIET + int(np.square(end).sum(1).argmin()) * FRAME
        found.append(samples[:cut])
        samples = samples[cut:]
    return [*found, samples]


def _read(model: _Model, samples: Float32[np.ndarray, " time"]) -> str:
    (heard,) = model.encoder.run(None, {"input_values": samples[None]})
    most = int(samples.size / SAMPLE_RATE * TOKENS_PER_SECOND)
    words = b"".join(model.tokens[token] for token in _decoded(model.decoder, heard, most))
    return words.decode("utf-8", "replace").replace(SPACE, " ").strip()


def _decoded(
    decoder: Any, heard: Float32[np.ndarray, "1 steps features"], most: int
) -> list[int]:
    """The tokens, each the most probable one after those before it.

    What the decoder keeps between steps goes around: of the words from every step, of what was
    heard from the first alone.
    """
    kept = {
        each.name: np.zeros([size if isinstance(size, int) else 1 for size in each.shape], "f4")
        for each in decoder.get_inputs()
        if each.name.startswith("past_key_values")
    }
    found = [BEGIN]
    for step in range(most):
        logits, *present = decoder.run(
            None,
            {
                "input_ids": np.array([found[-1:]], np.int64),
                "encoder_hidden_states": heard,
                "use_cache_branch": np.array([step > 0]),
                **kept,
            },
        )
        found.append(int(logits[0, -1].argmax()))
        if found[-1] == END:
            return found[1:-1]
        kept |= {
            name: new
            for name, new in zip(kept, present, strict=True)
            if step == 0 or ".decoder." in name
        }
    return found[1:]
