"""A ComfyUI workflow as an `ImageModel`: `comfyui:WORKFLOW.json@URL`."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from evalsuite.errors import EvalsuiteError
from evalsuite.http_client import (
    FailedError,
    RefusedError,
    Reply,
    RetryError,
    ServerClient,
    hides_credentials,
    need_libraries,
    parse_address,
    run_async,
)
from evalsuite.models.base import Drawing
from evalsuite.models.servers.answers import decode_answer, lossy_findings
from evalsuite.models.servers.comfy_job import ComfyJob, Made
from evalsuite.models.servers.options import KEY_VARIABLE, limits_of, parse_pieces
from evalsuite.models.servers.workflow import Workflow, load_workflow
from evalsuite.models.settings import ModelOptions, SettingError, check_settings, size_of
from evalsuite.records import Finding, Json, ModelSpec, Phase, Prompt, Timing, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from PIL.Image import Image

    from evalsuite.http_client import Limits

FATAL_STATUS = {
    401: f"wants an API key; put it in {KEY_VARIABLE}",
    403: f"refuses the API key in {KEY_VARIABLE}",
    404: "has no ComfyUI at this address",
}
GIVE_UP_AFTER = 5
"""Images in a row that the server failed on before the others are no longer asked for."""

_NAME = re.compile(r"(?P<workflow>.+?)@(?P<url>https?://[^,]*)(?:,(?P<options>.*))?")
_TAKEN = ("size", "steps", "guidance", "negative_prompt")
_DEFAULTS = {"attempts": "5", "timeout": "600", "concurrency": "1"}


class ComfyModel:
    """Draws by a workflow on a ComfyUI server, one image after the other.

    A failure of the server is tried again with the same seed; what ComfyUI refuses, or a node fails at, is a failed
    drawing with ComfyUI's own words. When drawing is stopped, the job is taken out of ComfyUI's queue.
    """

    def __init__(
        self, workflow: Workflow, address: str, limits: Limits, asked: ModelOptions, system: dict[str, Json]
    ) -> None:
        self._workflow = workflow
        self._client = ServerClient(address, key_variable=KEY_VARIABLE, limits=limits, fatal=FATAL_STATUS)
        self._settings = _settings(workflow, asked)
        self._size = size_of(self._settings)
        self._failures = 0
        self._spec = ModelSpec(
            name=f"{workflow.name}@{urlsplit(address).netloc}",
            kind="comfyui",
            role="model",
            source=workflow.name,
            weights_digest=digest(["unverified", workflow.models]),
            settings={
                **self._settings,
                "weights": "unverified",
                "models": workflow.models,
                "workflow": digest(workflow.blank())[:16],
            },
            runtime={"server": address, "attempts": limits.attempts, "timeout": limits.timeout, **system},
        )

    @classmethod
    def parse(cls, argument: str, asked: ModelOptions | None = None) -> Self:
        """The model for `comfyui:WORKFLOW@URL[,attempts=N][,timeout=SECONDS]`; ComfyUI is asked what it is.

        Raises:
            EvalsuiteError: The workflow cannot be used, an option is wrong, or nobody answers.
        """
        need_libraries("comfyui:")
        if hides_credentials(argument):
            parse_address(argument, "comfyui")
        match = _NAME.fullmatch(argument)
        if match is None:
            raise EvalsuiteError("comfyui: write comfyui:WORKFLOW.json@http://127.0.0.1:8188")
        found = parse_pieces("comfyui", [piece for piece in (match["options"] or "").split(",") if piece], _DEFAULTS)
        if found["concurrency"] != "1":
            raise EvalsuiteError("comfyui: concurrency: ComfyUI draws one image after the other")
        address = parse_address(match["url"], "comfyui")
        workflow = load_workflow(match["workflow"])
        # The websocket takes a connection for as long as a job runs.
        limits = replace(limits_of("comfyui", found), connections=4)
        client = ServerClient(address, key_variable=KEY_VARIABLE, limits=limits, fatal=FATAL_STATUS)
        return cls(workflow, address, limits, asked or ModelOptions(), ask_system(client))

    @property
    def spec(self) -> ModelSpec:
        """The workflow, its settings, and the names of the model files in it; the weights are unverified."""
        return self._spec

    @property
    def uses_cpu(self) -> bool:
        """True where ComfyUI is on this machine."""
        return urlsplit(str(self._spec.runtime["server"])).hostname in ("localhost", "127.0.0.1", "::1")

    def notices(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing."""
        return ()

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """One `Drawing` a request, in order.

        Raises:
            ServerError: The server wants another key, or is no ComfyUI.
        """
        for place, (prompt, seed) in enumerate(requests):
            if self._failures >= GIVE_UP_AFTER:
                text = f"not asked for: {self._client.address} failed on the {self._failures} images before"
                yield Drawing(prompt, seed, error=text)
                continue
            try:
                (made, image), failed = self._client.persist(lambda prompt=prompt, seed=seed: self._make(prompt, seed))  # type: ignore[misc]
            except (FailedError, RefusedError) as error:
                self._failures = self._failures + 1 if isinstance(error, FailedError) else self._failures
                yield Drawing(prompt, seed, error=str(error))
                continue
            self._failures = 0
            findings = lossy_findings(made.content)
            if failed:
                told = f"drawn at attempt {len(failed) + 1}, after: {'; '.join(failed)}"
                findings.append(Finding(code="draw-retried", message=told))
            yield Drawing(prompt, seed, image=image, timing=_timing(made, warmup=place == 0), findings=tuple(findings))

    def _make(self, prompt: Prompt, seed: int) -> tuple[Made, Image]:
        width, height = self._size
        values = {
            "prompt": prompt.text,
            "seed": seed,
            "width": width,
            "height": height,
            **{key: self._settings[key] for key in _TAKEN[1:] if key in self._settings},
        }
        graph = self._workflow.filled(values)
        save = graph[self._workflow.save]["inputs"]
        if "filename_prefix" in save:
            # Its own name, so that ComfyUI does not answer an attempt from its cache without an image.
            save["filename_prefix"] = f"evalsuite/{uuid.uuid4().hex}"
        job = ComfyJob(self._client, self._workflow.save)
        try:
            made = self._client.run(job.run(graph))
        except BaseException:
            run_async(job.cancel())
            raise
        return made, decode_answer(made.content, self._size)

    def __enter__(self) -> Self:
        self._failures = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def ask_system(client: ServerClient) -> dict[str, Json]:
    """ComfyUI's version and its devices, by `/system_stats`.

    Raises:
        EvalsuiteError: Nobody answers, or it is no ComfyUI.
    """

    def parse(reply: Reply) -> dict[str, Any]:
        answer = client.json_of(reply)
        if not isinstance(answer, dict) or not isinstance(answer.get("system"), dict):
            raise RetryError(f"JSON, but not ComfyUI's: {client.excerpt(reply.content)}")
        return answer

    try:
        answer = client.ask("GET", "/system_stats", parse, attempts=2).value
    except (FailedError, RefusedError) as error:
        raise EvalsuiteError(f"comfyui: {error}; start ComfyUI, or correct the address") from error
    finally:
        client.close()
    told = {"server version": answer["system"].get("comfyui_version")}
    devices = answer.get("devices")
    names = [each.get("name") for each in devices if isinstance(each, dict)] if isinstance(devices, list) else []
    told["server hardware"] = ", ".join(name for name in names if isinstance(name, str)) or None
    return {key: client.redact(value)[:200] for key, value in told.items() if isinstance(value, str)}


