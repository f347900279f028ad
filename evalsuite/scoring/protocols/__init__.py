"""Other benchmarks' ways to score text, each under its own name, over the same readings.

docs/protocols.md says of each where it comes from and what is wrong with it.
"""

from __future__ import annotations

import difflib

from evalsuite.errors import EvalsuiteError
from evalsuite.scoring.protocols.anytext import ANYTEXT
from evalsuite.scoring.protocols.base import Metric, TextProtocol, primary
from evalsuite.scoring.protocols.cvtg import CVTG
from evalsuite.scoring.protocols.longtext import LONGTEXT, LONGTEXT_FIXED
from evalsuite.scoring.protocols.oneig import ONEIG
from evalsuite.scoring.protocols.pairing import LEX, TIIF

__all__ = ["PROTOCOLS", "Metric", "TextProtocol", "primary", "protocol_named"]

PROTOCOLS: dict[str, TextProtocol] = {
    each.name: each for each in (LONGTEXT, LONGTEXT_FIXED, ONEIG, CVTG, LEX, TIIF, ANYTEXT)
}
"""The protocols by name."""


def protocol_named(name: str) -> TextProtocol:
    """The protocol of that name; raises `EvalsuiteError` with the known ones where there is none."""
    try:
        return PROTOCOLS[name]
    except KeyError:
        close = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise EvalsuiteError(f"unknown protocol {name!r}: {hint}known: {', '.join(PROTOCOLS)}") from None
