"""The report page: whole, self-contained, escaped, and true to the samples it was given."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from html_pages import content, parse
from matplotlib.image import imread

from unhear import outputs
from unhear.errors import InputError
from unhear.report import Page, Panel, spectrogram, write_page

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Float

RATE = 16_000  # Hz
PNG = b"\x89PNG\r\n\x1a\n"


def noise(seconds: float = 0.5, rate: int = RATE, rms: float = 0.1) -> Float[np.ndarray, " t"]:
    return rms * np.random.default_rng(0).standard_normal(round(seconds * rate))


def panel(
    sound: Float[np.ndarray, " t"] | None = None,
    rate: int = RATE,
    title: str = "Noisy recording",
    transcript: str | None = "hello",
) -> Panel:
    samples = noise(rate=rate) if sound is None else sound
    return Panel(title, "A voice in a café.", samples, rate, transcript)


def page(*panels: Panel) -> Page:
    figures = [("PESQ", "3.42", "similarity to the unprotected recording")]
    return Page("A title", "One sentence.", list(panels), figures, [("attack", "opt")])


@pytest.fixture
def four() -> Page:
    titles = ("Noisy", "Protected", "Noisy, enhanced", "Protected, enhanced")
    return page(*(panel(title=title) for title in titles))


def test_four_players_and_four_labelled_pictures(four: Page, tmp_path: Path) -> None:
    found = parse(write_page(four, tmp_path, "report"))
    players, pictures = found.all("audio"), found.all("img")
    assert len(players) == len(pictures) == 4
    assert all("controls" in player for player in players)
    assert all(content(picture["src"]).startswith(PNG) for picture in pictures)
    assert [picture["alt"].split(":")[1].split(".")[0].strip() for picture in pictures] == [
        one.title for one in four.panels
    ]


def test_nothing_outside_the_file_is_loaded(four: Page, tmp_path: Path) -> None:
    path = write_page(four, tmp_path, "report")
    found = parse(path)
    links = [
        attributes[name]
        for _, attributes in found.elements
        for name in ("src", "href", "srcset", "poster", "data", "action")
        if name in attributes
    ]
    assert len(links) == 9  # four sounds, four pictures, an empty icon
    assert all(link.startswith("data:") for link in links)
    assert not found.all("script")
    html = path.read_text(encoding="utf-8")
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html


@pytest.mark.parametrize("quote", ["<script>alert(1)</script>", '"><img src=x>', "a & b 'c'"])
def test_what_the_user_supplies_is_escaped(quote: str, tmp_path: Path) -> None:
    sound = Panel(quote, quote, noise(), RATE, quote)
    hostile = Page(quote, quote, [sound], [(quote, quote, quote)], [(quote, quote)])
    found = parse(write_page(hostile, tmp_path, "report"))
    assert not found.all("script")
    assert len(found.all("img")) == 1
    assert found.text.count(quote) == 11  # nowhere lost, nowhere doubled; twice as the title
    assert quote in found.all("audio")[0]["aria-label"]


def test_sound_decodes_to_the_samples_within_half_a_16_bit_step(tmp_path: Path) -> None:
    samples = noise(rms=0.2)
    player = parse(write_page(page(panel(samples)), tmp_path, "report")).all("audio")[0]
    decoded, rate = soundfile.read(io.BytesIO(content(player["src"])))
    assert player["src"].startswith("data:audio/wav;")
    assert rate == RATE
    np.testing.assert_allclose(decoded, samples, atol=0.5 / 32_768 + 1e-12)


def test_full_scale_does_not_wrap_around(tmp_path: Path) -> None:
    samples = np.array([1.0, -1.0, 1.5, -1.5] * 100)
    player = parse(write_page(page(panel(samples)), tmp_path, "report")).all("audio")[0]
    decoded, _ = soundfile.read(io.BytesIO(content(player["src"])))
    np.testing.assert_allclose(decoded, np.clip(samples, -1, 1), atol=1 / 32_768)


@pytest.mark.parametrize(
    ("transcript", "shown"),
    [
        ("Meet me at seven.", "Recognised: “Meet me at seven.”"),
        ("", "Recognised: (nothing recognised)"),
        (" \n", "Recognised: (nothing recognised)"),
        (None, ""),
    ],
)
def test_transcripts(transcript: str | None, shown: str, tmp_path: Path) -> None:
    text = parse(write_page(page(panel(transcript=transcript)), tmp_path, "report")).text
    assert shown in " ".join(text.split())
    assert ("Recognised" in text) is (transcript is not None)


@pytest.mark.parametrize("samples", [0, 1, 160], ids=["empty", "one sample", "10 ms"])
@pytest.mark.parametrize("rms", [0.0, 0.1], ids=["silent", "noise"])
def test_short_sounds(samples: int, rms: float, tmp_path: Path) -> None:
    sound = noise(samples / RATE, rms=rms)
    found = parse(write_page(page(panel(sound), panel(sound)), tmp_path, "report"))
    decoded, _ = soundfile.read(io.BytesIO(content(found.all("audio")[0]["src"])))
    assert decoded.size == samples


def test_silence_is_called_silence(tmp_path: Path) -> None:
    found = parse(write_page(page(panel(), panel(np.zeros(RATE))), tmp_path, "report"))
    assert found.text.count("digital silence") == 1
    assert "digital silence" in found.all("img")[1]["alt"]


def test_only_the_first_minute_is_embedded_and_the_page_says_so(tmp_path: Path) -> None:
    long, short = noise(61.5, 8_000), noise(1, 8_000)
    found = parse(write_page(page(panel(long, 8_000), panel(short, 8_000)), tmp_path, "long"))
    decoded, _ = soundfile.read(io.BytesIO(content(found.all("audio")[0]["src"])))
    assert decoded.size == 60 * 8_000
    assert "the first 60 s of longer recordings" in found.text
    assert found.text.count("first 60 s of 62 s") == 1


@pytest.mark.parametrize("count", [2, 3, 6])
def test_other_numbers_of_panels(count: int, tmp_path: Path) -> None:
    found = parse(write_page(page(*[panel()] * count), tmp_path, "report"))
    assert len(found.all("audio")) == len(found.all("img")) == count


def test_empty_tables_are_left_out(tmp_path: Path) -> None:
    bare = Page("A title", "One sentence.", [panel(), panel()])
    assert not parse(write_page(bare, tmp_path, "report")).all("table")


def test_folder_is_made_and_holds_the_page_alone(four: Page, tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    assert write_page(four, folder, "report") == folder / "report.html"
    assert [file.name for file in folder.iterdir()] == ["report.html"]


def test_a_failure_leaves_the_old_page_and_nothing_else(
    four: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "report.html"
    old.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs.os, "replace", fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_page(four, tmp_path, "report")
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_file_in_place_of_the_folder_is_named(four: Page, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="taken cannot be made"):
        write_page(four, tmp_path / "taken", "report")


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_full_scale_sine_is_0_db_at_its_frequency_at_every_rate(rate: int) -> None:
    time = np.arange(rate) / rate
    level = spectrogram.decibels(np.sin(2 * np.pi * 1_000 * time), rate)
    middle = level[:, level.shape[1] // 2]
    window = round(spectrogram.WINDOW * rate)
    assert abs(np.argmax(middle) * rate / window - 1_000) < 0.5 * rate / window
    assert middle.max() == pytest.approx(0, abs=0.1)  # bin centre missed by 0.03 bins at most


def test_one_scale_for_all_panels() -> None:
    loud = spectrogram.decibels(noise(rms=0.1), RATE)
    quiet = spectrogram.decibels(noise(rms=0.001, rate=8_000), 8_000)
    scale = spectrogram.common_scale([quiet, loud], [8_000, RATE])
    assert scale == spectrogram.Scale(float(loud.max()), 8_000.0)
    assert spectrogram.common_scale([quiet], [8_000]).highest == 4_000
    assert spectrogram.common_scale([loud], [48_000]).highest == 8_000


def pixels(level: Float[np.ndarray, "bins frames"], scale: spectrogram.Scale) -> np.ndarray:
    image = imread(io.BytesIO(spectrogram.picture(level, RATE, 0.5, scale)))
    left, bottom, _, height = spectrogram.FRAME
    rows = slice(round(image.shape[0] * (1 - bottom - height)) + 4, -90)
    return image[rows, round(image.shape[1] * left) + 4 : round(image.shape[1] * 0.97), :3]


def test_what_is_70_db_below_the_loudest_panel_is_drawn_as_silence() -> None:
    loud = spectrogram.decibels(noise(rms=0.1), RATE)
    silent = spectrogram.decibels(np.zeros(RATE // 2), RATE)
    scale = spectrogram.common_scale([loud, silent], [RATE, RATE])
    dark = pixels(silent, scale)
    assert np.ptp(dark, axis=(0, 1)).max() == 0
    np.testing.assert_array_equal(pixels(loud - 71, scale), dark)
    assert pixels(loud, scale).mean() > dark.mean() + 0.2


def test_importing_the_report_is_cheap() -> None:
    code = "import sys, unhear.report; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
