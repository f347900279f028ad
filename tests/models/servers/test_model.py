"""`server:URL` against a loopback server: what is sent, what is taken, and every way in which an answer fails."""

from __future__ import annotations

import json
import random
from itertools import accumulate, islice

import pytest
from PIL import Image
from servers_by_hand import b64, drip, half, picture, png

import evalsuite
from evalsuite.errors import EvalsuiteError
from evalsuite.models import ModelOptions, parse_settings, resolve
from evalsuite.records import Prompt

pytest.importorskip("httpx2", reason="httpx2 is not installed (evalsuite[server])")
pytest.importorskip("tenacity", reason="tenacity is not installed (evalsuite[server])")

from evalsuite.http_client import ServerError
from evalsuite.models.servers.options import KEY_VARIABLE, under_load
from evalsuite.models.servers.pace import Pace
from evalsuite.models.servers.requests import image_request

KEY = "sk-loopback-77"
PROMPT = Prompt(
    id="one", suite="s", language="en", category="sign", length="short", text='A sign "OPEN".', targets=("OPEN",)
)
SETTINGS = ("steps=4", "guidance=1.0", "size=64x64")


def open_model(server, options: str = "", settings=SETTINGS):
    return resolve(f"server:{server.url}{options}", options=ModelOptions(parse_settings(settings)))


def draw(server, options: str = "", *, seeds=(7,), settings=SETTINGS):
    with open_model(server, options, settings) as model:
        return list(model.draw([(PROMPT, seed) for seed in seeds]))


def test_all_that_decides_the_image_is_sent(server):
    (drawing,) = draw(server, settings=(*SETTINGS, "negative_prompt=blurry"))
    (request,) = server.requests
    assert request == {
        "path": "/v1/images/generations",
        "model": "tiny",
        "prompt": 'A sign "OPEN".',
        "n": 1,
        "size": "64x64",
        "width": 64,
        "height": 64,
        "num_inference_steps": 4,
        "guidance_scale": 1.0,
        "negative_prompt": "blurry",
        "seed": 7,
        "generator_device": "cpu",
        "response_format": "b64_json",
        "output_format": "png",
        "use_pe": False,
    }
    assert drawing.image.tobytes() == picture(7, text=PROMPT.text).tobytes()
    assert drawing.error is None
    assert drawing.findings == ()


def test_dialects_differ_in_where_the_enhancer_is_switched_and_in_what_openai_has_no_field_for():
    settings = {"size": "64x64", "steps": 8, "guidance": 1.0, "enhance": "image"}
    omni = json.loads(image_request("vllm-omni", "m", settings, "p", 1))
    assert omni["extra_params"] == {"use_pe": True}
    assert "use_pe" not in omni
    assert (omni["response_format"], omni["num_inference_steps"], omni["seed"]) == ("b64_json", 8, 1)
    assert json.loads(image_request("openai", "m", {"size": "64x64"}, "p", 1)) == {
        "model": "m", "prompt": "p", "n": 1, "size": "64x64", "output_format": "png",
    }  # fmt: skip


def test_what_the_server_says_it_did_is_kept(server):
    server.seconds = 0.02
    server.script = [{"revised_prompt": 'A big sign "OPEN".', "top": {"inference_time_s": 0.01, "peak_memory_mb": 3.0}}]
    drawings = draw(server, seeds=(1, 2), settings=(*SETTINGS, "enhance=image"))
    assert server.requests[0]["use_pe"] is True
    for drawing in drawings:
        assert drawing.revised_prompt == 'A big sign "OPEN".'
        assert drawing.memory.reserved == 3 * 2**20
        drawn, other = drawing.timing.phases
        assert (drawn.name, drawn.seconds, other.name) == ("drawing", 0.01, "other")
        assert drawn.seconds + other.seconds == pytest.approx(drawing.timing.total)
        assert drawing.timing.total >= 0.02
    assert [drawing.timing.warmup for drawing in drawings] == [True, False]


def test_an_image_comes_as_base64_as_an_address_of_the_server_or_as_a_file(server):
    image = picture(3)
    server.pages |= {"/v1/images/x/content": png(image)}
    server.script = [
        {"b64_json": "data:image/png;base64," + b64(png(image))},
        {"b64_json": None, "url": "/v1/images/x/content"},
        {"b64_json": None, "url": f"{server.url}/v1/images/x/content"},
        {"b64_json": None, "url": "data:image/png;base64," + b64(png(image))},
        lambda handler: handler.answer(200, png(image), "image/png"),
    ]
    drawings = draw(server, seeds=range(5))
    assert [drawing.error for drawing in drawings] == [None] * 5
    assert {drawing.image.tobytes() for drawing in drawings} == {image.tobytes()}


