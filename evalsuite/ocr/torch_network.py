"""A network given as an ONNX file, computed by PyTorch in float32: the operations that PP-OCR's networks are made of.

ONNX Runtime's own CUDA provider was not taken: it plans every convolution anew where the shape of its input changes,
which it does from line to line, and its package lies in the folder of the one for CPUs and has to fit the CUDA
libraries of PyTorch, which is there wherever a GPU draws.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from evalsuite.ocr.weights import OcrUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Step = tuple["Callable[..., Any]", tuple[str, ...], str, tuple[str, ...]]
"""What is computed, from which values, under which name its result is kept, and which values nobody needs after it."""


class TorchNetwork:
    """A network with one input and one output. Shapes and indices stay on the CPU, so that the GPU is never waited for.

    Args:
        weights: The ONNX file.
        device: PyTorch's name of the device, such as `cuda`.

    Raises:
        OcrUnavailableError: The file holds an operation that PP-OCR's networks do not have, or is no ONNX file.
    """

    def __init__(self, weights: Path, device: str) -> None:
        import onnx
        import torch
        from google.protobuf.message import DecodeError
        from onnx import helper, numpy_helper

        try:
            graph = onnx.load(str(weights)).graph
        except (OSError, DecodeError) as error:
            raise OcrUnavailableError(f"{weights}: cannot be read as an ONNX file ({error})") from error
        self._values: dict[str, Any] = {}
        sizes = {name for node in graph.node if node.op_type == "Resize" for name in node.input[1:]}
        for tensor in graph.initializer:
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            on_cpu = tensor.name in sizes or not value.is_floating_point()
            self._values[tensor.name] = value if on_cpu else value.to(device)
        names = [each.name for each in graph.input if each.name not in self._values]
        if (len(names), len(graph.output)) != (1, 1):
            raise OcrUnavailableError(f"{weights}: has several inputs or outputs, which no network of PP-OCR has")
        self._input, self._output = names[0], graph.output[0].name
        last_use = {name: index for index, node in enumerate(graph.node) for name in node.input}
        last_use[self._output] = len(graph.node)
        steps: list[Step] = []
        for index, node in enumerate(graph.node):
            attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            make = _OPERATIONS.get(node.op_type)
            if make is None or len(node.output) != 1:
                raise OcrUnavailableError(f"{weights}: the operation {node.op_type} ({node.name}) is not known here")
            done = {name for name in node.input if last_use[name] == index} - set(self._values)
            steps.append((make(attributes), tuple(node.input), node.output[0], tuple(sorted(done))))
        self._steps = steps

    def __call__(self, x: Any) -> Any:
        """The network's answer to a batch, both tensors on its device."""
        values: dict[str, Any] = {self._input: x, "": None}
        weights = self._values
        for compute, taken, made, done in self._steps:
            values[made] = compute(*[values[name] if name in values else weights[name] for name in taken])
            for name in done:
                del values[name]
        return values[self._output]


