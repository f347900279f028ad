"""What the pages under docs/ say of this repository is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from evalsuite.cli.main import app, spread_settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "data").rglob("*.md")])


@pytest.mark.parametrize("name", ["public-reports.md", "in-use.md"])
def test_every_test_that_a_page_names_exists(name):
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"::(test_\w+)", page)
    assert len(named) >= 25
    assert [name for name in named if f"def {name}(" not in sources] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page):
    """To a file that is there and, where the link names a heading, to that heading."""
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        if "://" in target:
            continue
        file = (page.parent / name).resolve() if name else page
        there = file.exists() and (not heading or file.suffix != ".md" or heading in _headings(file))
        if not there:
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_that_a_page_gives_are_taken_by_the_command_line(page):
    """Each is taken apart as it would be when given; nothing is run."""
    for line in commands_of(page.read_text(encoding="utf-8")):
        words = shlex.split(line, comments=True)
        words = words[: min((k for k, word in enumerate(words) if word in ("&&", "|", ">", ";")), default=len(words))]
        command, name, rest = typer.main.get_command(app), "evalsuite", words[1:]
        while hasattr(command, "commands"):
            name, command = rest[0], command.commands[rest[0]]
            rest = rest[1:]
        command.make_context(name, spread_settings(rest), resilient_parsing="--help" in rest)


def commands_of(text: str) -> list[str]:
    """The commands in a page's blocks of code, `nox -s gate -- …` as the gate's; broken lines are put together."""
    blocks = re.findall(r"^ *```(?:sh|console|bash)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines = [line.replace("nox -s gate --", "evalsuite gate") for line in lines]
    return [line for line in lines if line.startswith("evalsuite ") and "…" not in line]


def _headings(page: Path) -> set[str]:
    """The anchors that GitHub makes: lower case, punctuation gone, spaces as hyphens."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