def test_what_a_careful_eye_would_see_is_a_finding(server):
    server.script = [
        {"b64_json": b64(png(picture(), "JPEG"))},
        {"b64_json": b64(png(picture(), "WEBP"))},
        {"top": {"seed": 1024, "num_inference_steps": 4}},
        {"revised_prompt": 'A sign "0PEN".'},
        503,
        None,
    ]
    found = [[finding.code for finding in drawing.findings] for drawing in draw(server, seeds=range(5))]
    assert found == [
        ["lossy-image"],
        ["lossy-image"],
        ["setting-changed"],
        ["target-lost-in-enhancement", "enhancer-not-off"],
        ["draw-retried"],
    ]


TROUBLES = [
    pytest.param(500, "HTTP 500", id="500"),
    pytest.param(429, "HTTP 429", id="429"),
    pytest.param(b"<html>Bad gateway</html>", "not JSON but application/json: '<html>Bad gateway", id="html"),
    pytest.param(b"[" * 100_000, "not JSON", id="nested"),
    pytest.param(b'{"data": []}', "0 images where one was asked for", id="none"),
    pytest.param(b'{"data": [{}, {}]}', "2 images where one was asked for", id="two"),
    pytest.param(b'{"data": [1]}', "JSON, but no images", id="no images"),
    pytest.param(b'{"error": {"message": "out of memory"}}', "an error with status 200: .*out of memory", id="error"),
    pytest.param({"b64_json": None}, "an answer without an image", id="empty"),
    pytest.param({"b64_json": "%%%"}, "no whole base64", id="base64"),
    pytest.param({"b64_json": b64(png(picture()))[:80]}, "no whole image", id="truncated"),
    pytest.param({"b64_json": b64(png(picture(size=(32, 64))))}, "an image of 32x64, asked for 64x64", id="size"),
    pytest.param({"b64_json": b64(b"<html>")}, "no whole image", id="html image"),
    pytest.param({"b64_json": None, "url": "http://example.org/x.png"}, "address of another server", id="elsewhere"),
    pytest.param({"b64_json": None, "url": "//example.org/x.png"}, "address of another server", id="elsewhere too"),
    pytest.param({"b64_json": None, "url": "/\x1b.png"}, "an address that cannot be asked", id="no address"),
    pytest.param({"b64_json": None, "url": "x" * 100_000}, "an address that cannot be asked", id="a long address"),
    pytest.param({"revised_prompt": "x" * 10_000_000}, "a revised prompt of 10,000,000 characters", id="10 MB text"),
    pytest.param(half, "RemoteProtocolError", id="half"),
]


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES)
def test_trouble_is_tried_again_with_the_same_request_and_then_a_failed_drawing(server, trouble, reason):
    server.script = [trouble]
    server.headers_out = {"Retry-After": "0"}
    (drawing,) = draw(server, ",attempts=2")
    with pytest.raises(AssertionError, match=rf"failed all 2 attempts: .*{reason}"):
        raise AssertionError(drawing.error)
    assert drawing.image is None
    first, second = server.requests
    assert first == second
    server.script = [*server.script, None]
    server.requests.clear()
    (drawing,) = draw(server, ",attempts=2")
    assert drawing.error is None
    assert drawing.findings[0].code == "draw-retried"


def test_an_answer_that_drips_is_given_up_at_the_time_out(server):
    server.script = [drip]
    (drawing,) = draw(server, ",attempts=1,timeout=1")
    assert "no whole answer within 1 s" in drawing.error


def test_a_request_that_is_refused_is_not_made_again_and_a_body_over_the_limit_neither(server, monkeypatch):
    from evalsuite.models.servers import options

    server.script = [400, None]
    refused, drawn = draw(server, seeds=(1, 2))
    assert "HTTP 400: '<html>sorry</html>'" in refused.error
    assert drawn.error is None
    monkeypatch.setattr(options, "MAX_ANSWER_BYTES", 100)
    (drawing,) = draw(server, seeds=(1,))
    assert "more than 100 bytes" in drawing.error


def test_an_image_address_that_is_not_there_fails_its_image_alone(server):
    """HTTP 404 of the endpoint itself ends the run; an answer's own address says nothing about the endpoint."""
    server.script = [{"b64_json": None, "url": "/gone.png"}, None]
    refused, drawn = draw(server, seeds=(1, 2))
    assert "HTTP 404" in refused.error
    assert drawn.error is None