def _settings(workflow: Workflow, asked: ModelOptions) -> dict[str, Json]:
    """The values of the workflow's places, with `--set` laid over them."""
    if asked.lora or asked.transformer:
        raise EvalsuiteError("comfyui: --lora and --transformer are for local models; put them into the workflow")
    for key in asked.settings:
        if key not in _TAKEN:
            raise SettingError(f"comfyui: {key} is decided by the workflow; --set takes {', '.join(_TAKEN)}")
        if key != "size" and key not in workflow.places:
            raise SettingError(f"comfyui: {workflow.name} has no place for {key}; title a node 'evalsuite: {key}'")
    own = {key: workflow.own(key) for key in _TAKEN[1:] if workflow.own(key) is not None}
    size = f"{workflow.own('width')}x{workflow.own('height')}"
    return check_settings({"size": size, **own, **asked.settings}, where=f"comfyui: {workflow.name}")


def _timing(made: Made, *, warmup: bool) -> Timing:
    known = made.running is not None and 0 < made.running <= made.total
    drawing = made.running if known and made.running is not None else made.total
    phases = [Phase(name="drawing", seconds=drawing)]
    if known:
        phases.append(Phase(name="other", seconds=made.total - drawing))
    return Timing(total=made.total, phases=tuple(phases), warmup=warmup)
