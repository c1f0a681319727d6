"""Numbers, times and durations as pages show them."""

from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.web.pages.content import formatting
from orchestrator.web.pages.forms import Query


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-5, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400, "1 d"),
        (187_300, "2 d 4 h"),
    ],
)
def test_durations_have_two_parts_at_most(seconds, text):
    """Enough for the eye."""
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "0%"), (0, 9, "0%"), (1, 100_000, "<1%"), (1, 2, "50%"), (99_999, 100_000, ">99%"), (5, 5, "100%")],
)
def test_a_share_says_all_and_nothing_only_where_it_is_so(part, whole, text):
    """One failure of a hundred thousand is not 100%."""
    assert formatting.share(part, whole) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**40, "1024 GiB"), (2**28, "256 MiB")]
)
def test_sizes(count, text):
    """In binary units."""
    assert formatting.size(count) == text


def test_times_are_for_programs_and_for_people():
    """The page's script replaces the text; without it, the text says UTC."""
    shown = formatting.time(1_700_000_000_123_456)
    assert shown == '<time datetime="2023-11-14T22:13:20.123456Z">2023-11-14 22:13 UTC</time>'
    assert formatting.time(None) == ""


def test_who_did_something_is_named():
    """A user of this machine by name, an operator of a page as recorded."""
    assert formatting.user("0") == "root"
    assert formatting.user("Ada (token, from 10.0.0.7)") == "Ada (token, from 10.0.0.7)"


@pytest.mark.parametrize(("count", "noun", "text"), [(1, "item", "1 item"), (1200, "batch", "1,200 batches")])
def test_counts_agree_with_their_nouns(count, noun, text):
    """One item, two batches."""
    assert formatting.counted(count, noun) == text


@pytest.mark.parametrize(
    ("text", "rest", "labels"),
    [
        ("cohort", "cohort", {}),
        ("run=0172", "", {"run": "0172"}),
        (' a  run=0172 b lab="north wing"', "a b", {"run": "0172", "lab": "north wing"}),
        ("empty=", "", {"empty": ""}),
        ("=x", "=x", {}),
        ('a=b=c"d', "", {"a": 'b=c"d'}),
        ('a="b" c="d e" f', "f", {"a": "b", "c": "d e"}),
        ('a="b', "", {"a": '"b'}),
    ],
)
def test_a_search_is_split_into_text_and_labels(text, rest, labels):
    """`NAME=VALUE`, with quotes where the value has spaces."""
    assert formatting.split_search(text) == (rest, labels)


@pytest.mark.parametrize(
    "value", ["0172", "north wing", "ä&?#=", "", 'a"b', 'the "north" wing', '"', '""', 'x" y=z', '"x" ' * 50]
)
def test_the_link_of_a_label_searches_for_it(value):
    """The address leads back to the label, whatever characters it has."""
    sent = parse_qs(urlsplit(formatting.label_url("run", value)).query)
    query = Query({name: text for name, (text,) in sent.items()}).text("q")
    assert formatting.split_search(query) == ("", {"run": value})
