"""`comfyui:WORKFLOW@URL` against a loopback server that speaks ComfyUI's protocol."""

from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager

import pytest
from PIL import Image
from servers_by_hand import PATIENCE, picture

from evalsuite.errors import EvalsuiteError
from evalsuite.models import ModelOptions, parse_settings, resolve
from evalsuite.models.servers.comfy_job import ComfyJob
from evalsuite.models.servers.workflow import load_workflow, shipped_workflows
from evalsuite.records import Prompt

pytest.importorskip("httpx2", reason="httpx2 is not installed (evalsuite[server])")
pytest.importorskip("tenacity", reason="tenacity is not installed (evalsuite[server])")
pytest.importorskip("wsproto", reason="wsproto is not installed (evalsuite[server])")
pytest.importorskip("uvicorn", reason="uvicorn is not installed (evalsuite[serve])")

from comfy_by_hand import running_comfy
from comfy_recorded import PROMPT as RECORDED_PROMPT
from comfy_recorded import SIZE, playing, recording, workflow

from evalsuite import http_client

PROMPT = Prompt(
    id="one", suite="s", language="en", category="sign", length="short", text='A sign "OPEN".', targets=("OPEN",)
)


@pytest.fixture(scope="module")
def server():
    with running_comfy() as running:
        yield running


@pytest.fixture
def comfy(server, monkeypatch):
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(http_client, "LONGEST_PAUSE", 0.002)
    server.script = [None]
    for found in (server.graphs, server.deleted, server.interrupted, server.running):
        found.clear()
    return server


def draw(comfy, name: str = "flux2-klein-4b", *, seeds=(7,), options: str = "", settings=("size=64x48",)):
    with resolve(f"comfyui:{name}@{comfy.url}{options}", options=ModelOptions(parse_settings(settings))) as model:
        return list(model.draw([(PROMPT, seed) for seed in seeds]))


@pytest.mark.parametrize(("name", "steps"), [("flux2-klein-4b", 4), ("ernie-image-turbo", 8)])
def test_the_shipped_workflows_draw_with_the_published_settings(comfy, name, steps):
    drawings = draw(comfy, name, seeds=(7, 8))
    assert [drawing.image.tobytes() for drawing in drawings] == [
        picture(seed, (64, 48), PROMPT.text).tobytes() for seed in (7, 8)
    ]
    graph = comfy.graphs[0]
    assert graph["prompt"]["inputs"]["text"] == PROMPT.text
    assert (graph["latent"]["inputs"]["width"], graph["latent"]["inputs"]["height"]) == (64, 48)
    sampler = graph["sample"]["inputs"] if name == "ernie-image-turbo" else graph["schedule"]["inputs"]
    assert sampler["steps"] == steps
    if name == "flux2-klein-4b":
        assert (sampler["width"], sampler["height"]) == (64, 48)
        assert graph["noise"]["inputs"]["noise_seed"] == 7
        assert graph["guider"]["inputs"]["cfg"] == 1.0
    spec = resolve(f"comfyui:{name}@{comfy.url}").spec
    assert (spec.kind, spec.settings["steps"], spec.settings["guidance"], spec.settings["size"]) == (
        "comfyui", steps, 1.0, "1024x1024",
    )  # fmt: skip
    assert spec.settings["models"][0].endswith(".safetensors")
    assert spec.runtime["server hardware"] == "cuda:0 NVIDIA H100"
    assert spec.runtime["server version"] == "0.18.1"
    assert [drawing.timing.warmup for drawing in drawings] == [True, False]
    assert [phase.name for phase in drawings[0].timing.phases] == ["drawing", "other"]


