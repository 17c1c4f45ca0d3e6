"""Links to files in Slack, which stand for what is in the file. Pure.

Source: a file's permalink, ``https://WORKSPACE.slack.com/files/USER/FILE/name.yaml`` (docs.slack.dev, file object).
"""

import re

_PERMALINK = re.compile(r"(?:https?://)?[^/\s]{1,260}/files/[UW][A-Z0-9]{2,30}/(F[A-Z0-9]{2,30})(?:/\S{0,1000})?")
_REFERENCE = re.compile(r"slack-file:(F[A-Z0-9]{2,30})")


def file_id_of(text: str) -> str | None:
    """Return the id of the file that *text* links to; None where it is no such link."""
    found = _PERMALINK.fullmatch(text) or _REFERENCE.fullmatch(text)
    return found.group(1) if found else None


def reference_to(file_id: str) -> str:
    """Return a link to a file of which only the id is known, as from a form."""
    return f"slack-file:{file_id}"
