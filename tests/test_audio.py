"""Audio files: what goes in comes out to the bit, and what is broken is named, not guessed."""

from __future__ import annotations

import errno
import io
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unhear.audio import (
    Recording,
    as_stored,
    check_fits,
    check_writable,
    fitted,
    read,
    resample,
    write,
)
from unhear.datasets import seconds_of
from unhear.errors import InputError
from unhear.outputs import hidden_beside
from unhear.places import check_all
from unhear.sources import looked_through

RATE = 16_000
SUBTYPES = ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]


def noise(channels: int = 1, samples: int = 4000, scale: float = 0.1) -> np.ndarray:
    return scale * np.random.default_rng(0).normal(size=(channels, samples))


def encoded(
    kind: str = "WAV", subtype: str = "PCM_16", samples: np.ndarray | None = None
) -> bytes:
    buffer = io.BytesIO()
    audio = noise() if samples is None else samples
    soundfile.write(buffer, audio.T, RATE, format=kind, subtype=subtype)
    return buffer.getvalue()


def refusal(path: Path) -> str:
    """The sentence that reading ends with."""
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


# Round trips


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("ending", "subtype"),
    [(".wav", each) for each in SUBTYPES] + [(".flac", "PCM_16"), (".FLAC", "PCM_24")],
)
def test_what_is_written_is_read_back_to_the_bit(
    ending: str, subtype: str, channels: int, rate: int, tmp_path: Path
) -> None:
    # Every sample is one that the format can hold, extremes included, so nothing may change.
    samples = as_stored(noise(channels), subtype)
    samples[:, 0], samples[:, 1] = -1.0, as_stored(np.ones((1, 1)), subtype)[0, 0]
    path = tmp_path / f"audio{ending}"
    write(Recording(samples, rate, subtype), path)
    again = read(path)
    assert np.array_equal(again.samples, samples)
    assert (again.sample_rate, again.subtype) == (rate, subtype)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_what_another_program_wrote_survives_reading_and_writing(
    subtype: str, tmp_path: Path
) -> None:
    source, copy = tmp_path / "source.wav", tmp_path / "copy.wav"
    source.write_bytes(encoded(subtype=subtype, samples=noise(2)))
    write(read(source), copy)
    kind = "float64" if subtype == "FLOAT" else "int32"
    assert np.array_equal(
        soundfile.read(source, dtype=kind)[0], soundfile.read(copy, dtype=kind)[0]
    )


def test_floats_beyond_full_scale_are_kept(tmp_path: Path) -> None:
    samples = np.array([[1.5, -2.25, 0.5]])
    write(Recording(samples, RATE, "FLOAT"), tmp_path / "loud.wav")
    assert np.array_equal(read(tmp_path / "loud.wav").samples, samples)


@pytest.mark.parametrize(
    ("kind", "subtype", "ending"),
    [
        ("OGG", "VORBIS", ".ogg"),
        ("OGG", "OPUS", ".ogg"),
        ("MP3", "MPEG_LAYER_III", ".mp3"),
        ("WAV", "PCM_U8", ".wav"),
        ("WAV", "ULAW", ".wav"),
        ("FLAC", "PCM_S8", ".flac"),
    ],
)
def test_8_bits_and_lossy_formats_are_read_and_become_16_bits(
    kind: str, subtype: str, ending: str, tmp_path: Path
) -> None:
    time = np.arange(RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)[None]
    path = tmp_path / f"tone{ending}"
    path.write_bytes(encoded(kind, subtype, tone))
    recording = read(path)
    assert (recording.sample_rate, recording.subtype) == (RATE, "PCM_16")
    assert abs(recording.seconds - 1) < 0.1  # MP3 may pad a frame or two
    middle = recording.samples[0, 4000:12_000]
    # A tone of amplitude 0.5 has an rms of 0.354; codecs and 8 bits may move it by 5 %.
    assert abs(np.sqrt(np.mean(middle**2)) / np.sqrt(0.125) - 1) < 0.05


