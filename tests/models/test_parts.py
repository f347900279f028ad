"""Whatever a library's constructor raises on a damaged folder is one line with part and file, and never a traceback."""

from __future__ import annotations

import json
import shutil

import pytest

from evalsuite.errors import EvalsuiteError, ExitCode
from evalsuite.models import ModelOptions, resolve
from evalsuite.models.configurations import check_types
from evalsuite.models.library_calls import one_line, refusing


@pytest.fixture(params=["klein", "ernie"])
def folder(checkpoints, tmp_path, request):
    return shutil.copytree(checkpoints / request.param, tmp_path / request.param)


def edit(path, **changes):
    content = json.loads(path.read_text())
    for key, value in changes.items():
        if value is None:
            content.pop(key, None)
        else:
            content[key] = value
    path.write_text(json.dumps(content))


def refused(folder, *, said: str = "") -> str:
    with pytest.raises(EvalsuiteError, match=said) as caught:
        resolve(str(folder), options=ModelOptions({"size": "64x64", "precision": "fp32"})).__enter__()
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["utils", "DiffusionPipeline", "StableDiffusionPipeline", "logging", "pipelines", "DDPMScheduler",
             "OnnxRuntimeModel", "", "Nothing", "__doc__", "AutoencoderKL", "FlaxStableDiffusionPipeline"]
)  # fmt: skip
def test_a_class_that_is_no_pipeline_or_another(folder, name):
    edit(folder / "model_index.json", _class_name=name)
    refused(folder)


@pytest.mark.parametrize(
    "entry",
    [
        ["diffusers", "utils"], ["transformers", "pipeline"], ["transformers", "AutoModel"], ["transformers", "x.y"],
        ["diffusers", "StableDiffusionPipeline"], "str", {"a": 1}, [["diffusers"], "x"], ["diffusers", "__path__"],
        ["diffusers", "UNet2DConditionModel"], ["transformers", "BertModel"], ["diffusers", "DDPMScheduler"],
    ],
)  # fmt: skip
def test_a_part_that_is_another_class(folder, entry):
    edit(folder / "model_index.json", transformer=entry)
    refused(folder)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "scheduler", "tokenizer"])
def test_a_part_that_is_not_listed(folder, part):
    edit(folder / "model_index.json", **{part: None})
    refused(folder, said=part)


def test_nesting_in_json_is_no_crash(folder):
    text = (folder / "model_index.json").read_text()
    (folder / "model_index.json").write_text("[" * 100_000)
    refused(folder, said=r"model_index\.json")
    (folder / "model_index.json").write_text(text)
    (folder / "transformer" / "config.json").write_text("[" * 100_000)
    refused(folder, said="transformer")


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
@pytest.mark.parametrize("text", ["", "no json", "[]", '"x"', "{}", '{"num_layers": "many", "model_type": 3}'])
def test_a_config_that_is_none(folder, part, text):
    (folder / part / "config.json").write_text(text)
    refused(folder, said=part)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("text_encoder", {"attn_implementation": "someone/kernels", "_attn_implementation": "someone/kernels"}),
        ("text_encoder", {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}),
        ("transformer", {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}),
        ("transformer", {"num_attention_heads": "two"}),
        ("transformer", {"num_attention_heads": 0}),
        ("vae", {"block_out_channels": []}),
        ("vae", {"norm_num_groups": 7}),
    ],
)
def test_a_config_that_cannot_be(folder, part, changes):
    edit(folder / part / "config.json", **changes)
    refused(folder, said=part)


@pytest.mark.parametrize(
    ("file", "fields", "said"),
    [
        ("transformer/config.json", {"zero_cond_t": True}, "'zero_cond_t', which .*Transformer2DModel of diffusers"),
        ("vae/config.json", {"gate": "swiglu", "decay": 0.999}, "has 'gate', which AutoencoderKLFlux2 of diffusers"),
        ("scheduler/scheduler_config.json", {"new_shift": 3}, "'new_shift', which FlowMatchEulerDiscreteScheduler"),
        ("model_index.json", {"add_watermark": "yes"}, "'add_watermark', which .*Pipeline of diffusers"),
        ("scheduler/scheduler_config.json", {"use_dynamic_shifting": "false"}, "'false'; .* takes true or false"),
        ("scheduler/scheduler_config.json", {"invert_sigmas": 0}, "invert_sigmas is '0'; .* takes true or false"),
        ("scheduler/scheduler_config.json", {"shift": "3.0"}, "shift is '3.0'; .* takes a number"),
        ("scheduler/scheduler_config.json", {"shift": float("nan")}, "shift is 'nan'; .* takes a number"),
        ("transformer/config.json", {"eps": True}, "eps is 'True'; .* takes a number"),
        ("vae/config.json", {"act_fn": 1}, "act_fn is '1'; AutoencoderKLFlux2 takes a text"),
    ],
)
def test_a_setting_that_would_be_ignored_or_taken_for_another(folder, file, fields, said):
    """The libraries go on without a field that they do not know, and take a text for true: other pictures, no word."""
    edit(folder / file, **fields)
    refused(folder, said=said)


