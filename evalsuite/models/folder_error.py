"""What is wrong with a folder of images."""

from __future__ import annotations

from evalsuite.errors import EvalsuiteError


class FolderError(EvalsuiteError):
    """A folder of images, its table or its list that cannot be scored as it is; the message names the file."""
