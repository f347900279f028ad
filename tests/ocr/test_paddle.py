from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from evalsuite import ocr
from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset.fonts import CJK_FACES, LATIN_FACES, font
from evalsuite.ocr import OcrError, weights
from evalsuite.ocr.paddle import PaddleReader

pytest.importorskip("paddleocr", reason="PaddleOCR is not installed (evalsuite[ocr])")


@pytest.fixture(scope="module")
def reader() -> PaddleReader:
    return PaddleReader.parse()


def page(*texts: str, mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (800, 400), "white")
    pen = ImageDraw.Draw(image)
    for row, text in enumerate(texts):
        face = LATIN_FACES[0] if text.isascii() else CJK_FACES[1]
        pen.text((60, 60 + 120 * row), text, fill=(20, 20, 60), font=font(face, 56))
    return image.convert(mode)


def texts(lines) -> list[str]:
    return [line.text for line in lines]


def test_reads_english_and_chinese_with_polygons_and_confidence(reader):
    lines = reader.read(page("NIGHT NOODLES", "今日特价 ￥25.80"))
    assert [text.replace(" ", "").replace("¥", "￥") for text in texts(lines)] == ["NIGHTNOODLES", "今日特价￥25.80"]
    first = lines[0]
    assert first.polygon is not None
    assert first.confidence is not None
    assert 0.9 < first.confidence <= 1.0
    (left, top), (right, _), _, (_, bottom) = first.polygon
    # The lettering stands at x 60, y 60 to 130; the detected box is a little wider.
    assert 40 <= left <= 65
    assert 50 <= top <= 85
    assert 420 <= right <= 560
    assert 100 <= bottom <= 140


def test_a_blank_page_is_an_empty_reading_and_not_an_error(reader):
    assert reader.read(Image.new("RGB", (512, 512), "grey")) == ()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16", "1"])
def test_every_pillow_mode_is_read_as_its_picture(reader, mode):
    if mode == "I;16":
        grey = np.asarray(page("NIGHT NOODLES").convert("L")).astype(np.uint16) * 257
        image = Image.fromarray(grey)
    else:
        image = page("NIGHT NOODLES", mode=mode)
    assert texts(reader.read(image)) == ["NIGHT NOODLES"]


def test_transparency_is_laid_on_white(reader):
    clear = Image.new("RGBA", (800, 200), (0, 0, 0, 0))
    ImageDraw.Draw(clear).text((60, 60), "NIGHT NOODLES", fill=(0, 0, 0, 255), font=font(LATIN_FACES[0], 56))
    assert texts(reader.read(clear)) == ["NIGHT NOODLES"]


@pytest.mark.parametrize("size", [(4, 400), (9000, 20)])
def test_sizes_that_cannot_be_read_are_an_error_and_not_an_empty_text(reader, size):
    with pytest.raises(OcrError, match="pixels can be read"):
        reader.read(Image.new("RGB", size, "white"))


def test_the_spec_says_what_decides_the_reading(reader):
    spec = reader.spec
    assert (spec.name, spec.settings["detection"], spec.settings["recognition"]) == (
        "paddle",
        "PP-OCRv6_small_det",
        "PP-OCRv6_small_rec",
    )
    assert spec.settings["text_recognition_batch_size"] == 1
    assert set(spec.versions) == {"paddleocr", "paddlex", "onnxruntime"}


def test_unknown_engines_and_half_named_models_are_refused(tmp_path):
    with pytest.raises(EvalsuiteError, match="unknown OCR engine 'tesseract'; known: paddle"):
        ocr.resolve("tesseract")
    with pytest.raises(EvalsuiteError, match="give two"):
        ocr.resolve(f"paddle:{tmp_path}")
    with pytest.raises(EvalsuiteError, match=r"inference\.yml is missing"):
        ocr.resolve(f"paddle:{tmp_path},{tmp_path}")


def test_folders_of_the_users_own_read_alike(reader, tmp_path):
    copies = []
    for folder in weights.bundled_folders():
        copies.append(tmp_path / folder.name)
        shutil.copytree(folder.path, copies[-1])
    own = PaddleReader.parse(",".join(map(str, copies)))
    image = page("NIGHT NOODLES", "每日新鲜")
    assert own.read(image) == reader.read(image)


def test_model_folders_are_made_once_though_several_start_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: weights.bundled_folders(), range(4)))
    assert len(set(made)) == 1
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "ocr").iterdir()) == ["PP", "PP"]


def test_a_damaged_cached_model_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path))
    detection, _ = weights.bundled_folders()
    weights_file = detection.path / "inference.onnx"
    weights_file.write_bytes(weights_file.read_bytes()[:-1] + b"\0")
    with pytest.raises(weights.OcrUnavailableError, match=r"inference\.onnx is damaged"):
        weights.bundled_folders()


def test_a_cache_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("EVALSUITE_CACHE", str(blocked))
    with pytest.raises(weights.OcrUnavailableError, match="cannot make the OCR model folder"):
        weights.bundled_folders()


def test_a_missing_wheel_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(weights.OcrUnavailableError, match=r"pip install --no-deps 'rapidocr>=3\.10,<4'"):
        weights.rapidocr_models()


def test_another_file_in_the_wheel_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    (tmp_path / "models").mkdir()
    for model in weights.PP_OCRV6_SMALL:
        Path(tmp_path / "models" / model.file).write_bytes(b"another model")
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "rapidocr_models", lambda: tmp_path / "models")
    with pytest.raises(weights.OcrUnavailableError, match="not the pinned model"):
        weights.bundled_folders()
