"""The page of a run: whole, self-contained, escaped, and true to the figures it was given."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np
import pytest
from html_pages import Found, parse
from matplotlib import colormaps
from matplotlib.colors import to_hex

from unhear import outputs
from unhear.errors import InputError
from unhear.report import (
    Column,
    Exhibit,
    Headline,
    HeatMap,
    Panel,
    Plot,
    Point,
    RunPage,
    Series,
    Table,
    Transcripts,
    amplified,
    differences,
    heat_maps,
    plots,
    tables,
    write_run_page,
)

if TYPE_CHECKING:
    from pathlib import Path

RATE = 8_000  # Hz
FIVE = ("Noisy", "Protected", "Perturbation", "Enhanced", "Enhanced protected")


def exhibit(text: str, *titles: str) -> Exhibit:
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE // 4)
    panels = [Panel(title, text, noise / (1 + n), RATE) for n, title in enumerate(titles)]
    heard = [("Noisy", "one two three"), ("Enhanced protected", "")]
    return Exhibit(
        text, "A sentence.", panels, Transcripts("What was said", "One, two.", heard)
    )


def plot(*series: Series, **options: tuple[float, float]) -> Plot:
    return Plot("Words lost", "SNR in dB", "words lost in %", list(series), **options)


def line(name: str, *heights: float) -> Series:
    points = [Point(10.0 * n, float(y), y - 1.0, y + 1.0) for n, y in enumerate(heights, 1)]
    return Series(name, points)


TABLE = Table(
    "Conditions",
    [Column("enhancer"), Column("WER"), Column("PESQ", 2), Column("clips")],
    [["DTLN", 93.25, 3.456, 40], ["NSNet2", nan, -0.5, 8], ["GTCRN", inf, -0.001, 1200]],
)
HEAT_MAP = HeatMap(
    "Transfer", "made for", "heard by", ["a", "b"], ["c", "d"], [[0.0, 50.0], [nan, 100.0]], "%"
)
PAGE = RunPage(
    "A run",
    "One sentence.",
    [Headline("94 %", "of the words are lost")],
    [plot(line("OPT", 30, 20, nan), line("PGD", 9, 5, 1)), plot(line("FGSM", 3, 2, 1))],
    [HEAT_MAP],
    [TABLE],
    [exhibit("A clip", *FIVE), exhibit("Another", "Noisy")],
    [("attack", "opt")],
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_page(PAGE, tmp_path_factory.mktemp("run") / "made" / "index.html")


@pytest.fixture(scope="module")
def found(path: Path) -> Found:
    return parse(path)


def test_everything_given_is_there(found: Found) -> None:
    assert len(found.all("audio")) == len(found.all("img")) == len(FIVE) + 1
    assert (
        len(found.all("table")) == 2 + 1 + 1 + 1
    )  # plots in numbers, heat map, table, settings
    assert [bool("open" in each) for each in found.all("details")] == [
        False,
        False,
        True,
        False,
    ]
    for text in ("94 %", "of the words are lost", "Transfer", "Conditions", "What was said"):
        assert text in found.text
    drawings = [each for each in found.all("div") if each.get("role") == "img"]
    assert drawings[0]["aria-label"] == (
        "Words lost. words lost in % against SNR in dB. "
        "OPT: from 30 at 10 to 20 at 20; PGD: from 9 at 10 to 1 at 30."
    )


def test_identifiers_are_unique_and_references_lead_somewhere(found: Found, path: Path) -> None:
    names = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(names) == len(set(names))
    html = path.read_text()
    references = re.findall(r'(?:url\(#|href="#|aria-labelledby=")([^")]+)', html)
    assert len(references) > 10
    assert set(references) <= set(names)


def test_nothing_outside_the_file_is_loaded(found: Found, path: Path) -> None:
    html = path.read_text()
    links = re.findall(r' (?:src|href|srcset|poster|action)="([^"]*)"', html)
    assert all(link.startswith(("data:", "#")) for link in links)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert "://" not in html
    assert "@import" not in html
    assert not [
        name for _, attributes in found.elements for name in attributes if name[:2] == "on"
    ]


def test_the_only_script_is_the_one_that_the_policy_names(found: Found, path: Path) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", path.read_text(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert len(found.all("script")) == 1
    policy = next(each for each in found.all("meta") if "http-equiv" in each)["content"]
    assert policy.endswith(f"; script-src 'sha256-{digest}'")
    assert policy.startswith("default-src 'none'")


def test_the_same_page_is_the_same_bytes(tmp_path: Path) -> None:
    page = replace(PAGE, exhibits=PAGE.exhibits[1:])
    once, again = (write_run_page(page, tmp_path / name) for name in ("a.html", "b.html"))
    assert once.read_bytes() == again.read_bytes()


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$\\frac{a}$&amp;'b'"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_the_user_supplies_is_escaped(text: str, tmp_path: Path) -> None:
    words = Transcripts(text, text, [(text, text), (text, "other")])
    sound = Panel(text, text, np.zeros(100), RATE)
    page = RunPage(
        text,
        text,
        [Headline(text, text)],
        [Plot(text, text, text, [Series(text, [Point(1.0, 1.0)])], text)],
        [HeatMap(text, text, text, [text], [text], [[1.0]], text, text)],
        [Table(text, [Column(text)], [[text]], text)],
        [Exhibit(text, text, [sound], words)],
        [(text, text)],
    )
    found = parse(write_run_page(page, tmp_path / "page.html"))
    assert len(found.all("script")) == len(found.all("img")) == 1
    shown = " ".join(found.text.split())
    # Title 3 with the summary, headline 2, plot 5 and its table 2, heat map 6 and its unit
    # twice, table 4, exhibit 2, panel 2, transcripts 6 with the text struck out, settings 2.
    assert shown.count(" ".join(text.split())) == 3 + 2 + 5 + 2 + 8 + 4 + 2 + 2 + 6 + 2
    assert text in next(each for each in found.all("div") if "aria-label" in each)["aria-label"]


def test_names_that_are_not_unicode_do_not_stop_the_page(tmp_path: Path) -> None:
    page = RunPage("caf\udce9.wav", "A sentence.")
    assert "caf?.wav" in parse(write_run_page(page, tmp_path / "page.html")).text


def test_a_failure_leaves_the_old_page_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "index.html"
    old.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs.os, "replace", fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_run_page(RunPage("A run", "A sentence."), old)
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


# Tables


def test_numbers_are_shown_rounded_and_sorted_unrounded() -> None:
    shown = tables.shown(TABLE)
    assert [[cell.text for cell in row] for row in shown.rows] == [
        ["DTLN", "93.2", "3.46", "40"],
        ["NSNet2", "–", "−0.50", "8"],
        ["GTCRN", "∞", "0.00", "1200"],
    ]
    assert [[cell.number for cell in row] for row in shown.rows] == [
        [None, "93.25", "3.456", "40"],
        [None, "nan", "-0.5", "8"],
        [None, "Infinity", "-0.001", "1200"],
    ]
    assert shown.numeric == [False, True, True, True]


def test_the_table_carries_the_keys_that_its_script_sorts_by(found: Found) -> None:
    keys = [each["data-number"] for each in found.all("td") if "data-number" in each]
    assert keys == ["93.25", "3.456", "40", "nan", "-0.5", "8", "Infinity", "-0.001", "1200"]


def test_a_table_without_rows(tmp_path: Path) -> None:
    page = RunPage("A run", "A sentence.", tables=[Table("Empty", [Column("clip")], [])])
    assert "Empty" in parse(write_run_page(page, tmp_path / "page.html")).text


# Heat maps


def test_cells_are_coloured_between_the_limits_and_gaps_are_not() -> None:
    shown = heat_maps.shown(HEAT_MAP)
    (zero, half), (gap, full) = (cells for _, cells in shown.rows)
    for cell, place in ((zero, 0.0), (half, 0.5), (full, 1.0)):
        assert f"background: {to_hex(colormaps['cividis'](place))};" in cell.style
    assert (gap.text, gap.style) == ("–", "")
    assert (shown.low, shown.high, shown.gaps) == ("0", "100", True)


@pytest.mark.parametrize(
    ("values", "limits", "ends"),
    [
        ([[-20.0, 300.0]], (0.0, 100.0), ("0", "100")),
        ([[7.0, 7.0]], None, ("7", "7")),
        ([[nan, inf]], None, ("0", "0")),
    ],
)
def test_limits(
    values: list[list[float]], limits: tuple[float, float] | None, ends: tuple[str, str]
) -> None:
    shown = heat_maps.shown(HeatMap("", "", "", ["a"], ["b", "c"], values, "%", limits=limits))
    assert (shown.low, shown.high) == ends


def contrast(colour: str, other: str) -> float:
    """WCAG 2's contrast ratio, with the gamma of 2.2 that approximates sRGB."""
    channels = [[int(each[i : i + 2], 16) / 255 for i in (1, 3, 5)] for each in (colour, other)]
    dark, light = sorted(np.power(channels, 2.2) @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


def test_every_cell_can_be_read() -> None:
    places = np.linspace(0, 1, 101).tolist()
    shown = heat_maps.shown(
        HeatMap("", "", "", ["a"], [str(each) for each in places], [places], "")
    )
    colours = [re.findall("#[0-9a-f]{6}", cell.style) for cell in shown.rows[0][1]]
    assert min(contrast(*pair) for pair in colours) > 4.45  # 4.5, less the approximation


# Plots


def markers(svg: str) -> np.ndarray:
    """Where the markers of a single series stand: x and y in dots, for each point."""
    uses = re.findall(r'<use href="#[^"]+" x="([^"]+)" y="([^"]+)" style="([^"]*)', svg)
    return np.array(
        [(float(x), float(y)) for x, y, style in uses if "fill: var(--ser" in style]
    )


def test_markers_stand_where_the_values_are() -> None:
    points = [Point(0.0, 10.0), Point(5.0, nan), Point(20.0, 0.0), Point(10.0, 40.0)]
    x, y = markers(plots.shown(plot(Series("a", points)), "p").svg).T
    assert len(x) == 3
    assert (x[1] - x[0]) / (x[2] - x[0]) == pytest.approx(10 / 20, abs=1e-4)  # in order of x
    assert (y[1] - y[0]) / (y[2] - y[0]) == pytest.approx((40 - 10) / (0 - 10), abs=1e-3)
    assert y[1] < y[0] < y[2]  # SVG counts from the top


def test_the_drawing_holds_only_numbers_as_text_and_colours_of_the_page() -> None:
    many = [line(f"series {n}", n, n + 1) for n in range(9)]
    shown = plots.shown(plot(*many, y_limits=(0.0, 100.0)), "p")
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", shown.svg)
    assert labels == ["10", "20", "0", "20", "40", "60", "80", "100"]
    for drawing in [shown.svg, *(swatch for swatch, _ in shown.legend)]:
        assert not re.findall(r"#[0-9a-f]{6};", drawing)
        assert "font-family" not in drawing


def test_series_differ_in_more_than_colour() -> None:
    shown = plots.shown(plot(*(line(str(n), n) for n in range(9))), "p")
    looks = [re.sub(r"var\(--series-\d\)|#[mp]\w+|id=\S+", "", one) for one, _ in shown.legend]
    assert len(set(looks)) == 9


def test_a_plot_in_numbers() -> None:
    first = Series("a", [Point(-5.0, 1 / 3, 0.25, 0.5), Point(0.0, nan)])
    second = Series("b", [Point(0.0, 12345.6, nan, nan)])
    assert plots.shown(plot(first, second), "p").rows == [
        ["−5", "0.3333 (0.25 to 0.5)", "–"],
        ["0", "–", "12350"],
    ]


@pytest.mark.parametrize(
    "series",
    [[], [Series("a", [])], [line("a", nan, nan)], [line("a", 1)], [line("a", inf, 1)]],
)
def test_plots_with_little_to_show(series: list[Series]) -> None:
    assert plots.shown(plot(*series), "p").svg.startswith("<svg viewBox=")


# Transcripts


@pytest.mark.parametrize(
    ("reference", "heard", "expected"),
    [
        ("Hello, world!", "hello world", [("same", "hello world")]),
        ("a b c", "a x c", [("same", "a"), ("missing", "b"), ("added", "x"), ("same", "c")]),
        ("a b c", "c", [("missing", "a b"), ("same", "c")]),
        ("a", "a b c", [("same", "a"), ("added", "b c")]),
        ("One – two", "one two", [("same", "one two")]),
        ("It's mine.", "its MINE", [("same", "its MINE")]),
        ("की", "का", [("missing", "की"), ("added", "का")]),  # a vowel is no punctuation
        ("cafe\u0301", "café", [("same", "café")]),  # however it is encoded
        ("a b", "", [("missing", "a b")]),
        ("a b", " ♪ ", [("missing", "a b")]),
        ("", "a b", [("added", "a b")]),
        ("", "", []),
        # Neighbouring edits of different kinds are shown as one replacement.
        (
            "a b c d",
            "a x d",
            [("same", "a"), ("missing", "b c"), ("added", "x"), ("same", "d")],
        ),
    ],
)
def test_differences(reference: str, heard: str, expected: list[tuple[str, str]]) -> None:
    assert differences.marked(reference, heard) == expected


def test_differences_are_marked_by_elements(found: Found, path: Path) -> None:
    html = " ".join(path.read_text().split())
    assert "<dd> one two <ins>three</ins> </dd>" in html
    assert "<dd> (nothing recognised) <del>One, two.</del> </dd>" in html


# Sounds


@pytest.mark.parametrize(
    ("faint", "like", "gain"),
    [
        (0.01, 0.1, 20),  # as loud
        (0.01, 0.099, 19),  # whole dB, never louder
        (0.5, 0.1, 0),  # never quieter
        (0.01, 0.0, 0),
        (0.0, 0.1, 0),
    ],
)
def test_amplified_by_whole_decibels(faint: float, like: float, gain: int) -> None:
    sound, found_gain = amplified(np.full(100, faint), np.full(50, like))
    assert found_gain == gain
    np.testing.assert_allclose(sound, faint * 10 ** (gain / 20))


def test_amplified_stays_below_full_scale() -> None:
    peak = np.zeros(1000)
    peak[0] = 0.1
    sound, gain = amplified(peak, np.full(1000, 0.5))
    assert gain == 20
    assert sound[0] == pytest.approx(1)
