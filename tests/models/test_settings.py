"""--set KEY=VALUE: types, limits, and errors that name what is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.models import SETTINGS, ModelOptions, SettingError, parse_settings
from evalsuite.models.settings import check_settings, decides_image, size_of


def test_values_take_their_types():
    parsed = parse_settings(["steps=8 guidance=1.5", "size=768x1344", "precision=BFloat16", "compile=true", "batch=4"])
    assert parsed == {
        "steps": 8,
        "guidance": 1.5,
        "size": "768x1344",
        "precision": "bf16",
        "compile": True,
        "batch": 4,
    }
    assert [type(parsed[key]) for key in ("steps", "guidance", "compile")] == [int, float, bool]


def test_a_value_with_spaces_is_an_item_of_its_own():
    assert parse_settings(["negative_prompt=blurry, low quality"]) == {"negative_prompt": "blurry, low quality"}
    assert parse_settings(["negative_prompt=a=b"]) == {"negative_prompt": "a=b"}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["step=8"], r"no setting is called 'step': did you mean 'steps'\? known: attention, batch"),
        (["zebra=1"], r"no setting is called 'zebra': known: attention"),
        (["steps"], "write KEY=VALUE"),
        (["=8"], "write KEY=VALUE"),
        (["steps=8", "steps=9"], "steps is given twice"),
        (["steps=0"], "a whole number from 1 to 1000, not '0'"),
        (["steps=8.5"], "a whole number"),
        (["guidance=nan"], "a number from 0 to 100"),
        (["guidance=-1"], "a number from 0 to 100"),
        (["guidance=high"], "a number from 0 to 100"),
        (["size=1024"], "WIDTHxHEIGHT"),
        (["size=0x64"], "WIDTHxHEIGHT"),
        (["precision=fp4"], "one of bf16, fp16, fp32, fp8, fp8-transformer"),
        (["compile=perhaps"], "true or false"),
        (["device=tpu"], "auto, cpu, cuda"),
        (["batch=0"], "a whole number from 1 to 256"),
    ],
)
def test_mistakes_are_named(pairs, message):
    with pytest.raises(SettingError, match=message) as caught:
        parse_settings(pairs)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "value"), [("steps", True), ("guidance", False), ("size", 64), ("compile", 1)])
def test_typed_values_of_the_wrong_kind_are_refused(name, value):
    with pytest.raises(SettingError, match=f"here: {name} takes"):
        check_settings({name: value}, where="here")


@pytest.mark.parametrize("name", SETTINGS)
def test_every_example_parses_and_parses_to_itself(name):
    value = parse_settings([f"{name}={SETTINGS[name].example}"])[name]
    assert check_settings({name: value}) == {name: value}


@given(width=st.integers(10, 99999), height=st.integers(10, 99999))
def test_a_size_is_read_back(width, height):
    assert size_of(parse_settings([f"size={width}X{height}"])) == (width, height)


def test_what_decides_the_image_is_told_from_what_changes_speed():
    assert decides_image("steps", 4)
    assert decides_image("precision", "fp8")
    assert decides_image("vae_tiling", True)
    assert not decides_image("batch", 4)
    assert not decides_image("offload", "model")
    assert not decides_image("attention", "_native_cudnn")
    assert decides_image("attention", "sage")  # quantises


def test_options_that_ask_for_nothing_are_false():
    assert not ModelOptions()
    assert ModelOptions({"steps": 1})
    assert ModelOptions(lora=("a.safetensors",))
