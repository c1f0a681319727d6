"""Search in a text without regard to case, as each database does it fastest."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class _Like(GenericFunction[bool]):
    """`column LIKE pattern` without regard to case."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(_Like)
def _ilike(element: _Like, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own signature
    column, pattern = (compiler.process(clause, **more) for clause in element.clauses)
    return f"{column} ILIKE {pattern} ESCAPE '/'"


@compiles(_Like, "sqlite")
def _like(element: _Like, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ANN401 - as above
    """SQLite's LIKE ignores the case of ASCII letters by itself; `lower()` on every row would take twice as long."""
    column, pattern = (compiler.process(clause, **more) for clause in element.clauses)
    return f"{column} LIKE {pattern} ESCAPE '/'"


def contains(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    """Whether a column contains this very text, in upper or lower case."""
    literal = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return _Like(column, f"%{literal}%")
