"""How what waits in incoming/ is cut into turns."""

import pytest

from orchestrator.intake.deciding.candidates import Candidate
from orchestrator.intake.deciding.turns import GROUP, OTHER_ENTRIES, in_turns, pause_between
from orchestrator.intake.directory.arrivals import Arrivals, Entry, Listing
from orchestrator.intake.directory.open_file import Signature


def entries(prefix, number):
    return [Entry(f"{prefix}{n}", Signature(1, n, 1, 0, 0), True, 0) for n in range(number)]


@pytest.mark.parametrize(
    ("urgent", "others", "rest", "sizes"),
    [
        (0, 0, 0, []),
        (2, 0, 0, [(2, 0)]),
        (0, 1, OTHER_ENTRIES + 1, [(1, OTHER_ENTRIES), (0, 1)]),
        (2, GROUP + 1, 3, [(2, 0), (GROUP, 3), (1, 0)]),
        (GROUP + 1, 1, 0, [(GROUP, 0), (2, 0)]),
    ],
)
def test_every_file_has_its_turn_in_order(urgent, others, rest, sizes):
    """Those that press come alone, then groups of the others, each with a portion of what is no queue file."""
    files = [Candidate(entry) for entry in (*entries("control", urgent), *entries("file", others))]
    left = entries("other", rest)
    turns = list(in_turns(files, left, lambda entry: entry.name.startswith("control")))
    assert [(len(group), len(portion)) for group, portion in turns] == sizes
    assert [each for group, _ in turns for each in group] == files
    assert [each for _, portion in turns for each in portion] == left


def test_the_folder_is_listed_sooner_when_a_file_has_come():
    """Listing it takes a fifth of the time otherwise, and at most half of it."""
    assert pause_between(0.5, news=False) == 2.0
    assert pause_between(0.5, news=True) == 0.5


def test_a_file_that_was_renamed_is_news_until_the_next_listing():
    """A name that appears without a hidden one that goes is none: it may still be written."""
    arrivals = Arrivals(rest=5.0)
    arrivals.announce({"a.json"}, [])
    assert not arrivals.announced
    arrivals.announce({"a.json"}, [".a.json.tmp"])
    assert arrivals.announced
    arrivals.observe(Listing([], {}, (1, 1)), monotonic=0.0, now=0)
    assert not arrivals.announced
