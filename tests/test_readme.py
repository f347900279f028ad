"""Every command of the README is run, and ends as the page says.

Checkpoints that nobody has here stand for fakes: a model that writes its targets into the pixels, and a reader that
finds them there. All else is real: the command line, the plan, the rows, the gate, a server on this machine, and what
is said of weights that are missing. Runs are limited to a few prompts. What installs is looked at, not run.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from servers_by_hand import ScriptedServer, running_server
from test_docs import commands_of
from typer.testing import CliRunner

import evalsuite
import evalsuite.models
from evalsuite.cli.main import app, spread_settings
from evalsuite.errors import EvalsuiteError
from evalsuite.models.base import Drawing
from evalsuite.ocr import proof
from evalsuite.records import ModelSpec, OcrSpec, TextLine, digest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
MARK = b"TARGETS:"
FAKES = ("./last", "./candidate", "flux2-klein-micro")
pytestmark = pytest.mark.slow


class Written:
    """Writes a prompt's targets into the pixels; `./candidate` only the first letter of each."""

    uses_cpu, batch = True, 1

    def __init__(self, name: str) -> None:
        self.name = name.removeprefix("./")

    @property
    def spec(self):
        return ModelSpec(
            name=self.name, kind="diffusion", role="model", source=self.name, weights_digest=digest(self.name)
        )

    def notices(self, *_):
        return ()

    def draw(self, requests):
        for prompt, seed in requests:
            kept = [each[:1] if self.name == "candidate" else each for each in prompt.targets]
            content = MARK + json.dumps([seed, kept]).encode()
            height = len(content) // 192 + 8
            image = Image.frombytes("RGB", (64, height), content.ljust(192 * height, b"\x00"))
            yield Drawing(prompt=prompt, seed=seed, image=image)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Finding:
    """Finds what `Written` wrote, and nothing on other pages but the page of proof."""

    spec = OcrSpec(name="paddle", weights_digest="b" * 64)

    def read(self, image):
        if image.size == proof.page().size:
            return (TextLine(text=proof.TEXT),)
        content = image.tobytes()
        if not content.startswith(MARK):
            return ()
        return tuple(TextLine(text=each) for each in json.loads(content[len(MARK) :].rstrip(b"\x00"))[1])


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """An empty folder to run the commands in, with the fakes in place and a server of images at hand."""
    real = evalsuite.models.resolve

    def resolve(name, *, options=None):
        return Written(name) if name in FAKES or name.startswith("comfyui:") else real(name, options=options)

    with pytest.MonkeyPatch.context() as patch, running_server(ScriptedServer()) as server:
        patch.setattr("evalsuite.models.resolve", resolve)
        patch.setattr("evalsuite.ocr.resolve", lambda _: Finding())
        patch.setenv("HF_HUB_OFFLINE", "1")
        server.pages["/v1/models"] = {"data": [{"id": "black-forest-labs/FLUX.2-klein-4B"}]}
        folder = tmp_path_factory.mktemp("readme")
        patch.setenv("HF_HOME", str(folder / "hub"))
        patch.chdir(folder)
        yield server


def ends(line: str, *more: str) -> int:
    """The exit code of a command, of an error that a user can mend too."""
    try:
        done = CliRunner().invoke(app, spread_settings([*shlex.split(line, comments=True)[1:], *more]))
    except EvalsuiteError as error:
        return int(error.exit_code)
    assert done.exception is None or isinstance(done.exception, SystemExit | EvalsuiteError), (line, done.exception)
    return int(done.exception.exit_code) if isinstance(done.exception, EvalsuiteError) else done.exit_code


def section(title: str) -> list[str]:
    """The commands of a section's blocks."""
    return commands_of(re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1])


SMALL = ("--limit", "12", "--no-ceiling", "--ocr-workers", "1", "--quiet")
STORED = ["score RUN --profile strict", "verify RUN --read 20", "judge RUN"]


@pytest.mark.usefixtures("here")
def test_runs_with_samples_are_gated_planned_and_drawn_until_the_verdict():
    last, candidate, gate, plan, draw = section("Gate a checkpoint")
    assert "--samples 4" in last
    assert [ends(last, *SMALL), ends(candidate, *SMALL)] == [0, 0]
    # But for a letter, every string is gone.
    assert ends(gate, "--json", "verdict.json", "--no-report") == 10
    verdict = json.loads(Path("verdict.json").read_bytes())
    assert (verdict["outcome"], verdict["samples"]) == ("FAIL", 4)
    assert ends(plan) == 0
    assert ends(draw, "--ocr-workers", "1", "--quiet", "--no-report") == 10
    (claim,) = [line for line in section("Check 0.9733") if " claims " in line]
    # Another suite, other settings, one reader for another.
    assert ends(claim.replace("<run>", "last"), "--no-report") == 12
    for line in STORED:
        assert f"`evalsuite {line}`" in PAGE
        assert ends(f"evalsuite {line.replace('RUN', 'reports/last')}") == 0, line


def test_deployed_models_are_drawn_and_loaded(here):
    sglang, comfy, load = (line.replace("http://127.0.0.1:30000", here.url) for line in section("A deployed model"))
    few = ("--limit", "2", "--no-ceiling", "--ocr-workers", "1", "--quiet")
    assert [ends(line, *few) for line in (sglang, comfy)] == [0, 0]
    assert ends(load, "--requests", "8") == 0


@pytest.mark.usefixtures("here")
def test_models_without_weights_say_how_to_get_them():
    (run,) = section("The real models")
    for repository in ("black-forest-labs/FLUX.2-klein-4B", "baidu/ERNIE-Image-Turbo"):
        assert f"hf download {repository}" in PAGE
    with pytest.raises(EvalsuiteError, match=r"hf download black-forest-labs/FLUX\.2-klein-4B"):
        CliRunner().invoke(app, shlex.split(run)[1:], standalone_mode=False, catch_exceptions=False)
    (published,) = [line for line in section("Check 0.9733") if " run " in line]
    assert ends(published) == 2
    assert ends("evalsuite models list") == 0


@pytest.mark.usefixtures("here")
def test_the_lines_of_python_run():
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {}
    exec(block, names)
    assert names["run"].accuracy().estimate == 1.0


def test_what_installs_names_what_there_is():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "-e '.[all]'" in PAGE
    assert re.search(r"^all = \[", project, re.MULTILINE)
    sessions = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    named = set(re.findall(r"nox -s ([\w-]+)", PAGE))
    assert named == {"eval", "tests", "gate"}
    assert {name for name in named if f"\ndef {name}(session" not in sessions} == set()


def test_every_command_of_the_page_is_run_here():
    ran = [line for title in ("Gate a checkpoint", "A deployed model", "The real models") for line in section(title)]
    assert sorted([*ran, *section("Check 0.9733")]) == sorted(commands_of(PAGE))
