from __future__ import annotations

import re
from pathlib import Path

import pytest

from evalsuite.report import i18n

REPORT = Path(i18n.__file__).parent
# Keys that are put together from a prefix and a value; everything else stands in the sources as it is.
COMPOSED = (
    "role.", "named.", "slices.", "length.", "phase.", "filter.", "sort.", "kind.", "card.missing", "card.unreadable",
    "diff.", "plot.", "mark.verdict.", "control.theme.", "outcome.", "drawn.", "sweep.passed.", "sweep.why.drawn.",
    "glyph.", "glyphs.verdict.", "view.state.", "headline.pair.", "headline.ceiling.", "headline.sign.", "gate.",
)  # fmt: skip


def test_both_catalogues_hold_the_same_messages_with_the_same_places():
    english, chinese = i18n.catalogue("en"), i18n.catalogue("zh")
    assert list(english) == list(chinese)
    for key, message in english.items():
        # English may need a number only for its plural, which Chinese has not.
        assert i18n.placeholders(chinese[key]) <= i18n.placeholders(message), key
        plural_only = {match["name"] for match in i18n._PLACE.finditer(message) if match["one"] is not None}
        assert i18n.placeholders(message) - plural_only <= i18n.placeholders(chinese[key]), key


def test_chinese_is_translated():
    same = [key for key, message in i18n.catalogue("zh").items() if message == i18n.catalogue("en")[key]]
    assert same == ["facts.ocr"]


def sources():
    for folder, suffix in (("templates", ".j2"), ("assets", ".js"), (".", ".py"), ("charts", ".py")):
        for path in sorted((REPORT / folder).glob(f"*{suffix}")):
            yield path.name, path.read_text(encoding="utf-8")


def test_every_message_that_is_asked_for_exists_and_none_is_left_over():
    known = set(i18n.catalogue("en"))
    call = re.compile(
        r"""\b(?:t|ta|translate|word|section|button|element|contestant|toggle)\((?:"[\w-]+", )?"([a-z_]+\.[\w.-]+)\""""
    )
    literal = re.compile(r'"([a-z_]+\.[a-z_][\w.-]*)"')
    asked, mentioned = set(), set()
    for name, content in sources():
        asked |= {(name, key) for key in call.findall(content)}
        mentioned |= set(literal.findall(content)) | set(re.findall(r'data-i18n="([\w.-]+)"', content))
    assert {(name, key) for name, key in asked if key not in known and not key.endswith(".")} == set()
    left_over = {key for key in known if key not in mentioned and not key.startswith(COMPOSED)}
    assert left_over == set()


def test_plurals_and_missing_values():
    assert i18n.translate("gallery.count", shown=1, total=1) == "1 of 1 image"
    assert i18n.translate("gallery.count", shown=0, total=72) == "0 of 72 images"
    assert i18n.translate("gallery.count", "zh", shown=3, total=72) == "72 张图片中的 3 张"
    with pytest.raises(KeyError, match="total"):
        i18n.translate("gallery.count", shown=1)
    with pytest.raises(KeyError, match=r"no\.such\.key"):
        i18n.translate("no.such.key")


def test_values_are_escaped_in_elements_and_attributes():
    hostile = '"><script>alert(1)</script>'
    element = i18n.element("provenance.footer", version="1", name=hostile)
    assert "<script>" not in element
    assert "&lt;script&gt;" in element
    attribute = i18n.attribute("aria-label", "viewer.no_image", reason=hostile)
    assert "<script>" not in attribute
    assert attribute.count('"') == 6  # three attributes, each closed where it should be
