"""Operations of a drawing, against a count at another level of torch and against figures worked by hand."""

from __future__ import annotations

from collections import Counter

import pytest

torch = pytest.importorskip("torch")

from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from benchmarks.full_size import operations  # noqa: E402
from benchmarks.full_size.bench import spec_of  # noqa: E402
from benchmarks.full_size.operations import _attention_operations, count_operations, matmul_rate  # noqa: E402
from benchmarks.full_size.parts import FAMILIES, build_pipeline  # noqa: E402
from benchmarks.full_size.plan import Measurement  # noqa: E402
from evalsuite.models.drawing import call_arguments  # noqa: E402


class Shapes(TorchFunctionMode):
    """Counts operations from the shapes of torch's functions: another level, and other formulas, than torch's counter.

    A product of m × k by k × n takes 2mkn; attention two such products, its mask notwithstanding.
    """

    def __init__(self, pipeline):
        super().__init__()
        self.part, self.counts, self._handles = "decoding", Counter(), []
        for module, part in ((pipeline.text_encoder, "text_encoding"), (pipeline.transformer, "denoising")):
            self._handles.append(module.register_forward_pre_hook(lambda *_, part=part: setattr(self, "part", part)))
            self._handles.append(module.register_forward_hook(lambda *_: setattr(self, "part", "decoding")))

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        functional = torch.nn.functional
        if function is functional.linear or getattr(function, "__name__", "") in ("matmul", "__matmul__", "bmm"):
            self.counts[self.part] += 2 * result.numel() * args[0].shape[-1]
        elif function is functional.conv2d:
            self.counts[self.part] += 2 * result.numel() * args[1][0].numel()
        elif function is functional.scaled_dot_product_attention:
            named = dict(zip(("query", "key"), args, strict=False)) | (kwargs or {})
            self.counts[self.part] += 2 * 2 * named["query"].numel() * named["key"].shape[-2]
        return result

    def __exit__(self, *details):
        for handle in self._handles:
            handle.remove()
        return super().__exit__(*details)


SHORT, LONG = (
    "A sign that reads 'OPEN'",
    "A wide street of shops with a neon sign over the door that reads 'OPEN ALL NIGHT'",
)


@pytest.fixture(scope="module", params=list(FAMILIES))
def small(request):
    family = FAMILIES[request.param]
    return family, build_pipeline(family, shallow=True)


class TestOperations:
    @pytest.mark.parametrize("base", [False, True])
    def test_they_are_those_of_whole_drawings_counted_at_another_level(self, small, base):
        family, pipeline = small
        if "is_distilled" in pipeline.config:
            pipeline.register_to_config(is_distilled=not base)
        spec = spec_of(family, Measurement("suite", base=base), shallow=True)
        drawn = []
        for prompt in (SHORT, LONG):
            with Shapes(pipeline) as shapes:
                pipeline(prompt=prompt, generator=torch.Generator().manual_seed(0), **call_arguments(pipeline, spec))
            drawn.append(shapes.counts)
        mean = {part: sum(counts[part] for counts in drawn) / 2 for part in drawn[0]}
        assert set(mean) == {"text_encoding", "denoising", "decoding"}
        assert count_operations(pipeline, spec, [SHORT, LONG]) == mean  # exactly: both are whole numbers of shapes

    def test_ernie_image_worked_by_hand(self):
        family = FAMILIES["ernie-image"]
        pipeline = build_pipeline(family, shallow=True)
        spec = spec_of(family, Measurement("suite"), shallow=True)
        text = len(pipeline.tokenizer(SHORT)["input_ids"])
        image, hidden, wide = 8 * 8, 256, 512  # 128 pixels in patches of 16
        length = image + text
        step = (
            2 * image * 128 * hidden  # the latents' 128 channels
            + 2 * text * 64 * hidden  # the encoder's 64
            + 2 * (2 * hidden * hidden)  # two layers for the time
            + 2 * hidden * 6 * hidden  # its six modulations
            + 2 * length * (4 * hidden * hidden + 3 * hidden * wide)  # query, key, value, output; the feed-forward
            + 2 * (2 * length * length * hidden)  # query by key, weights by value
            + 2 * hidden * 2 * hidden  # scale and shift of the last norm
            + 2 * length * hidden * 128  # back to channels, the text's part thrown away
        )
        # Two layers of the encoder: query and output of 2 heads of 32, key and value of 1, three of 64 × 128.
        encoder = 2 * (2 * text * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128) + 4 * text * text * 64)
        counted = count_operations(pipeline, spec, [SHORT])
        assert counted["denoising"] == 6 * step
        assert counted["text_encoding"] == encoder

    def test_fused_attention_whose_query_heads_share_keys(self):
        query = torch.zeros(2, 8, 5, 16, dtype=torch.bfloat16)
        keys = torch.zeros(2, 2, 7, 16, dtype=torch.bfloat16)
        with FlopCounterMode(display=False, custom_mapping=_attention_operations()) as counter:
            torch.nn.functional.scaled_dot_product_attention(query, keys, keys, enable_gqa=True)
        # Two images, 8 heads: 5 × 16 by 16 × 7, then 5 × 7 by 7 × 16.
        assert counter.get_total_flops() == 2 * 8 * (2 * 5 * 16 * 7 + 2 * 5 * 7 * 16)

    @pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
    def test_the_rate_is_that_of_the_fastest_products(self, monkeypatch, precision, dtype):
        """By a clock that each product moves on: by 8 s in the first round, 4 in the second, 2 in the third, and 4."""
        products = []

        class Products(TorchFunctionMode):
            def __torch_function__(self, function, types, args=(), kwargs=None):
                result = function(*args, **(kwargs or {}))
                if getattr(function, "__name__", "") in ("matmul", "__matmul__"):
                    products.append((*result.shape, result.dtype))
                return result

        def clock():
            rounds, begun = divmod(len(products), 2)
            assert not begun
            return float(sum(2 * seconds for seconds in (8, 4, 2, 4)[:rounds]))

        monkeypatch.setattr(operations.time, "perf_counter", clock)
        with Products():
            rate = matmul_rate(16, precision, rounds=2, repeats=3)
        assert products == [(16, 16, dtype)] * 8
        assert rate == 2 * 16**3 * 2 / 4  # two products in 4 s