@pytest.mark.parametrize("ending", [".flac", ".mp3", ".ogg"])
def test_content_counts_and_not_the_name(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"really_wav{ending}"
    path.write_bytes(encoded())
    assert read(path).samples.shape == (1, 4000)


# Broken files


@pytest.mark.parametrize("kept", [5000, -1, 100, 44, 43, 30, 12])
def test_truncated_wav_is_cut_short(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(encoded()[:kept])
    assert "cut short" in refusal(path)


@pytest.mark.parametrize(("kind", "ending"), [("RF64", ".wav"), ("MP3", ".mp3")])
def test_other_truncated_files_are_cut_short(kind: str, ending: str, tmp_path: Path) -> None:
    subtype = "MPEG_LAYER_III" if kind == "MP3" else "PCM_16"
    path, whole = tmp_path / f"cut{ending}", encoded(kind, subtype, noise(samples=32_000))
    path.write_bytes(whole)
    assert abs(read(path).samples.shape[1] - 32_000) < RATE // 10
    path.write_bytes(whole[: len(whole) // 2])
    assert "cut short" in refusal(path)


def test_an_mp3_that_does_not_say_how_long_it_is_is_read(tmp_path: Path) -> None:
    """Its length is guessed from the first frame, which holds nothing but silence."""
    path = tmp_path / "radio.mp3"
    sound = np.concatenate([np.zeros(24_000), noise(samples=24_000)[0]])
    soundfile.write(path, sound, RATE, "MPEG_LAYER_III", bitrate_mode="VARIABLE")
    content = path.read_bytes()
    path.write_bytes(content[content.index(content[:2], 4) :])  # without its first frame
    assert read(path).samples.shape[1] >= 48_000


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_truncated_flac_is_refused(share: float, tmp_path: Path) -> None:
    path, whole = tmp_path / "cut.flac", encoded("FLAC", samples=noise(samples=20_000))
    path.write_bytes(whole[: int(share * len(whole))])
    refusal(path)


BROKEN: list[tuple[str, bytes, str]] = [
    ("empty.wav", b"", "is empty (0 bytes)"),
    ("text.wav", b"Dear diary, today I recorded nothing.\n" * 9, "cannot be read as audio"),
    ("short.wav", b"RIF", "cannot be read as audio"),
    ("nan.wav", encoded(subtype="FLOAT", samples=np.array([[0, np.nan, 0]])), "at sample 1"),
    ("inf.wav", encoded(subtype="DOUBLE", samples=np.array([[0], [np.inf]])), "channel 2"),
    ("none.wav", encoded(samples=np.zeros((1, 0))), "holds no samples"),
]


@pytest.mark.parametrize(("name", "content", "message"), BROKEN, ids=[row[0] for row in BROKEN])
def test_broken_files_are_named(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refusal(tmp_path / name)


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)
    assert "does not exist" in refusal(tmp_path / "missing.wav")


# Streamed files, whose header was written before their length was known


def with_sizes(whole: bytes, riff: int, data: int) -> bytes:
    at = whole.index(b"data") + 4
    sized = whole[:at] + struct.pack("<I", data) + whole[at + 4 :]
    return sized[:4] + struct.pack("<I", riff) + sized[8:]


@pytest.mark.parametrize(
    ("riff", "data"),
    [
        (0xFFFFFFFF, 0xFFFFFFFF),  # ffmpeg
        (0x7FFFF024, 0x7FFFF000),  # SoX
        (0x7FFFF023, 0x7FFFEFFF),  # in whole samples
        (0x80000024, 0x80000000),
        (0, 0),
        (36, 0),  # a recorder that was switched off
        (0xFFFFFFFF, 0),
    ],
)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_streamed_wav_is_read_whole(riff: int, data: int, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "streamed.wav"
    samples = as_stored(noise(2), subtype)
    path.write_bytes(with_sizes(encoded(subtype=subtype, samples=samples), riff, data))
    assert np.array_equal(read(path).samples, samples)


def test_an_honest_zero_is_not_taken_for_unknown(tmp_path: Path) -> None:
    """No samples, but a tag behind them: the tag is not sound."""
    path = tmp_path / "tagged.wav"
    whole = encoded(samples=np.zeros((1, 0))) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    path.write_bytes(with_sizes(whole, len(whole) - 8, 0))
    assert "holds no samples" in refusal(path)


def test_streamed_flac_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """libsndfile cannot read one to its end."""
    path, whole = tmp_path / "streamed.flac", bytearray(encoded("FLAC"))
    whole[21] &= 0xF0  # the length is 36 bits of STREAMINFO, after rate, channels and bits
    whole[22:26] = bytes(4)
    path.write_bytes(whole)
    assert "does not say how long it is" in refusal(path)


# Outputs that are refused


@pytest.mark.parametrize(
    ("name", "subtype", "message"),
    [
        ("out.mp3", "PCM_16", "compressed with loss"),
        ("out.OGG", "PCM_16", "compressed with loss"),
        ("out.txt", "PCM_16", "unknown ending"),
        ("out", "PCM_16", "unknown ending"),
        ("out.flac", "FLOAT", "cannot hold .*FLOAT"),
        ("out.flac", "DOUBLE", "cannot hold .*DOUBLE"),
        ("there.wav", "PCM_16", "exists"),
        ("folder.wav", "PCM_16", "is a folder"),
        ("no/such/out.wav", "PCM_16", "does not exist: make it first"),
        ("there.wav/out.wav", "PCM_16", "does not exist: make it first"),
    ],
)
def test_outputs_that_would_lose_something_are_refused(
    name: str, subtype: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "there.wav").write_bytes(b"old")
    (tmp_path / "folder.wav").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message) as caught:
        check_writable(tmp_path / name, subtype, force=False)
    assert str((tmp_path / name).parent) in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["there.wav", "new/out.wav", "out.flac", "OUT.WAV"])
def test_outputs_that_can_be_written_are_accepted(name: str, tmp_path: Path) -> None:
    (tmp_path / "there.wav").write_bytes(b"old")
    check_writable(tmp_path / name, "PCM_24", force=True)
    write(Recording(noise(), RATE, "PCM_24"), tmp_path / name)
    assert read(tmp_path / name).subtype == "PCM_24"


def test_a_folder_that_takes_no_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(InputError, match="may not be written to"):
        check_writable(tmp_path / "out.wav", "PCM_16", force=False)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs the proc file system")
def test_a_folder_of_the_kernel_is_refused() -> None:
    with pytest.raises(InputError, match="folder /proc may not be written to"):
        check_writable(Path("/proc/out.wav"), "PCM_16", force=False)


def test_a_wav_file_beyond_4_gib_is_refused(tmp_path: Path) -> None:
    """libsndfile would read the first 4 GiB, and write a file of which it reads no more."""
    path = tmp_path / "large.wav"
    path.write_bytes(with_sizes(encoded(), 0xFFFFFFFF, 0xFFFFFFFF))
    os.truncate(path, 2**32 + 2**20)  # a hole, which takes no room
    assert "larger than a WAV file can be" in refusal(path)
    with pytest.raises(InputError, match=r"write a \.flac file"):
        check_fits(tmp_path / "out.wav", 2**31, "PCM_16")
    check_fits(tmp_path / "out.wav", 2**30, "PCM_24")
    check_fits(tmp_path / "out.flac", 2**31, "PCM_16")


def test_too_many_channels_for_flac_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot hold 9 channels"):
        write(Recording(noise(9), RATE), tmp_path / "out.flac")
    assert not list(tmp_path.iterdir())


def test_an_output_that_no_encoder_takes_is_refused_before_the_work(tmp_path: Path) -> None:
    write(Recording(noise(9), RATE), tmp_path / "in.wav")
    with pytest.raises(InputError, match="cannot hold 9 channels"):
        check_all([tmp_path / "in.wav"], [tmp_path / "out.flac"], force=False)
    check_all([tmp_path / "in.wav"], [tmp_path / "out.wav"], force=False)


# Names


def test_a_name_that_is_no_unicode_is_read_and_written(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    try:
        path.touch()
    except OSError:
        pytest.skip("this file system takes no such names")
    write(Recording(noise(), RATE), path)
    assert read(path).seconds == seconds_of(path) == looked_through(path).seconds
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_the_longest_of_names_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("録" * 83 + ".wav")  # 253 bytes
    write(Recording(noise(), RATE), path)
    assert read(path).seconds == noise().shape[1] / RATE
    assert list(tmp_path.iterdir()) == [path]


def test_hidden_names_of_long_ones_differ(tmp_path: Path) -> None:
    """Short ones are kept, so that one sees what was left."""
    long = ["録" * 80 + f"{end}.wav" for end in "ab"]
    hidden = {hidden_beside(tmp_path / name, "0123.kept").name for name in long}
    assert len(hidden) == 2
    assert all(len(os.fsencode(name)) <= 255 for name in hidden)
    assert hidden_beside(tmp_path / "a.wav", "kept").name == ".a.wav.kept"


# A full disk


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from unhear.audio import Recording, write
from unhear.errors import InputError
from unhear.outputs import hidden_beside
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 16000))
    write(Recording(noise, 16000), Path(sys.argv[1]))
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_a_disk_that_takes_no_more_leaves_nothing(
    name: str, old: bytes | None, tmp_path: Path
) -> None:
    """A real limit of 4 kB, in a process of its own: the write fails in the kernel."""
    path = tmp_path / name
    if old:
        path.write_bytes(old)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True
    )
    assert f"{name} could not be written (File too large)" in done.stdout
    assert not done.stderr
    assert [each.read_bytes() for each in tmp_path.iterdir()] == ([old] if old else [])


# Resampling and rounding


@settings(deadline=None)
@given(
    samples=st.integers(1, 3000),
    rates=st.tuples(*[st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000])] * 2),
    channels=st.integers(1, 3),
)
def test_resampled_length_is_the_rounded_ratio(
    samples: int, rates: tuple[int, int], channels: int
) -> None:
    resampled = resample(noise(channels, samples), *rates)
    assert resampled.shape == (channels, max(1, round(samples * rates[1] / rates[0])))
    assert np.isfinite(resampled).all()


