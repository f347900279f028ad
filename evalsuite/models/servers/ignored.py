"""What an image server silently ignores: one field is changed at a time, and the image must change with it.

Nothing else tells: servers drop fields that they do not know, and answer with a picture all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evalsuite.http_client import FailedError, RefusedError
from evalsuite.models.settings import size_of
from evalsuite.records import Json

if TYPE_CHECKING:
    from evalsuite.models.servers.answers import ServedImage
    from evalsuite.models.servers.model import ServerModel

PROMPT = 'A shop window with a large sign that reads "OPEN DAILY" in red letters.'
SEED = 20_260

State = Literal["ok", "ignored", "unused", "refused", "not tested"]
"""`unused`: it changes nothing, and nothing that a run of these settings needs."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was asked of the server, and what it made of it."""

    what: str
    state: State
    detail: str


def find_ignored(model: ServerModel) -> Iterator[Trial]:
    """Try what the model's requests rely on, about eight images; the trials come as they are made.

    Raises:
        ServerError: The server cannot be used at all.
        FailedError, RefusedError: It draws nothing even as it is told by default.
    """
    first = model.ask_image(PROMPT, SEED).value
    lossy = [finding.message for finding in first.findings if finding.code == "lossy-image"]
    yield Trial("lossless PNG", "ignored" if lossy else "ok", lossy[0] if lossy else "as asked")
    changed = [finding.message for finding in first.findings if finding.code == "setting-changed"]
    if changed:
        yield Trial("what it says it did", "ignored", changed[0])
    if model.dialect == "openai":
        yield Trial("seed, steps, guidance", "not tested", "the endpoint has no fields for them")
        yield _size(model)
        return
    if not _same(first, model.ask_image(PROMPT, SEED).value):
        yield Trial("same seed, same image", "ignored", "the same request gave two images: a run cannot be repeated")
        yield Trial("all other fields", "not tested", "images that differ by themselves cannot show what a field does")
        yield _size(model)
        return
    yield Trial("same seed, same image", "ok", "the same request gave the same pixels")
    yield _changes(model, first, "seed", "another seed drew the same image", {}, seed=SEED + 1)
    twice = {"steps": 2 * int(model.settings["steps"])}
    yield _changes(model, first, "steps", "twice the steps drew the same image", twice)
    yield from _guidance(model, first)
    yield _size(model)
    yield _enhancer(model, first)


def _guidance(model: ServerModel, first: ServedImage) -> Iterator[Trial]:
    for key in ("guidance", "true_cfg"):
        if key in model.settings:
            value = float(model.settings[key])
            hint = f"{value + 3:g} drew the same image as {value:g}"
            trial = _changes(model, first, key, hint, {key: value + 3})
            if trial.state == "ignored" and value <= 1:
                trial = Trial(key, "unused", f"{hint}: a distilled model, as far as can be seen")
            yield trial
    strength = max(float(model.settings.get(key, 0)) for key in ("guidance", "true_cfg"))
    if strength <= 1:
        yield Trial("negative prompt", "not tested", "without guidance it steers nothing")
        return
    against = {"negative_prompt": "red, letters, window"}
    yield _changes(model, first, "negative prompt", "a negative prompt changed nothing", against)


def _enhancer(model: ServerModel, first: ServedImage) -> Trial:
    off = model.settings.get("enhance") == "off"
    try:
        other = model.ask_image(PROMPT, SEED, enhance="image" if off else "off").value
    except (FailedError, RefusedError) as error:
        return Trial("prompt enhancer", "refused", str(error))
    on, without = (other, first) if off else (first, other)
    if without.revised_prompt not in (None, PROMPT):
        return Trial("prompt enhancer", "ignored", "told to be off, it rewrote the prompt")
    if _same(on, without) and off:
        return Trial("prompt enhancer", "unused", "told to be on, it drew the same image: there is none here")
    if _same(on, without):
        return Trial(
            "prompt enhancer", "ignored", "on and off drew the same image: there is none, or it is not switched"
        )
    told = "the rewritten prompt is sent back" if on.revised_prompt else "it does not tell the prompt that it drew"
    return Trial("prompt enhancer", "ok", told)


def _size(model: ServerModel) -> Trial:
    width, height = size_of(model.settings)
    other = f"{max(64, width // 2 // 16 * 16)}x{height}"
    try:
        model.ask_image(PROMPT, SEED, size=other)
    except (FailedError, RefusedError) as error:
        state: State = "ignored" if ", asked for " in str(error) else "refused"
        return Trial("size", state, str(error))
    return Trial("size", "ok", f"{other} as asked")


def _changes(
    model: ServerModel, first: ServedImage, what: str, hint: str, changes: Mapping[str, Json], *, seed: int = SEED
) -> Trial:
    try:
        other = model.ask_image(PROMPT, seed, **changes).value
    except (FailedError, RefusedError) as error:
        return Trial(what, "refused", str(error))
    return Trial(what, "ignored", hint) if _same(first, other) else Trial(what, "ok", "another image")


def _same(one: ServedImage, other: ServedImage) -> bool:
    return one.image.size == other.image.size and one.image.tobytes() == other.image.tobytes()
