from __future__ import annotations

import pytest

from evalsuite.records import TextLine
from evalsuite.scoring import score_image

Row = list[tuple[str, str, str]]


def edits(target: str, *texts: str, profile: str = "standard") -> Row:
    (row,) = score_image([target], [TextLine(text=text) for text in texts], profile).targets
    return [(edit.kind, edit.target, edit.read) for edit in row.edits]


@pytest.mark.parametrize(
    ("target", "texts", "expected"),
    [
        ("Open Daily", ("Open Daily",), [("equal", "Open Daily", "Open Daily")]),
        ("Open Daily", ("OpenDaily",), [("equal", "Open Daily", "OpenDaily")]),
        ("Open Daily", ("Open", "Daily"), [("equal", "Open Daily", "Open\nDaily")]),
        (" Open ", ("Open",), [("equal", " Open ", "Open")]),
        (
            "Open Daily",
            ("Open daly",),
            [
                ("equal", "Open ", "Open "),
                ("case", "D", "d"),
                ("equal", "a", "a"),
                ("delete", "i", ""),
                ("equal", "ly", "ly"),
            ],
        ),
        (
            "NOODLES",
            ("NO0DLXES",),
            [
                ("equal", "NO", "NO"),
                ("substitute", "O", "0"),
                ("equal", "DL", "DL"),
                ("insert", "", "X"),
                ("equal", "ES", "ES"),
            ],
        ),
        ("Wait……what", ("Wait...what",), [("equal", "Wait……what", "Wait...what")]),
        ("SALE", (), [("delete", "SALE", "")]),
    ],
)
def test_pieces_as_written(target: str, texts: tuple[str, ...], expected: Row) -> None:
    assert edits(target, *texts) == expected


def test_white_space_is_an_edit_only_where_it_counts() -> None:
    assert edits("Open Daily", "OpenDaily", profile="strict") == [
        ("equal", "Open", "Open"),
        ("delete", " ", ""),
        ("equal", "Daily", "Daily"),
    ]
    assert edits("Open Daily", "Open", "Daily", profile="strict") == [("equal", "Open Daily", "Open\nDaily")]
    assert edits("OpenDaily", "Open", "Daily", profile="strict") == [("equal", "OpenDaily", "Open\nDaily")]


def test_case_is_charged_in_strict_and_named_in_both() -> None:
    lines = [TextLine(text="open")]
    (strict,), (standard,) = (score_image(["Open"], lines, profile).targets for profile in ("strict", "standard"))
    assert (strict.case_errors, strict.substitutions, strict.exact) == (1, 1, False)
    assert (standard.case_errors, standard.substitutions, standard.exact) == (1, 0, True)
    assert strict.edits == standard.edits
