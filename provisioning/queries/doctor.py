"""`doctor`: is everything there that the bot needs?"""

from collections.abc import Callable, Sequence

from commands.spec import NoArgs
from provisioning.checks.findings import Look, examine, report
from provisioning.queries.base import Asked
from provisioning.reports import Report


class DoctorQuery:
    """Looks at what it is given, each time anew."""

    command = "doctor"

    def __init__(self, looks: Callable[[], Sequence[Look]]) -> None:
        self._looks = looks

    def answer(self, _args: NoArgs, _asked: Asked) -> Report:
        return report(examine(self._looks()))
