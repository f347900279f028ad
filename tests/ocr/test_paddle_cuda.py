from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from installed import skip_without_paddleocr
from PIL import Image, ImageDraw

from evalsuite import ocr
from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset.fonts import CJK_FACES, LATIN_FACES, font
from evalsuite.ocr.base import GpuEngine
from evalsuite.ocr.paddle import PaddleReader
from evalsuite.ocr.weights import OcrUnavailableError

skip_without_paddleocr()
torch = pytest.importorskip("torch", reason="PyTorch is not installed (evalsuite[cuda-ocr])")
onnx = pytest.importorskip("onnx", reason="onnx is not installed (evalsuite[cuda-ocr])")


@pytest.fixture(scope="module")
def sign() -> Image.Image:
    """Small and wide lines, Chinese, and a line along an arc, which is the middle of a straight picture bent."""
    image = Image.new("RGB", (640, 480), "white")
    pen = ImageDraw.Draw(image)
    pen.text((40, 300), "Open daily from nine to five", fill=(20, 20, 60), font=font(LATIN_FACES[0], 36))
    pen.text((40, 380), "今日特价 ￥25.80", fill=(20, 20, 60), font=font(CJK_FACES[1], 40))
    flat = Image.new("RGB", (420, 60), "white")
    ImageDraw.Draw(flat).text((12, 6), "NIGHT NOODLES", fill=(160, 20, 30), font=font(LATIN_FACES[1], 44))
    x, y = np.meshgrid(np.arange(640) - 320.0, np.arange(480) - 280.0)
    radius, angle = np.hypot(x, y), np.arctan2(x, -y)
    across, down = (angle * 200 + 210).astype(int), (230 - radius).astype(int)
    inside = (across >= 0) & (across < 420) & (down >= 0) & (down < 60)
    pixels = np.asarray(image).copy()
    pixels[inside] = np.asarray(flat)[down[inside], across[inside]]
    return Image.fromarray(pixels)


def test_the_networks_by_pytorch_read_what_they_read_on_onnx_runtime(sign):
    from evalsuite.ocr.paddle_cuda import CudaReader

    plain, other = PaddleReader.parse(), CudaReader("cpu")
    wanted, lines = plain.read(sign), other.read(sign)
    assert [line.text for line in wanted] == ["NIGHT NOODLES", "Open daily from nine to five", "今日特价￥25.80"]
    assert wanted[0].polygon is not None
    assert len(wanted[0].polygon) > 4  # read along its arc
    assert [line.text for line in lines] == [line.text for line in wanted]
    assert [line.polygon for line in lines] == [line.polygon for line in wanted]
    for line, twin in zip(lines, wanted, strict=True):
        assert line.confidence == pytest.approx(twin.confidence, abs=1e-3)
        assert line.characters.at == twin.characters.at
        assert line.characters.p == pytest.approx(twin.characters.p, abs=1)
    assert other.spec.name == "paddle-cuda"
    assert other.spec.weights_digest == plain.spec.weights_digest
    assert other.spec.digest != plain.spec.digest
    assert other.spec.settings == {**plain.spec.settings, "runtime": "torch f32", "device": "cpu"}
    # Several short lines share a batch; what each says does not depend on how many there are.
    recogniser = other._modules[1]
    crops = [np.asarray(sign)[300:346, 40:240, ::-1], np.asarray(sign)[380:430, 40:340, ::-1]]
    assert recogniser.characters(crops * 5) == [recogniser.characters([crop])[0] for crop in crops] * 5
    assert recogniser.characters([crops[0], crops[0][:0]])[1] == ()


@pytest.mark.parametrize(("free", "processes"), [(80e9, 14), (8e9, 3), (1e9, 1)])
def test_as_many_processes_read_as_the_gpu_has_memory_for(monkeypatch, free, processes):
    from evalsuite.ocr.paddle_cuda import CudaReader

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(free), int(80e9)))
    reader = CudaReader()
    assert isinstance(reader, GpuEngine)
    assert reader.most_processes() == processes


def test_without_a_gpu_or_its_packages_one_line_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OcrUnavailableError, match=r"needs an NVIDIA GPU that PyTorch can use.*finds none"):
        ocr.resolve("paddle-cuda")
    with pytest.raises(EvalsuiteError, match="takes no arguments"):
        ocr.resolve("paddle-cuda:x")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name))
    with pytest.raises(OcrUnavailableError, match=r"needs PyTorch and onnx; run: pip install .*cuda-ocr"):
        ocr.resolve("paddle-cuda")


def node(kind, inputs=("x",), **attributes):
    return onnx.helper.make_node(kind, list(inputs), ["y"], **attributes)


def network(tmp_path, *nodes, outputs=1):
    value = onnx.helper.make_tensor_value_info
    made = [value(name, onnx.TensorProto.FLOAT, None) for name in ("y", "z")[:outputs]]
    graph = onnx.helper.make_graph(list(nodes), "g", [value("x", onnx.TensorProto.FLOAT, None)], made)
    path = tmp_path / "network.onnx"
    onnx.save(onnx.helper.make_model(graph), str(path))
    return path


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (node("Tan"), "the operation Tan"),
        (node("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1]), "an AveragePool with padding"),
        (node("MaxPool", kernel_shape=[2, 2], ceil_mode=1), "padding of the kind"),
        (node("Resize", ("x", "", "s"), mode="linear"), "a Resize of the kind"),
        (node("ConvTranspose", ("x", "w"), output_padding=[1, 1]), "a ConvTranspose"),
    ],
)
def test_an_operation_that_no_network_of_pp_ocr_has_is_refused_by_name(tmp_path, made, why):
    from evalsuite.ocr.torch_network import TorchNetwork

    with pytest.raises(OcrUnavailableError, match=why):
        TorchNetwork(network(tmp_path, made), "cpu")


def test_what_is_no_network_is_refused(tmp_path):
    from evalsuite.ocr.torch_network import TorchNetwork

    with pytest.raises(OcrUnavailableError, match="several inputs or outputs"):
        TorchNetwork(network(tmp_path, node("Relu"), outputs=2), "cpu")
    (tmp_path / "text.onnx").write_text("this is no network")
    with pytest.raises(OcrUnavailableError, match="cannot be read as an ONNX file"):
        TorchNetwork(tmp_path / "text.onnx", "cpu")
