"""Where images come from: diffusers pipelines, the typeset reference, folders of images.

`resolve` turns what the user calls a model into an `ImageModel`. Importing this package imports no torch.
"""

from evalsuite.models.adapters import holds_adapter
from evalsuite.models.base import Drawing, ImageModel
from evalsuite.models.registry import KnownModel, known_models, resolve, takes_options
from evalsuite.models.settings import SETTINGS, ModelOptions, Setting, SettingError, parse_settings
from evalsuite.models.training_steps import Trained, Unit, step_of
from evalsuite.models.transformer_file import transformer_files
from evalsuite.models.weight_sets import WeightsMissingError
from evalsuite.models.weights_file import WeightsFile, read_weights_file

__all__ = [
    "SETTINGS",
    "Drawing",
    "ImageModel",
    "KnownModel",
    "ModelOptions",
    "Setting",
    "SettingError",
    "Trained",
    "Unit",
    "WeightsFile",
    "WeightsMissingError",
    "holds_adapter",
    "known_models",
    "parse_settings",
    "read_weights_file",
    "resolve",
    "step_of",
    "takes_options",
    "transformer_files",
]
