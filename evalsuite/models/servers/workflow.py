"""A ComfyUI workflow in API format: the places in it for prompt, seed, size, steps and guidance.

A place is marked by its node's title, `evalsuite: prompt` or `evalsuite: seed, steps`. What no title marks is found by
the classes of ComfyUI's own nodes, from the sampler backwards.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evalsuite.datafiles import data_dir
from evalsuite.errors import EvalsuiteError
from evalsuite.files import parse_json, read_file
from evalsuite.records import Json
from evalsuite.wording import listed

Graph = dict[str, dict[str, Json]]
MAX_BYTES = 16 * 2**20

_TEXT = ("text", "value", "prompt", "string")
_INPUTS: Mapping[str, tuple[str, ...]] = {
    "prompt": _TEXT,
    "negative_prompt": _TEXT,
    "seed": ("seed", "noise_seed", "value"),
    "width": ("width", "value"),
    "height": ("height", "value"),
    "steps": ("steps", "value"),
    "guidance": ("cfg", "guidance", "value"),
}
"""The inputs that a place may be, the first that the node has with a value of its own."""

_CLASSES: Mapping[str, Mapping[str, str]] = {
    "seed": {"KSampler": "seed", "KSamplerAdvanced": "noise_seed", "RandomNoise": "noise_seed"},
    "steps": {"KSampler": "steps", "KSamplerAdvanced": "steps", "Flux2Scheduler": "steps", "BasicScheduler": "steps"},
    "guidance": {"KSampler": "cfg", "KSamplerAdvanced": "cfg", "CFGGuider": "cfg"},
}
_SIZED = re.compile(r"Empty\w*LatentImage\w*|Flux2Scheduler")
_GUIDES = ("KSampler", "KSamplerAdvanced", "CFGGuider", "BasicGuider")
_SAVES = ("SaveImage", "PreviewImage")
_MARK = re.compile(r"\s*evalsuite\s*:\s*(?P<places>.+)", re.IGNORECASE)
_MODEL_FILE = re.compile(r".+\.(safetensors|gguf|sft|ckpt|pt|pth|bin)", re.IGNORECASE)

Place = tuple[str, str]
"""A node's id and the name of its input."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph and its places: for each of `_INPUTS` the inputs that take it. `save` is the node whose image counts."""

    name: str
    graph: Graph
    places: Mapping[str, tuple[Place, ...]]
    save: str

    def own(self, what: str) -> Json:
        """The value that the workflow has in a place, or None where it has no such place."""
        found = self.places.get(what, ())
        return self.graph[found[0][0]]["inputs"][found[0][1]] if found else None

    @property
    def models(self) -> list[str]:
        """The names of all model files in the graph, sorted."""
        values = {value for node in self.graph.values() for value in node["inputs"].values() if isinstance(value, str)}
        return sorted(value for value in values if _MODEL_FILE.fullmatch(value))

    def blank(self) -> Graph:
        """The graph with its places empty: what is the same for all images and settings."""
        return self.filled(dict.fromkeys(self.places))

    def filled(self, values: Mapping[str, Json]) -> Graph:
        """A copy of the graph with values in its places."""
        graph = copy.deepcopy(self.graph)
        for what, value in values.items():
            for node, name in self.places.get(what, ()):
                graph[node]["inputs"][name] = value
        return graph


def shipped_workflows() -> dict[str, Path]:
    """The workflows that ship with evalsuite, by name."""
    return {path.stem: path for path in sorted((data_dir() / "workflows").glob("*.json"))}


def load_workflow(text: str) -> Workflow:
    """The workflow in a file, or the one that ships under that name.

    Raises:
        EvalsuiteError: It cannot be read, is not in API format, or a place is missing or not clear.
    """
    shipped = shipped_workflows()
    path = shipped.get(text) or Path(text).expanduser()
    try:
        if not path.is_file():
            raise EvalsuiteError(f"comfyui: {text}: no such file; workflows by name: {', '.join(shipped)}")
        content = read_file(path, limit=MAX_BYTES)
    except OSError as error:
        raise EvalsuiteError(f"{path}: cannot be read: {error.strerror}") from error
    graph = parse_json(content, str(path))
    _check(graph, path)
    places = {what: tuple(found) for what in _INPUTS if (found := _find(graph, what, path))}
    for what in ("prompt", "seed", "width", "height"):
        if what not in places:
            title = "size" if what in ("width", "height") else what
            raise EvalsuiteError(
                f"{path}: no place for the {what} was found; title its node 'evalsuite: {title}' in ComfyUI and "
                "export the workflow again"
            )
    saves = [key for key, node in graph.items() if node["class_type"] in _SAVES]
    if len(saves) != 1:
        raise EvalsuiteError(f"{path}: {len(saves)} nodes save images ({', '.join(saves) or 'none'}); keep one")
    if any(node["inputs"].get("batch_size", 1) != 1 for node in graph.values()):
        raise EvalsuiteError(f"{path}: batch_size must be 1, so that an image has a seed of its own")
    return Workflow(path.stem, graph, places, saves[0])


