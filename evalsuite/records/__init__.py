"""The nouns that every room of the suite speaks, and how they are written down.

Each record is an immutable, keyword-only `msgspec.Struct` that refuses unknown fields, so that a row
written by another version is an error with a name and not a silent loss. Rows are JSON, one object per line.

Units: seconds for time, bytes for memory, pixels for geometry (x to the right, y downwards).
"""

from evalsuite.records.asked import (
    Adapter,
    Editing,
    LengthClass,
    MadePicture,
    ModelRole,
    ModelSpec,
    Prompt,
    Request,
    SourceLine,
    SourcePicture,
    SuiteRef,
)
from evalsuite.records.base import (
    Json,
    NotTextError,
    Record,
    digest,
    digest_of_parts,
    encode,
)
from evalsuite.records.drawn import (
    Finding,
    Generation,
    Memory,
    Phase,
    Place,
    PlantedGlyph,
    Seconds,
    Timing,
)
from evalsuite.records.environment import (
    Environment,
    Gpu,
    Machine,
)
from evalsuite.records.plan import (
    Manifest,
    SequentialPlan,
    Shard,
)
from evalsuite.records.read import (
    MALFORMED,
    MAX_READING_CHARS,
    Characters,
    OcrSpec,
    Reading,
    TextLine,
)
from evalsuite.records.scored import (
    Edit,
    EditKind,
    Extra,
    GlyphError,
    ImageScore,
    Score,
    ScorerSpec,
    Span,
    TargetScore,
)

__all__ = [
    "MALFORMED",
    "MAX_READING_CHARS",
    "Adapter",
    "Characters",
    "Edit",
    "EditKind",
    "Editing",
    "Environment",
    "Extra",
    "Finding",
    "Generation",
    "GlyphError",
    "Gpu",
    "ImageScore",
    "Json",
    "LengthClass",
    "Machine",
    "MadePicture",
    "Manifest",
    "Memory",
    "ModelRole",
    "ModelSpec",
    "NotTextError",
    "OcrSpec",
    "Phase",
    "Place",
    "PlantedGlyph",
    "Prompt",
    "Reading",
    "Record",
    "Request",
    "Score",
    "ScorerSpec",
    "Seconds",
    "SequentialPlan",
    "Shard",
    "SourceLine",
    "SourcePicture",
    "Span",
    "SuiteRef",
    "TargetScore",
    "TextLine",
    "Timing",
    "digest",
    "digest_of_parts",
    "encode",
]
