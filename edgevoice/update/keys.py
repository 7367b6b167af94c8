"""Who may make updates: ed25519 (RFC 8032), as PyCA's ``cryptography`` does it.

A private key is a PEM file (PKCS #8, as of ``openssl genpkey -algorithm ed25519``) that stays with the maker; a public key is one word, its
32 bytes in base64, in the settings of every device.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from edgevoice import files
from edgevoice.errors import StorageError, UpdateError, UsageError

SIGNATURE_BYTES = 64


def make(path: Path) -> str:
    """A new private key at ``path``, readable by its owner alone; the public one.  An existing file is never replaced."""
    private = Ed25519PrivateKey.generate()
    pem: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path}: is there already, and a key is never replaced; name another file") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror}); {files.remedy(error.errno)}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return _public(private)


def load(path: Path) -> Ed25519PrivateKey:
    """``UsageError`` if the file holds no such key."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise UsageError(f"{path}: the private key cannot be read ({error.strerror}); `edgevoice update key FILE` makes one") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path}: is no private key in PEM without a passphrase; `edgevoice update key FILE` makes one") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path}: is a key of another kind than ed25519; `edgevoice update key FILE` makes one")
    return key


def sign(path: Path, message: bytes) -> tuple[bytes, str]:
    """The signature by the private key at ``path``, and the public key by which it is verified."""
    key = load(path)
    signature: bytes = key.sign(message)
    return signature, _public(key)


def verify(public_keys: Iterable[str], message: bytes, signature: bytes) -> str:
    """Which of the keys signed it; ``UpdateError`` if none did."""
    known = list(public_keys)
    if not known:
        raise UpdateError("no update can be taken: the configuration names no public key of who may make them (update.public_keys)")
    for text in known:
        try:
            Ed25519PublicKey.from_public_bytes(base64.b64decode(text)).verify(signature, message)
        except InvalidSignature:
            continue
        return text
    raise UpdateError(f"the update is not signed by a key that the configuration knows (update.public_keys: {', '.join(known)})")


def _public(private: Ed25519PrivateKey) -> str:
    raw: bytes = private.public_key().public_bytes_raw()
    return base64.b64encode(raw).decode()
