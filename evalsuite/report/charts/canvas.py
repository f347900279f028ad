"""Drawing with matplotlib for a page with its own colours: SVG that takes them from the style sheet.

matplotlib writes `style` attributes, which a strict Content-Security-Policy forbids, and fixed colours, which cannot
follow light and dark. So charts are drawn in placeholder colours, and `to_markup` turns styles into presentation
attributes and placeholders into the page's variables.
"""

from __future__ import annotations

import io
import json
import logging
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from evalsuite.report.cells import Cell, word
from evalsuite.wording import ends, rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from evalsuite.runs.summary import Summary
    from evalsuite.stats import Interval

WIDTH = 5.8
"""Inches of every chart, at 72 units an inch: narrow enough that its texts stay legible on a telephone."""

INK, QUIET, RULE, GROUND = "#0000a1", "#0000a2", "#0000a3", "#0000a4"
GOOD, BAD, OPEN = "#0000a5", "#0000a6", "#0000a7"
SERIES = tuple(f"#0000f{place}" for place in range(1, 7))
"""Placeholder colours. The page's series colours keep apart for the common kinds of colour blindness (a test holds
it), and each series has its own marker besides."""

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")

_VARIABLES = {
    INK: "ink", QUIET: "quiet", RULE: "rule", GROUND: "ground", GOOD: "good", BAD: "bad", OPEN: "wrong",
} | {colour: f"s{place}" for place, colour in enumerate(SERIES, start=1)}  # fmt: skip
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10,
    "axes.edgecolor": RULE,
    "axes.labelcolor": QUIET,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its numbers.

    `name` gives the keys `plot.NAME` and `plot.NAME.lead` of its heading and text, `values` what these want.
    """

    name: str
    svg: Markup
    columns: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    values: Mapping[str, str] = field(default_factory=dict)


def interval_text(interval: Interval) -> str:
    """An interval as a cell's text: the estimate and its ends, which no line break parts, or the estimate alone."""
    bounds = ends(interval).replace(" ", "\u00a0")
    return f"{rate(interval.estimate)} {bounds}".rstrip()


def colour(place: int) -> str:
    """The placeholder of the series at `place`; they repeat after six, with another marker."""
    return SERIES[place % len(SERIES)]


@dataclass(frozen=True, slots=True)
class Style:
    """How a model looks in every chart of a page: the same colour and marker, references grey and hollow."""

    colour: str
    marker: str
    face: str


def styles(summary: Summary) -> dict[str, Style]:
    """One style per model, by name. There are more markers than colours, so that no two of 24 models look alike."""
    found = {}
    real = [model.name for model in summary.models if model.role != "reference"]
    for place, name in enumerate(real):
        found[name] = Style(colour(place), MARKERS[place % len(MARKERS)], colour(place))
    references = [model.name for model in summary.models if model.role == "reference"]
    for place, name in enumerate(references):
        found[name] = Style(QUIET, MARKERS[place % len(MARKERS)], GROUND)
    return found


@contextmanager
def figure(height: float, rows: int = 1, **options: Any) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of the page's width with `rows` axes, in the page's style."""
    # Glyphs that matplotlib's own font lacks are drawn by the browser; its warnings about them would be noise.
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with mpl.rc_context(_STYLE):
            drawing = Figure(figsize=(WIDTH, height), layout="constrained")
            axes = drawing.subplots(rows, 1, squeeze=False, **options)
            yield drawing, [row[0] for row in axes]
    finally:
        logger.setLevel(level)


def legend(drawing: Figure, axes: Axes) -> None:
    """The axes' legend above the figure, in as many columns as its texts leave room for."""
    handles, texts = axes.get_legend_handles_labels()
    widest = max((len(text) for text in texts), default=0)
    columns = max(1, min(len(handles), 80 // (widest + 8)))
    drawing.legend(handles, texts, loc="outside upper left", ncols=columns, fontsize=9.5, handlelength=1.6)


def to_markup(drawing: Figure, name: str, words: Sequence[str | Cell] = ()) -> Markup:
    """The figure as an `<svg>` for inside the page. Texts in `words` (keys or cells) are translated there."""
    buffer = io.BytesIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), _without_glyph_warnings():
        # Not `savefig`, which draws everything once more for nothing to learn how large it becomes.
        canvas: Any = FigureCanvasSVG(drawing)  # whose method has no types
        canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - written by matplotlib just now
    messages = {each.text: each for each in (word(key) if isinstance(key, str) else key for key in words)}
    _clean(root, name, messages)
    width, height = (float(value) for value in root.attrib["viewBox"].split()[2:])
    root.attrib.clear()
    root.attrib.update({"class": "chart", "viewBox": f"0 0 {width:g} {height:g}", "aria-hidden": "true"})
    return Markup(ET.tostring(root, encoding="unicode", short_empty_elements=False))  # noqa: S704 - serialised, so escaped


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


_KEEP = {
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-opacity",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "opacity",
    "font-size",
    "font-weight",
    "text-anchor",
}


def _clean(root: ET.Element, name: str, messages: Mapping[str, Cell]) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in {"metadata", "style"}:
                parent.remove(child)
    referenced = set(re.findall(r"#([\w-]+)", ET.tostring(root, encoding="unicode")))
    for element in root.iter():
        element.tag = _local(element.tag)
        attributes = _attributes(element, name)
        if element.attrib.get("id") not in referenced:
            attributes.pop("id", None)
        if element.tag == "text":
            attributes.setdefault("fill", "currentColor")
            message = messages.get(element.text or "")
            if message is not None and message.key is not None:
                attributes["data-i18n"] = message.key
                if message.values:
                    attributes["data-i18n-values"] = json.dumps(dict(message.values))
        element.attrib.clear()
        element.attrib.update(attributes)
        element.tail = None if element.tail is None or not element.tail.strip() else element.tail


def _attributes(element: ET.Element, name: str) -> dict[str, str]:
    """The element's attributes without name spaces and `style`; ids made the chart's own, colours the page's."""
    attributes = {_local(key): value for key, value in element.attrib.items()}
    for declaration in filter(None, attributes.pop("style", "").split(";")):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "font":  # `10px 'DejaVu Sans', …`: the size counts, the family is the page's
            attributes["font-size"] = value.split()[0]
        elif key in _KEEP:
            attributes[key] = value
    if _local(element.tag) == "a":  # a point that leads to its prompt; the keyboard takes the table's links
        return {"href": attributes["href"], "tabindex": "-1"}
    for key, value in attributes.items():
        if value.lower() in _VARIABLES:
            attributes[key] = f"var(--{_VARIABLES[value.lower()]})"
        elif key in {"id", "href", "clip-path"}:
            attributes[key] = re.sub(r"^(url\()?(#?)", rf"\g<1>\g<2>{name}-", value)
    return attributes


def _local(name: str) -> str:
    return name.rpartition("}")[2]
