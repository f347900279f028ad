"""Models behind servers: OpenAI-compatible image endpoints."""

from evalsuite.models.servers.ignored import Trial, find_ignored
from evalsuite.models.servers.model import ServerModel

__all__ = ["ServerModel", "Trial", "find_ignored"]
