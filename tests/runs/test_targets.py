from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from evalsuite.errors import EvalsuiteError
from evalsuite.runs.targets import read_targets


@pytest.fixture
def images(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (16, 16)).save(tmp_path / name)
    return tmp_path


def write(folder, name, content):
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_text_file_is_wanted_in_every_image(images):
    ref, prompts, _, surplus = read_targets(images, write(images, "t.txt", "OPEN\n\n 每日新鲜 \n"))
    assert [prompt.targets for prompt in prompts] == [("OPEN", "每日新鲜")] * 2
    assert [prompt.id for prompt in prompts] == ["0001-a.png", "0002-b.png"]
    assert (ref.prompts, surplus) == (2, ())
    assert prompts[0].language == "zh"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.jsonl", '{"image": "b.png", "targets": ["OPEN", "$9.99"]}'),
        ("t.csv", "image,target\nb.png,OPEN\nb.png,$9.99\n"),
    ],
)
def test_a_table_gives_each_image_its_targets_and_names_the_others(images, name, content):
    _, prompts, model, surplus = read_targets(images, write(images, name, content))
    assert [(prompt.targets, prompt.language) for prompt in prompts] == [(("OPEN", "$9.99"), "en")]
    assert surplus == ("a.png",)
    assert model.match(prompts, [0]).missing == ()


def test_the_table_that_the_docs_show_is_taken(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "faq.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^```csv\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for name in ("shop.png", "menu.png"):
        Image.new("RGB", (16, 16)).save(tmp_path / name)
    _, prompts, _, surplus = read_targets(tmp_path, write(tmp_path, "t.csv", table))
    found = {(prompt.targets, prompt.language) for prompt in prompts}
    assert (found, surplus) == ({(("OPEN", "since 1911"), "en"), (("今日特价",), "zh")}, ())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", "\n", "holds no target"),
        ("t.doc", "x", "come as"),
        ("t.jsonl", '{"image": "c.png", "targets": ["x"]}', r"t\.jsonl:1: 'c\.png' is no file in"),
        ("t.jsonl", '{"image": "a.png", "targets": "x"}', r"t\.jsonl:1: field 'targets': expected text"),
        ("t.jsonl", '{"targets": ["x"]}', r"t\.jsonl:1: field 'image' is missing"),
        ("t.csv", "image,target\na.png\n", "header's number of columns"),
        ("t.csv", "image,target\na.png, \n", r"t\.csv:2: field 'target': expected text"),
    ],
)
def test_a_bad_targets_file_names_its_line(images, name, content, message):
    with pytest.raises(EvalsuiteError, match=message):
        read_targets(images, write(images, name, content))


def test_accents_count_alike_however_they_are_written(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (8, 4), "red").save(folder / unicodedata.normalize("NFD", "café.png"))
    table = tmp_path / "t.csv"
    table.write_text(f"image,target\n{unicodedata.normalize('NFC', 'café.png')},OPEN\n", "utf-8")
    _, prompts, _, surplus = read_targets(folder, table)
    assert ([prompt.targets for prompt in prompts], surplus) == ([("OPEN",)], ())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "image;target\na.png;X\n", "its columns are separated by ';'; save it with commas"),
        ("t.csv", "image,target,targets\na.png,X,Y\n", "field 'targets' is none of image, target"),
        ("t.jsonl", '{"image": "a.png", "targets": ["X"], "lang": "en"}', "field 'lang' is none of"),
        ("t.jsonl", '{"image": "a.png", "targets": ["X"], "targets": ["Y"]}', "'targets' is given twice"),
    ],
)
def test_fields_that_nothing_reads_are_refused(tmp_path, name, content, said):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (8, 4), "red").save(folder / "a.png")
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(EvalsuiteError, match=re.escape(said)):
        read_targets(folder, tmp_path / name)


def test_only_a_line_feed_ends_a_target(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (8, 4), "red").save(folder / "a.png")
    (tmp_path / "t.txt").write_bytes("GRAND\u2028OPENING\r\nNOW\x0bOPEN\n".encode())
    _, (prompt,), _, _ = read_targets(folder, tmp_path / "t.txt")
    assert prompt.targets == ("GRAND\u2028OPENING", "NOW\x0bOPEN")
