"""DeepFilterNet3: front end by hand, graphs in onnxruntime, the whole in its own library."""

from __future__ import annotations

import io
import platform
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sounds import DEMO

from unhear import audio
from unhear.blackboxes.deepfilternet3 import load_library
from unhear.enhancers import deepfilternet3, load_enhancer
from unhear.errors import AbsentError, FailureError, InputError
from unhear.networks.deepfilternet import DeepFilterNet3, deep_filter
from unhear.networks.deepfilternet.archive import CONFIG, GRAPHS, load_network, read_members
from unhear.networks.deepfilternet.frontend import (
    BINS,
    DECAY,
    HOP,
    SAMPLE_RATE,
    FrontEnd,
    erb_widths,
    running_mean,
    spectrum,
    waveform,
)

if TYPE_CHECKING:
    from torch import Tensor

    from unhear.enhancers.base import Enhancer


@pytest.fixture(scope="module")
def model(fetched) -> Path:
    """The published archive."""
    return fetched(deepfilternet3.SOURCE) / deepfilternet3.MODEL.name


@pytest.fixture(scope="module")
def speech() -> Tensor:
    """(1, time): 2 s of the demo recording at 48 kHz."""
    recording = audio.read(DEMO)
    own = audio.resample(recording.samples, recording.sample_rate, SAMPLE_RATE)
    return torch.from_numpy(own).float()[:, 2 * SAMPLE_RATE : 4 * SAMPLE_RATE]


def noise(*shape: int) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def si_sdr_db(estimate: Tensor, reference: Tensor) -> float:
    estimate, reference = estimate.double().flatten(), reference.double().flatten()
    target = (estimate @ reference) / (reference @ reference) * reference
    return float(20 * torch.log10(target.norm() / (estimate - target).norm()))


def test_one_frame_by_hand():
    """Vorbis window over two hops, spectrum over 960: libDF's analysis of its fourth frame."""
    samples = noise(1, 4096)
    n = np.arange(960)
    window = np.sin(np.pi / 2 * np.sin(np.pi * (n + 0.5) / 960) ** 2)
    fourth = np.fft.rfft(samples[0, 2 * HOP : 4 * HOP].numpy() * window) / 960
    spec = spectrum(samples)[0, 3].numpy()
    np.testing.assert_allclose(spec, fourth, rtol=0, atol=1e-8)


@pytest.mark.parametrize("hops", [1, 2, 17])
def test_the_transform_inverts(hops: int):
    samples = noise(2, hops * HOP)
    torch.testing.assert_close(
        waveform(spectrum(samples), hops * HOP), samples, rtol=0, atol=1e-6
    )


def test_bands_hold_two_bins_at_least_and_all_bins_together():
    widths = erb_widths()
    assert len(widths) == 32
    assert sum(widths) == BINS == 481
    assert min(widths) == 2
    assert widths == sorted(widths)
    gains = torch.arange(32.0)[None, None]
    assert torch.equal(
        FrontEnd().per_bin(gains)[0, 0],
        torch.repeat_interleave(gains[0, 0], torch.tensor(widths)),
    )


@pytest.mark.parametrize("frames", [1, 127, 128, 129, 700])
def test_the_running_mean_is_the_recursion(frames: int):
    x, first = noise(2, frames, 3), torch.tensor([1.0, -80.0, 1e-4])
    state, expected = first.expand(2, 3), []
    for frame in x.unbind(1):
        state = (1 - DECAY) * frame + DECAY * state
        expected.append(state)
    # Sums in another order: for levels of -80 dB, a ten-thousandth of a decibel at most.
    torch.testing.assert_close(
        running_mean(x, first), torch.stack(expected, 1), rtol=1e-5, atol=1e-5
    )


def test_features_by_hand():
    """Of the first frame: libDF's feat_erb and feat_cplx, from their initial states."""
    spec = 1e-3 * torch.complex(noise(1, 1, BINS), noise(1, 1, BINS).flip(2))
    power = spec[0, 0].abs().square()
    first_band = 10 * torch.log10(power[:2].mean() + 1e-10)
    last_band = 10 * torch.log10(power[-67:].mean() + 1e-10)
    erb = FrontEnd().erb_feature(spec)[0, 0]
    assert float(erb[0]) == pytest.approx(0.99 * (float(first_band) + 60) / 40, abs=1e-4)
    assert float(erb[-1]) == pytest.approx(0.99 * (float(last_band) + 90) / 40, abs=1e-4)
    low = FrontEnd().complex_feature(spec)[0, 0]
    assert low.shape == (96,)
    mean = 0.01 * spec[0, 0, 0].abs() + 0.99 * 1e-3
    torch.testing.assert_close(low[0], spec[0, 0, 0] / mean.sqrt())


def test_a_deep_filter_that_points_at_one_frame_moves_the_spectrum():
    spec = torch.complex(noise(1, 12, 96), noise(1, 12, 96).flip(1))
    for order, lag in enumerate((-2, -1, 0, 1, 2)):
        filters = torch.zeros(1, 10, 96, 5, dtype=torch.complex64)
        filters[..., order] += 1j
        output = deep_filter(spec, filters)
        for frame in range(2, 10):
            torch.testing.assert_close(output[0, frame], 1j * spec[0, frame + lag])


