"""CLIPScore by a small random CLIP in a folder: the formula, what is kept, and what is refused."""

from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image

import evalsuite
from evalsuite.content.agreement import open_scorer, read_agreement
from evalsuite.errors import EvalsuiteError
from evalsuite.runs import open_run

torch = pytest.importorskip("torch", reason="torch is not installed (evalsuite[models])")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP of 20 tokens and 8 × 8 pictures with random weights, saved as transformers does it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

    folder = tmp_path_factory.mktemp("clip") / "tiny"
    letters = [chr(33 + place) for place in range(94)]
    vocabulary = [*letters, *(f"{each}</w>" for each in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE({each: place for place, each in enumerate(vocabulary)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    CLIPTokenizerFast(
        tokenizer_object=tokenizer, vocab={each: place for place, each in enumerate(vocabulary)}, merges=[]
    ).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**size, "vocab_size": len(vocabulary), "max_position_embeddings": 20, "eos_token_id": len(vocabulary) - 1}
    vision = {**size, "image_size": 8, "patch_size": 4}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}).save_pretrained(folder)
    return folder


def test_the_score_is_two_and_a_half_cosines_and_a_long_prompt_is_cut(clip):
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

    scorer = open_scorer(f"clip:{clip}")
    image = Image.new("RGB", (16, 12), (200, 30, 60))
    model = CLIPModel.from_pretrained(clip)
    found = set()
    for prompt in ("a sign", "OPEN", "red"):
        pixels = CLIPImageProcessor.from_pretrained(clip)(images=image, return_tensors="pt")["pixel_values"]
        tokens = CLIPTokenizerFast.from_pretrained(clip)(prompt, return_tensors="pt")
        with torch.inference_mode():
            both = model(**tokens, pixel_values=pixels)
        cosine = torch.nn.functional.cosine_similarity(both.image_embeds, both.text_embeds).item()
        score, cut = scorer.score(image, prompt)
        assert score == pytest.approx(2.5 * max(cosine, 0.0), abs=1e-5)
        assert not cut
        found.add(round(score, 6))
    assert len(found) > 1
    assert scorer.score(image, "x" * 60)[1]


def test_rows_are_kept_for_the_checkpoint_and_shown(clip, tmp_path, handmade):
    store = handmade.make_run(tmp_path / "run", models=handmade.MODELS[:1])
    result = evalsuite.content(store.folder, agreement=f"clip:{clip}")
    assert [(each.measure, each.images) for each in result.found.agreements] == [
        ("CLIPScore (tiny)", 2), ("CLIPScore (tiny)", 1)
    ]  # fmt: skip
    page = result.page.read_text(encoding="utf-8")
    assert "CLIPScore (tiny)" in page
    rows = read_agreement(open_run(store.folder))
    assert len(rows) == 3
    assert sum(row.cut for row in rows) == sum(each.cut for each in result.found.agreements)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("clip", "CLIP as clip:FOLDER or Qwen2.5-VL as vqa:FOLDER"),
        ("lpips:x", "name a checkpoint on this machine"),
        ("clip:/nowhere/at/all", "clip:/nowhere/at/all: no such folder"),
        ("vqa:/nowhere/at/all", "/nowhere/at/all: no such folder"),
    ],
)
def test_what_names_no_checkpoint_is_refused(named, said):
    with pytest.raises(EvalsuiteError, match=said):
        open_scorer(named)


def test_an_incomplete_or_foreign_checkpoint_is_refused(clip, tmp_path):
    few = shutil.copytree(clip, tmp_path / "few")
    (few / "model.safetensors").unlink()
    with pytest.raises(EvalsuiteError, match=r"no model\.safetensors; a CLIP checkpoint has"):
        open_scorer(f"clip:{few}")
    other = shutil.copytree(clip, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 2
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(EvalsuiteError, match="the weights do not fit a CLIP: text_model"):
        open_scorer(f"clip:{other}")
