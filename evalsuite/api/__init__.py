"""The Python API: every command of the command line as a function.

Folders may be given as text or as a path, names one at a time or several. What comes back holds the figures, is short
in a console and a table in a notebook. Nothing is printed. Heavy libraries load only when a function needs them.
"""

from evalsuite.api.gating import gate, gate_while_drawing, plan, promote
from evalsuite.api.running import merge, rescore, run, score
from evalsuite.api.serving import load, serve, view
from evalsuite.api.stored import claims, compare, content, export, glyphs, judge, report, track, verify
from evalsuite.api.sweeping import plan_sweep, sweep

__all__ = [
    "claims",
    "compare",
    "content",
    "export",
    "gate",
    "gate_while_drawing",
    "glyphs",
    "judge",
    "load",
    "merge",
    "plan",
    "plan_sweep",
    "promote",
    "report",
    "rescore",
    "run",
    "score",
    "serve",
    "sweep",
    "track",
    "verify",
    "view",
]
