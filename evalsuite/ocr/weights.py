"""Where the PP-OCR models come from: the rapidocr wheels' ONNX files, or folders of the user's.

PaddleOCR wants a folder a model, holding `inference.onnx` and an `inference.yml` that says how to prepare
images and decode answers. The wheels carry bare ONNX files, so the folders are made once in a cache.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import yaml

from evalsuite.datafiles import cache_root
from evalsuite.digests import file_sha256
from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, read_text
from evalsuite.records import Json, digest

if TYPE_CHECKING:
    from collections.abc import Iterable

CACHE_VERSION = "1"
MAX_CONFIG_BYTES = 8 * 2**20
_ALIAS = re.compile(r"[\s\[{,:-]\*[^\s'\"]")


class OcrUnavailableError(EvalsuiteError):
    """The OCR engine or its weights are not installed; the message says how to get them."""


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """An ONNX file of a wheel, by the name that PaddleOCR knows it by, and its SHA-256.

    `config_digest` is `digest` of what the `inference.yml` beside its cached copy says: preparation, thresholds and
    the characters, without which the same weights read another text.
    """

    name: str
    task: Literal["det", "rec"]
    file: str
    sha256: str
    config_digest: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A wheel that carries a detection and a recognition model, and how to get it.

    The wheels are installed without their dependencies, which would lay a second OpenCV over the one that PaddleX
    pins; nothing of their code is run.
    """

    family: str
    wheel: str
    version: str
    models: tuple[PinnedModel, PinnedModel]
    install: str

    @property
    def package(self) -> str:
        """The folder of the wheel in site-packages."""
        return self.wheel.replace("-", "_")


PP_OCRV6_SMALL = Bundle(
    family="PP-OCRv6",
    wheel="rapidocr",
    version="3.10.0",
    models=(
        PinnedModel(
            "PP-OCRv6_small_det",
            "det",
            "PP-OCRv6_det_small.onnx",
            "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
            "7d9b2aae656871dd8b2694234106d2e7a0bc93210747e416158e6f933e4e5e8a",
        ),
        PinnedModel(
            "PP-OCRv6_small_rec",
            "rec",
            "PP-OCRv6_rec_small.onnx",
            "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
            "2f46b47e8517d277cb93ee2fb0145d1411718153792051f575262cd703476559",
        ),
    ),
    install="pip install --no-deps 'rapidocr>=3.10,<4'",
)

