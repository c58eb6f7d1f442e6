"""Rows by hand → figures that can be counted by hand, and the views made of them."""

from __future__ import annotations

from math import isnan, nan

import pytest

from unhear.evaluation.estimates import NORMALISED, RAW, Estimate, de, kept, mean, share, wer
from unhear.evaluation.findings import Findings, markdown
from unhear.evaluation.overview import overview
from unhear.evaluation.views import (
    QUALITY,
    clip_table,
    heard_as_attacked,
    protection_table,
    quality_table,
    transfer_map,
    wer_plot,
)
from unhear.report.plots import Plot, Point, Series
from unhear.report.run_page import Headline
from unhear.report.tables import Column, Table


def row(
    clip="a",
    *,
    snr_db=0.0,
    against="x",
    heard_by=None,
    attack="pgd",
    after="",
    raw=None,
    rpr=1.2,
    budget="25 dB",
):
    """Four words were said; the enhanced original has one wrong."""
    texts = {
        "noisy": "red green blue black",
        "protected": "red green blue black",
        "enhanced": "red green blue",
        "enhanced_normalised": "red green blue",
        RAW: after if raw is None else raw,
        NORMALISED: after,
    }
    names = [figure for figure, _ in QUALITY.values()]
    names += ["rpr", "rpr_unit", "gain_db", "level_change_db"]
    return {
        "about": {
            "clip": clip,
            "scene": "café",
            "snr_db": snr_db,
            "against": against,
            "heard_by": heard_by or against,
            "attack": {"name": attack},
            "budget": budget,
            "recogniser": "whisper base, en, 1.2.1",
            "language": "en",
        },
        "protection": f"{attack} silence",
        "protected": f"{clip}, {snr_db}, {against}, {attack}, {budget}",
        "said": "red green blue black",
        "to_be_said": None,
        "figures": dict.fromkeys(names, 1.0) | {"rpr": rpr},
        "heard": texts,
    }


def test_what_went_through_a_channel_is_not_what_was_attacked():
    direct, coded, ensemble = row(), row(), row(against="x, y", heard_by="y")
    coded["about"]["through"] = "opus-24k"
    assert heard_as_attacked([direct, coded, ensemble]) == [direct, ensemble]


def test_wer_by_hand():
    rows = [
        row("a", after=""),
        row("b", after="red green"),
        row("c", after="red green blue black"),
    ]
    found = wer(rows, RAW)
    assert found.value == pytest.approx(100 * (4 + 2 + 0) / 12)
    assert found.low <= found.value <= found.high
    assert found.clips == 3


def test_capped_and_uncapped():
    loops = [row(after="white " * 12)]
    assert wer(loops, RAW).value == 100
    assert wer(loops, RAW, capped=False).value == 300


def test_what_was_not_recognised_is_undefined_and_has_no_plot():
    rows = [row("a", after="red"), row("b", snr_db=8.0, after="red")]
    shown = [plot.title for plot in overview(rows).plots]
    for each in rows:
        del each["heard"]["enhanced"], each["heard"][RAW]
    assert isnan(wer(rows, RAW).value)
    assert isnan(de(rows, RAW).value)
    assert isnan(wer(rows, NORMALISED, against="enhanced").value)
    assert wer(rows, NORMALISED).value == 75
    assert [plot.title for plot in overview(rows).plots] == shown[1:]


def test_other_references():
    rows = [row(after="white pink grey") | {"to_be_said": "white pink"}]
    assert wer(rows, RAW, against="to_be_said", capped=False).value == 50
    assert isnan(wer([row()], RAW, against="to_be_said").value)
    assert wer([row(after="red green")], RAW, against="enhanced").value == pytest.approx(
        100 / 3
    )


def test_de_is_the_rise_in_points():
    assert de([row(after=""), row("b", after="")]).value == pytest.approx(100 - 25)
    assert de([row(after="red green blue black")]).value == -25


def test_one_clip_at_two_snrs_is_still_one_clip():
    found = wer([row(snr_db=0.0), row(snr_db=8.0)], RAW)
    assert found.clips == 1
    assert isnan(found.low)


def test_means_leave_out_what_is_undefined():
    rows = [row("a", rpr=1.0), row("b", rpr=1.4), row("c", rpr=None)]
    assert mean(rows, "rpr").value == pytest.approx(1.2)
    assert isnan(mean([row(rpr=None)], "rpr").value)