RATES = [(48_000, 16_000), (16_000, 48_000), (11_025, 16_000), (44_100, 16_000), (8000, 16_000)]


def error_db(frequency: float, from_rate: int, to_rate: int) -> float:
    """Energy of the error over that of a tone, which is computed at both rates.

    The first and last 50 ms are left out, for there the resampling filter reaches beyond the
    recording.
    """
    before, after = (
        np.sin(2 * np.pi * frequency * np.arange(rate) / rate + 1)
        for rate in (from_rate, to_rate)
    )
    inner = slice(to_rate // 20, -to_rate // 20)
    error = resample(before[None], from_rate, to_rate)[0, inner] - after[inner]
    return float(10 * np.log10(np.sum(error**2) / np.sum(after[inner] ** 2)))


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_resampling_keeps_the_band(from_rate: int, to_rate: int) -> None:
    # Perturbations are resampled before they are added to recordings of up to 24 bits, whose
    # rounding noise is at -146 dB of full scale: the error of speech's main band stays below.
    assert error_db(110, from_rate, to_rate) < -146
    assert error_db(1000, from_rate, to_rate) < -146
    # Towards the edge soxr may droop by 0.01 dB ("small roll-off"): 1 - 10^(-0.01 / 20) is
    # an error of -58.8 dB.
    assert error_db(0.4 * min(from_rate, to_rate), from_rate, to_rate) < -58.8


def test_resampling_removes_what_the_lower_rate_cannot_hold() -> None:
    """A tone at 12 kHz would fold down to 4 kHz: it is gone by 120 dB."""
    tone = np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000)[None]
    left = resample(tone, 48_000, 16_000)[0, 800:-800]
    assert 10 * np.log10(np.mean(left**2) / 0.5) < -120


