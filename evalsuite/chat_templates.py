"""Chat templates of checkpoints are programs: Jinja, which can loop without end and write without bound.

Jinja's sandbox keeps them from the machine, but not from its time and memory. So before a checkpoint's tokenizer is
used, its templates are run once on a short conversation in a process of their own, with little of both.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from evalsuite.errors import EvalsuiteError
from evalsuite.files import read_json_object, read_text

MAX_TEMPLATE_BYTES = 2**20
MAX_CHARACTERS = 100_000
"""What a template may make of a short conversation; those of published models make some hundred."""
CPU_SECONDS = 5
MEMORY_BYTES = 2**30
_WALL_SECONDS = 120.0

_FILES = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json", "processor_config.json")

_CHILD = """
import json, sys
given = json.load(sys.stdin)
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (given["memory"], given["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (given["seconds"], given["seconds"]))
except (ImportError, ValueError, OSError):
    pass
import jinja2, jinja2.ext, jinja2.nodes, jinja2.sandbox
class Generation(jinja2.ext.Extension):
    tags = {"generation"}
    def parse(self, parser):
        line = next(parser.stream).lineno
        return jinja2.nodes.Scope(parser.parse_statements(["name:endgeneration"], drop_needle=True), lineno=line)
def refuse(message=""):
    raise jinja2.TemplateError(message)
environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
environment.filters["tojson"] = lambda value, **_: json.dumps(value)
environment.globals.update(raise_exception=refuse, strftime_now=lambda form: "")
text = "A sign that says OPEN."
longest = 0
user = lambda content: {"role": "user", "content": content}
parts = [{"type": "image"}, {"type": "text", "text": text}]
talks = [user(text)], [user(parts)], [user(30 * text)], [{"role": "system", "content": text}, user(text)], [
    user(text), {"role": "assistant", "content": text}, user(text)]
for messages in talks:
    try:
        made = environment.from_string(given["template"]).render(
            messages=messages, tools=None, documents=None, add_generation_prompt=True, bos_token="", eos_token="",
            enable_thinking=False)
        longest = max(longest, len(made))
    except MemoryError:
        sys.exit(3)
    except Exception:
        continue  # what is wrong with it is told where it is used
print(longest)
"""


def check_chat_templates(folder: Path) -> None:
    """Run every chat template in the folder of a tokenizer or processor, within bounds.

    Raises:
        EvalsuiteError: One takes more than `CPU_SECONDS` or `MEMORY_BYTES`, or makes more than `MAX_CHARACTERS`.
    """
    for where, template in _templates(folder):
        why = _fault_of(template)
        if why is not None:
            raise EvalsuiteError(f"{where}: its chat template {why}; it is no checkpoint to use")


def _templates(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in (folder / name for name in _FILES):
        if not path.is_file():
            continue
        if path.suffix == ".jinja":
            yield path, read_text(path, limit=MAX_TEMPLATE_BYTES)
            continue
        found = read_json_object(path).get("chat_template")
        if isinstance(found, dict):
            named: list[object] = list(found.values())
        else:
            named = [each.get("template") if isinstance(each, dict) else each for each in _listed(found)]
        for template in named:
            if isinstance(template, str):
                yield path, template
    for path in sorted(folder.glob("additional_chat_templates/*.jinja")):
        yield path, read_text(path, limit=MAX_TEMPLATE_BYTES)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


@functools.lru_cache(maxsize=64)
def _fault_of(template: str) -> str | None:
    """Why a template must not be used, or None."""
    if len(template) > MAX_TEMPLATE_BYTES:
        return f"has more than {MAX_TEMPLATE_BYTES:,} characters"
    given = json.dumps({"template": template, "memory": MEMORY_BYTES, "seconds": CPU_SECONDS})
    slow = f"runs for more than {CPU_SECONDS} s on a short conversation"
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter, our own program
            [sys.executable, "-I", "-c", _CHILD],
            input=given,
            capture_output=True,
            text=True,
            timeout=_WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return slow
    if child.returncode == 3:
        return f"needs more than {MEMORY_BYTES // 2**20} MiB for a short conversation"
    if child.returncode != 0:
        return slow
    made = int(child.stdout)
    return f"makes {made:,} characters of a short conversation" if made > MAX_CHARACTERS else None
