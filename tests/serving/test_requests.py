"""The bodies that `evalsuite serve` takes, and those that it refuses."""

from __future__ import annotations

import json

import pytest

from evalsuite.models.servers.requests import image_request
from evalsuite.serving.requests import BadRequestError, parse_request


def body(**fields) -> bytes:
    return json.dumps({"prompt": "a sign", **fields}).encode()


@pytest.mark.parametrize("dialect", ["sglang", "vllm-omni"])
def test_what_our_own_client_sends_is_taken_whole(dialect):
    settings = {"size": "128x64", "steps": 8, "guidance": 4.0, "negative_prompt": "red", "enhance": "off"}
    asked = parse_request(image_request(dialect, "m", settings, "a sign", 5), "off")
    assert (asked.prompt, asked.seed, asked.model, dict(asked.settings)) == ("a sign", 5, "m", settings)


def test_openais_fields_are_enough_and_a_forgotten_seed_is_drawn():
    one, other = (parse_request(image_request("openai", "m", {"size": "64x64"}, "p", 1), "off") for _ in range(2))
    assert one.settings == {"size": "64x64"}
    assert one.seed != other.seed


def test_the_enhancer_is_switched_on_in_the_models_own_way():
    assert parse_request(body(use_pe=True), "prompt").settings == {"enhance": "prompt"}
    assert parse_request(body(extra_params={"use_pe": False}), "image").settings == {"enhance": "off"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "prompt: a text is needed"),
        (body(prompt=" "), "prompt: a text is needed"),
        (body(cfg_scale=3), "unknown fields cfg_scale"),
        (body(n=2), "n is 2; this server takes 1"),
        (body(n=True), "n is True"),
        (body(response_format="url"), "response_format is 'url'"),
        (body(output_format="jpeg"), "output_format is 'jpeg'"),
        (body(generator_device="cuda"), "generator_device is 'cuda'"),
        (body(seed=-1), "seed: a whole number"),
        (body(seed=1.5), "seed: a whole number"),
        (body(size="10x10"), "sides of at least 64"),
        (body(size="big"), "size takes WIDTHxHEIGHT"),
        (body(size="64x64", width=64, height=128), "but width and height are 64x128"),
        (body(width=64), "size takes WIDTHxHEIGHT"),
        (body(num_inference_steps=0), "steps takes a whole number from 1 to 1000"),
        (body(use_pe="yes"), "use_pe: true or false"),
        (body(extra_params={"x": 1}), "an object with use_pe alone"),
        (body(model=3), "model: a name"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(content, message):
    with pytest.raises(BadRequestError, match=message):
        parse_request(content, "off")
