"""The options that several commands share, each described once, and how examples are written under a command's help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

Profile = Literal["strict", "standard", "lenient"]


class Protocol(StrEnum):
    """What `--protocol` takes (`evalsuite.scoring.protocols`)."""

    LONGTEXT = "longtext"
    LONGTEXT_FIXED = "longtext-fixed"
    ONEIG = "oneig"
    CVTG = "cvtg"
    LEX = "lex"
    TIIF = "tiif"
    ANYTEXT = "anytext"
    WEGEN = "wegen"
    WEGEN_FIXED = "wegen-fixed"
    TEXTATLAS = "textatlas"
    TEXTATLAS_FIXED = "textatlas-fixed"
    STRICT = "strict"
    STRICT_FIXED = "strict-fixed"
    TEXTPECKER = "textpecker"


class TrackerName(StrEnum):
    """What `--track` takes (`evalsuite.track`)."""

    WANDB = "wandb"
    MLFLOW = "mlflow"
    TENSORBOARD = "tensorboard"


def examples(*commands: str) -> str:
    """The examples under a command's help, a line each."""
    return "\n\n".join(("Examples:" if len(commands) > 1 else "Example:", *commands))


JsonOption = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON document on stdout and nothing else there; its schema: evalsuite schema."
    ),
]

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]

ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="A preset, a checkpoint folder, a hub id, typeset, folder:DIR, server:URL or comfyui:WORKFLOW@URL; "
        "repeatable.",
    ),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", metavar="MODEL", help="The model in the run, where it has several.")
]
SuitesOption = Annotated[
    list[str] | None,
    typer.Option("--suite", "-s", metavar="SUITE", help="all, a suite's name, or a YAML or JSONL file; repeatable."),
]
SamplesOption = Annotated[int, typer.Option("--samples", "-n", metavar="N", help="Images per prompt.")]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="First seed; also picks the sample of --limit.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", help="At most this many prompts, balanced over the suites.")
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE…", help="Sampler settings, e.g. --set steps=8 size=768x1344."),
]
LoraOption = Annotated[
    list[str] | None,
    typer.Option("--lora", metavar="PATH:SCALE", help="An adapter; ':SCALE' may be left out; repeatable."),
]
TransformerOption = Annotated[
    str | None, typer.Option("--transformer", metavar="PATH", help="A fine-tuned transformer: safetensors or GGUF.")
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Draw only this part of the plan, e.g. 3/8; 'evalsuite merge' puts them together.",
    ),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        "--devices",
        metavar="DEVICES",
        help="One process for each: all, 0,1 (GPUs) or cpu:2; with --backend ray, cpu:N actors.",
    ),
]
BackendOption = Annotated[Literal["local", "ray"], typer.Option("--backend", help="Where to draw and read.")]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="ADDRESS", help="Ray cluster: auto or HOST:PORT; by default one is started here."
    ),
]
UntilVerdictOption = Annotated[
    bool, typer.Option("--until-verdict", help="Draw image by image, and stop once the policy's gates have decided.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Run folder; by default one in reports/ named by the plan."),
]
OcrOption = Annotated[
    str,
    typer.Option(
        "--ocr",
        metavar="ENGINE",
        help="OCR engine: paddle, paddle-openvino, paddle-cuda, rapidocr-v4, tesseract, qwen2.5-vl or textpecker, some "
        "with :ARGUMENTS (docs/ocr.md).",
    ),
]
OtherOcrOption = Annotated[
    str | None,
    typer.Option("--ocr", metavar="ENGINE", help="OCR engine; by default the run's own. See 'evalsuite run --help'."),
]
ProfileOption = Annotated[Profile, typer.Option("--profile", help="Scoring profile.")]
OtherProfileOption = Annotated[
    Profile | None, typer.Option("--profile", help="Scoring profile; by default the run's own.")
]
CeilingOption = Annotated[
    bool, typer.Option("--ceiling/--no-ceiling", help="Draw the typeset reference too, at the models' sizes.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--ocr-workers", metavar="N", min=1, max=64, help="OCR processes; by default as cores and memory allow."
    ),
]
TrackOption = Annotated[
    list[TrackerName] | None,
    typer.Option(
        "--track", help="Send figures, worst images and report to this tracker too (docs/tracking.md); repeatable."
    ),
]
GlyphsOption = Annotated[
    bool, typer.Option("--glyphs", help="Look at each character that was read, for malformed ones; no score changes.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
ProtocolOption = Annotated[
    list[Protocol] | None,
    typer.Option("--protocol", help="Score by another benchmark's protocol too; repeatable."),
]
PolicyOption = Annotated[
    str,
    typer.Option("--policy", metavar="POLICY", help="default, quick, longtext-bench, or a TOML file of the team's."),
]
LockOption = Annotated[Path, typer.Option("--lock", metavar="FILE", help="The file that names baseline and anchor.")]
