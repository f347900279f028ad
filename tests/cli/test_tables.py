"""What a narrow terminal shows: no word is broken, so that names and paths can be copied whole."""

from __future__ import annotations

import io

from rich.console import Console

from evalsuite.cli import tables

PATH = "/runs/a-very-long-folder-name/index.html"


def printed(columns, rows, *, width, right=()) -> list[str]:
    written = io.StringIO()
    tables.print_table(Console(file=written, width=80), columns, rows, right=right, width=width)
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_columns_are_narrowed_at_words_the_widest_first():
    rows = [("klein", "a small checkpoint of the real classes", "1 GB")]
    assert printed(("name", "what it is", "needs"), rows, width=34, right=("needs",)) == [
        "name   what it is            needs",
        "klein  a small checkpoint     1 GB",
        "       of the real classes",
    ]


def test_where_the_words_do_not_fit_each_row_is_a_block():
    rows = [("klein", PATH), ("ernie", "")]
    assert printed(("model", "page"), rows, width=30) == [
        "model  klein",
        f"page   {PATH}",
        "",
        "model  ernie",
    ]


def test_a_log_has_one_line_for_a_row():
    rows = [("klein", "word " * 60 + "end")]
    assert printed(("model", "what"), rows, width=None)[1] == "klein  " + "word " * 60 + "end"


def test_a_figure_is_never_wrapped():
    widths = tables.fit(
        [["accuracy", "0.997 [0.991, 0.999]"], ["what", "some words here"]], ("accuracy", "what"), ("accuracy",), 28
    )
    assert widths == [20, 6]
    assert (
        tables.fit(
            [["accuracy", "0.997 [0.991, 0.999]"], ["what", "unbroken-name"]], ("accuracy", "what"), ("accuracy",), 28
        )
        is None
    )


def test_text_is_broken_at_spaces_only_and_wide_characters_count_twice():
    assert tables.wrap(f"see {PATH} for it", 20) == ["see", PATH, "for it"]
    assert tables.wrap("one two three", 8, first="- ", rest="  ") == ["- one", "  two", "  three"]
    assert tables.wrap("今日 特价 半价", 9) == ["今日 特价", "半价"]
    assert tables.wrap("as long as it likes", None) == ["as long as it likes"]