def test_the_network_is_that_of_the_graphs(model: Path, speech: Tensor):
    onnxruntime = pytest.importorskip("onnxruntime")
    members = read_members(model)
    network = load_network(model).eval()
    spec = spectrum(speech[:, :SAMPLE_RATE])
    erb, low = network.front_end.erb_feature(spec), network.front_end.complex_feature(spec)

    def run(graph: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        session = onnxruntime.InferenceSession(
            members[graph], providers=["CPUExecutionProvider"]
        )
        wanted = {each.name: inputs[each.name] for each in session.get_inputs()}
        names = [each.name for each in session.get_outputs()]
        return dict(zip(names, session.run(names, wanted), strict=True))

    features = {
        "feat_erb": erb[:, None].numpy(),
        "feat_spec": torch.stack([low.real, low.imag], 1).numpy(),
    }
    encoded = run("enc.onnx", features)
    gains = run("erb_dec.onnx", encoded)["m"][:, 0]
    filters = run("df_dec.onnx", encoded)["coefs"].reshape(*low.shape, 5, 2)
    with torch.no_grad():
        own_gains, own_filters = network(erb, low)
    for own, reference in ((own_gains, gains), (torch.view_as_real(own_filters), filters)):
        error = np.abs(own.numpy() - reference).max()
        assert error < 1e-4 * np.abs(reference).max()


def native() -> Enhancer:
    try:
        return load_enhancer("deepfilternet3-native")
    except (InputError, AbsentError) as error:
        pytest.skip(str(error))


def test_both_ways_are_the_same(model: Path, speech: Tensor):
    """As the library runs frame by frame; 30 dB would do, but nothing is approximated."""
    library = native()
    own = load_enhancer("deepfilternet3", str(model))
    for clip in (speech, speech[:, 40_000:40_700]):
        reference = library(clip)
        assert reference.shape == clip.shape
        with torch.no_grad():
            assert si_sdr_db(own(clip), reference) > 60


def test_clips_of_different_lengths_go_together(model: Path, speech: Tensor):
    own = load_enhancer("deepfilternet3", str(model))
    clips, lengths = speech[:, :90_000].reshape(3, 30_000), torch.tensor([30_000, 12_345, 1])
    together = own(clips, lengths)  # whatever stands behind the clips
    for clip, samples, output in zip(clips, lengths.tolist(), together, strict=True):
        alone = own(clip[None, :samples])[0]
        torch.testing.assert_close(output[:samples], alone, rtol=0, atol=1e-6)
        assert not output[samples:].any()


def repack(members: dict[str, bytes], path: Path) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"elsewhere/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_the_users_archive_is_read_whatever_folder_is_in_it(
    model: Path, speech: Tensor, tmp_path: Path
):
    repack(read_members(model), tmp_path / model.name)
    theirs = load_enhancer("deepfilternet3", str(tmp_path))
    assert isinstance(theirs, DeepFilterNet3)
    pinned = load_enhancer("deepfilternet3", str(model))
    clip = speech[:, :9600]
    assert torch.equal(theirs(clip), pinned(clip))


def test_other_archives_are_refused(model: Path, tmp_path: Path):
    members = read_members(model)
    others = dict.fromkeys(GRAPHS, b"hello") | {CONFIG: members[CONFIG]}
    other_rate = members[CONFIG].replace(b"sr = 48000", b"sr = 16000")
    other_graph = members[GRAPHS[2]]
    wrong: dict[str, tuple[dict[str, bytes], str]] = {
        "lacks": ({GRAPHS[0]: b""}, r"lacks config\.ini, df_dec\.onnx, erb_dec\.onnx"),
        "rate": (others | {CONFIG: other_rate}, "has sr = 16000 where 48000 is needed"),
        "config": (others | {CONFIG: b"\xff"}, r"config\.ini of .* is not DeepFilterNet3's"),
        "graph": (others, "holds a damaged graph"),
        "shapes": (others | {GRAPHS[0]: other_graph}, "another network than DeepFilterNet3"),
    }
    for file, (content, message) in wrong.items():
        with pytest.raises(InputError, match=message):
            load_enhancer("deepfilternet3", str(repack(content, tmp_path / f"{file}.tar.gz")))


@pytest.mark.parametrize("content", [b"hello", b"", b"\x1f\x8b\x08"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "model.tar.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not a tar\.gz archive"):
        load_enhancer("deepfilternet3", str(path))


def test_an_archive_that_is_cut_short_is_refused_before_the_library_sees_it(
    model: Path, tmp_path: Path
):
    native()  # skips where there is none
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(model.read_bytes()[:100_000])
    with pytest.raises(InputError, match=r"is not a tar\.gz archive"):
        load_enhancer("deepfilternet3-native", str(cut))


def test_the_library_is_for_one_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(InputError, match=r"Linux on x86-64 only.*riscv64: use deepfilternet3"):
        load_enhancer("deepfilternet3-native")
    (tmp_path / "library.so").write_bytes(b"not a library")
    with pytest.raises(FailureError, match=r"cannot be loaded .*: use deepfilternet3"):
        load_library(tmp_path / "library.so")
