"""What can go wrong, as types: retryable or not is decided by the class.

ChatopsError                what an operator may read; carries the next action
├── PermanentError          trying again changes nothing: bad input, refused, not found
└── TemporaryError          trying again may work: connection, 429, 5xx, a lock held by a dead process
    └── UnreachableError         the other side did not answer at all

Anything else is a fault of ours: it becomes an incident id and a log line, never a Slack message.
Each client maps foreign exceptions to these in one place.
"""


def reason_of(error: OSError | UnicodeDecodeError) -> str:
    """Return in words why a file could not be read or written: `No such file or directory`."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return error.strerror or type(error).__name__


class ChatopsError(Exception):
    """An error whose text an operator may read.

    Args:
        what: what was being done and what went wrong: ``creating namespace acme: 403 quota exceeded``.
        next_action: what the reader does next: ``ask an admin to raise the quota, then Retry``.
        details: the failing command's own last lines or the API's own words. Redacted before it is shown.
    """

    def __init__(self, what: str, *, next_action: str = "", details: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.next_action = next_action
        self.details = details

    def __str__(self) -> str:
        return f"{self.what}: {self.next_action}" if self.next_action else self.what


class PermanentError(ChatopsError):
    """Trying again changes nothing."""


class TemporaryError(ChatopsError):
    """Trying again may work, after *delay_s* seconds."""

    def __init__(self, what: str, *, next_action: str = "", details: str = "", delay_s: float = 2.0) -> None:
        super().__init__(what, next_action=next_action, details=details)
        self.delay_s = delay_s


class UnreachableError(TemporaryError):
    """The other side did not answer: refused, timed out, no such host."""
