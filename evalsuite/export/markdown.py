"""A run as Markdown: a summary for an issue or a pull request, and the evaluation block of a model card."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from evalsuite.edits import edits_of
from evalsuite.errors import EvalsuiteError, IncompleteError
from evalsuite.glyphs import looked_at
from evalsuite.report import figures as views
from evalsuite.report.i18n import translate
from evalsuite.version import __version__
from evalsuite.wording import sentence, visible

if TYPE_CHECKING:
    from evalsuite.records import Json
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.summary import ModelSummary, Slice

_NOTES = {
    "model": "",
    "stand-in": " (stand-in, says nothing of the real model)",
    "reference": " (reference, not a model)",
}
_REASONS = {
    "interval.no_data": "undefined",
    "interval.few": "too few prompts for an interval",
    "interval.no_spread": "too little spread for an interval",
}


def escape(text: str) -> str:
    """Untrusted text for a Markdown paragraph or table cell: one line, no markup, no mention, no issue reference."""
    plain = re.sub(r"([\\`*_{}\[\]<>|~&])", r"\\\1", visible(" ".join(text.split())))
    return re.sub(r"([@#])(?=\w)", r"\1<!-- -->", plain)


def summary(run: OpenRun) -> str:
    """Accuracy by model and language with intervals and ceiling, speed, protocol; incomplete runs say so first."""
    parts = [f"## evalsuite: {escape(run.manifest.name)}", ""]
    parts += _incomplete(run)
    parts += [f"> {escape(sentence(notice))}\n" for notice in run.notices]
    parts += _accuracy(run)
    parts += _glyphs(run)
    parts += _edits(run)
    speed = views.speed_rows(run.summary)
    if speed:
        parts += ["", "| Model | Median | p90 | Images/s | Warm images |", "|---|---|---|---|---|"]
        parts += [
            f"| {escape(row.model)}{_NOTES[row.role]} | {row.p50} | {row.p90} | {row.throughput} | {row.warm} |"
            for row in speed
        ]
    machine = run.hardware_line
    parts += ["", f"{_protocol(run)} Hardware: {escape(machine) if machine else 'not recorded'}.", ""]
    return "\n".join(parts)


def _edits(run: OpenRun) -> list[str]:
    """What edited pictures are worth, each figure by itself; nothing where none are edited."""
    found = edits_of(run)
    if found is None:
        return []
    from evalsuite.edits.figures import COLUMNS, cells

    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(cells, found.figures)]
    return ["", *(f"| {' | '.join(each if each == '---' else escape(each) for each in row)} |" for row in rows)]


def _incomplete(run: OpenRun) -> list[str]:
    """What is missing, in the words of the page."""
    if not run.faults:
        return []
    lost = sum(each.stage == "file" for each in run.faults)
    said = [f"**{translate('incomplete.title', n=len(run.faults), total=len(run.scores))}.**"]
    if len(run.faults) > lost:
        said.append(translate("incomplete.effect", n=len(run.faults) - lost))
    if lost:
        said.append(translate("incomplete.files", n=lost))
    said.append(translate("incomplete.gate"))
    lines = [f"> {' '.join(said)}", ">"]
    for each in views.missing_images(run.faults):
        more = [translate("incomplete.more", n=each.more)] if each.more else []
        lines.append(f"> - {escape(each.model)}: {'; '.join([*map(escape, each.lines), *more])}")
    return [*lines, ""]


def _accuracy(run: OpenRun) -> list[str]:
    lines = [
        "| Model | Language | Character accuracy | OCR ceiling | Styled ceiling | Strings exact | All exact | Images |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in views.accuracy_rows(run):
        ceiling = "is the ceiling" if row.is_ceiling else _figure(row.ceiling) if row.ceiling else "not measured"
        styled = "is the ceiling" if row.is_styled_ceiling else _figure(row.styled) if row.styled else "not measured"
        missing = f", {row.missing} missing or unread" if row.missing else ""
        lines.append(
            f"| {escape(row.model)}{_NOTES[row.role]} | {escape(row.language or 'all, pooled')} | "
            f"**{row.accuracy.text}** {_bounds(row.accuracy)} | {ceiling} | {styled} | {_figure(row.strings)} | "
            f"{_figure(row.all_exact)} | {row.images} ({row.prompts} prompts){missing} |"
        )
    return lines


def _glyphs(run: OpenRun) -> list[str]:
    """What the glyph verifier saw, where somebody has let it look."""
    from evalsuite.glyphs.rows import glyph_rows, marked_rows

    looked = looked_at(run)
    if looked is None:
        return []
    lines = [
        "",
        "Suspicious glyphs, which are no part of any accuracy (docs/glyphs.md):",
        "",
        "| Model | Language | Judged | Suspicious | Share | Cannot tell | Why not |",
        "|---|---|---|---|---|---|---|",
        *("| " + " | ".join(map(escape, row)) + " |" for row in glyph_rows(looked.found)),
    ]
    if looked.found.unseen:
        lines += ["", f"{looked.found.unseen} images have not been looked at."]
    if looked.correction is not None and looked.correction.withheld is None:
        lines += [
            "",
            f"Malformed glyphs, corrected by a person who marked {looked.correction.size} drawn at random:",
            "",
            "| Model | Language | Marked | Suspicious | Malformed, corrected | Found | Missed | False alarms |",
            "|---|---|---|---|---|---|---|---|",
            *("| " + " | ".join(map(escape, row)) + " |" for row in marked_rows(looked.correction)),
        ]
    return lines


def _figure(figure: views.Figure) -> str:
    return f"{figure.text} {_bounds(figure)}"


def _bounds(figure: views.Figure) -> str:
    return figure.interval or f"({_REASONS[figure.reason or 'interval.no_data']})"


def _protocol(run: OpenRun) -> str:
    suites = ", ".join(
        f"{escape(name)} ({count} prompts)" for name, count in views.prompts_per_suite(run.manifest).items() if count
    )
    return (
        f"Suites: {suites}; seeds {', '.join(map(str, run.manifest.seeds))}. "
        f"Scorer: {escape(run.scorer.name)} {escape(run.scorer.version)}, profile {escape(run.scorer.profile)}, "
        f"{escape(run.scorer.normalizer)}. OCR: {escape(run.ocr.name)} {run.ocr.digest[:8]}. "
        f"{views.level(run.summary)} % intervals over prompts: Bayesian bootstrap with a pseudo-prompt at the ends."
    )


def model_card(run: OpenRun, model: str | None = None) -> str:
    """The `model-index` block of a Hugging Face model card, as YAML between `---` lines.

    Every metric carries its interval, its protocol and the OCR ceiling in `args`.

    Raises:
        EvalsuiteError: when the run has no such model, or several and none is named, or it is the reference.
        IncompleteError: when images are missing or unread: a card quotes no lower bounds, and nothing unverifiable.
    """
    chosen = _choose(run, model)
    spec = next(spec for spec in run.manifest.models if spec.name == chosen.name)
    languages = chosen.by("language")
    slices = chosen.by("suite") + (languages if len(languages) > 1 else ())
    results = [_result(run, each) for each in slices]
    named = f"{chosen.name}{_NOTES[chosen.role]}"
    block: Json = {"model-index": [{"name": named, "results": results}]}
    content = yaml.dump(block, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=120)
    note = f"# evalsuite {__version__}; weights {spec.weights_digest[:16]}\n"
    return f"---\n{note}{content}---\n"


class _Plain(yaml.SafeDumper):
    """YAML without anchors: a value that occurs twice is written twice, as people and simple parsers read it."""

    def ignore_aliases(self, data: Json) -> bool:  # noqa: ARG002 - PyYAML's name and signature
        """Whether a value is never referred to: none is."""
        return True


def _choose(run: OpenRun, model: str | None) -> ModelSummary:
    real = [each for each in run.summary.models if each.role != "reference"]
    names = ", ".join(each.name for each in real) or "none"
    found = [each for each in real if model is None or each.name == model]
    if len(found) != 1:
        problem = "name one with --model" if model is None else f"no model {model!r}"
        raise EvalsuiteError(f"{run.folder}: {problem}; models with a card: {names}")
    missing = run.missing_of(found[0].name)
    if missing:
        raise IncompleteError(
            f"{run.folder}: {len(missing)} {'image' if len(missing) == 1 else 'images'} of {found[0].name} missing or "
            f"unread, e.g. {missing[0].text}; finish the run before its figures go onto a card"
        )
    return found[0]


def _result(run: OpenRun, each: Slice) -> Json:
    digests = {ref.name: ref.digest for ref in run.manifest.suites}
    ceiling = run.summary.ceiling(each)
    protocol = {
        "scorer": f"{run.scorer.name} {run.scorer.version}",
        "profile": run.scorer.profile,
        "normalizer": run.scorer.normalizer,
        "ocr": f"{run.ocr.name} {run.ocr.digest[:16]}",
        "prompts": each.prompts,
        "seeds": list(run.manifest.seeds),
    }
    metrics = []
    for name, title in (
        ("character_accuracy", "Character accuracy"),
        ("exact_string_rate", "Strings exact"),
        ("all_exact_image_rate", "Images all exact"),
    ):
        interval = each.intervals[name]
        bounds = None if interval.low is None or interval.high is None else [interval.low, interval.high]
        above = ceiling.intervals[name].estimate if ceiling else None
        metrics.append(
            {
                "type": name,
                "name": title,
                "value": interval.estimate,
                "args": {"interval": bounds, "level": interval.level, "ocr_ceiling": above, **protocol},
            }
        )
    dataset: dict[str, Json] = {
        "name": f"evalsuite {each.value}",
        "type": each.value if each.dimension == "suite" else "evalsuite",
    }
    if each.value in digests:
        dataset["revision"] = digests[each.value][:16]
    return {"task": {"type": "text-to-image", "name": "Text rendering"}, "dataset": dataset, "metrics": metrics}