def test_a_server_that_is_down_is_not_asked_for_every_image(server):
    server.script = [500]
    drawings = draw(server, ",attempts=1", seeds=range(20))
    assert all(drawing.error for drawing in drawings)
    assert len(server.requests) <= 7
    assert "not asked for: http://127.0.0.1" in drawings[-1].error


def test_a_wrong_key_ends_the_run_and_says_what_to_do(server):
    server.script = [401]
    with pytest.raises(ServerError, match=f"HTTP 401: wants an API key; put it in {KEY_VARIABLE}"):
        draw(server)


def test_many_are_under_way_and_come_back_in_order(server):
    server.seconds = 0.01
    drawings = draw(server, ",concurrency=4", seeds=range(12))
    assert [drawing.seed for drawing in drawings] == list(range(12))
    assert [drawing.image.tobytes() for drawing in drawings] == [
        picture(seed, text=PROMPT.text).tobytes() for seed in range(12)
    ]


def test_at_a_rate_requests_are_sent_at_the_moments_of_a_poisson_process(server):
    drawings = draw(server, ",rate=1000", seeds=range(3, 9))
    assert [drawing.seed for drawing in drawings] == list(range(3, 9))
    assert drawings[0].timing.warmup
    spec = open_model(server, ",rate=1000").spec
    assert (spec.runtime["rate"], spec.runtime["concurrency"]) == (1000.0, 64)
    assert open_model(server, ",rate=0.5,concurrency=2").spec.runtime["concurrency"] == 2
    gaps = random.Random(3)
    moments = list(islice(Pace(0.5, seed=3), 3))
    assert moments == pytest.approx(list(accumulate(gaps.expovariate(0.5) for _ in range(3))))
    assert list(islice(Pace(None, seed=3), 3)) == [0.0, 0.0, 0.0]


def test_nobody_waits_for_a_moment_once_drawing_was_stopped():
    pace = Pace(0.001, seed=0)
    pace.stop()
    pace.wait(1e9)


def test_load_is_for_servers():
    assert under_load("server:http://h", None, None) == "server:http://h"
    assert under_load("server:http://h,model=m", 8, 2.5) == "server:http://h,model=m,concurrency=8,rate=2.5"
    assert under_load("typeset", None, None) == "typeset"
    with pytest.raises(EvalsuiteError, match=r"--concurrency and --rate: for server:URL models.*; typeset is none"):
        under_load("typeset", 8, 2.5)


def test_the_model_is_asked_for_and_settings_come_from_the_preset_of_its_name(server):
    server.pages["/v1/models"] = {"data": [{"id": "baidu/ERNIE-Image-Turbo", "owned_by": "sglang"}]}
    spec = open_model(server, settings=()).spec
    assert (spec.kind, spec.role, spec.source) == ("server", "model", "baidu/ERNIE-Image-Turbo")
    assert spec.name == f"ERNIE-Image-Turbo@127.0.0.1:{server.server_port}"
    assert spec.settings | {"size": "1024x1024", "steps": 8, "guidance": 1.0, "enhance": "image"} == spec.settings
    assert spec.settings["weights"] == "unverified"
    assert spec.runtime["server owned_by"] == "sglang"


@pytest.mark.parametrize(
    ("pages", "options", "settings", "message"),
    [
        ({"data": [{"id": "a"}, {"id": "b"}]}, "", SETTINGS, r"has 2 models \(a, b\); name one"),
        ({"data": [{"id": "a"}]}, ",model=c", SETTINGS, "has no model 'c'; it has a"),
        (404, "", SETTINGS, "has no /v1/models; name its model"),
        ({"data": [{"id": "a"}]}, "", (), "steps and guidance for 'a' not known.*--set steps=… guidance=…"),
        ({"data": [{"id": "a"}]}, "", (*SETTINGS, "precision=fp8"), "no field for precision"),
        ({"data": [{"id": "a"}]}, ",dialect=openai", SETTINGS, "dialect=openai has no field for steps"),
        ({"data": [{"id": "a"}]}, "", (*SETTINGS, "enhance=prompt"), "image or off"),
        ({"data": [{"id": "a"}]}, ",dialect=x", SETTINGS, "one of sglang, vllm-omni, openai"),
        ({"data": [{"id": "a"}]}, ",like=x", SETTINGS, "no such preset"),
        ({"data": [{"id": "a"}]}, ",timeout=0", SETTINGS, "a whole number from 1 to 7200"),
        ({"data": [{"id": "a"}]}, ",color=red", SETTINGS, "known: model=…, dialect=…"),
        (b"x", "", SETTINGS, "not JSON"),
    ],
)
def test_what_cannot_be_planned_is_refused_before_anything_is_drawn(server, pages, options, settings, message):
    server.pages["/v1/models"] = pages
    with pytest.raises(EvalsuiteError, match=message):
        open_model(server, options, settings)
    assert server.requests == []