def test_what_a_node_says_is_told_in_its_own_words_and_the_run_goes_on(comfy):
    comfy.script = ["refuse", "fail", "interrupt", None]
    refused, failed, interrupted, drawn = draw(comfy, seeds=range(4))
    assert "model (UNETLoader): Value not in list: unet_name: 'x' not in ['y']" in refused.error
    assert "sample (KSampler): torch.OutOfMemoryError: Allocation on device failed" in failed.error
    assert "somebody interrupted the workflow" in interrupted.error
    assert drawn.error is None
    assert len(comfy.graphs) == 4


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("none", "not one image of node save"),
        ("two", "not one image of node save"),
        ("small", "an image of 32x48, asked for 64x48"),
    ],
)
def test_trouble_is_tried_again_with_the_same_seed(comfy, trouble, reason):
    comfy.script = [trouble]
    (drawing,) = draw(comfy, options=",attempts=2")
    assert f"failed all 2 attempts: {reason}" in drawing.error
    assert [graph["noise"]["inputs"]["noise_seed"] for graph in comfy.graphs] == [7, 7]
    # Each attempt saves under another name, so that ComfyUI runs it instead of answering from its cache.
    assert len({graph["save"]["inputs"]["filename_prefix"] for graph in comfy.graphs}) == 2
    comfy.script = [trouble] * 2 + [trouble, None]
    (drawing,) = draw(comfy, options=",attempts=2")
    assert drawing.findings[0].code == "draw-retried"


def test_a_lost_websocket_does_not_lose_the_image(comfy, monkeypatch):
    monkeypatch.setattr("evalsuite.models.servers.comfy_job.POLL_SECONDS", 0.01)
    comfy.script = ["deaf"]
    (drawing,) = draw(comfy)
    assert drawing.error is None
    assert len(comfy.graphs) == 1


def test_a_job_that_takes_too_long_is_taken_out_of_the_queue_and_interrupted(comfy):
    comfy.script = ["hang"]
    (drawing,) = draw(comfy, options=",attempts=1,timeout=1")
    assert "no image within 1 s" in drawing.error
    assert comfy.deleted == comfy.interrupted == comfy.running
    assert len(comfy.deleted) == 1


def test_stopping_takes_the_job_out_of_the_queue(comfy):
    """As Ctrl-C does: the wait for the image is given up, and the job with it."""
    comfy.script = ["hang"]
    with resolve(f"comfyui:flux2-klein-4b@{comfy.url}") as model:
        stopped = threading.Thread(target=lambda: _stop_once_running(comfy, model._client))
        stopped.start()
        with pytest.raises(CancelledError):
            list(model.draw([(PROMPT, 1)]))
        stopped.join()
    assert comfy.deleted == comfy.interrupted == comfy.running


def _stop_once_running(comfy, client) -> None:
    end = time.monotonic() + 20
    while not comfy.running and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(0.05)
    client.cancel()


def test_settings_go_to_their_places_and_no_others_are_taken(comfy):
    draw(comfy, "ernie-image-turbo", settings=("size=64x48", "steps=3", "guidance=2.5"))
    inputs = comfy.graphs[0]["sample"]["inputs"]
    assert (inputs["steps"], inputs["cfg"], inputs["seed"]) == (3, 2.5, 7)
    with pytest.raises(EvalsuiteError, match="precision is decided by the workflow"):
        draw(comfy, settings=("precision=fp8",))
    with pytest.raises(EvalsuiteError, match="has no place for negative_prompt"):
        draw(comfy, settings=("negative_prompt=red",))


def test_what_is_no_comfyui_is_refused(comfy):
    comfy.stats, stats = {"data": []}, comfy.stats
    with pytest.raises(EvalsuiteError, match=r"JSON, but not ComfyUI's.*start ComfyUI"):
        draw(comfy)
    comfy.stats = stats


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("comfyui:flux2-klein-4b", "write comfyui:WORKFLOW.json@http"),
        ("comfyui:nowhere.json@http://h", "no such file; workflows by name: ernie-image-turbo, flux2-klein-4b"),
        ("comfyui:flux2-klein-4b@http://h,concurrency=2", "one image after the other"),
        ("comfyui:flux2-klein-4b@http://h,x=2", "option 'x=2'"),
    ],
)
def test_names_that_are_wrong(name, message):
    with pytest.raises(EvalsuiteError, match=message):
        resolve(name)


def test_an_address_with_a_password_is_refused_without_showing_it():
    with pytest.raises(EvalsuiteError, match="user or password") as caught:
        resolve("comfyui:flux2-klein-4b@http://me:hunter2@h:8188")
    assert "hunter2" not in str(caught.value)


# --- Workflows ---------------------------------------------------------------------------------------


