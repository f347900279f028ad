"""A run as a table: one row per image, with its counts, texts, timing and protocol. CSV and Parquet."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from typing import TYPE_CHECKING

from evalsuite import scoring
from evalsuite.content import measured
from evalsuite.edits import edits_of
from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.glyphs import looked_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalsuite.records import Generation, Json
    from evalsuite.runs.opened import OpenRun

COUNTS = (
    "length",
    "substitutions",
    "insertions",
    "deletions",
    "unmatched_length",
    "case_errors",
    "duplicate_length",
    "other_length",
    "targets",
    "exact_targets",
    "words",
    "word_errors",
    "extra_words",
)
"""The counts of `scoring.Counts` that a row carries; rates of any slice are ratios of their sums."""

GLYPHS = ("glyphs_judged", "glyphs_suspicious", "glyphs_cannot_tell")
"""Counts of the glyph verifier, None for images that it has not looked at; no part of any rate."""

CONTENT = (
    "content_share",
    "content_similarity",
    "content_psnr",
    "content_lpips",
    "content_dino",
    "content_against",
    "clip_score",
    "vqa_score",
)
"""What was measured beside the text, None where it was not; of several baselines or checkpoints of a kind the last.

Equal pictures have no PSNR.
"""

EDITS = ("edit_old_gone", "edit_lines_kept", "edit_similarity", "edit_psnr")
"""What an edited picture is worth beside its new text (`edits.figures.ImageEdit`), None where none was edited or nobody
can tell. Equal pictures have no PSNR."""

RATES = ("character_accuracy", "strict_accuracy", "exact_string_rate", "cer", "wer", "ned")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows(run: OpenRun) -> Iterator[dict[str, Json]]:
    """One flat row per image of the plan, missing ones included; lists and objects are JSON values.

    Times are in seconds, memory in bytes; `read` is what was matched to each target, in their order. `image` is None
    where there is none as it was drawn, and `detail` says why.
    """
    roles = {spec.name: spec.role for spec in run.manifest.models}
    lost = {each.key: each.why for each in run.missing if each.stage == "file"}
    glyphs, beside, edited = _glyphs(run), _content(run), _edits(run)
    for score in run.scores:
        prompt = run.prompts[score.prompt]
        reading = run.readings.get(score.key)
        counted = scoring.count(score.result)
        rates = scoring.Rates(counts=counted)
        yield {
            "run": run.manifest.name,
            "key": score.key,
            "model": score.model,
            "role": roles[score.model],
            "suite": prompt.suite,
            "prompt_id": prompt.id,
            "language": prompt.language,
            "category": prompt.category,
            "length_class": prompt.length,
            "seed": score.seed,
            "status": score.status,
            "detail": lost.get(score.key, score.detail),
            "all_exact": bool(counted.exact_images),
            **{name: getattr(rates, name) for name in RATES},
            **{name: getattr(counted, name) for name in COUNTS},
            **glyphs.get(score.key, dict.fromkeys(GLYPHS)),
            **dict.fromkeys(CONTENT),
            **beside.get(score.key, {}),
            **dict.fromkeys(EDITS),
            **edited.get(score.key, {}),
            "prompt": prompt.text,
            "target_strings": list(prompt.targets),
            "read": ["".join(edit.read for edit in target.edits) for target in score.result.targets],
            "extra": [extra.text for extra in score.result.extras],
            "ocr_lines": [line.text for line in reading.lines] if reading else [],
            "errors": [f"{error.kind}: {error.wanted} > {error.read}" for error in score.result.errors],
            "image": run.evidence.drawn[score.key].image if score.key in run.evidence.drawn else None,
            **_drawing(run.generations.get(score.key)),
            "ocr": run.ocr.name,
            "ocr_digest": run.ocr.digest,
            "scorer": f"{run.scorer.name} {run.scorer.version}",
            "profile": run.scorer.profile,
            "normalizer": run.scorer.normalizer,
        }


def _glyphs(run: OpenRun) -> dict[str, dict[str, Json]]:
    """What was seen of each image's glyphs, by key, under `GLYPHS`."""
    looked = looked_at(run)
    if looked is None:
        return {}
    found: dict[str, dict[str, Json]] = {}
    for key, row in looked.found.seen.items():
        sights = [each.sight for each in row.glyphs]
        bad = sights.count("suspicious")
        judged = bad + sights.count("sound")
        found[key] = dict(zip(GLYPHS, (judged, bad, len(sights) - judged), strict=True))
    return found


