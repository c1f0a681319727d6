"""The migrations, as Alembic runs them. Imported only by what needs them: Alembic alone takes a sixth of a start."""

from collections.abc import Callable
from pathlib import Path

import alembic.command
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from orchestrator.store.errors import SchemaError


def migrate(connection: sa.Connection, progress: Callable[[str, int, int], None]) -> None:
    """Bring the schema to the newest revision, inside the transaction of `connection`.

    `progress` is called with a table that is copied, its rows that are done, and all of them.
    """
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["progress"] = progress
    alembic.command.upgrade(config, "head")


def known() -> set[str]:
    """The revisions that this program can work on, or bring up to date."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    package = Path(__file__).resolve().parents[2]
    found = [place for place in (package / "migrations", package.parent / "migrations") if (place / "env.py").is_file()]
    if not found:
        raise SchemaError(f"the migrations are missing beside {package}: install the program again")
    config = Config()
    # Config reads values as templates: a percent sign of the path stands for itself.
    config.set_main_option("script_location", str(found[0]).replace("%", "%%"))
    return config
