"""What an image server answered: the image as base64, address or file, and what the server says it did."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.http_client import Reply, RetryError, ServerClient, run_async
from evalsuite.images import ImageError, decode_image
from evalsuite.records import Finding, Json

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PROMPT = 20_000
"""Characters of a revised prompt; an answer with more is no enhancer's."""

_LARGEST = 1e9
"""Of seconds and MiB that a server may tell of one image; a row with more could not be read again."""

_ECHOED = ("seed", "num_inference_steps", "guidance_scale", "true_cfg_scale", "size", "output_format")


@dataclass(frozen=True, slots=True)
class ServedImage:
    """One image with what the server says of it: seconds of inference, peak bytes, the prompt it drew.

    `fetch` is the seconds that fetching it from an address took; `warmup` that the server says it was warming up.
    """

    image: Image
    revised_prompt: str | None
    inference: float | None
    peak: int | None
    fetch: float
    warmup: bool
    findings: tuple[Finding, ...]


def image_of(client: ServerClient, reply: Reply, size: tuple[int, int], sent: Mapping[str, Json]) -> ServedImage:
    """The image in an answer, of exactly the size that was asked for.

    Args:
        client: Fetches the image where the answer is an address of the server.
        reply: The answer.
        size: Width and height in pixels.
        sent: The request's fields, to compare with those that the server sends back.

    Raises:
        RetryError: The answer is not whole, not one image, or one of another size.
    """
    if reply.kind.partition(";")[0].strip().startswith("image/"):
        content, answer, item, fetch = reply.content, {}, {}, 0.0
    else:
        answer = client.json_of(reply)
        item = _only_item(client, answer, reply)
        content, fetch = _content(client, item)
    image = decode_answer(content, size)
    revised = _revised(client, item)
    findings = [*lossy_findings(content), *_told_findings(client, item), *_changed(client, {**answer, **item}, sent)]
    return ServedImage(
        image,
        revised,
        _number(answer.get("inference_time_s")),
        None if (peak := _number(answer.get("peak_memory_mb"))) is None else round(peak * 2**20),
        fetch,
        answer.get("warmup") is True,
        tuple(findings),
    )


def decode_answer(content: bytes, size: tuple[int, int] | None) -> Image:
    """The image that an answer's bytes are; raises `RetryError` where they are none, or one of another size."""
    try:
        image = decode_image(content, Path("answer"))
    except ImageError as error:
        raise RetryError(f"no whole image: {error.__cause__ or error}") from error
    if size is not None and image.size != size:
        raise RetryError(f"an image of {image.width}x{image.height}, asked for {size[0]}x{size[1]}")
    return image


def lossy_findings(content: bytes) -> list[Finding]:
    """A finding where the image came in a lossy format: its lettering is not as the model drew it."""
    if content.startswith(b"\x89PNG") or (content[:4] == b"RIFF" and content[12:16] == b"VP8L"):
        return []
    kind = "JPEG" if content.startswith(b"\xff\xd8") else "lossy WebP"
    return [Finding(code="lossy-image", message=f"the server sent {kind}, though PNG was asked for")]


def _only_item(client: ServerClient, answer: Json, reply: Reply) -> dict[str, Json]:
    if isinstance(answer, dict) and answer.get("error"):
        raise RetryError(f"an error with status 200: {client.excerpt(reply.content)}")
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise RetryError(f"JSON, but no images: {client.excerpt(reply.content)}")
    if len(data) != 1:
        raise RetryError(f"{len(data)} images where one was asked for")
    item: dict[str, Json] = data[0]
    return item


def _content(client: ServerClient, item: Mapping[str, Json]) -> tuple[bytes, float]:
    """The image's bytes, and the seconds that fetching them took."""
    encoded, url = item.get("b64_json"), item.get("url")
    if isinstance(url, str) and url.startswith("data:"):
        encoded = encoded or url
    if isinstance(encoded, str) and encoded:
        text = encoded.partition(",")[2] if encoded.startswith("data:") else encoded
        try:
            return base64.b64decode("".join(text.split()), validate=True), 0.0
        except (binascii.Error, ValueError) as error:
            raise RetryError("an image that is no whole base64") from error
    if not isinstance(url, str) or not url:
        raise RetryError("an answer without an image (neither b64_json nor url)")
    if ("://" in url or url.startswith("//")) and not client.is_own(url):
        # Neither the key nor a request of ours goes where an answer points.
        raise RetryError("an image at an address of another server, which is not followed; have it sent as b64_json")
    # An address that leads nowhere is this image's failure: the endpoint itself has just answered.
    fetched = run_async(client.exchange("GET", url, fatal={}))
    return fetched.content, fetched.seconds


def _revised(client: ServerClient, item: Mapping[str, Json]) -> str | None:
    text = item.get("revised_prompt")
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise RetryError("a revised prompt that is no text")
    if len(text) > MAX_PROMPT:
        raise RetryError(f"a revised prompt of {len(text):,} characters; {MAX_PROMPT:,} at most")
    return client.redact(text)


def _told_findings(client: ServerClient, item: Mapping[str, Json]) -> list[Finding]:
    """What `evalsuite serve` noticed while it drew."""
    found = item.get("findings")
    return [
        Finding(code=each["code"], message=client.redact(each["message"])[:500])
        for each in (found[:20] if isinstance(found, list) else [])
        if isinstance(each, dict)
        and isinstance(each.get("message"), str)
        and isinstance(each.get("code"), str)
        and re.fullmatch(r"[a-z][a-z-]{0,39}", each["code"])
    ]


def _changed(client: ServerClient, answer: Mapping[str, Json], sent: Mapping[str, Json]) -> list[Finding]:
    """Fields that the server sends back with another value than they were sent with."""
    other = [
        f"{key} {client.redact(str(answer[key]))[:40]!r}, asked for {sent[key]!r}"
        for key in _ECHOED
        if key in sent and isinstance(answer.get(key), int | float | str) and answer[key] != sent[key]
    ]
    return [Finding(code="setting-changed", message=f"the server says it used {'; '.join(other)}")] if other else []


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if 0 <= number <= _LARGEST else None
