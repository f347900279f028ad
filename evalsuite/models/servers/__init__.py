"""Models behind servers: OpenAI-compatible image endpoints."""

from evalsuite.models.servers.model import ServerModel

__all__ = ["ServerModel"]
