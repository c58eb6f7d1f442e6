"""The file of rows: whole lines, in an order of their own, and names that stay."""

from __future__ import annotations

import json

import pytest

from unhear.errors import InputError
from unhear.evaluation import rows

ROWS = [{"about": {"clip": name, "snr_db": 0.0}, "figures": {}} for name in ("b", "a", "c")]


def written(path, content):
    path.write_text(content, "utf-8")
    return path


def test_half_a_line_is_no_row_and_gives_way_to_the_next(tmp_path):
    path = written(tmp_path / "rows.jsonl", rows.line(ROWS[0]) + '{"about": {"cl')
    assert rows.load(path) == ROWS[:1]
    rows.drop_half_a_line(path)
    assert path.read_text() == rows.line(ROWS[0])


def test_nothing_there_is_no_row(tmp_path):
    assert rows.load(tmp_path / "none.jsonl") == []
    rows.drop_half_a_line(tmp_path / "none.jsonl")
    assert not list(tmp_path.iterdir())


def test_a_whole_line_that_is_no_json_is_told(tmp_path):
    path = written(tmp_path / "rows.jsonl", "oops\n")
    with pytest.raises(InputError, match=r"line 1 of .* is no row: delete"):
        rows.load(path)


def test_order_does_not_tell_who_came_first(tmp_path):
    paths = [tmp_path / name for name in "xy"]
    for path, order in zip(paths, ([0, 1, 2], [2, 0, 1]), strict=True):
        written(path, "".join(rows.line(ROWS[place]) for place in order))
        rows.put_in_order(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [row["about"]["clip"] for row in rows.load(paths[0])] == ["a", "b", "c"]


def test_a_name_depends_on_content_and_not_on_order():
    # The first 16 hexadecimal digits of sha256('{"a": 1, "b": 2}').
    assert rows.identity({"b": 2, "a": 1}) == "d8497d9d82770a70"
    assert rows.identity({"a": 1, "b": 2}) == "d8497d9d82770a70"
    assert rows.identity({"a": 1}) != rows.identity({"a": 2})


def test_undefined_figures_are_null():
    found = rows.finite({"a": float("nan"), "b": float("inf"), "c": 1.5})
    assert json.loads(rows.line(found)) == {"a": None, "b": None, "c": 1.5}


def test_groups_keep_the_order_of_appearance():
    assert list(rows.group(ROWS, "clip", "snr_db")) == [("b", 0.0), ("a", 0.0), ("c", 0.0)]
