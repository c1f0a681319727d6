"""Which table a file with a longer name is to become."""

import pytest

from orchestrator.intake.directory.open_file import Signature
from orchestrator.intake.directory.uploads import Uploads, tables_in


def at(size):
    return Signature(1, 1, size, 0, 0)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        (".samples.csv.Ab12Cd", "samples.csv"),
        ("samples.csv.filepart", "samples.csv"),
        (".syncthing.run.7.tsv.tmp", "run.7.tsv"),
        (".~samples.CSV.5f3a", "samples.CSV"),
        ("~samples.jsonl", "samples.jsonl"),
    ],
)
def test_the_table_in_the_name_of_an_upload_is_found(name, table):
    """Whatever the program put before and behind it."""
    assert table in [*tables_in(name)]


@pytest.mark.parametrize("name", ["samples.csv", "old.samples.csv", "run.yaml", ".run.yaml.tmp", "csv", ".csv", ""])
def test_other_names_have_no_table(name):
    """A table under its own name is no upload of another one."""
    assert [*tables_in(name)] == []


def test_a_long_name_is_looked_at_in_part():
    """A name of a thousand dots costs no more than one of twenty."""
    assert len([*tables_in(".csv" * 1000)]) < 1000


def test_the_upload_that_changed_last_counts():
    """Two programs may write the same table; one that is gone does not count any more."""
    uploads = Uploads()
    uploads.observe([(".t.csv.a", at(1)), (".t.csv.b", at(1))], 1.0)
    uploads.observe([(".t.csv.a", at(1)), (".t.csv.b", at(2))], 2.0)
    uploads.observe([(".t.csv.a", at(1)), (".t.csv.b", at(2))], 3.0)
    upload = uploads.of("t.csv")
    assert upload is not None
    assert (upload.name, upload.changed_at) == (".t.csv.b", 2.0)
    uploads.observe([], 4.0)
    assert uploads.of("t.csv") is None
