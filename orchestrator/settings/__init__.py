"""The configuration: one YAML file, then `ORCHESTRATOR_*` variables, then secrets.

`load` reads all three, reports every mistake at once and returns frozen values. Nothing else in the program reads the
environment or the file.
"""

from orchestrator.domain.fields import Address, Database
from orchestrator.domain.messages.problems import Problem, SettingsError
from orchestrator.platforms.account import Account, BudgetSettings, LimitSettings, PollSettings
from orchestrator.settings.credentials import exposed_secrets, key_file_name, key_reader
from orchestrator.settings.loading import find_config, load
from orchestrator.settings.model import (
    Log,
    Notify,
    Queue,
    Retention,
    Server,
    Settings,
)
from orchestrator.settings.sources import CONFIG_VARIABLE

__all__ = [
    "CONFIG_VARIABLE",
    "Account",
    "Address",
    "BudgetSettings",
    "Database",
    "LimitSettings",
    "Log",
    "Notify",
    "PollSettings",
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
