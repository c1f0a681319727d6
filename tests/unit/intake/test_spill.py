"""Long lists on a scratch file."""

import io

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.intake.reading.spill import MOST_BYTES, MOST_ENTRIES, PortionWriter, read_portions


def read(file, offset, entries):
    return list(read_portions(file, offset, entries, list[bytes]))


@given(st.lists(st.lists(st.binary(max_size=20), max_size=20), max_size=4))
def test_lists_behind_each_other_are_read_back_each_from_its_place(lists):
    """Whatever was written before and after, and as often as it is asked for."""
    file, places = io.BytesIO(), []
    for entries in lists:
        places.append(file.tell())
        writer = PortionWriter(file)
        for entry in entries:
            writer.add(entry, len(entry))
        writer.flush()
    for _ in range(2):
        for place, entries in zip(places, lists, strict=True):
            assert [entry for portion in read(file, place, len(entries)) for entry in portion] == entries


def test_a_portion_ends_by_number_or_by_size():
    """Memory holds so many small entries, and of large ones only a few."""
    file = io.BytesIO()
    writer = PortionWriter(file)
    for _ in range(MOST_ENTRIES + 1):
        writer.add(b"", 0)
    writer.flush()
    small = file.tell()
    for _ in range(5):
        writer.add(b"x", MOST_BYTES // 2)
    writer.flush()
    assert [len(portion) for portion in read(file, 0, MOST_ENTRIES + 1)] == [MOST_ENTRIES, 1]
    assert [len(portion) for portion in read(file, small, 5)] == [2, 2, 1]


def test_what_is_read_may_be_interrupted():
    """The file is used otherwise between two portions: nothing depends on where it stands."""
    file = io.BytesIO()
    writer = PortionWriter(file)
    for number in range(3 * MOST_ENTRIES):
        writer.add(b"%d" % number, 1)
    writer.flush()
    seen = []
    for portion in read_portions(file, 0, 3 * MOST_ENTRIES, list[bytes]):
        seen += portion
        file.seek(0)
    assert seen == [b"%d" % number for number in range(3 * MOST_ENTRIES)]
