"""Loads `Settings` from a file and the environment, or reports every mistake."""

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError

from orchestrator.domain.messages.problems import Problem, SettingsError
from orchestrator.platforms.registry import PLATFORMS, Platforms
from orchestrator.settings.credentials import read_secrets, refuse_variables, refuse_written
from orchestrator.settings.model import Settings, settings_model
from orchestrator.settings.mounts import MOUNTS, network_file_system
from orchestrator.settings.problems import Origins, explain
from orchestrator.settings.sources import CONFIG_VARIABLE, Environment, merged, read_file

SYSTEM_CONFIG = Path("/etc/orchestrator/config.yaml")


def find_config(explicit: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Find the configuration file: `explicit`, `$ORCHESTRATOR_CONFIG`, `./config.yaml` or the system's, in this order.

    A named file is returned even if it does not exist, so that `load` can report it.

    Raises:
        SettingsError: no file was named, and neither default exists.
    """
    named = explicit or environ.get(CONFIG_VARIABLE)
    if named:
        return cwd / named
    usual = (cwd / "config.yaml", SYSTEM_CONFIG)
    found = next((path for path in usual if _exists(path)), None)
    if found is None:
        places = " nor ".join(str(path) for path in usual)
        text = f"there is neither {places}: `orchestrator init` writes the first, or name a file with --config"
        raise SettingsError([Problem("configuration", text)])
    return found


def _exists(path: Path) -> bool:
    """Whether the file exists; False if its folder is not accessible."""
    try:
        return path.exists()
    except PermissionError:
        return False


def load(
    path: Path, environ: Mapping[str, str], *, for_daemon: bool = True, platforms: Platforms = PLATFORMS
) -> Settings:
    """Read the configuration: the file, overridden by the environment, then the secrets.

    Args:
        path: the file; relative paths in the configuration are relative to its folder, whose `..` and links are
                resolved: commands know the running daemon by the path of its database.
        environ: the environment variables.
        for_daemon: False for commands that neither connect to a platform nor write to the database: secrets that
                cannot be read are left empty.
        platforms: the supported platforms.

    Raises:
        SettingsError: contains every problem that was found.
    """
    folder = Path(os.path.realpath(path.parent))  # `Path.resolve` raises an error of its own for a circle of links
    model = settings_model(platforms)
    file, environment = read_file(path), Environment(environ, model)
    if file.problems and not file.values:
        raise SettingsError(file.problems, path)
    variables = environment.read()
    problems = [*file.problems, *refuse_written(file.values), *variables.problems]
    problems += refuse_variables(variables.values, environment.variables)
    origins = Origins(environment.variables, file.values)
    misplaced = {problem.key for problem in problems}
    values = merged(file.values, variables.values)

    secrets = read_secrets(values, environ, folder, platforms)
    if for_daemon:
        unreported = [problem for problem in secrets.problems if problem.key not in misplaced]
        problems += [Problem(each.key, each.text + origins.of(tuple(each.key.split("."))[:2])) for each in unreported]
    try:
        settings = model(**merged(values, secrets.values)).anchored(folder)
    except ValidationError as error:
        problems += explain(error, origins, model)
    else:
        problems += _driver_problems(settings)
        if for_daemon:
            problems += _file_system_problems(settings)
        if not problems:
            return settings
    raise SettingsError(problems, path)


def _driver_problems(settings: Settings) -> list[Problem]:
    """The driver of a PostgreSQL server is not part of every installation."""
    if settings.database.path is not None:
        return []
    try:
        import_module("psycopg")
    except ImportError as error:
        text = (
            f"PostgreSQL's driver cannot be loaded ({error}): install the program with it, `pip install '.[postgres]'`"
        )
        return [Problem("database", text)]
    return []


def _file_system_problems(settings: Settings) -> list[Problem]:
    path = settings.database.path
    if path is None or settings.allow_network_file_system or not MOUNTS.exists():
        return []
    kind = network_file_system(path.resolve(), MOUNTS.read_text(encoding="utf-8", errors="replace"))
    if kind is None:
        return []
    text = (
        f"{path} is on a network file system ({kind}), where SQLite loses data: put it on a local disk,"
        " or use postgresql://, or set allow_network_file_system: true if only this machine ever opens it"
    )
    return [Problem("database", text)]
