from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from installed import skip_without_paddleocr
from PIL import Image, ImageDraw

from evalsuite import ocr
from evalsuite.errors import EvalsuiteError
from evalsuite.images import load_image
from evalsuite.models.typeset.fonts import CJK_FACES, LATIN_FACES, font
from evalsuite.ocr import OcrError, weights
from evalsuite.ocr.detection import Box
from evalsuite.ocr.geometry import Quad
from evalsuite.ocr.paddle import PaddleReader
from evalsuite.ocr.recognition import Character
from evalsuite.records import TextLine, encode

skip_without_paddleocr()


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


def test_an_ocr_process_loads_no_torch_and_leaves_the_downloader_usable():
    code = (
        "import sys; from PIL import Image; from evalsuite import ocr; "
        "ocr.resolve('paddle').read(Image.new('RGB', (64, 64), 'white')); "
        "print([name for name in ('torch', 'transformers', 'modelscope') if name in sys.modules]); "
        "from paddlex.inference.utils.official_models import modelscope; print(callable(modelscope.snapshot_download))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-2:] == ["[]", "True"]


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


def lettering(text: str, size: tuple[int, int], height: int, at: tuple[int, int]) -> Image.Image:
    """A page with one line of lettering of a font height in pixels, its left end and top at a place."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text(at, text, fill="black", font=font(LATIN_FACES[0], height))
    return image


def test_lettering_that_one_look_reads_twice_is_read_once(reader):
    """PaddleOCR's own pipeline reads this page, which `evalsuite doctor` draws, as "2026" and "evalsuite 2"."""
    assert texts(reader.read(lettering("evalsuite 2026", (640, 160), 64, (40, 40)))) == ["evalsuite 2026"]


LARGE, MIDDLING, SMALL = (
    "CHASING",
    "Open daily from nine to five",
    "The small print says that nothing here is for sale.",
)


@pytest.fixture(scope="module")
def poster() -> Image.Image:
    """Large and small lettering on one page of 6,000 pixels."""
    image = Image.new("RGB", (6000, 6000), "white")
    pen = ImageDraw.Draw(image)
    pen.text((300, 400), LARGE, fill=(160, 20, 30), font=font(LATIN_FACES[1], 1250))
    pen.text((300, 2400), MIDDLING, fill="black", font=font(LATIN_FACES[0], 300))
    pen.text((300, 3400), SMALL, fill="black", font=font(LATIN_FACES[0], 170))
    return image


@pytest.mark.parametrize("side", [512, 768, 1024, 1536, 2048, 3072, 6000])
def test_the_reading_does_not_depend_on_the_size_of_the_picture(reader, poster, side):
    """PaddleOCR's own pipeline loses the large line from 2,048 pixels on."""
    resized = poster.resize((side, side), Image.Resampling.LANCZOS)
    assert texts(reader.read(resized)) == [LARGE, MIDDLING, SMALL]


@pytest.mark.parametrize(
    ("text", "size", "height", "at"),
    [
        ("SALE", (1024, 420), 400, (10, -30)),  # fills the page from edge to edge
        ("A", (1024, 1024), 1000, (150, -100)),
        ("OPEN", (64, 24), 18, (4, 0)),  # tiny
        ("OK", (40, 24), 18, (4, 0)),
        ("The quick brown fox jumps over the lazy dog", (8000, 200), 100, (1500, 40)),  # a banner
        ("SIDEWALK", (8192, 1000), 300, (3000, 300)),
        ("LIFT", (200, 4000), 70, (15, 3000)),  # a tower
    ],
)
def test_extreme_sizes_of_pictures_and_of_lettering(reader, text, size, height, at):
    assert texts(reader.read(lettering(text, size, height, at))) == [text]


def test_dense_small_lettering_is_read_line_by_line(reader):
    image = Image.new("RGB", (1024, 1024), "white")
    written = [f"Line {row:02} of a page that is full of small letters" for row in range(24)]
    for row, text in enumerate(written):
        ImageDraw.Draw(image).text((40, 20 + 25 * row), text, fill="black", font=font(LATIN_FACES[0], 17))
    assert texts(reader.read(image)) == written


def test_small_lettering_on_a_large_page_is_found_by_a_finer_look(reader):
    image = Image.new("RGB", (4000, 3000), "white")
    written = [f"Note {row}: keep dry and away from fire" for row in range(4)]
    for row, text in enumerate(written):
        ImageDraw.Draw(image).text((300, 200 + 700 * row), text, fill="black", font=font(LATIN_FACES[0], 36))
    assert texts(reader.read(image)) == written


def test_vertical_chinese_is_one_line_from_top_to_bottom(reader):
    image = Image.new("RGB", (600, 800), "white")
    for row, character in enumerate("每日新鲜水果"):
        ImageDraw.Draw(image).text((260, 60 + 110 * row), character, fill="black", font=font(CJK_FACES[1], 90))
    (line,) = reader.read(image)
    assert line.text == "每日新鲜水果"
    heights = [line.polygon[0][1] + at / 1000 * (line.polygon[3][1] - line.polygon[0][1]) for at in line.characters.at]
    assert np.abs(np.array(heights) - [60 + 110 * row + 60 for row in range(6)]).max() < 30


def test_every_character_has_its_place_and_its_probability(reader):
    """Each character's centre, from the font's own measures, against the one that the network's answer gives."""
    text, face = "HAMBURG 2048 quartz", font(LATIN_FACES[0], 60)
    (line,) = reader.read(lettering(text, (1024, 300), 60, (100, 100)))
    assert line.text == text
    left, right = line.polygon[0][0], line.polygon[1][0]
    found = [left + at / 1000 * (right - left) for at in line.characters.at]
    edges = [100 + face.getlength(text[:index]) for index in range(len(text) + 1)]
    wanted = [(start + end) / 2 for start, end in pairwise(edges)]
    assert np.abs(np.array(found) - wanted).max() < 15  # the letters are 34 pixels wide on average
    assert len(line.characters.p) == len(text)
    assert min(line.characters.p) > 500
    assert line.confidence == pytest.approx(sum(line.characters.p) / len(text) / 1000, abs=6e-4)


def test_rows_stay_small_and_rows_without_characters_are_still_understood(reader):
    (line,) = reader.read(lettering("HAMBURG 2048 quartz", (1024, 300), 60, (100, 100)))
    assert len(encode(line.characters)) < 9 * len(line.text) + 20
    old = b'{"text":"OPEN","polygon":[[1.0,2.0],[3.0,2.0],[3.0,4.0],[1.0,4.0]],"confidence":0.99}'
    decoded = msgspec.json.decode(old, type=TextLine)
    assert (decoded.text, decoded.characters) == ("OPEN", None)
    assert msgspec.json.decode(encode(line), type=TextLine) == line


def test_a_reading_depends_on_its_image_alone(reader):
    image = page("NIGHT NOODLES", "每日新鲜")
    first = reader.read(image)
    reader.read(lettering("SOMETHING ELSE", (900, 300), 80, (40, 60)))
    assert reader.read(image) == first
    assert PaddleReader.parse().read(image) == first


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_picture_held_otherwise_and_transparent_is_read_upright(reader, tmp_path, orientation):
    clear = Image.new("RGBA", (800, 200), (0, 0, 0, 0))
    ImageDraw.Draw(clear).text((60, 60), "NIGHT NOODLES", fill=(0, 0, 0, 255), font=font(LATIN_FACES[0], 56))
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    clear.transpose(turn).save(tmp_path / "picture.png", exif=exif)
    assert texts(reader.read(load_image(tmp_path / "picture.png"))) == ["NIGHT NOODLES"]


def test_noise_without_lettering_is_not_read_as_a_text(reader):
    noise = np.random.default_rng(13).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    assert reader.read(Image.fromarray(noise)) == ()


class Boxes:
    """Stands in for detection: a sign that both sizes see, and one that the coarse size alone sees."""

    def boxes(self, _pixels, _long_side, size):
        places = [(40, 40)] if size else [(40, 40), (40, 300)]
        return [Box(Quad(((x, y), (x + 200, y), (x + 200, y + 50), (x, y + 50))), 0.8, size, 50.0) for x, y in places]


class Letters:
    """Stands in for recognition: what it says of any line, and how surely."""

    def __init__(self, probability):
        self.probability = probability

    def characters(self, lines):
        said = tuple(Character(letter, (index + 0.5) / 4, self.probability) for index, letter in enumerate("SIGN"))
        return [said] * len(lines)


@pytest.mark.parametrize(("probability", "read"), [(0.99, 2), (0.61, 2), (0.59, 1), (0.3, 1)])
def test_a_faint_reading_counts_only_where_two_sizes_show_a_box(probability, read):
    faint = PaddleReader.parse()
    faint._modules = Boxes(), Letters(probability)
    assert texts(faint.read(Image.new("RGB", (800, 600), "white"))) == ["SIGN"] * read


@pytest.mark.parametrize("module", [0, 1])
@pytest.mark.parametrize("answer", ["nan", "shape", "failure"])
def test_a_network_that_fails_is_an_error_and_never_an_empty_text(reader, module, answer, monkeypatch):
    sign = lettering("OPEN", (200, 100), 50, (30, 20))
    assert texts(reader.read(sign)) == ["OPEN"]
    predictor = reader._modules[module]._predictor
    network = predictor.runner

    def answers(x):
        if answer == "failure":
            raise RuntimeError("out of memory")
        numbers = network(x=x)[0]
        return [numbers * np.float32("nan") if answer == "nan" else numbers[..., :-1]]

    monkeypatch.setattr(predictor, "runner", answers)
    with pytest.raises(OcrError, match="out of memory" if answer == "failure" else "answered"):
        reader.read(sign)


def test_a_paddlex_that_works_otherwise_is_refused_by_name(monkeypatch):
    import paddleocr

    class Other:
        paddlex_predictor = object()

        def __init__(self, **_):
            pass

    monkeypatch.setattr(paddleocr, "TextDetection", Other)
    with pytest.raises(weights.OcrUnavailableError, match="install the versions"):
        PaddleReader.parse().read(page("OPEN"))


def test_the_spec_says_what_decides_the_reading(reader):
    spec = reader.spec
    assert (spec.name, spec.settings["detection"], spec.settings["recognition"]) == (
        "paddle",
        "PP-OCRv6_small_det",
        "PP-OCRv6_small_rec",
    )
    assert {key: spec.settings[key] for key in ("coarse", "fine", "finer", "merging")} == {
        "coarse": 512,
        "fine": [704, 1024],
        "finer": [2048, 4096],
        "merging": "2",
    }
    assert set(spec.versions) == {"paddleocr", "paddlex", "onnxruntime"}
    assert PaddleReader(*weights.bundled_folders(), settings={"text_det_box_thresh": 0.6}).spec.digest != spec.digest


def test_the_auditor_is_another_generation_with_a_digest_of_its_own(reader):
    pytest.importorskip("rapidocr_onnxruntime", reason="the PP-OCRv4 weights' wheel is not installed")
    auditor = ocr.resolve("rapidocr-v4")
    assert auditor.spec.name == "rapidocr-v4"
    assert auditor.spec.settings["recognition"] == "PP-OCRv4_mobile_rec"
    assert auditor.spec.weights_digest != reader.spec.weights_digest
    lines = auditor.read(page("NIGHT NOODLES", "今日特价 25.80"))
    assert [text.replace(" ", "") for text in texts(lines)] == ["NIGHTNOODLES", "今日特价25.80"]
    with pytest.raises(EvalsuiteError, match="takes no arguments"):
        ocr.resolve("rapidocr-v4:x")


def test_on_openvino_the_same_networks_read_the_same_and_their_readings_are_told_apart(reader):
    pytest.importorskip("openvino", reason="OpenVINO is not installed (evalsuite[openvino])")
    other = ocr.resolve("paddle-openvino")
    assert other.spec.name == "paddle-openvino"
    assert other.spec.weights_digest == reader.spec.weights_digest
    assert other.spec.settings == {**reader.spec.settings, "runtime": "openvino f32"}
    assert other.spec.digest != reader.spec.digest
    assert set(other.spec.versions) == {"paddleocr", "paddlex", "openvino"}
    shown = page("NIGHT NOODLES", "今日特价 ￥25.80")
    lines, wanted = other.read(shown), reader.read(shown)
    assert texts(lines) == texts(wanted)
    assert [line.polygon for line in lines] == [line.polygon for line in wanted]
    assert [line.confidence for line in lines] == pytest.approx([line.confidence for line in wanted], abs=2e-3)
    assert other.read(Image.new("RGB", (64, 64), "grey")) == ()
    # Bound to the first core, as is OpenVINO's way with one thread, all processes would share that core.
    networks = [module._predictor.runner._request.get_compiled_model() for module in other._modules]
    assert [each.get_property("ENABLE_CPU_PINNING") for each in networks] == [False, False]
    with pytest.raises(EvalsuiteError, match="takes no arguments"):
        ocr.resolve("paddle-openvino:x")


def test_without_openvino_it_says_what_to_install(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name))
    with pytest.raises(weights.OcrUnavailableError, match=r"pip install 'evalsuite\[openvino\]'"):
        ocr.resolve("paddle-openvino")