def node(kind: str, title: str | None = None, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


def plain() -> dict:
    """A workflow as ComfyUI exports it, without any mark."""
    return {
        "3": node("KSampler", seed=1, steps=20, cfg=8.0, positive=["6", 0], negative=["7", 0], latent_image=["5", 0]),
        "5": node("EmptyLatentImage", width=["10", 0], height=512, batch_size=1),
        "6": node("CLIPTextEncode", text=["11", 0], clip=["4", 1]),
        "7": node("CLIPTextEncode", text="bad", clip=["4", 1]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="x"),
        "10": node("PrimitiveInt", value=768),
        "11": node("PrimitiveStringMultiline", value="a cat"),
    }


def load(tmp_path, graph):
    path = tmp_path / "w.json"
    path.write_text(json.dumps(graph))
    return load_workflow(str(path))


def test_places_are_found_by_class_from_the_sampler_backwards(tmp_path):
    found = load(tmp_path, plain())
    assert found.places == {
        "prompt": (("11", "value"),),
        "negative_prompt": (("7", "text"),),
        "seed": (("3", "seed"),),
        "width": (("10", "value"),),
        "height": (("5", "height"),),
        "steps": (("3", "steps"),),
        "guidance": (("3", "cfg"),),
    }
    assert (found.own("width"), found.own("guidance"), found.save) == (768, 8.0, "9")
    filled = found.filled({"prompt": "a dog", "seed": 9})
    assert (filled["11"]["inputs"]["value"], filled["3"]["inputs"]["seed"]) == ("a dog", 9)
    assert found.graph["11"]["inputs"]["value"] == "a cat"


def test_titles_come_before_classes(tmp_path):
    graph = plain()
    graph["12"] = node("MyText", "Evalsuite: Prompt", text="marked")
    graph["13"] = node("MySeed", "evalsuite: seed, negative prompt", seed=3, text="neg")
    places = load(tmp_path, graph).places
    assert (places["prompt"], places["seed"]) == ((("12", "text"),), (("13", "seed"),))
    assert places["negative_prompt"] == (("13", "text"),)


def test_a_zeroed_negative_is_no_place_for_text(tmp_path):
    graph = plain()
    graph["3"]["inputs"]["negative"] = ["14", 0]
    graph["14"] = node("ConditioningZeroOut", conditioning=["7", 0])
    assert "negative_prompt" not in load(tmp_path, graph).places


def _changed(**changes):
    return {key: value for key, value in (plain() | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ({"nodes": [], "links": []}, r"Export \(API\)"),
        ([], "no workflow in API format"),
        ({"1": {"class_type": "X"}}, "no workflow in API format"),
        (_changed(**{"3": None}), "no place for the prompt was found"),
        (_changed(**{"5": None}), "no place for the width was found; title its node 'evalsuite: size'"),
        (_changed(**{"9": None}), "0 nodes save images"),
        (_changed(**{"20": node("SaveImage", images=["8", 0])}), "2 nodes save images"),
        (
            _changed(**{"20": node("RandomNoise", noise_seed=1)}),
            r"the seed could go to 3 \(KSampler\), 20 \(RandomNoise\)",
        ),
        (_changed(**{"5": node("EmptyLatentImage", width=64, height=64, batch_size=4)}), "batch_size must be 1"),
        (_changed(**{"20": node("X", "evalsuite: steps", y=1)}), "node 20 is marked for the steps, but has no input"),
    ],
)
def test_workflows_that_cannot_be_used_say_why(tmp_path, graph, message):
    with pytest.raises(EvalsuiteError, match=message):
        load(tmp_path, graph)


def test_what_is_no_json_is_refused(tmp_path):
    (tmp_path / "w.json").write_text("[" * 100_000)
    with pytest.raises(EvalsuiteError, match="not JSON: nested too deeply"):
        load_workflow(str(tmp_path / "w.json"))


def test_every_shipped_workflow_is_whole():
    assert list(shipped_workflows()) == ["ernie-image-turbo", "flux2-klein-4b"]
    for name in shipped_workflows():
        found = load_workflow(name)
        assert set(found.places) == {"prompt", "seed", "width", "height", "steps", "guidance"}


# --- What ComfyUI itself said ------------------------------------------------------------------------


@contextmanager
def recorded(scenario: str, tmp_path, source=None, size=SIZE):
    """The recorded ComfyUI, and a model that draws by it."""
    path = tmp_path / f"{scenario}.json"
    path.write_text(json.dumps(workflow(scenario)))
    options = ModelOptions(parse_settings([f"size={size[0]}x{size[1]}"]))
    with (
        playing(scenario) as player,
        resolve(f"comfyui:{source or path}@{player.url},attempts=1", options=options) as model,
    ):
        yield player, model


def test_comfyui_draws(tmp_path):
    """The ground has the seed's colour; a red square begins at the column that is the prompt's length, in row 2."""
    with recorded("drawn", tmp_path) as (player, model):
        drawings = list(model.draw([(RECORDED_PROMPT, seed) for seed in (0x102030, 0xA0B0C0)]))
    assert (player.strange, player.left) == ([], [])
    for drawing, ground in zip(drawings, [(0x10, 0x20, 0x30), (0xA0, 0xB0, 0xC0)], strict=True):
        expected = Image.new("RGB", SIZE, ground)
        expected.paste((255, 0, 0), (4, 2, 12, 10))
        assert drawing.image.tobytes() == expected.tobytes()
        assert drawing.findings == ()
    assert model.spec.runtime["server version"] == recording()["comfyui"]
    assert model.spec.runtime["server hardware"] == "cpu"


def test_the_seconds_of_drawing_are_comfyuis_own(tmp_path):
    messages = [
        said
        for event in recording()["scenarios"]["drawn"]
        if "message" in event and (said := json.loads(event["message"]))["type"].startswith("execution_s")
    ]
    began, ended = (each["data"]["timestamp"] for each in messages[:2])
    with recorded("drawn", tmp_path) as (player, model):
        player.seconds = (ended - began) / 1000
        drawing = next(iter(model.draw([(RECORDED_PROMPT, 0x102030)])))
    assert [phase.name for phase in drawing.timing.phases] == ["drawing", "other"]
    assert drawing.timing.phases[0].seconds == pytest.approx((ended - began) / 1000)


def test_comfyui_refuses_in_its_own_words(tmp_path):
    with recorded("refused", tmp_path, "flux2-klein-4b") as (player, model):
        (drawing,) = model.draw([(RECORDED_PROMPT, 7)])
    assert player.strange == []
    assert "ComfyUI refused the workflow: Prompt outputs failed validation" in drawing.error
    # Its nodes and their inputs are those of the shipped workflow; only the weights are not there.
    assert sorted(re.findall(r"(\w+) \((\w+)\): Value not in list: (\w+)", drawing.error)) == [
        ("encoder", "CLIPLoader", "clip_name"),
        ("model", "UNETLoader", "unet_name"),
        ("vae", "VAELoader", "vae_name"),
    ]


def test_a_node_of_comfyui_fails(tmp_path):
    with recorded("failing", tmp_path) as (player, model):
        (drawing,) = model.draw([(RECORDED_PROMPT, 7)])
    assert (player.strange, player.left) == ([], [])
    assert drawing.error.endswith(
        "ComfyUI: text (RegexReplace): re.error: missing ), unterminated subpattern at position 0"
    )


def test_a_job_of_comfyuis_is_stopped(tmp_path, monkeypatch):
    """It has a name once ComfyUI's answer was read, which may be later than all messages were sent."""
    named = threading.Event()
    look_at = ComfyJob._look_at

    def look(job, event):
        if job.prompt_id is not None:
            named.set()
        return look_at(job, event)

    monkeypatch.setattr(ComfyJob, "_look_at", look)
    with recorded("slow", tmp_path, size=(512, 512)) as (player, model):
        stopped = threading.Thread(target=lambda: _stop_once_played(player, model._client, named))
        stopped.start()
        with pytest.raises(CancelledError):
            list(model.draw([(RECORDED_PROMPT, 7)]))
        stopped.join()
    assert (player.strange, player.left) == ([], [])
    assert [each["request"] for each in player.events[-3:]] == ["POST /queue", "GET /queue", "POST /interrupt"]


def _stop_once_played(player, client, named) -> None:
    named.wait(PATIENCE)
    end = time.monotonic() + PATIENCE
    while player.next.get("request") != "POST /queue" and time.monotonic() < end:
        time.sleep(0.005)
    client.cancel()
