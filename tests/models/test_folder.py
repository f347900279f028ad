from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from evalsuite.images import ImageError, load_image, to_rgb
from evalsuite.models.folder import FolderError, FolderModel, read_table
from evalsuite.records import Prompt


def prompt(ident: str, suite: str = "signage-en") -> Prompt:
    return Prompt(id=ident, suite=suite, language="en", category="c", length="short", text="x", targets=("x",))


def save(folder, *names: str, colour: str = "red"):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), colour).save(folder / name)
    return folder


def open_folder(folder) -> FolderModel:
    return FolderModel.parse(str(folder))


def found(model: FolderModel, ident: str, seeds=(0, 1)) -> list[bool]:
    return [drawing.error is None for drawing in model.draw([(prompt(ident), seed) for seed in seeds])]


def test_files_are_found_by_full_id_short_id_and_number(tmp_path):
    model = open_folder(save(tmp_path, "signage-en-001_0.png", "002_0.jpg", "3_0.webp", "signage-en-004.png"))
    assert [found(model, f"signage-en-00{n}") for n in (1, 2, 3, 4, 5)] == [
        [True, False],
        [True, False],
        [True, False],
        [True, False],
        [False, False],
    ]


def test_samples_count_from_one_where_there_is_no_zero(tmp_path):
    assert found(open_folder(save(tmp_path, "signage-en-001_1.png", "signage-en-001_2.png")), "signage-en-001") == [
        True,
        True,
    ]


def test_missing_and_surplus_files_are_named(tmp_path):
    model = open_folder(save(tmp_path, "signage-en-001_0.png", "other_0.png"))
    match = model.match([prompt("signage-en-001"), prompt("signage-en-002")], [0])
    assert (match.surplus, match.missing) == (("other_0.png",), ("signage-en-002_0",))
    (drawing,) = model.draw([(prompt("signage-en-002"), 0)])
    assert drawing.error == "no file for sample 0 of prompt signage-en-002"


def test_two_files_for_one_sample_are_refused(tmp_path):
    model = open_folder(save(tmp_path, "signage-en-001_0.png", "001_0.png"))
    with pytest.raises(FolderError, match="are both sample 0 of signage-en-001; keep one"):
        list(model.draw([(prompt("signage-en-001"), 0)]))
    with pytest.raises(FolderError, match="keep one"):
        open_folder(save(tmp_path / "b", "1_0.png", "1_0.jpg"))


def test_a_short_name_that_two_suites_want_is_refused(tmp_path):
    model = open_folder(save(tmp_path, "0007_0.png", "0_0.png"))
    prompts = [prompt("lb-en-0007", "lb-en"), prompt("lb-zh-0007", "lb-zh")]
    with pytest.raises(FolderError, match=r"0007_0\.png: is sample 0 of both lb-en-0007 and lb-zh-0007"):
        model.match(prompts, [0])
    assert model.match(prompts[:1], [0]).missing == ()
    assert model.match([prompt("lb-en-0000", "lb-en")], [0]).missing == ()


def test_the_digest_follows_the_pixels(tmp_path):
    first = open_folder(save(tmp_path, "a_0.png")).spec.digest
    assert open_folder(tmp_path).spec.digest == first
    assert open_folder(save(tmp_path, "a_0.png", colour="blue")).spec.digest != first


