"""evalsuite: does this text-to-image checkpoint still draw text correctly, and how fast?"""

from __future__ import annotations

__version__ = "0.1.0"
