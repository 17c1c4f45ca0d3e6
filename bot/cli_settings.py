"""The settings as the command line reads them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bot.cli_failures import CliError, Code
from provisioning.errors import ChatopsError

if TYPE_CHECKING:
    from bot.settings import Settings
    from provisioning.redact import Redactor

SET_THEM = "set these in the environment; see docs/configuration.md, or try `clearml-chatops sandbox`"


def read_settings() -> "Settings":
    """Return the settings of the environment. Raises: CliError, with one line a mistake."""
    from pydantic import ValidationError

    from bot.settings import Settings, mistakes_in

    try:
        return Settings()
    except ValidationError as error:
        raise CliError(Code.NOT_SET_UP, "\n".join(mistakes_in(error)), SET_THEM) from error
    except ChatopsError as error:
        raise CliError(Code.NOT_SET_UP, error.what, error.next_action, error.details) from error


def redactor() -> "Redactor":
    """Return the redactor of what the command line writes into the store.

    It knows the secrets of the settings. Where these are not all there, as beside a copy of the data folder, it goes
    by shapes alone.
    """
    from provisioning.redact import Redactor

    try:
        return Redactor(read_settings().secrets().values())
    except CliError:
        return Redactor()


def data_file() -> Path:
    """Return where the store is, by the environment alone: the rest of the settings need not be right."""
    folder = os.environ.get("CLEARML_CHATOPS_DATA_DIR") or "~/.local/share/clearml-chatops"
    return Path(folder).expanduser() / "chatops.db"
