"""`evalsuite load` against a loopback server: nothing is lost, nothing is tried twice, and the page says what was."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from servers_by_hand import picture, png
from typer.testing import CliRunner

from evalsuite.errors import EvalsuiteError
from evalsuite.load import Level, LoadOptions, measure_load
from evalsuite.load.api import levels_of, load_result
from evalsuite.models import ModelOptions, parse_settings
from evalsuite.report.load_page import build_load_page

pytest.importorskip("httpx2", reason="httpx2 is not installed (evalsuite[server])")
pytest.importorskip("tenacity", reason="tenacity is not installed (evalsuite[server])")

from evalsuite.cli.main import app
from evalsuite.http_client import ServerError

SETTINGS = ["steps=4", "guidance=1", "size=64x64"]


def options(server, tmp_path, **more) -> LoadOptions:
    return LoadOptions(
        model=f"server:{server.url}",
        settings=ModelOptions(parse_settings(SETTINGS)),
        suites=("signage-en",),
        out=tmp_path / "load",
        **more,
    )


def test_every_request_is_accounted_for_over_a_series_of_levels(server, tmp_path):
    server.script = [{"top": {"inference_time_s": 0.0001}}]
    levels = (Level(concurrency=1), Level(concurrency=4), Level(rate=200.0))
    result, folder = measure_load(options(server, tmp_path, levels=levels, requests=10, warm_up=2))
    parts = [[each.part for each in samples] for samples in result.samples]
    assert [part.count("warm-up") for part in parts] == [2, 4, 2]
    assert [part.count("measured") for part in parts] == [10, 12, 10]
    assert parts[1].count("ending") <= 3
    assert sum(map(len, parts)) == len(server.requests)
    assert [(each.images, each.errors) for each in result.figures] == [(10, {}), (12, {}), (10, {})]
    for figures, samples in zip(result.figures, result.samples, strict=True):
        assert figures.service.p50 == 0.0001
        assert all(each.latency > 0 and each.error is None for each in samples)
    assert load_result(folder) == result
    # Each request has a seed of its own, so that no server answers from a cache.
    seeds = [request["seed"] for request in server.requests[:12]]
    assert seeds == list(range(12))


def test_arrivals_are_a_poisson_process_of_the_seed(server, tmp_path):
    level = (Level(rate=500.0),)
    dues = []
    for _ in range(2):
        result, _ = measure_load(options(server, tmp_path, levels=level, requests=20, warm_up=0, seed=5))
        dues.append(sorted(each.due for each in result.samples[0]))
    assert dues[0] == dues[1]
    gaps = [later - earlier for earlier, later in pairwise([0.0, *dues[0]])]
    import random

    generator = random.Random(5)
    assert gaps == pytest.approx([generator.expovariate(500.0) for _ in range(20)])


def test_what_fails_is_counted_and_asked_for_once(server, tmp_path):
    server.script = [None, None, 503, {"b64_json": "%%"}, None]
    asked = options(server, tmp_path, levels=(Level(concurrency=1),), requests=6, warm_up=2)
    result, folder = measure_load(asked, page=build_load_page)
    (figures,) = result.figures
    assert (figures.images, figures.errors) == (4, {"HTTP 503": 1, "an image that is no whole base64": 1})
    assert len(server.requests) == 8
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "an image that is no whole base64" in page


def test_a_fetched_image_counts_with_its_fetch(server, tmp_path):
    server.pages["/x.png"] = png(picture())
    server.script = [{"b64_json": None, "url": "/x.png"}]
    result, _ = measure_load(options(server, tmp_path, levels=(Level(concurrency=2),), requests=4, warm_up=2))
    assert result.figures[0].images == 4


def test_a_server_that_cannot_be_used_ends_the_test(server, tmp_path):
    server.script = [401]
    with pytest.raises(ServerError, match="HTTP 401"):
        measure_load(options(server, tmp_path, levels=(Level(concurrency=3),)))
    assert not (tmp_path / "load").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"levels": ()}, "at least one with --concurrency or --rate"),
        ({"levels": (Level(concurrency=0),)}, "--concurrency 0: from 1 to 1024"),
        ({"levels": (Level(rate=0.0),)}, "--rate 0: from 0.001"),
        ({"levels": (Level(concurrency=1),), "requests": 0}, "--requests 0: from 1"),
        ({"levels": (Level(concurrency=1),), "warm_up": -1}, "--warm-up -1: from 0"),
        ({"levels": (Level(concurrency=1),), "seed": -1}, "--seed -1"),
    ],
)
def test_what_cannot_be_measured_is_refused(server, tmp_path, more, message):
    with pytest.raises(EvalsuiteError, match=message):
        measure_load(options(server, tmp_path, **more))


def test_only_servers_are_put_under_load(tmp_path):
    with pytest.raises(EvalsuiteError, match="load is put on a server"):
        measure_load(LoadOptions(model="typeset", levels=(Level(concurrency=1),), out=tmp_path))
    assert levels_of([4, 1, 4], [2.0]) == (Level(concurrency=1), Level(concurrency=4), Level(rate=2.0))


def test_the_command_shows_a_row_a_level_and_tells_errors_by_its_exit_code(server, tmp_path):
    arguments = ["load", "--model", f"server:{server.url}", "--suite", "signage-en", "--requests", "4", "--quiet"]
    arguments += ["--out", str(tmp_path / "load"), "--concurrency", "1", "--concurrency", "2"]
    arguments += [word for pair in SETTINGS for word in ("--set", pair)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert [line.split()[:4] for line in done.output.splitlines() if "at a time" in line] == [
        ["1", "at", "a", "time"],
        ["2", "at", "a", "time"],
    ]
    assert json.loads((tmp_path / "load" / "load.json").read_bytes())["format"] == 1
    server.script = [None] * len(server.requests) + [None] * 5 + [500, None]
    assert CliRunner().invoke(app, arguments).exit_code == 12


def _claimed(throughput: float, *, source: str = "baidu/ERNIE-Image-Turbo", errors=None, vouched: bool = True):
    from evalsuite.claims import check_load, published
    from evalsuite.load.records import LevelFigures, LoadResult
    from evalsuite.records import ModelSpec

    claim = next(each for each in published().speeds if each.id == "ernie-image-turbo-sglang")  # 2 to 3 images/s
    spec = ModelSpec(
        name="s", kind="server", role="model", source=source, weights_digest="x", settings={"steps": 8, "guidance": 1.0}
    )
    figures = LevelFigures(
        level=Level(concurrency=4), requests=50, images=50, window=1.0, throughput=throughput,
        low=throughput - 0.1, high=throughput + 0.1, latency=None, service=None, queueing=None,
        errors=errors or {}, keeps_up=True,
    )  # fmt: skip
    result = LoadResult(
        format=1, created_at="", model=spec, suites=(), seed=0, figures=(figures,), samples=((),)
    )  # fmt: skip
    return check_load(claim, result, vouched=vouched)


def test_a_published_throughput_is_held_against_the_fastest_level():
    assert [_claimed(rate).outcome for rate in (2.5, 1.8, 3.05, 3.2)] == [
        "reproduced", "not reproduced", "inconclusive", "not reproduced",
    ]  # fmt: skip


def test_a_throughput_is_not_comparable_without_your_word_for_another_model_or_with_lost_requests():
    found = [_claimed(2.5, vouched=False), _claimed(2.5, source="tiny"), _claimed(2.5, errors={"HTTP 503": 1})]
    assert [each.outcome for each in found] == ["not comparable"] * 3
    assert "--trust-settings takes your word" in found[0].text
    assert "the server draws with tiny" in found[1].text
    assert "every level lost requests" in found[2].text


def test_a_load_test_of_the_runs_server_stands_on_the_runs_page(server, tmp_path):
    """Another server's, or the same one's with other settings, is refused before it is asked for an image."""
    pytest.importorskip("tesserocr", reason="tesserocr is not installed (evalsuite[tesseract])")
    run = tmp_path / "run"
    drawn = ("--suite", "signage-en", "--limit", "1", "--ocr", "tesseract", "--no-ceiling", "--out", str(run))
    arguments = ["--model", f"server:{server.url}", *(part for each in SETTINGS for part in ("--set", each)), "-q"]
    found = CliRunner().invoke(app, ["run", *arguments, *drawn])
    assert (run / "index.html").is_file(), found.output
    plain = (run / "index.html").read_text(encoding="utf-8")
    assert 'id="load"' not in plain
    few = ["--concurrency", "1", "--concurrency", "2", "--requests", "4", "--warm-up", "0", "--suite", "signage-en"]
    asked = len(server.requests)
    other = [each.replace("steps=4", "steps=5") for each in arguments]
    found = CliRunner().invoke(app, ["load", *other, *few, "--into", str(run)])
    assert "steps 5, but" in str(found.exception)
    assert len(server.requests) == asked
    found = CliRunner().invoke(app, ["load", *arguments, *few, "--into", str(run)])
    assert found.exit_code == 0, found.output
    page = (run / "index.html").read_text(encoding="utf-8")
    assert page.count('id="load"') == page.count('id="plot-load-concurrency"') == 1
    kept = json.loads((run / "load.json").read_bytes())
    kept["model"]["source"] = "another"
    (run / "load.json").write_text(json.dumps(kept))
    CliRunner().invoke(app, ["report", str(run)])
    page = (run / "index.html").read_text(encoding="utf-8")
    assert "model another, but" in page
    assert 'id="plot-load-concurrency"' not in page
    (run / "load.json").write_text("{")
    found = CliRunner().invoke(app, ["report", str(run)])
    assert "not a load test's result" in str(found.exception)
