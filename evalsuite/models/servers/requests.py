"""The body of `POST /v1/images/generations`, by server: all that decides the image is sent, since defaults differ.

SGLang answers with an address, quality 75 and seed 1024 unless told otherwise; vLLM-Omni refuses `url`, and takes the
enhancer's switch in `extra_params`; OpenAI takes neither steps nor seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from evalsuite.models.settings import size_of
from evalsuite.records import Json

_FIELDS = {
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "true_cfg": "true_cfg_scale",
    "negative_prompt": "negative_prompt",
}


def image_request(dialect: str, model: str, settings: Mapping[str, Json], prompt: str, seed: int) -> bytes:
    """The request for one image as JSON.

    Args:
        dialect: `sglang`, `vllm-omni` or `openai`.
        model: The server's name of the model.
        settings: From `sent_settings`.
        prompt: The text.
        seed: In [0, 2^32).
    """
    body: dict[str, Json] = {
        "model": model,
        "prompt": prompt,
        "n": 1,
        "size": settings["size"],
        "output_format": "png",
    }
    if dialect != "openai":
        width, height = size_of(settings)
        enhance = settings["enhance"] != "off"
        body |= {"response_format": "b64_json", "seed": seed, "generator_device": "cpu"}
        body |= {field: settings[key] for key, field in _FIELDS.items() if key in settings}
        if dialect == "sglang":
            body |= {"width": width, "height": height, "use_pe": enhance}
        else:
            body["extra_params"] = {"use_pe": enhance}
    return json.dumps(body, ensure_ascii=False).encode()