def test_shares():
    rows = [row(after=""), row(after="well"), row(after="go on " * 9), row(after="yes")]
    assert share(rows, RAW, "empty") == 25
    assert share(rows, RAW, "looping") == 25


def test_estimates_are_shown_with_their_interval():
    assert Estimate(50.0, 40.0, 60.0, 9).shown(".0f") == "50 (40 to 60)"
    assert Estimate(50.0, float("nan"), float("nan"), 1).shown(".1f") == "50.0"
    assert Estimate(float("nan"), 0.0, 0.0, 0).shown(".1f") == "–"


def test_the_transfer_map_has_the_attacked_first_and_the_control_last():
    rows = [
        row(against="x", heard_by="x", attack="white-noise", after="red green blue black"),
        row(against="x", heard_by="z", attack="white-noise", after="red green blue"),
        row(against="x", heard_by="z", after="red green"),
        row(against="x", after=""),
        row(against="y", after="red"),
    ]
    found = transfer_map("map", rows, lambda own: wer(own, NORMALISED), "%")
    assert found.rows == ["x", "y", "white noise"]
    assert found.columns == ["x", "y", "z"]
    assert found.values[0][0] == 100
    assert isnan(found.values[0][1])
    assert found.values[0][2] == 50
    assert found.values[1][1] == 75
    assert found.values[2][0] == 0


def test_plots_and_tables_have_a_line_for_each_way_and_snr():
    rows = [
        row(clip, snr_db=snr_db, attack=attack)
        for clip in "ab"
        for snr_db in (0.0, 8.0)
        for attack in ("pgd", "fgsm")
    ]
    plot = wer_plot("x", rows, normalised=True)
    assert [line.name for line in plot.series] == [
        "noisy",
        "enhanced",
        "pgd silence",
        "fgsm silence",
    ]
    assert [(point.x, point.y) for point in plot.series[1].points] == [(0, 25), (8, 25)]
    table = protection_table("all", rows)
    assert len(table.rows) == 4
    assert all(len(line) == len(table.columns) for line in table.rows)
    assert len(clip_table("clips", rows).rows) == len(rows)


def test_kept_by_hand():
    """Of the words that are lost when nothing happens, each file with itself."""
    whole = [row("a", after=""), row("b", after="red"), row("c", after="")]  # 3 and 2 of 4 more
    left = [row("b", after="red"), row("a", after="red green")]  # 2 and 1
    found = kept(left, whole)
    assert found.value == pytest.approx(100 * 3 / 5)
    assert (found.low, found.high) == (pytest.approx(100 / 3), 100)
    assert found.clips == 2
    assert kept(whole, whole) == Estimate(100.0, 100.0, 100.0, 3)
    for nothing in ([row("a", after="red green blue")], []):
        assert isnan(kept(left, nothing).value)


def cells(table: Table) -> dict[str, object]:
    """The first line, by the titles of the columns."""
    return dict(zip([each.title for each in table.columns], table.rows[0], strict=True))


def test_every_column_has_its_own_figure():
    own = row("a", after="red green", raw="red")
    own["heard"]["protected"] = "red"
    own["figures"] = {name: float(n) for n, name in enumerate(own["figures"], 1)}
    figure = own["figures"]
    ways = cells(protection_table("all", [own]))
    assert ways["RPR"] == figure["rpr"]
    assert ways["gain in dB"] == figure["gain_db"]
    assert ways["level in dB"] == figure["level_change_db"]
    assert (ways["WER noisy"], ways["WER protected"]) == (0, 75)
    quality = cells(quality_table("quality", [own]))
    named = {
        "SNR": "snr_db",
        "segmental": "segmental_snr_db",
        "A-weighted": "a_weighted_snr_db",
        "audible": "share_unmasked",
        "peak": "peak",
        "PESQ-wb": "pesq_wb",
        "PESQ-nb": "pesq_nb",
        "STOI": "stoi",
        "ESTOI": "estoi",
        "DNSMOS before": "dnsmos_noisy",
        "DNSMOS after": "dnsmos_protected",
        "DNSMOS enhanced": "dnsmos_enhanced",
    }
    assert named.keys() == QUALITY.keys()
    for title, name in named.items():
        assert float(str(quality[title])) == figure[name], title
    clips = cells(clip_table("clips", [own]))
    assert clips["read by"] == "whisper base"
    assert clips["perturbation SNR"] == figure["snr_db"]
    assert clips["PESQ"] == figure["pesq_wb"]
    assert clips["RPR"] == figure["rpr"]


