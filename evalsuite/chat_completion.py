"""A chat completion of an OpenAI-compatible server: its text, or why it is none."""

from __future__ import annotations

from collections.abc import Mapping

from evalsuite.http_client import RefusedError, Reply, RetryError, ServerClient

CHAT_PATH = "/v1/chat/completions"

_WHOLE = ("stop", "eos", None)
"""Reasons to end, as servers name them, after which an answer is whole; some servers name none."""


def completion_text(client: ServerClient, reply: Reply, endings: Mapping[str, str]) -> str:
    """The text of the one whole answer that a reply holds.

    Args:
        client: Who asked; takes the API key out of what is told.
        reply: The server's.
        endings: What to say of other reasons to end, by name, such as `length`.

    Raises:
        RetryError: It is no whole completion.
        RefusedError: It is one that is cut or withheld or repeats the API key, and would not be whole at another
            attempt.
    """
    answer = client.json_of(reply)
    try:
        choices = answer["choices"]
        text, ending = choices[0]["message"]["content"], choices[0].get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise RetryError(f"JSON, but no chat completion: {client.excerpt(reply.content)}") from error
    if len(choices) != 1:
        raise RetryError(f"{len(choices)} answers where one was asked for")
    if ending not in _WHOLE:
        reason = endings.get(str(ending)) or f"the answer ended for {client.redact(str(ending)[:200])!r}, not 'stop'"
        raise RefusedError(f"{client.address}: {reason}")
    if not isinstance(text, str):
        raise RetryError(f"a chat completion without text: {client.excerpt(reply.content)}")
    if client.redact(text) != text:
        raise RefusedError(f"{client.address}: the answer repeats the API key, so it is not kept")
    return text
