from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from evalsuite import scoring, suites
from evalsuite.suites import longtext_bench as bench

FILES = {"en": "text_prompts.jsonl", "zh": "text_prompts_zh.jsonl"}


def row(**changes) -> dict:
    fields = {"category": "sign", "length": "short", "prompt": 'A sign "OPEN".', "text": ["OPEN"], "text_length": 1}
    return {**fields, "prompt_id": 0, **changes}


def write(folder: Path, *rows, language: str = "en") -> str:
    content = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in rows)
    (folder / FILES[language]).write_text(content, encoding="utf-8")
    return f"longtext-bench-{language}:{folder}"


def test_the_real_files_give_320_prompts_with_ids_that_do_not_collide(longtext_bench):
    english, chinese = suites.load(f"longtext-bench:{longtext_bench}")
    assert (english.name, chinese.name) == ("longtext-bench-en", "longtext-bench-zh")
    prompts = [*english.prompts, *chinese.prompts]
    assert len({prompt.id for prompt in prompts}) == len(prompts) == 320
    assert {(p.language, p.suite) for p in prompts} == {("en", "longtext-bench-en"), ("zh", "longtext-bench-zh")}
    assert set(Counter((p.suite, p.category, p.length) for p in prompts).values()) == {10}
    first = english.prompts[0]
    assert first.id == "longtext-bench-en-0000"
    assert first.targets[1] == "Locally Roasted Since 1998"
    for prompt in prompts:
        for profile in scoring.PROFILES:
            scoring.check_targets(prompt, profile)
    assert "190 targets do not stand verbatim" in english.warnings[0]
    assert chinese.warnings == ()


def test_one_language_alone_and_both_at_once_are_the_same_suites(longtext_bench, monkeypatch):
    monkeypatch.setenv(bench.FOLDER_VARIABLE, str(longtext_bench))
    both = suites.load_all(["longtext-bench"])
    assert [suite.digest for suite in suites.load_all(["longtext-bench-zh", "longtext-bench-en"])] == [
        both[1].digest,
        both[0].digest,
    ]
    assert {suite.name: suite.digest for suite in both} == bench.DIGESTS


def test_a_folder_of_the_benchmarks_file_names_is_matched(longtext_bench, tmp_path):
    from PIL import Image

    from evalsuite.models.folder import FolderModel

    for number in (1, 199):
        for sample in (1, 2, 3, 4):
            Image.new("RGB", (8, 8)).save(tmp_path / f"{number:04d}_{sample}.png")
    (english,) = suites.load(f"longtext-bench-en:{longtext_bench}")
    chosen = [prompt for prompt in english.prompts if prompt.id.endswith(("-0001", "-0199"))]
    match = FolderModel.parse(str(tmp_path)).match(chosen, range(4))
    assert match.missing == match.surplus == ()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(), "{not json"], r"text_prompts.jsonl:2: not JSON"),
        ([row(), [1, 2]], r"text_prompts.jsonl:2: expected an object with category"),
        ([row(), row()], r"text_prompts.jsonl:2: prompt_id 0 is used already at .*text_prompts.jsonl:1"),
        ([row(text="OPEN")], r"field 'text': expected list, got 'OPEN'"),
        ([row(text=[])], r"field 'text': expected a list of strings"),
        ([row(text=["OPEN", 7])], r"field 'text': expected a list of strings"),
        ([row(length="medium")], r"'medium' is neither 'short' nor 'long'"),
        ([{key: value for key, value in row().items() if key != "prompt"}], r"field 'prompt': expected str, got None"),
        ([row()], r"1 prompts with the digest \w{12}…, not the published ones \(738280c5c80f…\).*hf download"),
        ([], r"0 prompts with the digest"),
    ],
)
def test_rows_that_are_wrong_are_named(tmp_path, rows, message):
    with pytest.raises(suites.SuiteError, match=message):
        suites.load(write(tmp_path, *rows))


