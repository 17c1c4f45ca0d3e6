"""Files that answers bring, on the command line: ``--png FILE`` and ``--export FILE``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioning.errors import PermanentError
from provisioning.reports import Attachment

PNG, EXPORT = "--png", "--export"
KINDS = ("csv", "json")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where files go. A picture is drawn only where somebody wants it; an export without a path gets its own name."""

    png: Path | None = None
    export: Path | None = None


def taken_from(words: Sequence[str]) -> tuple[list[str], Wanted]:
    """Return the words without file names, and the files: ``--export gpus.csv`` asks for csv, in that file."""
    rest: list[str] = []
    png: Path | None = None
    export: Path | None = None
    given = iter(words)
    for word in given:
        name, equals, value = word.partition("=")
        if name not in {PNG, EXPORT}:
            rest.append(word)
            continue
        value = value if equals else next(given, "")
        if name == PNG:
            png = Path(value or "picture.png")
            continue
        kind = Path(value).suffix.removeprefix(".")
        if value not in KINDS and kind in KINDS:
            export, value = Path(value), kind
        rest += [EXPORT, value]
    return rest, Wanted(png=png, export=export)


def write(attachments: Sequence[Attachment], wanted: Wanted) -> list[Path]:
    """Write what is wanted and return the paths. Raises: PermanentError."""
    written = []
    for each in attachments:
        is_picture = each.name.endswith(".png")
        path = wanted.png if is_picture else wanted.export or Path(each.name)
        if path is None:
            continue
        try:
            path.write_bytes(each.content)
        except OSError as error:
            raise PermanentError(
                f"writing {path}: {error.strerror}", next_action="choose a file that can be written"
            ) from error
        written.append(path)
    if wanted.png is not None and wanted.png not in written:
        raise PermanentError(f"there is no picture to write to {wanted.png}", next_action="leave --png out")
    return written
