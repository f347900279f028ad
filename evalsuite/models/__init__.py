"""Where images come from: diffusers pipelines, the typeset reference, folders of images.

`resolve` turns what the user calls a model into an `ImageModel`. Importing this package imports no torch.
"""

from evalsuite.models.base import Drawing, ImageModel
from evalsuite.models.registry import KnownModel, known_models, resolve
from evalsuite.models.settings import SETTINGS, ModelOptions, Setting, SettingError, parse_settings
from evalsuite.models.weight_sets import WeightsMissingError

__all__ = [
    "SETTINGS",
    "Drawing",
    "ImageModel",
    "KnownModel",
    "ModelOptions",
    "Setting",
    "SettingError",
    "WeightsMissingError",
    "known_models",
    "parse_settings",
    "resolve",
]