def _content(run: OpenRun) -> dict[str, dict[str, Json]]:
    """What was measured beside each image's text, by key, under `CONTENT`."""
    if measured(run) is None:
        return {}
    from evalsuite.content.agreement import read_agreement
    from evalsuite.content.distances import read_distances
    from evalsuite.content.measures import psnr
    from evalsuite.content.measuring import read_pairs, read_pictures

    found: dict[str, dict[str, Json]] = {key: {"content_share": row.share} for key, row in read_pictures(run).items()}
    for pair in read_pairs(run).values():
        decibels = psnr(pair.mse)
        found.setdefault(pair.key, {}).update(
            content_similarity=pair.similarity,
            content_psnr=None if decibels is None or math.isinf(decibels) else decibels,
            content_against=pair.against,
        )
    for apart in read_distances(run).values():
        found.setdefault(apart.key, {})[f"content_{_kind(apart.scorer)}"] = apart.distance
    for scored in read_agreement(run):
        name = "clip_score" if _kind(scored.scorer) == "clipscore" else "vqa_score"
        found.setdefault(scored.key, {})[name] = scored.score
    return found


def _kind(scorer: str) -> str:
    """`lpips` of `LPIPS (AlexNet)`."""
    return scorer.partition(" ")[0].lower()


def _edits(run: OpenRun) -> dict[str, dict[str, Json]]:
    """What each edited picture is worth, by key, under `EDITS`."""
    found = edits_of(run)
    if found is None:
        return {}
    from evalsuite.content.measures import psnr

    rows: dict[str, dict[str, Json]] = {}
    for key, each in found.images.items():
        decibels = psnr(each.mse)
        finite = None if decibels is None or math.isinf(decibels) else decibels
        rows[key] = dict(zip(EDITS, (each.gone, each.kept, each.similarity, finite), strict=True))
    return rows


def _drawing(generation: Generation | None) -> dict[str, Json]:
    timing = generation.timing if generation else None
    memory = generation.memory if generation else None
    phases: Mapping[str, float] = {phase.name: phase.seconds for phase in timing.phases} if timing else {}
    return {
        "image_sha256": generation.sha256 if generation else None,
        "width": generation.width if generation else None,
        "height": generation.height if generation else None,
        "seconds": timing.total if timing else None,
        "warmup": timing.warmup if timing else None,
        "batch": timing.batch if timing else None,
        "phases": dict(phases),
        "memory_allocated": memory.allocated if memory else None,
        "memory_process": memory.process if memory else None,
        "revised_prompt": generation.revised_prompt if generation else None,
        "findings": [f"{finding.code}: {finding.message}" for finding in generation.findings] if generation else [],
    }


def to_csv(run: OpenRun) -> str:
    """The table as CSV (RFC 4180, UTF-8), for spreadsheets.

    Lists and objects are JSON in their cell. A text that a spreadsheet would take for a formula gets an apostrophe in
    front; Parquet keeps every text as it is.
    """
    buffer = io.StringIO()
    writer = None
    for row in rows(run):
        if writer is None:
            writer = csv.DictWriter(buffer, fieldnames=list(row), lineterminator="\r\n")
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return buffer.getvalue()


def _cell(value: Json) -> Json:
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        # Tab and line break stay, which a cell may hold; other controls could steer what prints the file.
        value = _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
        return f"'{value}" if value.startswith(_FORMULA) else value
    return value


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def to_parquet(run: OpenRun) -> bytes:
    """The table as Parquet: lists stay lists, phases a map from name to seconds, missing values null.

    Raises:
        EvalsuiteError: when pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # type: ignore[import-not-found, import-untyped, unused-ignore]
        import pyarrow.parquet as pq  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise EvalsuiteError(
            f"Parquet needs pyarrow, which is not installed; run: {install_command('datasets')}"
        ) from None
    listed = list(rows(run))
    schema = pa.schema([(name, _arrow_type(pa, name)) for name in listed[0]])
    columns = {name: [row[name] for row in listed] for name in listed[0]}
    columns["phases"] = [list(value.items()) for value in columns["phases"]]
    table = pa.table(columns, schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


_INTEGERS = {*COUNTS, *GLYPHS, "seed", "width", "height", "batch", "memory_allocated", "memory_process"}
_LISTS = {"target_strings", "read", "extra", "ocr_lines", "errors", "findings"}


def _arrow_type(pa: Json, name: str) -> Json:
    if name in _INTEGERS:
        return pa.int64()
    if name in RATES or name == "seconds" or (name in CONTENT and name != "content_against") or name in EDITS:
        return pa.float64()
    if name in {"all_exact", "warmup"}:
        return pa.bool_()
    if name in _LISTS:
        return pa.list_(pa.string())
    return pa.map_(pa.string(), pa.float64()) if name == "phases" else pa.string()
