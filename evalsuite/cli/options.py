"""The options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]

ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="A preset, a checkpoint folder, a hub id, typeset, folder:DIR, server:URL or comfyui:WORKFLOW@URL; "
        "repeatable.",
    ),
]
ModelOption = Annotated[str | None, typer.Option("--model", "-m", help="The model in the run, where it has several.")]
SuitesOption = Annotated[
    list[str] | None,
    typer.Option("--suite", "-s", help="all, a suite's name, or a YAML or JSONL file; repeatable."),
]
SamplesOption = Annotated[int, typer.Option("--samples", "-n", help="Images per prompt.")]
SeedOption = Annotated[int, typer.Option("--seed", help="First seed; also picks the sample of --limit.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", help="At most this many prompts, balanced over the suites.")
]
SettingsOption = Annotated[
    list[str] | None, typer.Option("--set", help="Sampler settings, e.g. --set steps=8 size=768x1344.")
]
LoraOption = Annotated[list[str] | None, typer.Option("--lora", help="PATH[:scale] of an adapter; repeatable.")]
TransformerOption = Annotated[
    str | None, typer.Option("--transformer", help="A fine-tuned transformer: safetensors or GGUF.")
]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", help="Draw only this part of the plan, e.g. 3/8; 'evalsuite merge' puts them together."),
]
DevicesOption = Annotated[
    str | None,
    typer.Option("--devices", help="One process for each: all, 0,1 (GPUs) or cpu:2; with --backend ray, cpu:N actors."),
]
BackendOption = Annotated[str, typer.Option("--backend", help="Where to draw and read: local, or ray.")]
AddressOption = Annotated[
    str | None, typer.Option("--address", help="Ray cluster: auto or HOST:PORT; by default one is started here.")
]
UntilVerdictOption = Annotated[
    bool, typer.Option("--until-verdict", help="Draw image by image, and stop once the policy's gates have decided.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Run folder; by default one in reports/ named by the plan.")
]
OcrOption = Annotated[
    str,
    typer.Option(
        "--ocr", help="OCR engine: paddle, rapidocr-v4, tesseract or qwen2.5-vl, some with :ARGUMENTS (docs/ocr.md)."
    ),
]
OtherOcrOption = Annotated[
    str | None, typer.Option("--ocr", help="OCR engine; by default the run's own. See 'evalsuite run --help'.")
]
ProfileOption = Annotated[str, typer.Option("--profile", help="Scoring profile: strict, standard or lenient.")]
OtherProfileOption = Annotated[
    str | None,
    typer.Option("--profile", help="Scoring profile: strict, standard or lenient; by default the run's own."),
]
CeilingOption = Annotated[
    bool, typer.Option("--ceiling/--no-ceiling", help="Draw the typeset reference too, at the models' sizes.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--ocr-workers", min=1, max=64, help="OCR processes; by default as cores and memory allow."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
ProtocolOption = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol",
        help="Score by another benchmark's protocol too: longtext, longtext-fixed, oneig, cvtg, lex, tiif or anytext; "
        "repeatable.",
    ),
]
PolicyOption = Annotated[
    str, typer.Option("--policy", help="default, quick, longtext-bench, or a TOML file of the team's.")
]
LockOption = Annotated[Path, typer.Option("--lock", help="The file that names baseline and anchor.")]