def _check(graph: Json, path: Path) -> None:
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise EvalsuiteError(f"{path}: saved for the editor; export it with 'Export (API)' in ComfyUI's Workflow menu")
    whole = isinstance(graph, dict) and graph and all(
        isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)
        for node in graph.values()
    )  # fmt: skip
    if not whole:
        raise EvalsuiteError(f"{path}: no workflow in API format (nodes by id, each with class_type and inputs)")


def _find(graph: Graph, what: str, path: Path) -> list[Place]:
    """The places of one kind: those that titles mark, else those by class."""
    marked = [_input_of(graph, key, what, path) for key, node in graph.items() if what in _marks(node)]
    if marked:
        return marked
    found = list(dict.fromkeys(_by_class(graph, what)))
    if len(found) > 1 and what not in ("width", "height"):
        nodes = listed([f"{key} ({graph[key]['class_type']})" for key, _ in found])
        raise EvalsuiteError(f"{path}: the {what} could go to {nodes}; title the right one 'evalsuite: {what}'")
    return found


def _marks(node: Mapping[str, Json]) -> set[str]:
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    match = _MARK.fullmatch(title) if isinstance(title, str) else None
    if match is None:
        return set()
    words = {" ".join(word.split()).lower() for word in match["places"].split(",")}
    found = {word.replace(" ", "_") for word in words}
    if "negative" in found:
        found.add("negative_prompt")
    return found | ({"width", "height"} if "size" in found else set())


def _input_of(graph: Graph, key: str, what: str, path: Path) -> Place:
    inputs = graph[key]["inputs"]
    for name in _INPUTS[what]:
        if name in inputs:
            place = _source(graph, key, name)
            if place is not None:
                return place
    raise EvalsuiteError(f"{path}: node {key} is marked for the {what}, but has no input for it ({', '.join(inputs)})")


def _by_class(graph: Graph, what: str) -> Iterator[Place]:
    for key, node in graph.items():
        kind = node["class_type"]
        if what in ("prompt", "negative_prompt") and kind in _GUIDES:
            link = "negative" if what == "negative_prompt" else "positive"
            yield from _encoder(graph, node["inputs"].get(link, node["inputs"].get("conditioning")), set())
        elif what in ("width", "height") and _SIZED.fullmatch(kind) and what in node["inputs"]:
            place = _source(graph, key, what)
            if place is not None:
                yield place
        elif kind in _CLASSES.get(what, {}):
            place = _source(graph, key, _CLASSES[what][kind])
            if place is not None:
                yield place


def _encoder(graph: Graph, link: Json, seen: set[str]) -> Iterator[Place]:
    """The text that a conditioning comes from, through nodes that pass one on; none through a zeroed one."""
    key = _linked(graph, link)
    if key is None or key in seen or graph[key]["class_type"] == "ConditioningZeroOut":
        return
    inputs = graph[key]["inputs"]
    if graph[key]["class_type"] == "CLIPTextEncode":
        place = _source(graph, key, "text")
        if place is not None:
            yield place
        return
    yield from _encoder(graph, inputs.get("conditioning"), seen | {key})


def _source(graph: Graph, key: str, name: str) -> Place | None:
    """The place itself, or the `value` of the primitive node that it is linked to; None where it is computed."""
    value = graph[key]["inputs"].get(name)
    linked = _linked(graph, value)
    if linked is None:
        return None if isinstance(value, list) else (key, name)
    inputs = graph[linked]["inputs"]
    if "value" in inputs and not isinstance(inputs["value"], list):
        return linked, "value"
    return None


def _linked(graph: Graph, value: Json) -> str | None:
    linked = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[0] in graph
    return str(value[0]) if linked else None
