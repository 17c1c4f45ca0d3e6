"""The keys that sign the audit's checkpoints: from a Secret by a setting, or a file that is made at first use."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from provisioning.configuration import AuditTrail
from provisioning.errors import PermanentError, reason_of

_NEXT = "check AUDIT__KEY_FILE, or set AUDIT__SIGNING_KEY; see docs/operations.md"


@dataclass(frozen=True, kw_only=True)
class Signer:
    """One private key. ``public`` is its public key, 64 hex digits."""

    _key: Ed25519PrivateKey

    @property
    def public(self) -> str:
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    @property
    def public_pem(self) -> str:
        """Return the public key as auditors get it."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, text: str) -> str:
        """Return the signature, 128 hex digits."""
        return self._key.sign(text.encode()).hex()


class Keyring:
    """The current key and the one before it. Read anew at each use, so that a rotation needs no restart.

    Methods raise PermanentError where a key cannot be read.
    """

    def __init__(self, settings: AuditTrail, data_dir: Path) -> None:
        self._settings = settings
        self.file = (settings.key_file or data_dir / "audit.key").expanduser()

    def current(self) -> Signer:
        """Return the key to sign with. A file that is not there is made, with mode 0600."""
        if self._settings.signing_key is not None:
            return _signer(self._settings.signing_key.get_secret_value(), "audit.signing_key")
        if not self.file.exists():
            _create(self.file)
        return _read(self.file)

    def previous(self) -> Signer | None:
        """Return the key before the current one: it vouches for its successor, once."""
        if self._settings.signing_key is not None:
            given = self._settings.previous_signing_key
            return _signer(given.get_secret_value(), "audit.previous_signing_key") if given is not None else None
        before = self._previous_file
        return _read(before) if before.exists() else None

    def rotate(self) -> Signer:
        """Make a new key in the file and keep the one before it beside it. Returns the new one."""
        if self._settings.signing_key is not None:
            raise PermanentError(
                "the audit's key comes from AUDIT__SIGNING_KEY, not from a file",
                next_action="put the old value into AUDIT__PREVIOUS_SIGNING_KEY and a new one into AUDIT__SIGNING_KEY",
            )
        self.current()
        temporary = self.file.with_name(self.file.name + ".retiring")
        temporary.unlink(missing_ok=True)
        os.link(self.file, temporary)
        temporary.replace(self._previous_file)
        fresh = self.file.with_name(self.file.name + ".fresh")
        fresh.unlink(missing_ok=True)
        _create(fresh)
        fresh.replace(self.file)
        return self.current()

    @property
    def _previous_file(self) -> Path:
        return self.file.with_name(self.file.name + ".previous")


def new_pem() -> SecretStr:
    """Return a new private key as PEM."""
    made = Ed25519PrivateKey.generate()
    return SecretStr(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_pem().get_secret_value())
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:  # another process was quicker
        return
    except OSError as error:
        raise PermanentError(f"making the audit's key {path}: {reason_of(error)}", next_action=_NEXT) from error


def _read(path: Path) -> Signer:
    try:
        text = path.read_text(encoding="ascii")
        open_to_others = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IRGRP
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(f"reading the audit's key {path}: {reason_of(error)}", next_action=_NEXT) from error
    if open_to_others:
        raise PermanentError(
            f"the audit's key {path} is open to others: whoever reads it can sign",
            next_action=f"chmod 600 {path}, and rotate it if somebody may have read it",
        )
    return _signer(text, str(path))


def _signer(pem: str, where: str) -> Signer:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise PermanentError(f"{where} holds no Ed25519 private key in PEM", next_action=_NEXT) from None
    return Signer(_key=key)
