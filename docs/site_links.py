"""MkDocs hook: what pages link to outside docs/ becomes a part of the site.

Read on a code host, `../data/suites/README.md` is a link like any other; a site made of docs/ alone would lose it. Each
such file is taken along, pages among them as pages, below `repository/`, and the links are turned there.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
TAKEN = "repository"
"""The folder of the site that stands for the repository's root."""
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take along what pages name outside docs/, and what the pages taken along name."""
    waiting = [
        (f"docs/{file.src_uri}", (ROOT / "docs" / file.src_uri).read_text("utf-8"))
        for file in files.documentation_pages()
    ]
    while waiting:
        page, text = waiting.pop()
        for match in _LINK.finditer(text):
            target = _in_repository(page, match[2])
            if target is None or target.startswith("docs/") or not (ROOT / target).is_file():
                continue
            uri = f"{TAKEN}/{target}"
            if files.get_file_from_path(uri) is None:
                content = (ROOT / target).read_bytes()
                files.append(File.generated(config, uri, content=content))
                if target.endswith(".md"):
                    waiting.append((target, content.decode()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page to where the files lie in the site; a folder is named and not linked."""
    del config
    uri = page.file.src_uri
    own = uri.removeprefix(f"{TAKEN}/") if uri.startswith(f"{TAKEN}/") else f"docs/{uri}"

    def turned(match: re.Match[str]) -> str:
        target = _in_repository(own, match[2])
        if target is None:
            return match[0]
        place = target.removeprefix("docs/") if target.startswith("docs/") else f"{TAKEN}/{target}"
        if files.get_file_from_path(place) is None:
            return match[0]
        return f"{match[1]}{posixpath.relpath(place, posixpath.dirname(uri) or '.')}{match[3]}"

    return _LINK.sub(turned, markdown)


def _in_repository(page: str, link: str) -> str | None:
    """The path from the repository's root of what a page links to; None for an address elsewhere."""
    if "://" in link or link.startswith(("/", "mailto:")):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
