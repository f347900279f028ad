"""ERNIE-Image's attention mask, left out where it hides nothing.

Its transformer takes the texts of a batch padded to the longest, and masks the padding in every layer, even where there
is none: for one image, or for several of one text. A mask of nothing changes nothing but the choice of the kernel, and
the fast ones take no mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalsuite.errors import EvalsuiteError


@dataclass(slots=True)
class _Padding:
    """Whether the texts that are drawn now are padded, and the lengths that this was found for."""

    padded: bool = True
    lengths: Any = None

    def look(self, _: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        """Before the transformer: compare the lengths with the padded one. The steps of an image share a tensor."""
        lengths, texts = given.get("text_lens"), given.get("text_bth")
        if args or lengths is None or texts is None:  # called in another way: nothing is known
            self.padded, self.lengths = True, None
        elif lengths is not self.lengths:
            self.padded, self.lengths = bool((lengths < texts.shape[1]).any()), lengths


def drop_idle_masks(pipeline: Any) -> None:
    """Leave out the mask of a pipeline's transformer whenever the texts of a batch are equally long.

    Raises:
        EvalsuiteError: It is another transformer, which masks nothing.
    """
    from diffusers.models.transformers import transformer_ernie_image as ernie

    transformer = getattr(pipeline, "transformer", None)
    if not isinstance(transformer, ernie.ErnieImageTransformer2DModel):
        raise EvalsuiteError(f"drop_mask=true: {type(pipeline).__name__} masks no texts")
    padding = _Padding()

    class MaskingPadding(ernie.ErnieImageSingleStreamAttnProcessor):
        """Attention that is masked only where there is something to hide."""

        def __call__(self, attn: Any, hidden_states: Any, attention_mask: Any = None, freqs_cis: Any = None) -> Any:
            mask = attention_mask if padding.padded else None
            return super().__call__(attn, hidden_states, mask, freqs_cis)

    for layer in transformer.layers:
        processor = MaskingPadding()
        processor._attention_backend = layer.self_attention.processor._attention_backend  # noqa: SLF001
        layer.self_attention.set_processor(processor)
    transformer.register_forward_pre_hook(padding.look, with_kwargs=True)
