"""The policy that counts now: read from its file, read again when that changes, kept while a new one is wrong."""

import logging
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from policies.loader import PolicyError, PolicyVersion, default_text, version_of
from provisioning.errors import PermanentError, reason_of
from provisioning.evidence.trail import Event
from provisioning.store import Store
from provisioning.store.policy_versions import PolicyVersions

log = logging.getLogger(__name__)

MOST_BYTES = 1_000_000
BOT = "bot"


@dataclass(frozen=True, kw_only=True)
class PolicyStatus:
    """Which policy counts, and what is wrong with the file as it is now: "" where nothing is."""

    path: Path | None  # None: the one that ships
    digest: str
    rules: int
    problem: str = ""


class PolicySource:
    """Thread-safe. Every version is kept in the store under its digest, before it decides anything.

    Args:
        in_use: a running bot's own: others (the command line) only look.

    Raises: PermanentError, where there is no policy to begin with.
    """

    def __init__(self, path: Path | None, store: Store, *, in_use: bool = False) -> None:
        self._path = path
        self._store = store
        self._versions = PolicyVersions(store)
        self._in_use = in_use
        self._lock = Lock()
        self._mark = _mark_of(path)
        self._problem = ""
        self._version = read_version(path)
        self._keep()

    def current(self) -> PolicyVersion:
        """Return the version that counts."""
        return self._version

    def use(self) -> None:
        """From now on a running bot decides by it."""
        with self._lock:
            self._in_use = True
            self._keep()

    def refresh(self) -> bool:
        """Look at the file, and take what is new in it. Returns whether another version counts now.

        What cannot be read or is no policy leaves the old one in place, and is logged and audited once.
        """
        with self._lock:
            mark = _mark_of(self._path)
            if mark == self._mark:
                return False
            try:
                found = read_version(self._path)
            except PermanentError as error:
                self._mark = mark
                self._refuse(error)
                return False
            self._mark = mark
            self._problem = ""
            if found.digest == self._version.digest:
                return False
            self._version = found
            self._keep()
            log.info("the policy is now %s: %d rules", found.digest[:12], len(found.policy.rules))
            return True

    def status(self) -> PolicyStatus:
        """Return which policy counts, and what is wrong with a newer file."""
        with self._lock:
            version = self._version
            return PolicyStatus(
                path=self._path, digest=version.digest, rules=len(version.policy.rules), problem=self._problem
            )

    def _keep(self) -> None:
        version, where = self._version, str(self._path or "the default policy")
        event = Event(
            action="policy.loaded" if self._in_use else "policy.seen",
            actor=BOT,
            outcome=version.digest,
            detail={"policy": version.digest, "rules": len(version.policy.rules), "from": where},
        )
        self._versions.keep(version.digest, version.text, event, in_use=self._in_use)

    def _refuse(self, error: PermanentError) -> None:
        if error.what == self._problem:
            return
        self._problem = error.what
        log.error("the policy file is not taken, the old policy %s counts on: %s", self._version.digest[:12], error)
        detail = {"why": error.what, "policy": self._version.digest}
        self._store.record(Event(action="policy.refused", actor=BOT, outcome="refused", detail=detail))


def read_version(path: Path | None) -> PolicyVersion:
    """Return the policy in *path*, or the one that ships. Raises: PermanentError."""
    if path is None:
        return version_of(default_text())
    try:
        if path.stat().st_size > MOST_BYTES:
            raise PermanentError(
                f"reading the policy {path}: it is larger than {MOST_BYTES} bytes",
                next_action="name a policy in POLICY_FILE",
            )
        # Bytes, not text: the digest is that of the file, whatever its line ends.
        return version_of(path.read_bytes().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(
            f"reading the policy {path}: {reason_of(error)}", next_action="name a file that can be read in POLICY_FILE"
        ) from error
    except PolicyError as error:
        next_action = f"mend the file: clearml-chatops policy check {path}"
        raise PermanentError(f"{path}: {error}", next_action=next_action) from error


def _mark_of(path: Path | None) -> tuple[int, int, int] | None:
    """Return what differs once the file has changed. A mounted ConfigMap changes by another inode."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
