"""The command that a page offers for drawing an image again: what it says, and that it draws that image."""

from __future__ import annotations

import hashlib
import json
import shlex
from types import SimpleNamespace

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from evalsuite.cli.main import app
from evalsuite.records import Adapter, ModelSpec, SuiteRef
from evalsuite.report.commands import again, suite_option
from evalsuite.runs import api, open_run

SUITE = """suite: signs
language: en
prompts:
  - {id: one, category: neon, text: 'A sign: "OPEN".', targets: [OPEN]}
  - {id: two, category: neon, text: 'A sign: "NOODLES 24".', targets: [NOODLES 24]}
"""


@pytest.fixture
def drawn(handmade, monkeypatch, tmp_path):
    """Runs a command and gives the plan and the hash of the first model's image; nothing is read."""
    (tmp_path / "signs.yaml").write_text(SUITE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api.engines, "resolve", lambda _: SimpleNamespace(spec=handmade.OCR))

    def run(command):
        found = []

        def draw(options, **_):
            plan, _names = api.plan_run(options)
            manifest = plan.manifest
            with plan.models[0] as model:
                (drawing,) = model.draw([(manifest.prompts[0], manifest.seeds[0])])
            assert drawing.error is None
            found.append((manifest, hashlib.sha256(drawing.image.tobytes()).hexdigest(), drawing.image.size))
            raise typer.Exit

        monkeypatch.setattr(api, "draw", draw)
        word, *arguments = shlex.split(command)
        assert word == "evalsuite"
        outcome = CliRunner().invoke(app, arguments)
        assert found, (outcome.output, outcome.exception)
        return found[0]

    return run


def offered(manifest):
    """The command as `assets/data.js` puts it together."""
    (suite,) = manifest.suites
    prompt = manifest.prompts[0].id
    return again(manifest.models[0], manifest).command + f"{suite_option(suite)} --prompt {prompt} --seed 7"


def test_the_reference_with_settings_is_drawn_again(drawn):
    asked = "evalsuite run --model typeset:styled,errors=0.25,size=320x256 --suite signs.yaml --prompt two --seed 7"
    manifest, sha, size = drawn(asked)
    command = offered(manifest)
    assert command == asked
    assert drawn(command)[1:] == (sha, size)
    assert drawn(command.replace("errors=0.25", "errors=0"))[1] != sha


def test_a_checkpoint_folder_with_settings_and_a_transformer_is_drawn_again(drawn, checkpoints):
    asked = (
        f"evalsuite run --model {checkpoints / 'klein'} --transformer {checkpoints / 'klein-base' / 'transformer'} "
        "--set 'steps=2 size=64x96 guidance=2.5' --suite signs.yaml --prompt two --seed 7"
    )
    manifest, sha, size = drawn(asked)
    assert size == (64, 96)
    command = offered(manifest)
    assert str(checkpoints / "klein") in command
    assert "steps=2" in command
    again_manifest, again_sha, again_size = drawn(command)
    assert (again_sha, again_size) == (sha, size)
    assert again_manifest.models[0].digest == manifest.models[0].digest
    assert drawn(command.replace("steps=2", "steps=3"))[1] != sha


def spec_of(**changes):
    given = {"name": "m", "kind": "diffusion", "role": "model", "source": "/models/m", "weights_digest": "0" * 64}
    return ModelSpec(**{**given, **changes})


def manifest_of(handmade, tmp_path, spec):
    return handmade.make_run(tmp_path / "run", models=(spec,), prompts=handmade.PROMPTS[:1], scored=False).manifest


@pytest.mark.parametrize(
    ("changes", "command", "note"),
    [
        (
            {"source": "org/m", "revision": "abc", "settings": {"steps": 4}},
            "evalsuite run --model org/m@abc --set steps=4",
            "again.place",
        ),
        (
            {"source": "evalsuite:flux2-klein-micro", "settings": {"vae_tiling": True}, "runtime": {"batch": 4}},
            "evalsuite run --model flux2-klein-micro --set 'vae_tiling=true batch=4'",
            "again.place",
        ),
        (
            {
                "source": "models/my m",
                "adapters": (Adapter(path="l.safetensors", scale=0.8, digest="0"),),
                "transformer": "/t/step-500.gguf",
            },
            "evalsuite run --model 'models/my m' --transformer /t/step-500.gguf --lora l.safetensors:0.8",
            "again.place",
        ),
        ({"settings": {"negative_prompt": "a=b c=d"}}, None, "again.settings"),
        ({"name": "m+step-500"}, None, "again.transformer"),
        ({"kind": "comfyui", "source": "flux"}, None, "again.workflow"),
        ({"kind": "server", "settings": {"dialect": "openai", "seed": "not taken"}}, None, "again.no-seed"),
        (
            {
                "kind": "server",
                "settings": {"dialect": "sglang", "weights": "unverified", "steps": 4},
                "runtime": {"server": "http://h:1", "model": "org/m"},
            },
            "evalsuite run --model server:http://h:1,model=org/m,dialect=sglang --set steps=4",
            "again.place",
        ),
    ],
)
def test_all_of_the_spec_goes_with_it_or_it_says_why_not(changes, command, note, handmade, tmp_path):
    spec = spec_of(**changes)
    found = again(spec, manifest_of(handmade, tmp_path, spec))
    assert (found.command, found.note) == (command, note)


def test_images_that_existed_are_read_again_and_never_drawn(handmade, tmp_path):
    spec = spec_of(name="folder:x", kind="folder", source="/pictures/x")
    found = again(spec, manifest_of(handmade, tmp_path, spec))
    assert (found.command, found.whole, found.note) == (
        "evalsuite run --model folder:/pictures/x",
        False,
        "again.existed",
    )
    prompt = handmade.prompt("0001-a.png", "x", "images", '"OPEN"', ("OPEN",))
    suite = handmade.suite_refs((prompt,))["x"]
    suites = {"x": msgspec.structs.replace(suite, source="my targets.csv")}
    store = handmade.make_run(tmp_path / "scored", models=(spec,), prompts=(prompt,), suites=suites)
    found = again(spec, store.manifest)
    assert found.command == "evalsuite score /pictures/x --targets 'my targets.csv'"
    assert found.whole
    page = handmade_page(store)
    assert "evalsuite score /pictures/x" in page
    assert "nothing here can draw them" in page


def handmade_page(store):
    from evalsuite.report import build_report

    return build_report(open_run(store)).read_text(encoding="utf-8")


def test_suites_are_named_as_the_command_line_takes_them():
    def ref(name, source, digest="0" * 64):
        return SuiteRef(name=name, digest=digest, prompts=1, source=source)

    from evalsuite.suites.longtext_bench import DIGESTS

    assert suite_option(ref("signage-en", "evalsuite:signage-en")) == ""
    assert suite_option(ref("mine", "my suites/mine.yaml")) == " --suite 'my suites/mine.yaml'"
    name, digest = next(iter(DIGESTS.items()))
    assert suite_option(ref(name, "/data/longtext/text_prompts.jsonl", digest)) == f" --suite {name}:/data/longtext"
    assert suite_option(ref(name, f"hf://datasets/x@y/{name}", digest)) == f" --suite {name}"


def test_the_page_holds_what_is_offered(handmade, tmp_path):
    content = handmade_page(handmade.make_run(tmp_path / "run"))
    data = json.loads(content.partition('id="gallery-data">')[2].partition("</script>")[0])
    assert [model["again"]["command"] for model in data["models"]] == [
        "evalsuite run --model klein --set 'steps=4 guidance=1.0'",
        "evalsuite run --model typeset",
    ]
