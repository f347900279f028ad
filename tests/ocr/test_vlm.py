"""The Qwen2.5-VL reader on a small randomly initialised checkpoint of the real classes, loaded from its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

import evalsuite
from evalsuite import ocr
from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError
from evalsuite.ocr import vlm, vlm_folder
from evalsuite.ocr.base import OcrEngine, OcrError
from evalsuite.ocr.many import ManyReader, lines_of
from evalsuite.ocr.vlm import QwenReader

torch = pytest.importorskip("torch", reason="torch is not installed (evalsuite[models])")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (evalsuite[models])")

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}{% if c.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GENERATION = {"do_sample": True, "temperature": 1e-6, "repetition_penalty": 1.05}


def build(folder: Path) -> None:
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

    torch.manual_seed(0)
    vocabulary = {token: index for index, token in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=[], eos_token="<|im_end|>", pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL),
    )  # fmt: skip
    ids = dict(zip(SPECIAL, tokenizer.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
            "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"],
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32,
            "window_size": 56, "fullatt_block_indexes": [1],
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    model = transformers.Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=[ids["<|im_end|>"]], pad_token_id=ids["<|endoftext|>"], **GENERATION,
        forced_eos_token_id=ids["<|im_end|>"],  # untrained, it would not come to an end
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformers.Qwen2VLImageProcessorPil(min_pixels=3136, max_pixels=12845056).save_pretrained(folder)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("vlm") / "tiny"
    build(folder)
    return folder


@pytest.fixture(autouse=True)
def _short_answers(monkeypatch, tmp_path_factory):
    monkeypatch.setattr(vlm, "MAX_NEW_TOKENS", 16)
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path_factory.getbasetemp() / "evalsuite-cache"))


@pytest.fixture
def reader(checkpoint):
    return lambda *options: ocr.resolve(",".join([f"qwen2.5-vl:{checkpoint}", "precision=fp32", *options]))


def picture(text: str, size: tuple[int, int] = (100, 60)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((5, 5), text, fill="black")
    return image


PICTURES = [picture("OPEN"), picture("SALE NOW", (300, 90)), picture("深夜食堂", (64, 200))]


def test_an_image_is_read_and_read_again_alike(reader):
    engine = reader()
    assert isinstance(engine, OcrEngine)
    assert isinstance(engine, ManyReader)
    first = [engine.read(image) for image in PICTURES]
    assert all(lines for lines in first)
    assert len(set(first)) == 3
    assert [engine.read(image) for image in reversed(PICTURES)] == first[::-1]
    line = first[0][0]
    assert (line.polygon, line.confidence) == (None, None)


def test_a_batch_reads_what_single_images_read(reader):
    single = [reader().read(image) for image in PICTURES]
    batched = dict(reader("batch=2").read_many([lambda image=image: image for image in PICTURES]))
    assert [batched[index].lines for index in range(3)] == single
    assert all(answer.seconds > 0 and answer.error is None for answer in batched.values())


def test_an_answer_that_is_cut_at_the_limit_is_a_failed_reading(reader, monkeypatch):
    """Of three answers, one ends early, one with the last token that it may have, and one does not."""
    engine = reader("batch=3")
    engine.read(PICTURES[0])
    model = engine._loaded.model
    (end,), pad = model.generation_config.eos_token_id, model.generation_config.pad_token_id
    letters = engine._loaded.tokenizer("OPENSALENOWBARGO"[:16]).input_ids
    rows = [[*letters[:4], end, *[pad] * 11], [*letters[:15], end], letters]

    def generate(_, input_ids, **__):
        return torch.cat([input_ids, torch.tensor(rows[: len(input_ids)])], dim=1)

    monkeypatch.setattr(type(model), "generate", generate)
    answers = dict(engine.read_many([lambda image=image: image for image in PICTURES]))
    assert [[line.text for line in answers[index].lines] for index in range(3)] == [["OPEN"], ["OPENSALENOWBARG"], []]
    assert [answers[index].error for index in range(3)] == [None, None, "Qwen2.5-VL: the answer is cut at 16 tokens"]
    rows[:] = [letters]
    with pytest.raises(OcrError, match="cut at 16 tokens"):
        engine.read(PICTURES[0])


def test_what_the_model_is_given_is_what_transformers_own_processor_makes(reader, checkpoint, monkeypatch):
    """The processor class is built without its video half, which needs torchvision."""
    engine = reader("batch=3")
    engine.read(PICTURES[0])
    model = engine._loaded.model
    given: dict = {}
    real = type(model).generate

    def spy(self, **inputs):
        given.update(inputs)
        return real(self, **inputs)

    monkeypatch.setattr(type(model), "generate", spy)
    list(engine.read_many([lambda image=image: image for image in PICTURES]))
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    processor = object.__new__(transformers.Qwen2_5_VLProcessor)
    processor.image_processor = transformers.Qwen2VLImageProcessorPil.from_pretrained(checkpoint)
    processor.tokenizer, processor.video_processor, processor.chat_template = tokenizer, None, TEMPLATE
    for kind in ("image", "video"):
        setattr(processor, f"{kind}_token", f"<|{kind}_pad|>")
        setattr(processor, f"{kind}_token_id", tokenizer.convert_tokens_to_ids(f"<|{kind}_pad|>"))
    question = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": vlm.PROMPT}]}]
    text = tokenizer.apply_chat_template(question, chat_template=TEMPLATE, tokenize=False, add_generation_prompt=True)
    expected = processor(images=PICTURES, text=[text] * 3, padding=True, padding_side="left", return_tensors="pt")
    assert given.pop("max_new_tokens") == 16
    assert set(given) == set(expected)
    for key, value in expected.items():
        assert torch.equal(given[key], value), key


def test_the_picture_enters_with_sides_rounded_to_28_pixels(reader):
    engine = reader()
    engine.read(PICTURES[0])
    # 100×60 becomes 112×56: 8 by 4 patches of 14 pixels.
    pixels = engine._loaded.images(images=[PICTURES[0]], return_tensors="pt")
    assert pixels["image_grid_thw"].tolist() == [[1, 4, 8]]
    # A drawn page of 1024×1024 becomes 1036×1036 and is not shrunk.
    page = engine._loaded.images(images=[Image.new("RGB", (1024, 1024))], return_tensors="pt")
    assert page["image_grid_thw"].tolist() == [[1, 74, 74]]


def test_sampling_is_as_the_checkpoint_says_and_seeded(checkpoint, tmp_path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "hot"))
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**settings, "temperature": 5.0}))
    name = f"qwen2.5-vl:{folder},precision=fp32"
    state = torch.random.get_rng_state()
    engine = ocr.resolve(name)
    first = engine.read(PICTURES[0])
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's random numbers are used up
    assert engine.read(PICTURES[0]) == first
    other = ocr.resolve(f"{name},seed=1")
    assert other.read(PICTURES[0]) != first
    assert other.spec.digest != engine.spec.digest


def test_the_spec_names_all_that_decides_a_reading(reader, checkpoint, tmp_path):
    spec = reader().spec
    assert spec.name == "qwen2.5-vl"
    assert spec.settings["prompt"].startswith("Recognize the text in the image, only reply with the text content, but")
    assert spec.settings["generation"]["repetition_penalty"] == 1.05
    assert (spec.settings["layers"], spec.settings["batch"], spec.settings["precision"]) == (2, 1, "fp32")
    assert reader("batch=2").spec.digest != spec.digest
    copy = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert ocr.resolve(f"qwen2.5-vl:{copy},precision=fp32").spec.weights_digest != spec.weights_digest


def test_bfloat16_is_the_default_and_reads(checkpoint):
    engine = ocr.resolve(f"qwen2.5-vl:{checkpoint}")
    assert engine.spec.settings["precision"] == "bf16"
    assert engine.read(PICTURES[0])
    assert engine._loaded.model.dtype == torch.bfloat16


def test_an_image_that_cannot_be_taken_in_spoils_no_other(reader):
    def broken() -> Image.Image:
        raise ImageError("x.png: not a readable image")

    thin = Image.new("RGB", (5000, 8))  # transformers refuses sides beyond 200 to 1
    sources = [lambda: PICTURES[0], broken, lambda: thin, lambda: PICTURES[1]]
    answers = dict(reader("batch=4").read_many(sources))
    assert answers[0].lines == reader().read(PICTURES[0])
    assert answers[1].error == "x.png: not a readable image"
    assert "Qwen2.5-VL failed: ValueError: absolute aspect ratio" in answers[2].error
    assert answers[3].lines == reader().read(PICTURES[1])
    with pytest.raises(OcrError, match="absolute aspect ratio"):
        reader().read(thin)
    with pytest.raises(OcrError, match="no stated range"):
        reader().read(Image.new("F", (8, 8)))


def test_an_answer_becomes_lines_as_it_stands():
    assert [line.text for line in lines_of("OPEN\n\n  Daily \r\naddCriterion\n")] == [
        "OPEN",
        "  Daily ",
        "addCriterion",
    ]
    assert lines_of(" \n") == ()


def test_a_run_is_read_by_it_end_to_end(checkpoint, tmp_path):
    suite = tmp_path / "one.yaml"
    suite.write_text("suite: one\nlanguage: en\nprompts:\n  - {id: a, text: 'A sign \"OPEN\".', targets: [OPEN]}\n")
    picture("OPEN").save(tmp_path / "a_0.png")
    result = evalsuite.run(
        [f"folder:{tmp_path}"], [str(suite)], out=tmp_path / "run", ceiling=False, workers=4,
        ocr=f"qwen2.5-vl:{checkpoint},precision=fp32",
    )  # fmt: skip
    assert result.complete
    (score,) = result.run.scores
    assert (score.status, score.engine) == ("scored", "qwen2.5-vl")
    assert result.run.manifest.ocr.settings["model"] == "folder tiny"
    assert (result.folder / "index.html").is_file()


# --- What is not a checkpoint of Qwen2.5-VL ----------------------------------------------------------


def damage(folder: Path, what: str) -> None:
    if what == "other architecture":
        (folder / "config.json").write_text('{"model_type": "llama"}')
    elif what == "own code":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.Y"}}))
    elif what == "a billion layers":
        config = json.loads((folder / "config.json").read_text())
        config["text_config"]["num_hidden_layers"] = 10**9
        (folder / "config.json").write_text(json.dumps(config))
    elif what == "broken config":
        (folder / "config.json").write_text('{"model_type":')
    elif what == "a shard of the index is missing":
        index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "../../etc/passwd"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    else:
        (folder / what).unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("other architecture", "model_type 'llama', not 'qwen2_5_vl'"),
        ("own code", "code of its own"),
        ("a billion layers", "num_hidden_layers is '1000000000', not from 1 to 512"),
        ("broken config", r"config.json: not JSON"),
        ("a shard of the index is missing", r"weights are missing: \.\./\.\./etc/passwd, model-00001-of-00002"),
        ("config.json", r"config.json: missing"),
        ("model.safetensors", "weights are missing: model.safetensors"),
        ("tokenizer.json", "tokenizer.json is missing"),
        ("preprocessor_config.json", "preprocessor_config.json is missing"),
    ],
)
def test_a_folder_that_is_no_such_checkpoint_is_refused_before_loading(checkpoint, tmp_path, what, message):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    damage(folder, what)
    with pytest.raises(EvalsuiteError, match=message):
        ocr.resolve(f"qwen2.5-vl:{folder}")


def test_weights_that_cannot_be_loaded_are_a_clear_error(checkpoint, tmp_path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    (folder / "chat_template.json").unlink()
    with pytest.raises(EvalsuiteError, match=r"cannot be loaded as Qwen2\.5-VL: it has no chat template"):
        ocr.resolve(f"qwen2.5-vl:{folder}").read(PICTURES[0])
    (folder / "chat_template.jinja").write_text(TEMPLATE.replace("<|image_pad|>", ""))
    with pytest.raises(EvalsuiteError, match="chat template has 0 places for an image"):
        ocr.resolve(f"qwen2.5-vl:{folder}").read(PICTURES[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("/nowhere", "/nowhere: no such folder"),
        ("batch=0", "batch=0: a whole number from 1 to 256"),
        ("precision=int3", "precision=int3: one of bf16, fp16, fp32"),
        ("batches=2", "option 'batches=2': known: batch=…"),
    ],
)
def test_options_that_are_wrong_are_named(arguments, message):
    with pytest.raises(EvalsuiteError, match=message):
        ocr.resolve(f"qwen2.5-vl:{arguments}")


def test_without_weights_the_error_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        EvalsuiteError, match=rf"hf download Qwen/Qwen2.5-VL-7B-Instruct --revision {vlm_folder.REVISION}"
    ):
        QwenReader.parse()


def test_vqascore_is_the_probability_of_yes_to_the_published_question(checkpoint, tmp_path, handmade):
    from evalsuite.content.agreement import open_scorer
    from evalsuite.ocr.vlm_folder import open_folder
    from evalsuite.ocr.vlm_model import load_vlm

    scorer = open_scorer(f"vqa:{checkpoint}")
    image, prompt = PICTURES[0].convert("RGB"), "a red sign"
    # token by token, from the logits of a forward pass each: "Yes" is three tokens of this vocabulary
    loaded = load_vlm(open_folder(checkpoint, "x"), "cpu", "fp32")
    question = loaded.question('Does this figure show "a red sign"? Please answer yes or no.')
    expected, said = 1.0, []
    for token in loaded.tokenizer("Yes", add_special_tokens=False)["input_ids"]:
        with torch.no_grad():
            logits = loaded.model(**loaded._inputs([image], question, said)).logits[0, -1]
        expected *= torch.softmax(logits.double(), dim=-1)[token].item()
        said.append(token)
    score, cut = scorer.score(image, prompt)
    assert score == pytest.approx(expected, rel=1e-3)
    assert not cut
    assert 0 < score < 1
    with pytest.raises(EvalsuiteError, match="chat template has 2 places for an image"):
        scorer.score(image, "<|image_pad|>")
    store = handmade.make_run(tmp_path / "run", models=handmade.MODELS[:1])
    result = evalsuite.content(store.folder, agreement=f"vqa:{checkpoint}", report=False)
    assert {each.measure for each in result.found.agreements} == {"VQAScore (tiny)"}


def test_weights_that_lack_a_tensor_are_refused_and_not_drawn_by_lot(checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if name.endswith("mlp.down_proj.weight"))
    save_file({name: value for name, value in weights.items() if name != lost}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    with pytest.raises(EvalsuiteError, match="the weights lack"):
        ocr.resolve(f"qwen2.5-vl:{folder}").read(PICTURES[0])
