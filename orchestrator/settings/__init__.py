"""The configuration: one YAML file, then `ORCHESTRATOR_*` variables, then secrets.

`load` reads all three, reports every mistake at once and hands out frozen values. Nothing else in the program reads the
environment or the file.
"""

from orchestrator.settings.credentials import exposed_secrets, key_file_name, key_reader
from orchestrator.settings.fields import Address, Database
from orchestrator.settings.loading import find_config, load
from orchestrator.settings.model import (
    Account,
    BatchSize,
    Budget,
    Limits,
    Log,
    Notify,
    Poll,
    PollStrategy,
    Queue,
    Retention,
    Server,
    Settings,
)
from orchestrator.settings.problems import Problem, SettingsError
from orchestrator.settings.sources import CONFIG_VARIABLE

__all__ = [
    "CONFIG_VARIABLE",
    "Account",
    "Address",
    "BatchSize",
    "Budget",
    "Database",
    "Limits",
    "Log",
    "Notify",
    "Poll",
    "PollStrategy",
    "Problem",
    "Queue",
    "Retention",
    "Server",
    "Settings",
    "SettingsError",
    "exposed_secrets",
    "find_config",
    "key_file_name",
    "key_reader",
    "load",
]
