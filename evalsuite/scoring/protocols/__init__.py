"""Other benchmarks' ways to score text, each under its own name, over the same readings.

docs/protocols.md says of each where it comes from and what is wrong with it.
"""

from __future__ import annotations

from evalsuite.errors import EvalsuiteError
from evalsuite.scoring.protocols.anytext import ANYTEXT
from evalsuite.scoring.protocols.base import Metric, TextProtocol, primary
from evalsuite.scoring.protocols.cvtg import CVTG
from evalsuite.scoring.protocols.longtext import LONGTEXT, LONGTEXT_FIXED
from evalsuite.scoring.protocols.oneig import ONEIG
from evalsuite.scoring.protocols.pairing import LEX, TIIF
from evalsuite.scoring.protocols.strict import STRICT, STRICT_FIXED
from evalsuite.scoring.protocols.textatlas import TEXTATLAS, TEXTATLAS_FIXED
from evalsuite.scoring.protocols.textpecker import TEXTPECKER
from evalsuite.scoring.protocols.wegen import WEGEN, WEGEN_FIXED
from evalsuite.wording import did_you_mean

__all__ = ["PROTOCOLS", "Metric", "TextProtocol", "primary", "protocol_named"]

PROTOCOLS: dict[str, TextProtocol] = {
    each.name: each
    for each in (
        LONGTEXT,
        LONGTEXT_FIXED,
        ONEIG,
        CVTG,
        LEX,
        TIIF,
        ANYTEXT,
        WEGEN,
        WEGEN_FIXED,
        TEXTATLAS,
        TEXTATLAS_FIXED,
        STRICT,
        STRICT_FIXED,
        TEXTPECKER,
    )
}
"""The protocols by name."""


def protocol_named(name: str) -> TextProtocol:
    """The protocol of that name; raises `EvalsuiteError` with the known ones where there is none."""
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise EvalsuiteError(f"unknown protocol {name!r}: {did_you_mean(name, PROTOCOLS)}") from None
