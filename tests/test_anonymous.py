"""Rows whose words are made up have the word error rates of those whose words are real."""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from test_estimates import row

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.anonymous import anonymous, main
from unhear.evaluation.rows import line
from unhear.metrics import word_errors

WORDS = ["the", "The,", "colour", "color", "it's", "twenty", "20", "Mr.", "mister", "uh", "zz"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)


@given(said=TEXTS, to_be_said=st.none() | TEXTS, heard=st.lists(TEXTS, max_size=3))
def test_errors_stay_what_they_were(said, to_be_said, heard):
    own = row() | {"said": said, "to_be_said": to_be_said, "heard": dict(enumerate(heard))}
    made_up = anonymous(own)
    assert made_up["about"] == own["about"]
    assert made_up["figures"] == own["figures"]
    for reference in ("said", "to_be_said"):
        for name, text in own["heard"].items():
            expected = word_errors(own[reference] or "", text)
            assert word_errors(made_up[reference] or "", made_up["heard"][name]) == expected
    texts = (made_up["said"], made_up["to_be_said"] or "", *made_up["heard"].values())
    assert all(word.startswith("zz") for text in texts for word in text.split())


def test_a_run_is_packed_without_its_words(tmp_path):
    rows = [row("a"), row("b", after="")]
    (tmp_path / "rows.jsonl").write_text("".join(map(line, rows)), "utf-8")
    main(tmp_path, tmp_path / "packed" / "own.jsonl.xz")
    packed = lzma.decompress((tmp_path / "packed" / "own.jsonl.xz").read_bytes()).decode()
    assert [json.loads(each) for each in packed.splitlines()] == list(map(anonymous, rows))
    assert "green" not in packed
