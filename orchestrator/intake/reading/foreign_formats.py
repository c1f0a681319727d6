"""Files that are no text tables, recognised by how they begin: what the file is, and what to click or run."""

import codecs
import re
from typing import NamedTuple

START = 4096
"""Bytes that are enough to recognise a file."""

AS_CSV = 'in the spreadsheet choose "Save as" (Excel) or "Download" (Google Sheets) and the type "CSV UTF-8 (comma)"'
_SECTION = re.compile(r'^\ufeff*"?\[([A-Za-z0-9_ ]+)\]"?[,;\t"]*\s*$')
_DATA_SECTIONS = ("data", "bclconvert_data", "cloud_data")


class Foreign(NamedTuple):
    """What a file is in place of a table."""

    what: str
    remedy: str
    is_binary: bool = True
    """It is no text at all; False for text in another encoding or format, such as UTF-16 or a web page."""


_BEGINNINGS: tuple[tuple[bytes, Foreign], ...] = (
    (b"\xd0\xcf\x11\xe0", Foreign("is an old Excel workbook (.xls), not text", AS_CSV)),
    (b"\x1f\x8b", Foreign("is compressed with gzip", "unpack it: `gunzip`, then use the text that comes out")),
    (b"BZh", Foreign("is compressed with bzip2", "unpack it: `bunzip2`, then use the text that comes out")),
    (b"\x28\xb5\x2f\xfd", Foreign("is compressed with zstd", "unpack it: `unzstd`, then use the text that comes out")),
    (b"\xfd7zXZ", Foreign("is compressed with xz", "unpack it: `unxz`, then use the text that comes out")),
    (b"7z\xbc\xaf", Foreign("is a 7-Zip archive", "unpack it, then use the table that is inside")),
    (b"PAR1", Foreign("is a Parquet file, not text", "write it as CSV: `DataFrame.to_csv(path, index=False)`")),
    (b"\x89HDF", Foreign("is an HDF5 file, not text", "write the table as CSV")),
    (b"%PDF", Foreign("is a PDF document", "export the table itself as CSV, not a report of it")),
    (b"{\\rtf", Foreign("is a rich text document", "save it as plain text")),
    (b"SQLite format 3", Foreign("is an SQLite database", "export the table as CSV")),
)


def recognise(start: bytes) -> Foreign | None:
    """What a file is that begins like this; None where it may be text in UTF-8."""
    if start.startswith(b"PK\x03\x04"):
        return _archive(start)
    for beginning, foreign in _BEGINNINGS:
        if start.startswith(beginning):
            return foreign
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Foreign("is UTF-16 (Excel calls it Unicode Text), and UTF-8 is needed", AS_CSV, is_binary=False)
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()[:64].lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return Foreign(
            "is a web page, perhaps the login page of the system it came from",
            "download the file again",
            is_binary=False,
        )
    if text.startswith(b"<?xml"):
        return Foreign("is XML, perhaps an Excel 2003 spreadsheet", AS_CSV, is_binary=False)
    return None


def _archive(start: bytes) -> Foreign:
    if b"word/" in start:
        return Foreign("is a Word document (.docx) under another name, not text", "export the table itself as CSV")
    if b"xl/" in start or b"[Content_Types].xml" in start or b"_rels/.rels" in start:
        return Foreign("is an Excel workbook (.xlsx) under another name, not text", AS_CSV)
    if b"opendocument.spreadsheet" in start:
        return Foreign("is a LibreOffice spreadsheet (.ods) under another name, not text", AS_CSV)
    if b"Index/" in start and b".iwa" in start:
        return Foreign("is an Apple Numbers spreadsheet under another name, not text", "use File, Export To, CSV")
    return Foreign("is a ZIP archive or a workbook (.xlsx), not text", "unpack it; or " + AS_CSV)


def is_sample_sheet(first_cell: str) -> bool:
    """Whether the first cell of a table is a section of an Illumina sample sheet: `[Header]`."""
    return _SECTION.match(first_cell) is not None


def is_data_section(first_cell: str) -> bool:
    """Whether it is the section that lists the samples."""
    match = _SECTION.match(first_cell)
    return match is not None and match[1].lower() in _DATA_SECTIONS