def test_the_overview_of_one_snr_and_one_listener_has_neither_plot_nor_map():
    rows = [row("a"), row("b")]
    found = overview(rows)
    assert not found.plots
    assert not found.heat_maps
    assert found.headlines[0].value == "100 %"
    assert "+75 points" in found.headlines[0].text


def test_the_overview_has_a_map_where_others_listen():
    rows = [row("a"), row("a", heard_by="y"), row("a", snr_db=8.0)]
    found = overview(rows)
    assert len(found.heat_maps) == 1
    assert len(found.plots) == 2
    assert heard_as_attacked(rows) == [rows[0], rows[2]]


def test_markdown():
    table = Table("All", [Column("a|b"), Column("n", 1)], [["x", 1.25], ["y", float("nan")]])
    found = Findings("Try", "Short.", [Headline("9 %", "of all.")], tables=[table])
    assert markdown(found) == (
        "## Try\n\nShort.\n\n- **9 %** of all.\n\n### All\n\n"
        "| a\\|b | n |\n| --- | ---: |\n| x | 1.2 |\n| y | – |\n"
    )


def test_a_plot_as_text():
    points = [Point(8.0, 1.25, 1.0, 1.5), Point(-4.0, nan)]
    plot = Plot("RPR", "SNR", "ratio", [Series("pgd", points), Series("opt", points[:1])])
    assert markdown(Findings("Try", "Short.", plots=[plot])).splitlines()[4:] == [
        "### RPR",
        "",
        "| ratio \\ SNR | −4 | 8 |",
        "| --- | ---: | ---: |",
        "| pgd | – | 1.250 (1.000 to 1.500) |",
        "| opt | – | 1.250 (1.000 to 1.500) |",
    ]


def test_a_strangers_protection_is_not_mixed_with_the_listeners_own():
    rows = [row(after=""), row(against="y", heard_by="x", after="red green blue black")]
    lines = protection_table("all", rows).rows
    assert [line[0] for line in lines] == ["x", "y"]
    assert [line[2] for line in lines] == ["x", "x"]
    titles = [column.title for column in protection_table("all", rows).columns]
    peak = titles.index("WER peak")
    assert [str(line[peak]).split(" ")[0] for line in lines] == ["100.0", "0.0"]


def test_raw_and_peak_are_not_mixed_up():
    table = protection_table("all", [row(after="red", raw="red green blue black")])
    found = dict(zip([column.title for column in table.columns], table.rows[0], strict=True))
    assert str(found["WER raw"]).startswith("0.0")
    assert str(found["WER peak"]).startswith("75.0")
    assert str(found["DE raw"]).startswith("-25.0")
    assert str(found["DE peak"]).startswith("50.0")


def test_each_budget_has_its_own_control():
    rows = [
        row(heard_by=listener, attack=attack, budget=budget, after=after)
        for listener in ("x", "z")
        for attack, budget, after in (
            ("pgd", "30 dB", ""),
            ("white-noise", "30 dB", "red green blue"),
            ("white-noise", "10 dB", ""),
        )
    ]
    (found,) = overview(rows).heat_maps
    assert found.rows == ["x", "white noise"]
    assert found.values == [[75, 75], [0, 0]]


def test_what_was_to_be_heard_is_the_headline_of_a_target_of_speech():
    said = row(after="white pink") | {"to_be_said": "white pink"}
    found = overview([said])
    assert found.headlines[0].value == "0 %"
    assert "to be heard instead" in found.headlines[0].text


def test_only_clips_in_which_it_is_defined_are_counted():
    found = mean([row("a", rpr=1.0), row("b", rpr=None), row("c", rpr=None)], "rpr")
    assert found.clips == 1
    assert found.evidence(".1f") == "1 clip"
    assert Estimate(5.0, 4.0, 6.0, 2).evidence(".0f") == "4 to 6, 2 clips"


def test_words_are_compared_in_their_language():
    """German has no American spelling: only English texts are normalised to it."""
    german = row(after="rot") | {"said": "colour", "to_be_said": None}
    german["heard"]["noisy"] = "color"
    english = german | {"about": german["about"]}
    assert wer([english], "noisy").value == 0
    german["about"] = german["about"] | {"language": "de"}
    assert wer([german], "noisy").value == 100