PP_OCRV4_MOBILE = Bundle(
    family="PP-OCRv4",
    wheel="rapidocr-onnxruntime",
    version="1.4.4",
    models=(
        PinnedModel(
            "PP-OCRv4_mobile_det",
            "det",
            "ch_PP-OCRv4_det_infer.onnx",
            "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
            "1438718169f3b7e903b337eac6a0075bc88919494b7240418f2d95aafb86f42a",
        ),
        PinnedModel(
            "PP-OCRv4_mobile_rec",
            "rec",
            "ch_PP-OCRv4_rec_infer.onnx",
            "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
            "f6c53010ca43032acacbd9cfb45f5f444e26750d08fcf886fb22e74e883a997e",
        ),
    ),
    # The wheel states Python below 3.13 for its code, which is not run.
    install="pip install --no-deps --ignore-requires-python rapidocr-onnxruntime==1.4.4",
)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that PaddleOCR can load, the official name of the model in it, and the digest of its files."""

    name: str
    path: Path
    digest: str


def wheel_models(bundle: Bundle) -> Path:
    """The folder of ONNX files inside an installed wheel, found without importing it.

    Raises:
        OcrUnavailableError: when the wheel is not installed.
    """
    spec = importlib.util.find_spec(bundle.package)
    if spec is None or spec.origin is None:
        raise OcrUnavailableError(
            f"the {bundle.family} weights are not installed: they come with the {bundle.wheel} wheel; "
            f"run: {bundle.install}"
        )
    return Path(spec.origin).parent / "models"


def bundled_folders(bundle: Bundle = PP_OCRV6_SMALL) -> tuple[ModelFolder, ModelFolder]:
    """The detection and recognition folders of a bundle, verified and made in the cache if need be.

    Safe to call from several processes at once: each makes its own temporary folder, and the first rename
    wins.

    Raises:
        OcrUnavailableError: when the wheel is missing or a file in it is not the one that we measured with.
    """
    source = wheel_models(bundle)
    detection, recognition = (_bundled_folder(source, bundle, model) for model in bundle.models)
    return detection, recognition


def _bundled_folder(source: Path, bundle: Bundle, model: PinnedModel) -> ModelFolder:
    weights = source / model.file
    if not weights.is_file():
        found = importlib.metadata.version(bundle.wheel)
        raise OcrUnavailableError(f"{bundle.wheel} {found} carries no {model.file}; run: {bundle.install}")
    folder = cache_root() / "ocr" / f"{model.name}-{model.sha256[:12]}-v{CACHE_VERSION}"
    if not folder.is_dir():
        _make_folder(folder, weights, bundle, model)
    # The cached copy is what is loaded, so the cached copy is what is verified: 30 MB take 20 ms.
    cached = folder / "inference.onnx"
    actual = file_sha256(cached)
    if actual != model.sha256:
        raise OcrUnavailableError(
            f"{cached} is damaged: its SHA-256 is {actual[:12]}…, expected {model.sha256[:12]}…; "
            f"delete the folder {folder} and run again"
        )
    config = folder / "inference.yml"
    if _config_digest(config) != model.config_digest:
        raise OcrUnavailableError(
            f"{config} is not what was made here with these weights, so that they would read another text; delete the "
            f"folder {folder} and run again"
        )
    return ModelFolder(model.name, folder, digest([model.sha256, file_sha256(config)]))


def _parsed(config: Path) -> Json:
    # The same safe subset of YAML in C: the character list takes 60 ms instead of a second.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = read_text(config, limit=MAX_CONFIG_BYTES)
    if _ALIAS.search(text) and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
        raise FileError(f"{config}: has YAML aliases, by which a small file says a large one")
    return yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, see above


def _config_digest(config: Path) -> str | None:
    """Digest of what a configuration says; None where it cannot be read."""
    try:
        return digest(_parsed(config))
    except (FileNotFoundError, FileError, yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None


@cache
def characters_of(folder: ModelFolder) -> frozenset[str]:
    """The characters that a recognition model can answer with, by its configuration, and the space.

    Raises:
        OcrUnavailableError: where the configuration lists none.
    """
    config = folder.path / "inference.yml"
    try:
        listed = _parsed(config)["PostProcess"]["character_dict"]
        return frozenset([" ", *(str(character) for character in listed)])
    except (FileNotFoundError, FileError, yaml.YAMLError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise OcrUnavailableError(f"{config} lists no characters under PostProcess.character_dict") from error


def _make_folder(folder: Path, weights: Path, bundle: Bundle, model: PinnedModel) -> None:
    actual = file_sha256(weights)
    if actual != model.sha256:
        raise OcrUnavailableError(
            f"{weights.name} of the installed {bundle.wheel} is not the pinned model (SHA-256 {actual[:12]}…, expected "
            f"{model.sha256[:12]}…), so scores would not be comparable; run: pip install --force-reinstall --no-deps "
            f"{bundle.wheel}=={bundle.version}"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            made = Path(scratch) / "model"
            made.mkdir()
            shutil.copyfile(weights, made / "inference.onnx")
            config = _detection_config() if model.task == "det" else _recognition_config(weights, bundle)
            config = {"Global": {"model_name": model.name}, **config}
            (made / "inference.yml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
            try:
                made.rename(folder)
            except OSError:
                # Another process was first; its folder is as good as ours. Anything else is a real failure.
                if not folder.is_dir():
                    raise
    except OSError as error:
        raise OcrUnavailableError(
            f"cannot make the OCR model folder {folder}: {error.strerror or error}; free some space there, or name "
            "another cache folder in EVALSUITE_CACHE"
        ) from error


def _detection_config() -> dict[str, Json]:
    """The detection settings that PP-OCRv4 and v6 publish; the reader sets its own size and thresholds."""
    return {
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                {"DetLabelEncode": None},
                {"DetResizeForTest": {"resize_long": 736}},
                {
                    "NormalizeImage": {
                        "mean": [0.485, 0.456, 0.406],
                        "order": "hwc",
                        "scale": "1./255.",
                        "std": [0.229, 0.224, 0.225],
                    }
                },
                {"ToCHWImage": None},
                {"KeepKeys": {"keep_keys": ["image", "shape", "polys", "ignore_tags"]}},
            ]
        },
        "PostProcess": {
            "name": "DBPostProcess",
            "thresh": 0.3,
            "box_thresh": 0.6,
            "max_candidates": 1000,
            "unclip_ratio": 1.5,
        },
    }


def _recognition_config(weights: Path, bundle: Bundle) -> dict[str, Json]:
    """3×48×320 input and CTC decoding over the characters that the ONNX file carries in its metadata."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    characters = session.get_modelmeta().custom_metadata_map.get("character", "").split("\n")
    if len(characters) < 2:
        raise OcrUnavailableError(f"{weights.name} carries no character list in its metadata; run: {bundle.install}")
    return {
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                {"MultiLabelEncode": {"gtc_encode": "NRTRLabelEncode"}},
                {"RecResizeImg": {"image_shape": [3, 48, 320]}},
                {"KeepKeys": {"keep_keys": ["image", "label_ctc", "label_gtc", "length", "valid_ratio"]}},
            ]
        },
        "PostProcess": {"name": "CTCLabelDecode", "character_dict": characters},
    }


def user_folder(path: Path) -> ModelFolder:
    """A PP-OCR inference folder of the user's: `inference.onnx` and `inference.yml` with the model's name.

    Raises:
        OcrUnavailableError: when a file is missing or the YAML does not name the model.
    """
    config, weights = path / "inference.yml", path / "inference.onnx"
    for needed in (config, weights):
        if not needed.is_file():
            raise OcrUnavailableError(
                f"{path} is no PP-OCR model folder: {needed.name} is missing; it needs inference.onnx and "
                "inference.yml as PaddleOCR exports them for ONNX Runtime"
            )
    try:
        name = _parsed(config)["Global"]["model_name"]
    except FileError as error:
        raise OcrUnavailableError(str(error)) from error
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise OcrUnavailableError(f"{config} does not name its model under Global.model_name") from error
    if not isinstance(name, str):
        raise OcrUnavailableError(f"{config}: Global.model_name is {str(name)[:40]!r}, no name")
    return ModelFolder(name, path, _folder_digest([config, weights]))


def _folder_digest(files: Iterable[Path]) -> str:
    return digest([[file.name, file_sha256(file)] for file in files])
