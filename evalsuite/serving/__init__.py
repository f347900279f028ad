"""A local checkpoint behind the OpenAI-compatible image protocol: `evalsuite serve`."""

from evalsuite.serving.listen import SERVE_KEY_VARIABLE, serve

__all__ = ["SERVE_KEY_VARIABLE", "serve"]
