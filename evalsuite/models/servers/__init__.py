"""Models behind servers: OpenAI-compatible image endpoints, and ComfyUI."""

from evalsuite.models.servers.comfyui import ComfyModel
from evalsuite.models.servers.ignored import Trial, find_ignored
from evalsuite.models.servers.model import ServerModel
from evalsuite.models.servers.options import under_load

__all__ = ["ComfyModel", "ServerModel", "Trial", "find_ignored", "under_load"]