def test_what_a_class_itself_saves_is_taken(tmp_path):
    """DPM-Solver's schedulers, of Sana and PixArt among others, are saved with an infinity."""
    from diffusers import DPMSolverMultistepScheduler

    DPMSolverMultistepScheduler().save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "scheduler_config.json").read_text())
    assert saved["lambda_min_clipped"] == float("-inf")
    check_types("scheduler_config.json", DPMSolverMultistepScheduler, saved)
    with pytest.raises(EvalsuiteError, match=r"lambda_min_clipped is 'inf'; .* takes a number"):
        check_types("scheduler_config.json", DPMSolverMultistepScheduler, saved | {"lambda_min_clipped": float("inf")})


def test_fields_that_say_nothing_are_no_error(folder):
    """What training leaves behind, what is off, and parts that a pipeline does without."""
    edit(folder / "vae" / "config.json", decay=0.9999, optimization_step=45531, power=0.66, force_upcast=True)
    edit(folder / "transformer" / "config.json", new_gate=False)
    content = json.loads((folder / "model_index.json").read_text()) | {"image_encoder": [None, None], "note": None}
    (folder / "model_index.json").write_text(json.dumps(content))
    with resolve(str(folder), options=ModelOptions({"size": "64x64", "precision": "fp32"})):
        pass


def test_a_rope_setting_that_is_not_known_is_refused(folder):
    path = folder / "text_encoder" / "config.json"
    config = json.loads(path.read_text())
    config.get("text_config", config)["rope_parameters"]["new_scaling"] = 2.0
    path.write_text(json.dumps(config))
    refused(folder, said="not loaded as its files say: Unrecognized keys in `rope_parameters`")


def test_a_configuration_of_another_class(folder):
    """The libraries take what they know of it, fill in the rest, and at most warn."""
    for part, file in (("scheduler", "scheduler_config.json"), ("transformer", "config.json"), ("vae", "config.json")):
        path = folder / part / file
        kept = path.read_bytes()
        edit(path, _class_name="DDIMScheduler")
        refused(folder, said=rf"{part}/{file}: is of DDIMScheduler, and model_index.json says")
        path.write_bytes(kept)
    edit(folder / "text_encoder" / "config.json", model_type="llama")
    refused(folder, said="describes a model of type 'llama'")


def test_a_scheduler_that_cannot_be(folder):
    edit(folder / "scheduler" / "scheduler_config.json", num_train_timesteps="absurd")
    refused(folder, said="scheduler")
    (folder / "scheduler" / "scheduler_config.json").unlink()
    refused(folder, said="scheduler")


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"version": "9"}'])
def test_a_tokenizer_that_is_damaged(folder, text):
    path = folder / "tokenizer" / "tokenizer.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    refused(folder, said="tokenizer")


def test_code_of_a_checkpoint_is_not_run(folder, tmp_path):
    proof = tmp_path / "ran"
    code = f"open({str(proof)!r}, 'w').write('x')\nclass Evil: pass\n"
    (folder / "text_encoder" / "evil.py").write_text(code)
    (folder / "tokenizer" / "evil.py").write_text(code)
    edit(folder / "tokenizer" / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})
    edit(folder / "text_encoder" / "config.json", auto_map={"AutoModelForCausalLM": "evil.Evil"}, model_type="evil")
    index = json.loads((folder / "model_index.json").read_text())
    edit(
        folder / "model_index.json",
        tokenizer=["transformers", "AutoTokenizer"],
        text_encoder=["transformers", "AutoModelForCausalLM"],
    )
    refused(folder)
    assert not proof.exists()
    (folder / "model_index.json").write_text(json.dumps(index))


def test_a_byte_order_mark_is_no_matter(folder):
    for path in (folder / "model_index.json", folder / "transformer" / "config.json"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert resolve(str(folder), options=ModelOptions({"size": "64x64"})).spec.pipeline


def test_warnings_that_tell_of_tensors_are_errors(tmp_path):
    import logging

    library = logging.getLogger("diffusers")
    with refusing("x", "Model"):
        library.warning("something is deprecated")
    with pytest.raises(EvalsuiteError, match="x: Model was not loaded as its files say: Some weights"):  # noqa: SIM117
        with refusing("x", "Model"):
            library.warning("Some weights of Model\nwere not used when initializing")
    with pytest.raises(EvalsuiteError, match="x: cannot be loaded as Model: ZeroDivisionError: by zero"):  # noqa: SIM117
        with refusing("x", "Model"):
            raise ZeroDivisionError("by\n\x1b[31m zero")
    assert one_line("a" * 400).endswith("…")
    assert not list(tmp_path.iterdir())