@contextmanager
def exact_float32() -> Iterator[None]:
    """Products in full float32 in this block: no TF32, no kernels that add in changing order, no timing of kernels."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _convolution(attributes: dict[str, Any]) -> Callable[..., Any]:
    from torch.nn import functional

    before, after = _padding(attributes)
    same = before == after
    options = {
        "stride": attributes.get("strides", [1, 1]),
        "dilation": attributes.get("dilations", [1, 1]),
        "groups": attributes.get("group", 1),
        "padding": before if same else 0,
    }

    def compute(x: Any, weight: Any, bias: Any = None) -> Any:
        return functional.conv2d(x if same else _padded(x, before, after, 0.0), weight, bias, **options)

    return compute


def _transposed_convolution(attributes: dict[str, Any]) -> Callable[..., Any]:
    from torch.nn import functional

    before, after = _padding(attributes)
    if before != after or attributes.get("output_padding") or attributes.get("output_shape"):
        raise OcrUnavailableError("a ConvTranspose with uneven or output padding is not known here")
    options = {
        "stride": attributes.get("strides", [1, 1]),
        "dilation": attributes.get("dilations", [1, 1]),
        "groups": attributes.get("group", 1),
        "padding": before,
    }
    return lambda x, weight, bias=None: functional.conv_transpose2d(x, weight, bias, **options)


def _greatest(attributes: dict[str, Any]) -> Callable[..., Any]:
    from torch.nn import functional

    before, after = _padding(attributes)
    size, stride = attributes["kernel_shape"], attributes.get("strides", [1, 1])
    return lambda x: functional.max_pool2d(_padded(x, before, after, float("-inf")), size, stride)


def _averages(attributes: dict[str, Any]) -> Callable[..., Any]:
    from torch.nn import functional

    if any(attributes.get("pads", [])) or attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise OcrUnavailableError("an AveragePool with padding is not known here")
    size, stride = attributes["kernel_shape"], attributes.get("strides", [1, 1])
    return lambda x: functional.avg_pool2d(x, size, stride)


def _padding(attributes: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Rows and columns laid on before and after, as attributes `auto_pad` or `pads` say."""
    kind = attributes.get("auto_pad", b"NOTSET")
    if attributes.get("ceil_mode") or kind not in (b"NOTSET", b"SAME_UPPER", b"VALID"):
        raise OcrUnavailableError(f"padding of the kind {kind!r} is not known here")
    if kind == b"SAME_UPPER":
        if list(attributes.get("strides", [1, 1])) != [1, 1] or list(attributes.get("dilations", [1, 1])) != [1, 1]:
            raise OcrUnavailableError("padding SAME_UPPER with strides is not known here")
        whole = [size - 1 for size in attributes["kernel_shape"]]
        return [size // 2 for size in whole], [size - size // 2 for size in whole]
    pads = list(attributes.get("pads", [0, 0, 0, 0]))
    return pads[:2], pads[2:]


def _padded(x: Any, before: list[int], after: list[int], value: float) -> Any:
    from torch.nn import functional

    if not any(before + after):
        return x
    return functional.pad(x, (before[1], after[1], before[0], after[0]), value=value)


def _nearest(attributes: dict[str, Any]) -> Callable[..., Any]:
    from torch.nn import functional

    found = tuple(attributes.get(name) for name in ("mode", "coordinate_transformation_mode", "nearest_mode"))
    if found != (b"nearest", b"asymmetric", b"floor"):
        raise OcrUnavailableError(f"a Resize of the kind {found} is not known here")

    def compute(x: Any, _region: Any, scales: Any) -> Any:
        factors = scales.tolist()
        if any(factor != int(factor) for factor in factors) or factors[:2] != [1, 1]:
            raise OcrUnavailableError(f"a Resize by {factors} is not known here")
        return functional.interpolate(x, scale_factor=factors[2:], mode="nearest")

    return compute


def _normalization(attributes: dict[str, Any]) -> Callable[..., Any]:
    from torch.nn import functional

    epsilon = attributes.get("epsilon", 1e-5)
    return lambda x, scale, shift, mean, variance: functional.batch_norm(
        x, mean, variance, scale, shift, training=False, eps=epsilon
    )


def _hard_sigmoid(attributes: dict[str, Any]) -> Callable[..., Any]:
    alpha, beta = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return lambda x: (x * alpha + beta).clamp(0, 1)


def _mean(attributes: dict[str, Any]) -> Callable[..., Any]:
    axes, kept = tuple(attributes["axes"]), bool(attributes.get("keepdims", 1))
    return lambda x: x.mean(axes, keepdim=kept)


def _slice(_: dict[str, Any]) -> Callable[..., Any]:
    def compute(x: Any, starts: Any, ends: Any, axes: Any, steps: Any = None) -> Any:
        for number, (start, end, axis) in enumerate(zip(starts.tolist(), ends.tolist(), axes.tolist(), strict=True)):
            if steps is not None and steps[number] != 1:
                raise OcrUnavailableError("a Slice with steps is not known here")
            x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end),)]
        return x

    return compute


def _squeeze(attributes: dict[str, Any]) -> Callable[..., Any]:
    axes = tuple(attributes["axes"])
    return lambda x: x.squeeze(axes)


def _unsqueeze(attributes: dict[str, Any]) -> Callable[..., Any]:
    (axis,) = attributes["axes"]
    return lambda x: x.unsqueeze(axis)


def _reshape(_: dict[str, Any]) -> Callable[..., Any]:
    def compute(x: Any, shape: Any) -> Any:
        wanted = shape.tolist()
        return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)])

    return compute


def _shape(_: dict[str, Any]) -> Callable[..., Any]:
    import torch

    return lambda x: torch.tensor(x.shape, dtype=torch.int64)


def _concatenation(attributes: dict[str, Any]) -> Callable[..., Any]:
    import torch

    axis = attributes["axis"]
    return lambda *parts: torch.cat(parts, axis)


def _transposition(attributes: dict[str, Any]) -> Callable[..., Any]:
    order = list(attributes["perm"])
    return lambda x: x.permute(order)


def _softmax(attributes: dict[str, Any]) -> Callable[..., Any]:
    axis = attributes.get("axis", 1)

    def compute(x: Any) -> Any:
        if axis % x.ndim != x.ndim - 1:  # before opset 13 it goes over all axes from this one
            raise OcrUnavailableError("a Softmax over several axes is not known here")
        return x.softmax(-1)

    return compute


_OPERATIONS: dict[str, Callable[[dict[str, Any]], Callable[..., Any]]] = {
    "Add": lambda _: lambda x, y: x + y,
    "AveragePool": _averages,
    "BatchNormalization": _normalization,
    "Concat": _concatenation,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Div": lambda _: lambda x, y: x / y,
    "Erf": lambda _: lambda x: x.erf(),
    "GlobalAveragePool": lambda _: lambda x: x.mean((2, 3), keepdim=True),
    "HardSigmoid": _hard_sigmoid,
    "Identity": lambda _: lambda x: x,
    "MatMul": lambda _: lambda x, y: x @ y,
    "MaxPool": _greatest,
    "Mul": lambda _: lambda x, y: x * y,
    "Pow": lambda _: lambda x, y: x**y,
    "ReduceMean": _mean,
    "Relu": lambda _: lambda x: x.relu(),
    "Reshape": _reshape,
    "Resize": _nearest,
    "Shape": _shape,
    "Sigmoid": lambda _: lambda x: x.sigmoid(),
    "Slice": _slice,
    "Softmax": _softmax,
    "Sqrt": lambda _: lambda x: x.sqrt(),
    "Squeeze": _squeeze,
    "Sub": lambda _: lambda x, y: x - y,
    "Transpose": _transposition,
    "Unsqueeze": _unsqueeze,
}
"""By ONNX's name, at opset 11: from the attributes to what computes."""