def test_a_server_without_a_list_of_models_is_used_under_the_name_given(server):
    server.pages.clear()
    assert open_model(server, ",model=mine").spec.source == "mine"


def test_nobody_at_the_address(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(EvalsuiteError, match=r"ConnectError.*start it, or correct the address"):
        open_model(server)


@pytest.mark.parametrize("address", ["http://me:hunter2@h", "http://me:hun,ter2@h/v1", "http://hunter2@h"])
def test_an_address_with_a_password_is_refused_without_showing_it(address):
    with pytest.raises(EvalsuiteError, match="user or password") as caught:
        resolve(f"server:{address}")
    assert "ter2" not in str(caught.value)


SUITE = """\
suite: small
language: en
prompts:
  - {id: one, text: 'A sign "OPEN".', targets: [OPEN]}
  - {id: two, text: 'A sign "SALE".', targets: [SALE]}
  - {id: three, text: 'A sign "CAFE".', targets: [CAFE]}
"""


def run(server, tmp_path, reader, **more):
    (tmp_path / "small.yaml").write_text(SUITE)
    return evalsuite.run(
        [f"server:{server.url},attempts=2"],
        [str(tmp_path / "small.yaml")],
        out=tmp_path / "run",
        ceiling=False,
        settings=list(SETTINGS),
        ocr=f"qwen2.5-vl:server={reader.url},attempts=1",
        **more,
    )


@pytest.fixture
def reader():
    from servers_by_hand import ScriptedServer, running_server

    with running_server(ScriptedServer()) as running:
        running.script = [json.dumps({"choices": [{"message": {"content": "OPEN"}}]}).encode()]
        yield running


def test_a_run_goes_on_over_failures_ends_incomplete_and_is_filled_in_later(server, reader, tmp_path):
    server.script = [None, 500, 500, None]
    result = run(server, tmp_path, reader)
    assert [score.status for score in result.run.scores] == ["scored", "missing", "scored"]
    assert "failed all 2 attempts: HTTP 500" in result.missing[0].why
    server.script = [None]
    server.requests.clear()
    result = run(server, tmp_path, reader)
    assert len(server.requests) == 1
    assert result.complete


def test_a_key_that_servers_send_back_is_in_no_file_of_the_run(server, reader, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv("EVALSUITE_OCR_KEY", KEY)
    server.pages["/v1/models"] = {"data": [{"id": "tiny", "owned_by": KEY, "dit_precision": f"bf16 {KEY}"}]}
    server.script = [
        {"revised_prompt": f"A sign with {KEY}", "top": {"seed": KEY}},
        lambda handler: handler.answer(400, f"bad key {KEY}".encode(), f"text/{KEY}"),
        lambda handler: handler.answer(200, f"<html>{KEY}".encode(), f"text/{KEY}"),
    ]
    reader.script = [json.dumps({"choices": [{"message": {"content": KEY}}]}).encode()]
    result = run(server, tmp_path, reader)
    assert not result.complete
    assert server.headers[-1]["Authorization"] == f"Bearer {KEY}"
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) > 4
    assert [path.name for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in "".join(capsys.readouterr())


def test_a_picture_with_the_key_in_its_comment_is_kept_without_it(server, reader, tmp_path, monkeypatch):
    from PIL.PngImagePlugin import PngInfo

    monkeypatch.setenv(KEY_VARIABLE, KEY)
    import io

    comment = PngInfo()
    comment.add_text("key", KEY)
    buffer = io.BytesIO()
    picture().save(buffer, format="PNG", pnginfo=comment)
    assert KEY.encode() in buffer.getvalue()
    server.script = [{"b64_json": b64(buffer.getvalue())}]
    result = run(server, tmp_path, reader, limit=1)
    (image,) = (tmp_path / "run" / "images").iterdir()
    assert KEY.encode() not in image.read_bytes()
    assert Image.open(image).size == (64, 64)
    assert result.complete