def test_unknown_engines_and_half_named_models_are_refused(tmp_path):
    with pytest.raises(EvalsuiteError, match="unknown OCR engine 'easyocr'; known: paddle"):
        ocr.resolve("easyocr")
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


@pytest.mark.parametrize(
    ("bundle", "command"),
    [
        (weights.PP_OCRV6_SMALL, r"pip install --no-deps 'rapidocr>=3\.10,<4'"),
        (weights.PP_OCRV4_MOBILE, r"pip install --no-deps --ignore-requires-python rapidocr-onnxruntime==1\.4\.4"),
    ],
)
def test_a_missing_wheel_says_what_to_install(monkeypatch, bundle, command):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(weights.OcrUnavailableError, match=command):
        weights.wheel_models(bundle)


@pytest.mark.parametrize("bundle", [weights.PP_OCRV6_SMALL, weights.PP_OCRV4_MOBILE])
def test_another_file_in_the_wheel_is_not_taken(tmp_path, monkeypatch, bundle):
    (tmp_path / "cache").mkdir()
    (tmp_path / "models").mkdir()
    for model in bundle.models:
        Path(tmp_path / "models" / model.file).write_bytes(b"another model")
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "wheel_models", lambda _: tmp_path / "models")
    with pytest.raises(weights.OcrUnavailableError, match="not the pinned model"):
        weights.bundled_folders(bundle)


def test_a_cached_configuration_that_was_changed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path))
    _, recognition = weights.bundled_folders()
    config = recognition.path / "inference.yml"
    before = config.read_text(encoding="utf-8")
    config.write_text(before.replace("\n  - E\n  - F\n", "\n  - F\n  - E\n"), encoding="utf-8")
    assert config.read_text(encoding="utf-8") != before
    with pytest.raises(weights.OcrUnavailableError, match=r"inference\.yml is not what was made here"):
        weights.bundled_folders()
    config.write_text(before, encoding="utf-8")
    assert weights.bundled_folders()[1] == recognition
