"""Folders in the layouts of SGLang's and vLLM-Omni's benchmarks, made by hand."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from evalsuite.errors import EvalsuiteError
from evalsuite.integrations.prompt_lists import write_sglang_manifest, write_vllm_omni_prompts
from evalsuite.models.folder import FolderError, FolderModel
from evalsuite.models.registry import resolve
from evalsuite.records import Prompt


def prompt(ident: str, text: str | None = None) -> Prompt:
    text = text or f"A sign that says {ident}"
    return Prompt(id=ident, suite="s", language="en", category="c", length="short", text=text, targets=(text,))


def save(folder, *names: str):
    """A picture for each name, of a colour of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(folder / name)
    return folder


def drawn(model: FolderModel, *requests) -> list[int | None]:
    """Which picture each request gets, by its colour; None where there is none."""
    return [round(each.image.getpixel((0, 0))[0] / 40) if each.error is None else None for each in model.draw(requests)]


def opened(folder, listing) -> FolderModel:
    return resolve(f"folder:{folder},prompts={listing}")


def rows(path, *rows_):
    path.write_text("\n".join(map(json.dumps, rows_)) + "\n", encoding="utf-8")
    return path


def test_an_sglang_run_is_read_by_the_manifest_that_it_was_drawn_from(tmp_path):
    one, two = prompt("neon-001"), prompt("neon-002", "Ein Schild: GRÜN")
    manifest = write_sglang_manifest(tmp_path / "m.jsonl", [one, two], seeds=(7, 8))
    # SGLang's names: the row's place, and its id with other characters as an underscore.
    folder = save(tmp_path / "out", "00000-neon-001_0.png", "00001-neon-001_1.jpg", "00003-neon-002_1.png")
    model = opened(folder, manifest)
    assert drawn(model, (one, 0), (one, 1), (two, 0), (two, 1)) == [0, 1, None, 2]
    assert model.match([one, two], [0, 1]).missing == ("neon-002_0",)
    assert model.match([one], [0, 1]).surplus == ("00003-neon-002_1.png",)


def test_rows_without_an_id_are_called_by_their_line_and_found_by_their_text(tmp_path):
    listing = rows(tmp_path / "m.jsonl", {"prompt": "B"}, {"prompt": "A", "sampling_params": {"seed": 3}})
    model = opened(save(tmp_path / "out", "00000-request-00001.png", "00001-request-00002.png"), listing)
    assert drawn(model, (prompt("a", "A"), 0), (prompt("b", "B"), 0), (prompt("c", "C"), 0)) == [1, 0, None]


def test_a_text_under_two_ids_is_told_apart_by_them(tmp_path):
    one, two = prompt("x-1", "SAME"), prompt("x-2", "SAME")
    model = opened(
        save(tmp_path / "out", "00000-x-1_0.png", "00001-x-2_0.png"),
        write_sglang_manifest(tmp_path / "m.jsonl", [one, two]),
    )
    assert drawn(model, (one, 0), (two, 0)) == [0, 1]


def test_vllm_omni_s_arms_are_read_by_the_list_of_prompts(tmp_path):
    one, two = prompt("one"), prompt("two")
    listing = write_vllm_omni_prompts(tmp_path / "prompts.txt", [two, one])
    for arm in ("baseline", "fp8"):
        folder = save(tmp_path / "quant_bench_output" / arm, "prompt_0.png", "prompt_1.png")
        model = opened(folder, listing)
        assert drawn(model, (one, 0), (two, 0), (two, 1)) == [1, 0, None]
        assert (model.spec.name, resolve(f"folder:{model.spec.source}").spec) == (f"folder:{arm}", model.spec)


