"""Pictures that are changed: where a model finds its source picture, and which models can take one."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError, load_image, pixels_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

    from evalsuite.models.base import ImageModel
    from evalsuite.records import Prompt, SourcePicture


@dataclass(frozen=True, slots=True)
class Sources:
    """The source pictures of a run, by prompt id, in the folder where it keeps them. Can be pickled."""

    folder: Path
    pictures: Mapping[str, SourcePicture]

    def path(self, picture: SourcePicture) -> Path:
        """Where a picture lies."""
        return self.folder / f"{picture.sha256[:24]}.png"

    def open(self, prompt: Prompt) -> Image:
        """The RGB picture that a prompt starts from.

        Raises:
            EvalsuiteError: It is not there, or is not the one that was planned with.
        """
        picture = self.pictures.get(prompt.id)
        if picture is None:
            raise EvalsuiteError(f"prompt {prompt.id} has no source picture")
        path = self.path(picture)
        if path.is_symlink() or not path.is_file():
            raise EvalsuiteError(f"{path}: the source picture of {prompt.id} is not there; start the run again")
        image = load_image(path)
        if pixels_digest(image) != picture.sha256:
            raise ImageError(
                f"{path}: not the source picture that the run was planned with; delete it, and start again"
            )
        return image


@runtime_checkable
class Editor(Protocol):
    """A model that can change a picture."""

    def refuse_editing(self) -> str | None:
        """Why it cannot change pictures after all; None where it can."""
        ...

    def edit_from(self, sources: Sources) -> None:
        """Say, before the model is loaded or placed, where the source pictures are."""
        ...


def check_editors(models: tuple[ImageModel, ...]) -> None:
    """See that each model can change a picture, or holds pictures that somebody changed (`folder:`).

    Raises:
        EvalsuiteError: naming the first that cannot, and why.
    """
    for model in models:
        name, kind = model.spec.name, model.spec.kind
        if kind == "folder":
            continue
        reason = model.refuse_editing() if isinstance(model, Editor) else _REASONS.get(kind, "it takes no picture")
        if reason is not None:
            raise EvalsuiteError(
                f"{name} cannot edit pictures: {reason}. Models that can: flux2-klein-4b and other diffusers pipelines "
                "whose call takes an image, the mechanical 'editor', and folder:DIR with pictures edited elsewhere"
            )


_REASONS = {
    "diffusion": "a prompt enhancer behind a server rewrites its prompts, and is not shown the picture",
    "typeset": "it sets pages of its own; the reference of edits is 'editor'",
    "server": "edits over a server's API are not built in",
    "comfyui": "source pictures are not sent to ComfyUI",
}

_OTHER_TASKS = ("mask_image", "mask", "strength", "control_image", "controlnet_conditioning_scale", "num_frames")
"""Arguments of a pipeline's call that tell another task with an image: inpainting, variation, control, video."""


def refuse_pipeline(kind: Any) -> str | None:
    """Why a diffusers pipeline class cannot edit by an instruction; None where it can.

    It can where its call takes a prompt and an image, and nothing that belongs to inpainting, image-to-image
    variation, control or video.
    """
    takes = inspect.signature(kind.__call__).parameters
    if "image" not in takes or "prompt" not in takes:
        return f"{kind.__name__} takes no image"
    other = [name for name in _OTHER_TASKS if name in takes]
    if other:
        return f"{kind.__name__} takes an image for another task ({', '.join(other)})"
    return None
