from __future__ import annotations

import pytest

from evalsuite.records import Generation
from evalsuite.runs import open_run
from evalsuite.runs.rows import DamagedRunError, RowFile


def row(key: str) -> Generation:
    return Generation(key=key, model="m", prompt="p", seed=0, error="none", drawn_at="2026-01-01T00:00:00+00:00")


def filled(path, *keys: str) -> RowFile[Generation]:
    rows = RowFile(path, Generation)
    with rows.writer() as writer:
        for key in keys:
            writer.append(row(key))
    return rows


def test_rows_come_back_in_order(tmp_path):
    rows = filled(tmp_path / "g.jsonl", "a", "b")
    assert [each.key for each in rows.read()] == ["a", "b"]
    assert RowFile(tmp_path / "absent.jsonl", Generation).read() == []


def test_a_crash_at_any_byte_of_the_last_row_loses_that_row_only(tmp_path):
    path = tmp_path / "g.jsonl"
    filled(path, "a", "b")
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        path.write_bytes(whole[:cut])
        rows = RowFile(path, Generation)
        assert [each.key for each in rows.read()] == ["a"]
        with rows.writer() as writer:
            writer.append(row("c"))
        assert [each.key for each in rows.read()] == ["a", "c"]


def test_damage_in_the_middle_names_file_and_line(tmp_path):
    path = tmp_path / "g.jsonl"
    filled(path, "a", "b", "c")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:20] + b"\n" + lines[2])
    with pytest.raises(DamagedRunError, match=rf"^{path}:2: not a Generation row"):
        RowFile(path, Generation).read()


def test_an_unknown_field_is_damage_and_not_dropped(tmp_path):
    path = tmp_path / "g.jsonl"
    filled(path, "a")
    path.write_bytes(path.read_bytes().replace(b'{"key"', b'{"new_field":1,"key"'))
    with pytest.raises(DamagedRunError, match="new_field"):
        RowFile(path, Generation).read()


def test_replace_leaves_no_temporary_file(tmp_path):
    rows = filled(tmp_path / "g.jsonl", "a")
    rows.replace([row("x"), row("y")])
    assert [each.key for each in rows.read()] == ["x", "y"]
    assert [path.name for path in tmp_path.iterdir()] == ["g.jsonl"]


def test_a_line_that_was_found_is_the_same_row_again(tmp_path):
    rows = filled(tmp_path / "g.jsonl", "a", "b")
    found = list(rows.scan())
    assert b"".join(line for _, line in found) == rows.path.read_bytes()
    assert [rows.decode(line) for _, line in found] == [each for each, _ in found] == rows.read()


def test_the_readings_of_a_run_are_the_rows_of_its_file_by_key(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run", models=handmade.MODELS[:1])
    readings = open_run(store).readings
    assert list(readings.values()) == store.readings(store.manifest.ocr).read()
    assert list(readings) == list(store.requests)
    assert len(readings) == 3
    assert "another" not in readings
    assert readings.get("another") is None