def test_a_missing_file_does_not_shift_those_that_follow(tmp_path):
    prompts = [prompt(name) for name in "abc"]
    listing = write_vllm_omni_prompts(tmp_path / "prompts.txt", prompts)
    model = opened(save(tmp_path / "fp8", "prompt_0.png", "prompt_2.png"), listing)
    assert drawn(model, *((each, 0) for each in prompts)) == [0, None, 1]
    assert model.notices(prompts, [0]) == ("1 missing: b_0",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["00000-b.png"], "row 0 of .*m.jsonl is called a; the images are of another list"),
        (["00002-a.png"], "has index 2, but .* holds 2 prompts"),
        (["00000-a_1.png"], "row 0 of .* is called a"),
        (["a.png"], "is not named <index>-<request_id>.png"),
        (["00000-a.png", "00000-a.jpg"], "is of row 0 already"),
        ([], "holds no images"),
    ],
)
def test_images_of_another_list_are_refused(tmp_path, names, message):
    listing = rows(tmp_path / "m.jsonl", {"prompt": "A", "request_id": "a"}, {"prompt": "B", "request_id": "b"})
    with pytest.raises(FolderError, match=message):
        opened(save(tmp_path / "out", *names), listing)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([{"request_id": "a"}], "m.jsonl:1: field 'prompt' is no text"),
        ([{"prompt": "A", "request_id": "a"}, {"prompt": "B", "request_id": "a"}], "m.jsonl:2: .* that of line 1"),
        ([{"prompt": "A", "request_id": "a", "seed": "7"}], "field 'seed': '7' is no number"),
        ([["a"]], "expected an object"),
        ([], "holds no prompt"),
    ],
)
def test_a_list_that_is_wrong_names_its_line(tmp_path, listed, message):
    with pytest.raises(FolderError, match=message):
        opened(save(tmp_path / "out", "00000-a.png"), rows(tmp_path / "m.jsonl", *listed))


def test_one_picture_is_not_two_samples(tmp_path):
    """Two rows with one prompt and one seed draw the same image twice."""
    listing = rows(tmp_path / "m.jsonl", {"prompt": "A", "seed": 1}, {"prompt": "A", "seed": 1})
    model = opened(save(tmp_path / "out", "00000-request-00001.png", "00001-request-00002.png"), listing)
    with pytest.raises(FolderError, match=r"m.jsonl:2: has the prompt and the seed of .*m.jsonl:1"):
        model.notices([prompt("a", "A")], [0, 1])


def test_a_row_with_the_prompt_s_id_and_another_text_is_refused(tmp_path):
    listing = rows(tmp_path / "m.jsonl", {"prompt": "An older wording", "request_id": "a_0"})
    model = opened(save(tmp_path / "out", "00000-a_0.png"), listing)
    with pytest.raises(FolderError, match="called a_0 but has another text than prompt a"):
        model.notices([prompt("a", "A")], [0])


def test_what_cannot_be_listed_is_refused(tmp_path):
    with pytest.raises(EvalsuiteError, match="spans lines"):
        write_vllm_omni_prompts(tmp_path / "p.txt", [prompt("a", "A\nB")])
    with pytest.raises(EvalsuiteError, match="b: has the text of a"):
        write_vllm_omni_prompts(tmp_path / "p.txt", [prompt("a", "A"), prompt("b", "A")])
    with pytest.raises(FolderError, match="no such folder"):
        resolve(f"folder:{tmp_path}/none,prompts=x.txt")
    with pytest.raises(FolderError, match=r"as a \.jsonl request manifest or as a \.txt"):
        opened(save(tmp_path / "out", "prompt_0.png"), tmp_path / "p.csv")
    with pytest.raises(FolderError, match="no such list"):
        opened(save(tmp_path / "out", "prompt_0.png"), tmp_path / "p.txt")


def test_vllm_omni_s_artefacts_of_one_prompt_are_read_by_tables(tmp_path):
    """`artifacts/MODEL/vllm_omni.png` beside `diffusers.png`: a table for each side."""
    folder = tmp_path / "artifacts"
    save(folder / "Qwen-Image", "vllm_omni.png", "diffusers.png")
    one = prompt("neon-001")
    found = {}
    for side in ("vllm_omni", "diffusers"):
        table = rows(folder / f"{side}.jsonl", {"image": f"Qwen-Image/{side}.png", "prompt": one.id})
        found[side] = drawn(resolve(f"folder:{table}"), (one, 0))
    assert found == {"vllm_omni": [0], "diffusers": [1]}
