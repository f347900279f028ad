"""The command line as a person meets it: exit codes, and one clear line for what is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from command_line import evalsuite
from PIL import Image

from evalsuite.cli.main import spread_settings


def started(*arguments: str, cwd=None) -> subprocess.CompletedProcess[str]:
    """As a process of its own."""
    command = [sys.executable, "-m", "evalsuite", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, timeout=300)


ONE = ("--ocr-workers", "1")


def assert_one_clear_line(done: subprocess.CompletedProcess[str], *parts: str, code: int = 2) -> None:
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[0]


BAD_SUITES = {
    "broken YAML": ("suite: x\nprompts:\n  - id: [a\n", "broken YAML"),
    "target not in prompt": (
        "suite: x\nlanguage: en\nprompts:\n  - {id: a, text: 'A sign.', targets: [OPEN]}\n",
        "'OPEN' does not stand in the prompt's text",
    ),
    "duplicate ids": (
        (
            "suite: x\nlanguage: en\nprompts:\n"
            "  - {id: a, text: 'A sign \"X\".', targets: [X]}\n  - {id: a, text: 'A sign \"Y\".', targets: ['Y']}\n"
        ),
        "'a' is used already on line 4",
    ),
}


@pytest.mark.parametrize("case", BAD_SUITES)
def test_a_bad_suite_is_one_line_with_its_place(tmp_path, case):
    content, message = BAD_SUITES[case]
    path = tmp_path / "bad.yaml"
    path.write_text(content, encoding="utf-8")
    assert_one_clear_line(evalsuite("run", "--suite", str(path), cwd=tmp_path), f"{path}:", message)
    assert_one_clear_line(evalsuite("suites", "validate", str(path)), message)
    assert not (tmp_path / "reports").exists()


def test_unknown_names_are_one_line_with_the_known_ones(tmp_path):
    assert_one_clear_line(started("run", "--suite", "sinage-en", cwd=tmp_path), "did you mean 'signage-en'")
    assert_one_clear_line(evalsuite("run", "--model", "flux3", cwd=tmp_path), "flux3")
    assert_one_clear_line(evalsuite("run", "--ocr", "teseract", cwd=tmp_path), "known: paddle")
    assert_one_clear_line(evalsuite("run", "--prompt", "nobody", cwd=tmp_path), "nobody")
    assert not (tmp_path / "reports").exists()


def test_a_corrupt_image_in_a_folder_is_named(tmp_path):
    (tmp_path / "signage-en-001_0.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    done = evalsuite("run", "--model", f"folder:{tmp_path}", "--suite", "signage-en", cwd=tmp_path)
    assert_one_clear_line(done, "signage-en-001_0.png: not a readable image")


def test_images_without_targets_are_asked_for_them(tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    assert_one_clear_line(evalsuite("score", str(tmp_path)), "--targets FILE")


def test_an_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "run").write_text("in the way")
    done = evalsuite("run", "--suite", "signage-en", "--limit", "1", "--out", str(tmp_path / "run"))
    assert_one_clear_line(done, "run: cannot be")


def test_an_incomplete_run_exits_with_12_and_names_what_is_missing(tmp_path):
    picture = Image.new("RGB", (256, 256), "white")
    picture.paste("black", (20, 20, 200, 60))
    picture.save(tmp_path / "signage-en-001_0.png")
    done = evalsuite(
        "run", "--model", f"folder:{tmp_path}", "--suite", "signage-en", "--prompt", "signage-en-001",
        "--prompt", "signage-en-002", "--no-ceiling", "--ocr-workers", "1", cwd=tmp_path,
    )  # fmt: skip
    why = f"folder:{tmp_path.name} signage-en-002 seed 0: no file for sample 0 of prompt signage-en-002"
    assert_one_clear_line(done, "incomplete: 1 of 2 images", why, code=12)
    assert "Report:" in done.stdout
    run = re.search(r"Report: (.+)/index\.html", done.stdout)[1]
    for command in (("report",), ("export", "--to", "csv"), ("compare", "--out", "both")):
        again = evalsuite(*command, run, cwd=tmp_path)
        if command[0] != "compare":  # one model alone is nothing to compare
            assert_one_clear_line(again, "incomplete: 1 of 2 images", why, code=12)
    done = evalsuite("verify", run, cwd=tmp_path)
    assert done.returncode == 12
    assert f"wrong: {why}" in done.stdout


def test_verify_tells_images_that_were_deleted_changed_or_read_otherwise(tmp_path):
    run = tmp_path / "run"
    # Read in processes of their own where there are two cores, and again in this one.
    done = evalsuite("run", "-m", "typeset:size=640x256", "-s", "signage-en", "--limit", "3", "-o", str(run), "-q")
    assert done.returncode == 0, done.stderr
    done = evalsuite("verify", str(run), "--read", "2")
    assert done.returncode == 0, done.stdout
    assert "3 images hashed, 2 read again" in done.stdout
    assert done.stdout.splitlines()[-1] == "sound"
    (readings,) = run.glob("readings.*.jsonl")
    rows = [json.loads(line) for line in readings.read_text().splitlines()]
    for row in rows:
        row["lines"][0]["text"] = "EDITED"
    readings.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = evalsuite("verify", str(run))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "sound")
    assert "rows are not what the readings give" in done.stderr
    done = evalsuite("verify", str(run), "--read", "9")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (12, "NOT SOUND: 3 problems")
    assert done.stdout.count("reads otherwise than its stored reading") == 3
    first, second, _ = sorted((run / "images").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes() + b"x")
    done = evalsuite("verify", str(run))
    assert done.returncode == 12
    assert "its image file is missing" in done.stdout
    assert "its image file has changed since it was drawn" in done.stdout
    done = evalsuite("report", str(run))
    assert_one_clear_line(done, "incomplete: 2 of 3 images", code=12)


def test_suites_are_listed_shown_and_validated():
    assert "longtext-style-zh" in evalsuite("suites", "list").stdout
    assert "NIGHT NOODLES" in evalsuite("suites", "show", "signage-en").stdout
    done = evalsuite("suites", "validate", "all")
    assert done.returncode == 0
    assert done.stdout.count(": valid") == 6


def test_help_starts_without_the_heavy_libraries():
    heavy = "torch diffusers transformers paddleocr datasets onnxruntime matplotlib scipy numpy rapidfuzz"
    code = f"import sys, evalsuite.cli.main; print([name for name in '{heavy}'.split() if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_several_settings_may_follow_one_set():
    given = ["run", "--set", "steps=8", "guidance=1.5", "--model", "a", "--set", "size=64x64", "-q"]
    assert spread_settings(given) == [
        "run", "--set", "steps=8", "--set", "guidance=1.5", "--model", "a", "--set", "size=64x64", "-q",
    ]  # fmt: skip
    assert spread_settings(["score", "a=b", "--targets", "c=d.txt"]) == ["score", "a=b", "--targets", "c=d.txt"]


def test_settings_without_a_model_that_takes_them_are_an_error(tmp_path):
    done = evalsuite("run", "--model", "typeset", "--set", "steps=8", "guidance=1", cwd=tmp_path)
    assert_one_clear_line(done, "--set")


def test_real_presets_without_weights_say_how_to_get_them(tmp_path):
    done = evalsuite(
        "run", "--model", "flux2-klein-4b", "--model", "ernie-image-turbo", "--suite", "signage-en", cwd=tmp_path
    )
    assert_one_clear_line(done, "black-forest-labs/FLUX.2-klein-4B", "hf download", "GB")


def test_a_run_is_reported_compared_and_exported(tmp_path):
    run = str(tmp_path / "run")
    done = evalsuite(
        "run",
        "--model",
        "typeset:size=640x256,errors=0.2",
        "--suite",
        "signage-en",
        "--prompt",
        "signage-en-001",
        "-o",
        run,
        "-q",
        *ONE,
    )
    assert done.returncode == 0, done.stderr
    assert evalsuite("report", run, "--single-file").stdout.strip().endswith("report.html")
    assert evalsuite("compare", run, "--out", str(tmp_path / "both")).returncode == 0
    assert (tmp_path / "both" / "index.html").is_file()
    assert evalsuite("export", run, "--to", "csv").returncode == 0
    assert (tmp_path / "run" / "images.csv").read_text(encoding="utf-8-sig").count("signage-en-001") >= 2
    marks = tmp_path / "marks.json"
    marks.write_text("{}")
    assert_one_clear_line(evalsuite("score", run, "--adjudications", str(marks)), "marks.json")


def test_the_report_shows_the_profile_that_was_scored(tmp_path):
    run = tmp_path / "run"
    assert (
        evalsuite(
            "run", "-m", "typeset:size=640x256", "-s", "signage-en", "--limit", "1", "-o", str(run), "-q", *ONE
        ).returncode
        == 0
    )
    assert "profile lenient" not in (run / "index.html").read_text(encoding="utf-8")
    assert evalsuite("score", str(run), "--profile", "lenient", "-q").returncode == 0
    assert "profile lenient" in (run / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_the_terminal_cannot_hold_is_no_crash(encoding):
    command = [sys.executable, "-m", "evalsuite", "gate", "--schema"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, check=False, capture_output=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert "\u03b4" in json.dumps(json.loads(done.stdout), ensure_ascii=False)
