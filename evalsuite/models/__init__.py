"""Where images come from: diffusers pipelines, the typeset reference, folders of images.

`resolve` turns what the user calls a model into an `ImageModel`. Importing this package imports no torch.
"""

from evalsuite.models.base import Drawing, ImageModel
from evalsuite.models.checkpoints import WeightsMissingError
from evalsuite.models.registry import KnownModel, known_models, resolve, takes_options
from evalsuite.models.settings import SETTINGS, ModelOptions, Setting, SettingError, parse_settings

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
    "takes_options",
]
