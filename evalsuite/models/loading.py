"""From a checkpoint folder to a pipeline in main memory: weights, another transformer, adapters.

Only safetensors are read and no code from a checkpoint is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalsuite.digests import files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.models.adapters import adapter_digest, fuse_adapter
from evalsuite.models.checkpoints import Checkpoint
from evalsuite.models.library_calls import refusing
from evalsuite.models.parts import load_part, pipeline_class
from evalsuite.models.pipeline_setup import compute_dtype, computing_precision, prepare_pipeline, resolve_device
from evalsuite.models.transformer_file import load_transformer
from evalsuite.records import ModelSpec

ENHANCER_PARTS = ("pe", "pe_tokenizer")
"""The parts of ERNIE-Image's prompt enhancer, which are not loaded where it is off."""


def load_pipeline(
    checkpoint: Checkpoint,
    precision: str,
    *,
    transformer: Path | None = None,
    lora: tuple[tuple[Path, float], ...] = (),
    enhancer: bool = True,
) -> Any:
    """Load a pipeline into main memory in the computing precision, with adapters fused.

    Args:
        checkpoint: Where the parts are.
        precision: What it computes in: bf16, fp16 or fp32.
        transformer: A safetensors file, or a folder of them, whose weights the transformer takes instead of its own.
        lora: Adapters with their scales, fused in this order, so that they cost no time when drawing.
        enhancer: Whether to load ERNIE-Image's prompt enhancer where the checkpoint has one.

    Raises:
        EvalsuiteError: A file does not fit the pipeline: the tensors of all files are those of all parts, or nothing
            is loaded.
    """
    kind = pipeline_class(checkpoint)
    dtype = compute_dtype(precision)
    unused = () if enhancer else ENHANCER_PARTS
    given: dict[str, Any] = {part: None for part in unused if part in checkpoint.components}
    with without_progress_bars():
        for part in checkpoint.components:
            if part in given:
                continue
            if part == "transformer" and transformer is not None:
                given[part] = load_transformer(checkpoint, transformer, dtype)
            else:
                given[part] = load_part(checkpoint, part, dtype)
        with refusing(str(checkpoint.folder), checkpoint.pipeline):
            pipeline = kind.from_pretrained(
                checkpoint.folder, dtype=dtype, use_safetensors=True, local_files_only=True, **given
            )
    for path, scale in lora:
        fuse_adapter(pipeline, path, scale)
    return pipeline


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Keep the libraries' own progress bars from running into the suite's."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    shown = [library for library in (of_diffusers, of_transformers) if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()


@dataclass(frozen=True, slots=True)
class CheckpointSource:
    """A pipeline that is loaded from a checkpoint for as long as it is drawn with.

    `transformer` and `lora` are as for `load_pipeline`; `files` are those that the weights' digest is of.
    """

    checkpoint: Checkpoint
    transformer: Path | None = None
    lora: tuple[tuple[Path, float], ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    def check(self, spec: ModelSpec) -> None:
        """See that the files on this machine are those that a spec's digests are of.

        Raises:
            EvalsuiteError: They are others, or are not there.
        """
        if files_digest(self.files) != spec.weights_digest:
            raise EvalsuiteError(
                f"{spec.name}: the files in {self.checkpoint.folder} are others on this machine; copy the checkpoint "
                "here again, or put it on storage that all machines share"
            )
        for (path, _), adapter in zip(self.lora, spec.adapters, strict=True):
            if adapter_digest(path) != adapter.digest:
                raise EvalsuiteError(f"{spec.name}: the adapter {path} is another on this machine; copy it here again")

    def pipeline_class(self) -> Any:
        """The diffusers class that will be loaded."""
        return pipeline_class(self.checkpoint)

    def device(self, spec: ModelSpec) -> str:
        """The device that the pipeline will be on."""
        return resolve_device(str(spec.runtime.get("device", "auto")))

    def open(self, spec: ModelSpec) -> Any:
        """Load the pipeline and apply the options of `spec`."""
        pipeline = load_pipeline(
            self.checkpoint,
            computing_precision(spec.settings),
            transformer=self.transformer,
            lora=self.lora,
            enhancer=spec.settings.get("enhance", "off") != "off",
        )
        prepare_pipeline(pipeline, spec.settings, spec.runtime)
        return pipeline


@dataclass(frozen=True, slots=True)
class GivenPipeline:
    """A pipeline that is built already and stays its owner's: it is used as it is and not freed."""

    pipeline: Any

    def pipeline_class(self) -> Any:
        """The pipeline's class."""
        return type(self.pipeline)

    def device(self, spec: ModelSpec) -> str:  # noqa: ARG002 - where it is, not where the spec wants it
        """The device that the pipeline draws on."""
        return str(self.pipeline._execution_device)  # noqa: SLF001 - `device` is wrong under offload

    def open(self, spec: ModelSpec) -> Any:  # noqa: ARG002 - the options are its owner's
        """The pipeline itself."""
        return self.pipeline


PipelineSource = CheckpointSource | GivenPipeline
"""Where a model's pipeline comes from."""
