"""From a checkpoint folder to a pipeline in main memory: weights, another transformer, adapters.

Only safetensors are read and no code from a checkpoint is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.models.checkpoints import Checkpoint
from evalsuite.models.pipeline_setup import compute_dtype, computing_precision, prepare_pipeline, resolve_device
from evalsuite.records import ModelSpec


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
        transformer: A safetensors file whose weights the transformer takes instead of its own.
        lora: LoRA files with their scales, fused in this order, so that they cost no time when drawing.
        enhancer: Whether to load ERNIE-Image's prompt enhancer where the checkpoint has one.

    Raises:
        EvalsuiteError: A file does not fit the pipeline.
    """
    import diffusers

    kind = getattr(diffusers, checkpoint.pipeline, None)
    if kind is None:
        raise EvalsuiteError(
            f"{checkpoint.folder}: its model_index.json names {checkpoint.pipeline}, which diffusers "
            f"{diffusers.__version__} does not have. Install a newer diffusers."
        )
    dtype = compute_dtype(precision)
    given: dict[str, Any] = {}
    if transformer is not None:
        given["transformer"] = load_transformer(checkpoint, transformer, dtype)
    if not enhancer and "pe" in checkpoint.components:
        given |= {"pe": None, "pe_tokenizer": None}
    with without_progress_bars():
        pipeline = kind.from_pretrained(
            checkpoint.folder, dtype=dtype, use_safetensors=True, local_files_only=True, **given
        )
    for path, scale in lora:
        fuse_lora(pipeline, path, scale)
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


def load_transformer(checkpoint: Checkpoint, file: Path, dtype: Any) -> Any:
    """The checkpoint's transformer with the weights of `file`, in diffusers' or the makers' own naming.

    Raises:
        EvalsuiteError: The names or shapes in the file do not fit.
    """
    import diffusers
    from accelerate import init_empty_weights
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        _, name = checkpoint.components["transformer"]
    except KeyError:
        raise EvalsuiteError(f"--transformer {file}: {checkpoint.pipeline} has no transformer to replace") from None
    kind = getattr(diffusers, name)
    config = kind.load_config(checkpoint.folder / "transformer", local_files_only=True)
    with init_empty_weights():
        module = kind.from_config(config)
    try:
        state = load_file(file)
        expected = module.state_dict()
        if state.keys() == expected.keys():
            wrong = [key for key in state if state[key].shape != expected[key].shape]
            if wrong:
                key = wrong[0]
                raise EvalsuiteError(
                    f"--transformer {file}: {len(wrong)} tensors have another shape than {name} of "
                    f"{checkpoint.folder}, e.g. {key}: {list(state[key].shape)} for {list(expected[key].shape)}. "
                    "It was made from another model."
                )
            module.load_state_dict({key: value.to(dtype) for key, value in state.items()}, assign=True)
            return module.eval()
        del state, module
        return kind.from_single_file(
            str(file), config=str(checkpoint.folder / "transformer"), dtype=dtype, local_files_only=True
        ).eval()
    except (SafetensorError, OSError) as error:
        raise EvalsuiteError(f"--transformer {file}: cannot be read as safetensors: {error}") from error
    except (ValueError, KeyError, RuntimeError, AttributeError) as error:
        # The converters for the makers' own naming fail in any of these ways on names that they do not know.
        raise EvalsuiteError(f"--transformer {file}: does not fit {name} of {checkpoint.folder}: {error}") from error


def fuse_lora(pipeline: Any, path: Path, scale: float) -> None:
    """Add a LoRA times `scale` onto the transformer's weights.

    Raises:
        EvalsuiteError: The pipeline takes no LoRA, or a layer of the file is none of the transformer's.
    """
    if not hasattr(pipeline, "load_lora_weights"):
        raise EvalsuiteError(f"--lora {path}: {type(pipeline).__name__} takes no LoRA")
    source: dict[str, Any] = {"weight_name": path.name, "use_safetensors": True, "local_files_only": True}
    try:
        layers = _lora_layers(pipeline.lora_state_dict(str(path.parent), **source))
        modules = {name for name, _ in pipeline.transformer.named_modules()}
        strangers = sorted(layers - modules)
        if strangers or not layers:
            raise EvalsuiteError(
                f"--lora {path}: {len(strangers)} of its {len(layers)} layers are none of "
                f"{type(pipeline.transformer).__name__}'s"
                + (f", e.g. {strangers[0]}" if strangers else "")
                + ". It was made for another model."
            )
        pipeline.load_lora_weights(str(path.parent), adapter_name="evalsuite", **source)
        pipeline.fuse_lora(components=["transformer"], lora_scale=scale, adapter_names=["evalsuite"])
        pipeline.unload_lora_weights()
    except (ValueError, KeyError, RuntimeError, OSError) as error:
        raise EvalsuiteError(f"--lora {path}: cannot be laid over {type(pipeline).__name__}: {error}") from error


def _lora_layers(state: Mapping[str, Any]) -> set[str]:
    names = {re.sub(r"\.(lora|lokr|lora_magnitude)_.*$|\.alpha$", "", key) for key in state}
    return {name.removeprefix("transformer.") for name in names}


@dataclass(frozen=True, slots=True)
class CheckpointSource:
    """A pipeline that is loaded from a checkpoint for as long as it is drawn with.

    `transformer` and `lora` are as for `load_pipeline`.
    """

    checkpoint: Checkpoint
    transformer: Path | None = None
    lora: tuple[tuple[Path, float], ...] = ()

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

    def device(self, spec: ModelSpec) -> str:  # noqa: ARG002 - where it is, not where the spec wants it
        """The device that the pipeline draws on."""
        return str(self.pipeline._execution_device)  # noqa: SLF001 - `device` is wrong under offload

    def open(self, spec: ModelSpec) -> Any:  # noqa: ARG002 - the options are its owner's
        """The pipeline itself."""
        return self.pipeline


PipelineSource = CheckpointSource | GivenPipeline
"""Where a model's pipeline comes from."""