def test_one_changed_character_is_not_the_benchmark(longtext_bench, tmp_path):
    for name in FILES.values():
        shutil.copy(longtext_bench / name, tmp_path)
    path = tmp_path / FILES["en"]
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace("Locally Roasted Since 1998", "Locally Roasted Since 1999"), encoding="utf-8")
    with pytest.raises(suites.SuiteError, match="not the published ones"):
        suites.load(f"longtext-bench:{tmp_path}")
    assert len(suites.load(f"longtext-bench-zh:{tmp_path}")) == 1


def test_a_missing_file_and_an_empty_name_say_what_to_do(tmp_path):
    with pytest.raises(suites.SuiteError, match=r"text_prompts_zh.jsonl: no such file; .*hf download X-Omni/LongText"):
        suites.load(f"longtext-bench-zh:{tmp_path}")
    with pytest.raises(suites.SuiteError, match="name the folder after the colon"):
        suites.load("longtext-bench:")
    with pytest.raises(suites.SuiteError, match=r"unknown suite 'longtext-bench-fr': did you mean 'longtext-bench'"):
        suites.load("longtext-bench-fr")


# --- From the hub ------------------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of a hub as `datasets` asks of one: the revision, the listing, the files."""

    files: Path

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        entries = [
            {"type": "file", "path": name, "oid": hashlib.sha1(name.encode()).hexdigest(), "size": 1}
            for name in FILES.values()
        ]
        name = path.rsplit("/", 1)[-1]
        if path.startswith("/api/datasets/X-Omni/LongText-Bench/revision"):
            info = {"id": "X-Omni/LongText-Bench", "sha": COMMIT, "private": False, "tags": [], "siblings": []}
            self.answer(200, json.dumps(info).encode())
        elif path.startswith("/api/datasets/X-Omni/LongText-Bench/tree"):
            self.answer(200, json.dumps(entries).encode())
        elif "/resolve/" in path and name in FILES.values():
            self.answer(200, (self.files / name).read_bytes(), ETag=f'"{hashlib.sha1(name.encode()).hexdigest()}"')
        else:
            self.answer(404, b"", **{"X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for key, value in {**headers, "X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


SHOW = "from evalsuite import suites; [print(s.name, len(s.prompts), s.digest) for s in suites.load('longtext-bench')]"


def load_elsewhere(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Load in a new process, since the hub's address is read when its client is imported."""
    clean = {key: value for key, value in os.environ.items() if key != bench.FOLDER_VARIABLE}
    return subprocess.run(
        [sys.executable, "-c", SHOW],
        check=False, capture_output=True, text=True, timeout=120,
        env={**clean, "HF_HOME": str(tmp_path / "hf"), **environment},
    )  # fmt: skip


@pytest.fixture
def hub(request):
    pytest.importorskip("datasets", reason="datasets is not installed (evalsuite[datasets])")
    handler = type("Hub", (Hub,), {"files": request.getfixturevalue("longtext_bench")})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_both_files_come_from_the_hub_each_by_its_name_and_then_from_its_cache(hub, tmp_path):
    done = load_elsewhere(tmp_path, HF_ENDPOINT=hub)
    expected = [f"{name} 160 {digest}" for name, digest in bench.DIGESTS.items()]
    assert done.stdout.splitlines() == expected, done.stderr
    offline = load_elsewhere(tmp_path, HF_HUB_OFFLINE="1")
    assert offline.stdout.splitlines() == expected, offline.stderr


def test_offline_without_a_folder_the_error_says_how_to_get_the_files(tmp_path):
    pytest.importorskip("datasets", reason="datasets is not installed (evalsuite[datasets])")
    done = load_elsewhere(tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "SuiteError: longtext-bench-en: X-Omni/LongText-Bench cannot be had from the hub" in done.stderr
    assert "hf download X-Omni/LongText-Bench --repo-type dataset --local-dir FOLDER" in done.stderr
    assert "--suite longtext-bench:FOLDER" in done.stderr
