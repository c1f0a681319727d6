"""Text that is safe to print, and the names of characters."""

import json

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.messages.printable import (
    ascii_only,
    foreign_in,
    invisible_in,
    name_of,
    printable,
    printable_json,
)


@given(st.text())
def test_what_is_printed_always_shows(text):
    """Whatever the text: no control character, no format character, no space but the plain one."""
    shown = printable(text)
    assert invisible_in(shown) is None
    assert shown.isprintable()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text):
    """Printable ASCII is never escaped."""
    assert printable(text) == ascii_only(text) == text


TEXTS = st.text(st.characters(codec="utf-8"))


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_a_json_document_means_the_same(value):
    """Escapes of JSON are another spelling of the same text."""
    document = printable_json(json.dumps(value, ensure_ascii=False).encode())
    assert json.loads(document) == value
    assert invisible_in(document.decode()) is None


def test_characters_have_their_unicode_names():
    """Control characters, which have none, too."""
    assert name_of("\u200b") == "U+200B ZERO WIDTH SPACE"
    assert name_of("\t") == "U+0009 TAB"
    assert name_of("\x01") == "U+0001 CONTROL CHARACTER"
    assert list(foreign_in("\u200b")) == ["U+200B ZERO WIDTH SPACE alone"]
    assert printable("a\u200b\U000e0041\nb", keep="\n") == "a\\u200b\\U000e0041\nb"
