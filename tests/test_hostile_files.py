"""Files that a user may name by mistake, or be given: each ends in one error that names file and place, at once."""

from __future__ import annotations

import contextlib
import json
import os

import pytest
from PIL import Image

from evalsuite.claims.published import load as load_claims
from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, parse_json, read_file, read_text
from evalsuite.gate.baseline import read_lock as load_lock
from evalsuite.gate.policy import load_policy
from evalsuite.models.folder import read_table
from evalsuite.models.presets import load_custom
from evalsuite.runs import adjudications
from evalsuite.runs.targets import read_targets
from evalsuite.suites import load_file

PROMPT = "suite: s\nlanguage: en\nprompts:\n  - {{id: a, text: 'A \"B\"', targets: {targets}, category: {category}}}\n"


def prompt(targets: str = "[B]", category: str = "c") -> str:
    return PROMPT.format(targets=targets, category=category)


def assert_refused(load, path, told: str) -> None:
    with pytest.raises(EvalsuiteError) as caught:
        load(path)
    assert str(caught.value) == told.format(path=path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (prompt("[2001-02-30]"), "{path}:4: '2001-02-30' is no timestamp; put it in quotes to have it as text"),
        (prompt("[!!int abc]"), "{path}:4: 'abc' is no int; put it in quotes to have it as text"),
        (prompt("[!!python/name:os.system x]"),
         "{path}:4: 'x' is no os.system; put it in quotes to have it as text"),
        (prompt("[" + "9" * 5000 + "]"), "{path}:4: '" + "9" * 40 + "' is no int; put it in quotes to have it as text"),
        (prompt("[0x]"), "{path}:4: field 'targets': '0x' does not stand in the prompt's text"),
        ("? [a, b]\n: 1\n", "{path}:1: a field's name must be a word"),
        ("suite: " + "[" * 5000, "{path}: broken YAML: nested too deeply"),
        ("suite: a\x07b\n", "{path}:1: broken YAML: U+0007: special characters are not allowed"),
        ("- a\n- b\n", "{path}:1: expected fields ('id: …'), found a list"),
    ],
)  # fmt: skip
def test_yaml_that_does_not_construct_is_named_with_its_line(tmp_path, content, told):
    path = tmp_path / "s.yaml"
    path.write_text(content, encoding="utf-8")
    assert_refused(load_file, path, told)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[" * 100_000, "{path}:2: not JSON: nested too deeply"),
        ('{"id": "a", "id": "b"}', "{path}:2: not JSON: field 'id' is given twice"),
        ('{"id": "\\ud800"}', "{path}:2: holds half of a surrogate pair, which is no character"),
        ("[1]", "{path}:2: expected an object with id, language, category, length, text, targets"),
    ],
)
def test_jsonl_that_cannot_be_taken_is_named_with_its_line(tmp_path, line, told):
    path = tmp_path / "s.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    assert_refused(load_file, path, told)
    path.write_text(f"\n{line}\n".replace("[1]", "1"), encoding="utf-8")
    assert_refused(read_table, path, told.partition(" with ")[0])


def test_a_number_of_thousands_of_digits_is_no_json():
    with pytest.raises(FileError, match=r"^x:1: not JSON: Exceeds the limit \(4300 digits\)"):
        parse_json("1" * 10_000, "x:1")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("image;prompt\na.png;a\n", "{path}:1: its columns are separated by ';'; save it with commas"),
        ("image\tprompt\na.png\ta\n", "{path}:1: its columns are separated by '\\t'; save it with commas"),
        ("image,image\na.png,a\n", "{path}:1: column 'image' is there twice"),
        (f"image,prompt\na.png,{'a' * 200_000}\n", "{path}:2: is no CSV: field larger than field limit (131072)"),
        ("image,prompt\na.png\n", "{path}:2: the row does not have the header's number of columns"),
        ("image,prompt,seed\na.png,a,-1\n", "{path}:2: field 'seed': -1 is no seed; 0 to 2**63 - 1 are"),
        ("image,prompt,seed\na.png,a,1e400\n", "{path}:2: field 'seed': '1e400' is no number"),
        ("image,prompt\nb.png,a\n", "{path}:2: 'b.png' is no file in {path.parent}"),
        (f"image,prompt\n{'b' * 5000}.png,a\n", "{path}:2: '" + "b" * 200 + "' is no file in {path.parent}"),
        ("image,prompt\n\x00.png,a\n", "{path}:2: '\\x00.png' is no file in {path.parent}"),
        ("image,prompt\n../../etc/passwd,a\n", "{path}:2: '../../etc/passwd' is no file in {path.parent}"),
        ("", "{path}: the table is empty"),
    ],
)
def test_tables_name_what_is_wrong_with_them(tmp_path, content, told):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    assert_refused(read_table, path, told)


