"""`evalsuite doctor --server`: servers that ignore one thing each, and one that ignores nothing."""

from __future__ import annotations

import json

import pytest
from servers_by_hand import b64, picture, png
from typer.testing import CliRunner

from evalsuite.cli.main import app

pytest.importorskip("httpx2", reason="httpx2 is not installed (evalsuite[server])")
pytest.importorskip("tenacity", reason="tenacity is not installed (evalsuite[server])")

from evalsuite.models import ModelOptions, parse_settings
from evalsuite.models.servers import ServerModel, find_ignored

FIELDS = ("seed", "num_inference_steps", "guidance_scale", "negative_prompt", "use_pe")


def artist(*, ignores: str = "", kind: str = "PNG", fickle: bool = False):
    """Draws pictures that depend on every field but one; with `fickle`, on the number of the request too."""
    count = iter(range(1000))

    def draw(handler) -> None:
        body = handler.body
        told = {key: body.get(key) for key in FIELDS if key != ignores}
        size = (128, 64) if ignores == "size" else tuple(map(int, body["size"].split("x")))
        image = picture(next(count) if fickle else 0, size, json.dumps(told))
        handler.answer(200, json.dumps({"data": [{"b64_json": b64(png(image, kind))}]}).encode())

    return draw


def trials(server, entry) -> dict[str, str]:
    server.script = [entry]
    options = ModelOptions(parse_settings(["steps=4", "guidance=4", "size=128x64", "enhance=image"]))
    with ServerModel.parse(f"{server.url},attempts=1", options) as model:
        return {trial.what: trial.state for trial in find_ignored(model)}


ALL = (
    "lossless PNG", "same seed, same image", "seed", "steps", "guidance", "negative prompt", "size", "prompt enhancer"
)  # fmt: skip


def test_a_server_that_does_as_it_is_told(server):
    assert trials(server, artist()) == dict.fromkeys(ALL, "ok")


@pytest.mark.parametrize(
    ("ignores", "what"),
    [
        ("seed", "seed"),
        ("num_inference_steps", "steps"),
        ("guidance_scale", "guidance"),
        ("negative_prompt", "negative prompt"),
        ("use_pe", "prompt enhancer"),
        ("size", "size"),
    ],
)
def test_a_field_that_changes_nothing_is_found(server, ignores, what):
    found = trials(server, artist(ignores=ignores))
    assert [name for name, state in found.items() if state != "ok"] == [what]
    assert found[what] == "ignored"


def test_images_that_differ_by_themselves_show_nothing_else(server):
    found = trials(server, artist(fickle=True))
    assert found["same seed, same image"] == "ignored"
    assert found["all other fields"] == "not tested"


def test_lossy_images_and_refusals_are_told(server):
    assert trials(server, artist(kind="JPEG"))["lossless PNG"] == "ignored"

    def strict(handler) -> None:
        if not handler.body["use_pe"]:
            handler.answer(400, b"no such field: use_pe")
        else:
            artist()(handler)

    assert trials(server, strict)["prompt enhancer"] == "refused"


def test_the_command_shows_the_trials_and_its_exit_code_tells(server):
    arguments = ["doctor", "--server", f"{server.url},attempts=1", "--set", "steps=4", "--set", "guidance=1"]
    server.script = [artist()]
    small = [*arguments, "--set", "size=64x64"]
    done = CliRunner().invoke(app, small)
    assert done.exit_code == 0, done.output
    assert "without guidance it steers nothing" in done.output
    server.script = [artist(ignores="seed")]
    done = CliRunner().invoke(app, small)
    assert done.exit_code == 2
    assert "another seed drew the same image" in done.output


def test_what_a_run_does_not_need_is_not_held_against_a_distilled_model(server):
    def distilled(handler) -> None:
        handler.body |= {"guidance_scale": None, "use_pe": None}
        artist()(handler)

    server.script = [distilled]
    with ServerModel.parse(server.url, ModelOptions(parse_settings(["steps=4", "guidance=1", "size=64x64"]))) as model:
        found = {trial.what: trial.state for trial in find_ignored(model)}
    assert (found["guidance"], found["prompt enhancer"]) == ("unused", "unused")
