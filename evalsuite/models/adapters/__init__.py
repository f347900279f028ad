"""Adapters (LoRA, DoRA, LoHa, LoKr, full differences): read under every trainer's names and added onto the weights.

The suite does this itself: the libraries' loaders drop what they do not know with a mere warning, and each of them
knows other names.
"""

from evalsuite.models.adapters.contents import AdapterError, holds_adapter
from evalsuite.models.adapters.fuse import fuse_adapter
from evalsuite.models.adapters.strength import adapter_digest, adapter_files

__all__ = ["AdapterError", "adapter_digest", "adapter_files", "fuse_adapter", "holds_adapter"]
