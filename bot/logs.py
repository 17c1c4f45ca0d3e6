"""Logs: one format, through the redactor, to stderr."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from provisioning.redact import Redactor

NOISY = ("dbos", "slack_bolt", "slack_sdk", "httpx", "httpcore", "kubernetes", "urllib3", "apscheduler")


def set_up(redact: Redactor, form: Literal["text", "json"], level: str = "INFO") -> None:
    """Send everything to stderr, redacted; libraries from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_is_news)
    handler.setFormatter(_Formatter(redact, form))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    """Bolt warns that it ignores the token: on purpose, since each delivery is authenticated without it."""
    return "or SLACK_BOT_TOKEN env variable" not in str(record.msg)


class _Formatter(logging.Formatter):
    def __init__(self, redact: Redactor, form: Literal["text", "json"]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._redact = redact
        self._form = form

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - its
        """Return UTC with its offset, as the audit trail has it: the machine's own zone is no reader's."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        text = self._redact(super().format(record))
        if self._form == "text":
            return text
        message = self._redact(record.getMessage())
        line = {"at": self.formatTime(record), "level": record.levelname, "logger": record.name, "message": message}
        if record.exc_info:
            line["exception"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