def test_an_unclosed_quote_does_not_swallow_the_rows_after_it(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    path = tmp_path / "t.csv"
    path.write_text('image,prompt\na.png,"a\na.png,b\n', encoding="utf-8")
    with pytest.raises(EvalsuiteError, match=r"t\.csv:3: is no CSV: unexpected end of data"):
        read_table(path)


def targets_of(tmp_path, name: str, content: str, encoding: str = "utf-8"):
    images = tmp_path / "images"
    images.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(images / "a.png")
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    return [prompt.targets for prompt in read_targets(images, path)[1]]


def test_a_line_break_in_a_quoted_cell_and_separators_of_unicode_stay_in_the_target(tmp_path):
    content = 'image,target\r\na.png,"GRAND\nOPENING"\r\na.png,left\u2028right\x85\r\n'
    assert targets_of(tmp_path, "t.csv", content) == [("GRAND\nOPENING", "left\u2028right\x85")]
    assert targets_of(tmp_path, "t.txt", "left\u2028right\nnext\n") == [("left\u2028right", "next")]
    line = json.dumps({"image": "a.png", "targets": ["left\u2028right"]}, ensure_ascii=False)
    assert targets_of(tmp_path, "t.jsonl", line) == [("left\u2028right",)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be-mark", "latin-1"])
@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
def test_other_encodings_are_named_as_what_they_are(tmp_path, name, encoding):
    content = "image,target\na.png,Straße\n"
    if encoding == "utf-16-be-mark":
        content, encoding = "\ufeff" + content, "utf-16-be"
    why = "line 2 is not UTF-8 (byte 0xDF)" if encoding == "latin-1" else "is UTF-16"
    with pytest.raises(EvalsuiteError) as caught:
        targets_of(tmp_path, name, content, encoding)
    assert str(caught.value) == f"{tmp_path / name}: cannot be read as UTF-8 text: {why}; save it as UTF-8"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.jsonl", '{"image": "a.png", "targets": ["A"], "target": ["B"]}',
         "{path}:1: field 'target' is none of image, language, targets"),
        ("t.jsonl", '{"image": "a.png", "targets": ["A"], "targets": ["B"]}',
         "{path}:1: not JSON: field 'targets' is given twice"),
        ("t.jsonl", '{"image": "a.png", "targets": ["A"], "language": "<script>"}',
         "{path}:1: field 'language': '<script>' is no tag such as en"),
        ("t.csv", "image,target,size\na.png,A,3\n", "{path}:2: field 'size' is none of image, target"),
        ("t.txt", "A\n" * 101, "{path}: a.png: 101 targets; 100 at most"),
        ("t.txt", "\n" + "A" * 2001 + "\n",
         "{path}:2: field 'target': a target has 2,000 characters at most and no NUL"),
    ],
)  # fmt: skip
def test_targets_name_the_field_that_cannot_be_taken(tmp_path, name, content, told):
    with pytest.raises(EvalsuiteError) as caught:
        targets_of(tmp_path, name, content)
    assert str(caught.value) == told.format(path=tmp_path / name)


def test_what_macos_leaves_beside_images_is_no_image(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    (images / "._a.png").write_bytes(b"\x00\x05\x16\x07")
    Image.new("RGB", (8, 8)).save(images / "B.PNG")
    assert targets_of(tmp_path, "t.txt", "A\n") == [("A",), ("A",)]


READERS = {
    "suite": (load_file, ".yaml"),
    "suite lines": (load_file, ".jsonl"),
    "table": (read_table, ".csv"),
    "policy": (load_policy, ".toml"),
    "model": (load_custom, ".toml"),
    "claims": (load_claims, ".toml"),
    "lock": (load_lock, ".lock"),
    "marks": (adjudications.load, ".json"),
    "targets": (lambda path: read_targets(path.parent, path), ".txt"),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_pipes_devices_folders_and_what_is_not_there_at_once(tmp_path, reader):
    load, suffix = READERS[reader]
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    pipe, device, folder = (tmp_path / f"{name}{suffix}" for name in ("pipe", "device", "folder"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    folder.mkdir()
    for path in (pipe, device, folder):
        assert_refused(load, path, "{path}: cannot be read: no regular file")
    for path in (tmp_path / f"absent{suffix}", tmp_path / ("n" * 300 + suffix)):
        with pytest.raises(EvalsuiteError, match=f"absent{suffix}|cannot be read: File name too long"):
            load(path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfea\x00", b"\xef\xbb\xbf", b"\x00", b"[" * 50_000, b"x = " + b"[" * 50_000, b"x = " + b"9" * 50_000,
     b"{" * 50_000, b'"\xed\xa0\x80"', b"\x80", b'{"a":' * 50_000, b'"\\ud800"'],
    ids=range(12),
)  # fmt: skip
def test_no_reader_ends_in_a_traceback(tmp_path, reader, content):
    load, suffix = READERS[reader]
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    path = tmp_path / f"hostile{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(EvalsuiteError):
        load(path)


def test_files_are_bounded_and_links_followed_only_where_allowed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_file(path, limit=5) == b"12345"
    with pytest.raises(FileError, match=r"file: more than 4 bytes$"):
        read_file(path, limit=4)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_file(link) == b"12345"
    with pytest.raises(FileError, match=r"link: cannot be read: is a link$"):
        read_file(link, follow=False)
    path.write_bytes(b"\xef\xbb\xbfmarked")
    assert read_text(path) == "marked"