def test_resampling_to_its_own_rate_changes_nothing() -> None:
    samples = noise()
    assert resample(samples, RATE, RATE) is samples


def test_fitted_cuts_and_pads() -> None:
    assert fitted(np.array([[1.0, 2.0, 3.0]]), 2).tolist() == [[1.0, 2.0]]
    assert fitted(np.array([[1.0]]), 3).tolist() == [[1.0, 0.0, 0.0]]


AUDIO = arrays(np.float64, (2, 9), elements=st.floats(-4, 4, width=32))


@settings(deadline=None)
@given(samples=AUDIO, subtype=st.sampled_from(SUBTYPES))
def test_storing_twice_is_storing_once(samples: np.ndarray, subtype: str) -> None:
    once = as_stored(samples, subtype)
    assert np.array_equal(as_stored(once, subtype), once)


@settings(deadline=None)
@given(samples=AUDIO, bits=st.sampled_from([16, 24, 32]))
def test_pcm_rounds_to_the_nearest_step_and_clips(samples: np.ndarray, bits: int) -> None:
    step = 2.0 ** (1 - bits)
    stored = as_stored(samples, f"PCM_{bits}")
    inside = np.clip(samples, -1, 1 - step)
    assert np.all(np.abs(stored - inside) <= step / 2)
    assert np.all((stored >= -1) & (stored <= 1 - step))