def test_a_damaged_image_is_named_before_anything_is_scored(tmp_path):
    save(tmp_path, "a_0.png", "b_0.png")
    whole = (tmp_path / "b_0.png").read_bytes()
    (tmp_path / "b_0.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=r"b_0\.png: not a readable image"):
        open_folder(tmp_path)


@pytest.mark.parametrize("arguments", ["", "/nowhere/at/all"])
def test_a_missing_folder_is_refused(arguments):
    with pytest.raises(FolderError, match="no such folder"):
        FolderModel.parse(arguments)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FolderError, match="holds no images"):
        open_folder(tmp_path)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_table_maps_files_to_prompts(tmp_path, kind):
    save(tmp_path, "x.png", "sub/y.png")
    rows = [{"image": "x.png", "prompt": "p1"}, {"image": "sub/y.png", "prompt": "p1", "seed": 1}]
    table = tmp_path / f"map.{kind}"
    if kind == "jsonl":
        table.write_text("\n".join(map(json.dumps, rows)))
    else:
        table.write_text("image,prompt,seed\nx.png,p1,0\nsub/y.png,p1,1\n")
    assert found(open_folder(table), "p1", (0, 1, 2)) == [True, True, False]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"image": "../secret.png", "prompt": "p"}', r"map\.jsonl:1: '\.\./secret\.png' is no file in"),
        ('{"image": "gone.png", "prompt": "p"}', r"map\.jsonl:1: 'gone\.png' is no file in"),
        ('{"image": "x.png"}', r"map\.jsonl:1: expected the fields image, prompt"),
        ('{"image": "x.png", "prompt": "p", "seed": "one"}', r"field 'seed': 'one' is no number"),
        (
            '{"image": "x.png", "prompt": "p"}\n{"image": "x.png", "prompt": "p"}',
            r"map\.jsonl:2: sample 0 of p is given twice",
        ),
        ("{", r"map\.jsonl:1: not JSON"),
        ("", "the table is empty"),
    ],
)
def test_a_bad_table_names_its_line(tmp_path, row, message):
    save(tmp_path, "dir/x.png")
    save(tmp_path, "secret.png")
    table = tmp_path / "dir" / "map.jsonl"
    table.write_text(row)
    with pytest.raises(FolderError, match=message):
        open_folder(table)


def test_an_image_that_is_too_large_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (9_000, 10)).save(tmp_path / "wide.png")
    with pytest.raises(ImageError, match="9000×10 pixels; 8192 a side at most"):
        load_image(tmp_path / "wide.png")


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    ramp = Image.fromarray(np.array([[0, 256, 32_768, 65_535]], dtype=np.uint16))
    assert [pixel[0] for pixel in np.asarray(to_rgb(ramp))[0].tolist()] == [0, 1, 128, 255]
    with pytest.raises(ImageError, match="no stated range"):
        to_rgb(Image.new("F", (2, 2)))


def test_a_file_without_a_number_and_the_first_numbered_one_are_one_sample(tmp_path):
    with pytest.raises(FolderError, match=r"1\.png and 1_1\.png are both the first sample of 1; keep one"):
        open_folder(save(tmp_path, "1.png", "1_1.png", "2_1.png", "2_2.png"))


def test_what_macos_leaves_beside_files_is_no_image(tmp_path):
    save(tmp_path, "1_0.png")
    (tmp_path / "._1_0.png").write_bytes(b"\x00\x05\x16\x07")
    assert open_folder(tmp_path).match([prompt("signage-en-001")], [0]).surplus == ()


def test_csv_lines_end_where_the_format_says(tmp_path):
    save(tmp_path, "a.png", "b.png")
    table = tmp_path / "t.csv"
    table.write_bytes('image,prompt\r\na.png,x\u2028y\r\nb.png,"two\nlines"\r\n'.encode())
    assert set(read_table(table)) == {("x\u2028y", 0), ("two\nlines", 0)}
    table.write_text("image,prompt\na.png\n")
    with pytest.raises(FolderError, match=r"t\.csv:2: the row does not have"):
        read_table(table)
    table.write_text("image,prompt\na.png," + "x" * 200_000)
    with pytest.raises(FolderError, match="is no CSV"):
        read_table(table)


def test_accents_count_alike_however_they_are_written(tmp_path):
    save(tmp_path, "cafe\u0301.png")
    table = tmp_path / "t.jsonl"
    table.write_text(json.dumps({"image": "caf\u00e9.png", "prompt": "x"}))
    assert read_table(table)["x", 0].is_file()
    for name in ("n" * 5000, "a\u0000b"):
        table.write_text(json.dumps({"image": name, "prompt": "x"}))
        with pytest.raises(FolderError, match="is no file in"):
            read_table(table)
    table.write_text("[" * 100_000)
    with pytest.raises(FolderError, match="not JSON"):
        read_table(table)
