"""Decoded values become bytes on the device that they are on, and not on the CPU in float32.

The bytes are those of diffusers' own way: values times 255, rounded to even. A 1024x1024 image travels as 3 MB in place
of 6 or 12, and the CPU, which took 30 ms for it, does nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evalsuite.models.phases import wrapped


@contextmanager
def bytes_on_device(pipeline: Any) -> Iterator[None]:
    """Have a pipeline's image processor make bytes where the values are, until the block ends."""
    from diffusers.image_processor import VaeImageProcessor

    processor = getattr(pipeline, "image_processor", None)
    own = getattr(type(processor), "postprocess", None)
    if own is not VaeImageProcessor.postprocess:  # one that does more than that
        yield
        return
    with wrapped(processor, "postprocess", _on_device):
        yield


def _on_device(postprocess: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(postprocess)
    def quick(image: Any, output_type: str = "pil", do_denormalize: Any = None) -> Any:
        import torch
        from PIL import Image

        if output_type != "pil":
            return postprocess(image, output_type=output_type, do_denormalize=do_denormalize)
        values = postprocess(image, output_type="pt", do_denormalize=do_denormalize)
        if values.ndim != 4 or values.shape[1] != 3:
            return postprocess(image, output_type=output_type, do_denormalize=do_denormalize)
        pixels = (values.float() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return [Image.fromarray(each) for each in pixels]

    return quick
