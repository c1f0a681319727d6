"""What a cell of a table looks like when it does not hold what was meant: what spreadsheets and exports leave behind.

Nothing here changes a value. Each finding is a phrase for a message and a remedy.
"""

import re
from typing import NamedTuple

_ERROR = re.compile(r"#(?:N/A|NA|DIV/0!|NAME\?|GETTING_DATA|[A-Z]{3,12}!)|ERR:[0-9]{3}|LOADING\.\.\.")
_MISSING = frozenset(
    {"NA", "N/A", "N.A.", "N.A", "NAN", "NULL", "NONE", "NIL", "-", "--", "---", ".", "..", "?", "??", "TBD", "TBA"}
    | {"<NA>", "UNDEFINED", "MISSING", "\u2013", "\u2014"}
)
_ROUNDED = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]{2,3}|-?[0-9]{12,}0{3,}")
_DATE = re.compile(
    r"[0-9]{1,2}[-/. ](?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]*(?:[-/. ][0-9]{2,4})?"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[-/ ][0-9]{1,4}"
    r"|[0-9]{1,2}[/.][0-9]{1,2}[/.](?:[0-9]{2}|[0-9]{4})(?: [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]00:00(?::00)?",
    re.IGNORECASE,
)
_WHOLE_AS_DECIMAL = re.compile(r"-?[0-9]+\.0")
_BOOLEAN = re.compile(r"TRUE|FALSE|WAHR|FALSCH|VRAI|FAUX")
_FILE = re.compile(
    r"[^\s,;|]+\.(?:fastq|fq|ora|bam|bai|cram|crai|sam|vcf|gvcf|bcf|bcl|bed|fa|fasta|fai|gtf|gff3?|csv|tsv|txt|json|xlsx?"
    r"|h5|h5ad|loom|tar|zip|cbcl|pod5|fast5|interval_list)(?:\.(?:gz|bgz|bz2|zst|xz|ora|tbi|csi|md5))?",
    re.IGNORECASE,
)
SUSPECT = re.compile("|".join(each.pattern for each in (_ROUNDED, _DATE, _BOOLEAN, _ERROR)), re.IGNORECASE)
"""Matches whatever a spreadsheet may have made."""

_AS_TEXT = "format the column as text in the spreadsheet, then enter the value again"


class Finding(NamedTuple):
    """What may be wrong with a text."""

    what: str
    """A phrase that follows the text: `is an error value of a spreadsheet`."""
    remedy: str


def spreadsheet_made(text: str) -> Finding | None:
    """What a spreadsheet has probably made of a value: a rounded number, a date, a boolean. None for other text."""
    if _ROUNDED.fullmatch(text):
        return Finding("is a number that a spreadsheet rounded: digits are lost", _AS_TEXT)
    if _BOOLEAN.fullmatch(text):
        return Finding("is a boolean as a spreadsheet writes it", _AS_TEXT)
    return (
        Finding("is a date, which a spreadsheet may have made of a name", _AS_TEXT) if _DATE.fullmatch(text) else None
    )


def decimal_made(text: str) -> Finding | None:
    """Whether a text is a whole number as pandas and R write it in a column of decimals: `1001.0`."""
    if not _WHOLE_AS_DECIMAL.fullmatch(text):
        return None
    what = "is a whole number that became a decimal, as pandas writes it where a cell of the column is empty"
    return Finding(what, "read the column as text: `read_csv(path, dtype=str)`")


def no_value(text: str) -> Finding | None:
    """Whether a text stands for no value: the error of a formula, or a mark such as `NA`."""
    folded = text.upper()
    if _ERROR.fullmatch(folded):
        return Finding("is an error value of a spreadsheet", "correct the formula, and export the table again")
    if folded in _MISSING:
        return Finding("stands for a missing value", "enter the value, or remove the row")
    return None


def no_id(text: str) -> Finding | None:  # noqa: PLR0911 - a table
    """Why a text that should be one id is none: no value, several ids, a file's name, a path, a number or a date."""
    if (found := no_value(text) or spreadsheet_made(text)) is not None:
        return found
    if text.startswith("="):
        return Finding("is a formula, and not its value", "copy the column, paste its values only, and export it again")
    if text[:1] in ("[", "{") and text[-1:] in ("]", "}"):
        return Finding(f"is a list in {'Python' if chr(39) in text else 'JSON'}, and one id is needed", _SEVERAL)
    if re.search(r"[;,|]", text) and len([part for part in re.split(r"[;,|\s]+", text) if part]) > 1:
        return Finding("holds several values, and one id is needed", _SEVERAL)
    if len(parts := text.split()) > 1:
        if all(map(_ID_LIKE.fullmatch, parts)):
            return Finding("holds several values, and one id is needed", _SEVERAL)
        return Finding("has spaces, which no id has", "enter the id, not the name")
    if text[:1] in "\"'":
        return Finding("stands in quotes that became part of the value", "remove the quotes from the cell")
    if _FILE.fullmatch(text.rpartition("/")[2]):
        return Finding("is the name of a file, and its id is needed", "enter the platform's id of that file")
    if "/" in text:
        return Finding("is a path, and an id is needed", "enter the platform's id of what the path names")
    return None


_SEVERAL = "use a column for each id, or separate them by `;` (A;B) and write `${column[]}` in the template"
_ID_LIKE = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9._:-]{4,}")
"""A word that may be an id by itself."""
