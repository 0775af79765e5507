# SPDX-License-Identifier: GPL-2.0-or-later
"""Office files with a password: Microsoft's by msoffcrypto-tool, OpenDocument (ODF 1.2 part 3 §3.4; LibreOffice 24.8 on).

Runs only inside `softfax.documents.foreign_worker`, under its limits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from softfax.documents.kinds import OLE2
from softfax.errors import DocumentPasswordError, DocumentUnsupportedError
from softfax.optional import install_remedy, is_installed

__all__ = ["ASK", "unlocked"]

#: What Excel locks files with whose password is none.
NO_PASSWORDS = ("VelvetSweatshop", "")
MANIFEST = "META-INF/manifest.xml"
MANIFEST_MAX = 8 << 20
PART_MAX, PARTS_MAX = 256 << 20, 20_000
PACKAGE = "encrypted-package"
#: What a person, a program and a command line can do.
ASK = "save it without a password, or give it: `password` in the API, --document-password or SOFTFAX_DOCUMENT_PASSWORD"
_NS = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}"


def unlocked(path: Path, name: str, password: str) -> bytes:
    """The file without its password. Raises DocumentPasswordError, DocumentUnsupportedError."""
    data = path.read_bytes()
    if not is_installed("msoffcrypto"):
        if not _certainly(data):
            return data
        raise DocumentPasswordError(
            f"{name} is encrypted, and msoffcrypto-tool, which opens it, is not installed",
            f"{install_remedy('msoffcrypto-tool')}; or save it without a password, or as PDF",
        )
    return _microsoft(data, name, password) if data.startswith(OLE2) else _open_document(data, name, password)


def _certainly(data: bytes) -> bool:
    """Return True if a file needs a password; old ones of Microsoft's need to be read for that, and are left to LibreOffice."""
    return not data.startswith(OLE2) or "EncryptedPackage\0".encode("utf-16-le") in data


def _microsoft(data: bytes, name: str, password: str) -> bytes:
    import msoffcrypto
    from msoffcrypto.exceptions import DecryptionError, FileFormatError, InvalidKeyError, ParseError

    try:
        if not msoffcrypto.OfficeFile(io.BytesIO(data)).is_encrypted():
            return data
    except (FileFormatError, ParseError, OSError, KeyError, ValueError):
        return data
    for tried in (password, *NO_PASSWORDS):
        out = io.BytesIO()
        try:
            file = msoffcrypto.OfficeFile(io.BytesIO(data))
            if file.format == "ooxml":
                file.load_key(password=tried, verify_password=True)
            else:
                file.load_key(password=tried)
            file.decrypt(out)
        except InvalidKeyError:
            continue
        except DecryptionError as error:
            if "password" in str(error).lower() or "key" in str(error).lower():
                continue
            raise _unknown(name) from None
        except (FileFormatError, ParseError, OSError, KeyError, ValueError, TypeError, AttributeError):
            raise _unknown(name) from None
        return out.getvalue()
    raise _refused(name, password)


def _refused(name: str, password: str) -> DocumentPasswordError:
    if password:
        return DocumentPasswordError(f"the password does not open {name}", "check it")
    return DocumentPasswordError(f"{name} is encrypted", ASK)


def _unknown(name: str) -> DocumentUnsupportedError:
    return DocumentUnsupportedError(
        f"{name} is encrypted in a way that is not known", "save it without a password, or as PDF"
    )


# ---- OpenDocument ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lock:
    """Encryption of one part of a package."""

    cipher: str
    vector: bytes
    derivation: str
    salt: bytes
    rounds: int
    key_size: int
    start: str
    checksum: str
    check: bytes
    argon2: tuple[int, int, int] = (0, 0, 0)


def _open_document(data: bytes, name: str, password: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            manifest = _read(package, MANIFEST, MANIFEST_MAX)
            locks = _locks(manifest)
            if not locks:
                return data
            if not password:
                raise _refused(name, "")
            if PACKAGE in locks:
                return _opened(_read(package, PACKAGE, PART_MAX), locks[PACKAGE], name, password, {})
            return _rewritten(package, manifest, locks, name, password)
    except (
        zipfile.BadZipFile,
        ElementTree.ParseError,
        zlib.error,
        binascii.Error,
        KeyError,
        ValueError,
        TypeError,
        EOFError,
    ):
        raise _unknown(name) from None


def _read(package: zipfile.ZipFile, part: str, most: int) -> bytes:
    with package.open(part) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError("too large")
    return data


def _rewritten(package: zipfile.ZipFile, manifest: bytes, locks: dict[str, _Lock], name: str, password: str) -> bytes:
    out = io.BytesIO()
    keys: dict[tuple[Any, ...], bytes] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = package.namelist()
        if len(names) > PARTS_MAX:
            raise ValueError("too many parts")
        for part in names:
            if part == MANIFEST:
                new.writestr(part, _without_locks(manifest))
            elif part in locks:
                new.writestr(part, _opened(_read(package, part, PART_MAX), locks[part], name, password, keys))
            elif not part.endswith("/"):
                new.writestr(part, _read(package, part, PART_MAX), zipfile.ZIP_STORED if part == "mimetype" else None)
    return out.getvalue()


def _entries(manifest: bytes) -> ElementTree.Element:
    # Entities could make a manifest of any size.
    if b"<!DOCTYPE" in manifest or b"<!ENTITY" in manifest:
        manifest = manifest[manifest.index(b">", manifest.index(b"<!DOCTYPE")) + 1 :]
        if b"<!" in manifest.replace(b"<!--", b""):
            raise ValueError("a document type")
    return ElementTree.fromstring(manifest)


def _without_locks(manifest: bytes) -> bytes:
    root = _entries(manifest)
    for entry in root.iter(f"{_NS}file-entry"):
        for inner in list(entry):
            if inner.tag.endswith("}encryption-data"):
                entry.remove(inner)
    return ElementTree.tostring(root)


def _locks(manifest: bytes) -> dict[str, _Lock]:
    found = {}
    for entry in _entries(manifest).iter(f"{_NS}file-entry"):
        data = entry.find(f"{_NS}encryption-data")
        if data is not None:
            found[entry.get(f"{_NS}full-path", "")] = _lock(data)
    return found


def _lock(data: ElementTree.Element) -> _Lock:
    def of(element: ElementTree.Element | None, name: str, otherwise: str = "") -> str:
        if element is None:
            return otherwise
        return next((value for key, value in element.items() if key.endswith("}" + name)), otherwise)

    algorithm, derivation = data.find(f"{_NS}algorithm"), data.find(f"{_NS}key-derivation")
    start = data.find(f"{_NS}start-key-generation")
    argon2 = tuple(int(of(derivation, f"argon2-{what}", "0")) for what in ("iterations", "memory", "lanes"))
    return _Lock(
        cipher=of(algorithm, "algorithm-name").rpartition("#")[2].lower(),
        vector=base64.b64decode(of(algorithm, "initialisation-vector")),
        derivation=of(derivation, "key-derivation-name").rpartition("#")[2].lower(),
        salt=base64.b64decode(of(derivation, "salt")),
        rounds=int(of(derivation, "iteration-count", "0")),
        key_size=int(of(derivation, "key-size", "16")),
        start=of(start, "start-key-generation-name", "SHA1").rpartition("#")[2].lower(),
        checksum=of(data, "checksum-type").rpartition("#")[2].lower(),
        check=base64.b64decode(of(data, "checksum")),
        argon2=(argon2[0], argon2[1], argon2[2]),
    )


def _key(lock: _Lock, password: str) -> bytes:
    digest = hashlib.sha256 if "256" in lock.start else hashlib.sha1
    start = digest(password.encode()).digest()
    if "argon2" in lock.derivation:
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        iterations, memory, lanes = lock.argon2
        kdf = Argon2id(salt=lock.salt, length=lock.key_size, iterations=iterations, lanes=lanes, memory_cost=memory)
        return kdf.derive(start)
    return hashlib.pbkdf2_hmac("sha1", start, lock.salt, lock.rounds, lock.key_size)


def _opened(data: bytes, lock: _Lock, name: str, password: str, keys: dict[tuple[Any, ...], bytes]) -> bytes:
    """One part, decrypted and inflated. Raises DocumentPasswordError."""
    kind = (lock.salt, lock.rounds, lock.key_size, lock.start, lock.argon2)
    key = keys.get(kind) or keys.setdefault(kind, _key(lock, password))
    ciphers: dict[str, Callable[[bytes, bytes, bytes], bytes]] = {"cbc": _aes_cbc, "gcm": _aes_gcm}
    decipher = next((ciphers[mode] for mode in ciphers if mode in lock.cipher), _blowfish)
    try:
        packed = decipher(data, key, lock.vector)
    except PermissionError:
        raise _refused(name, password) from None
    if lock.check:
        digest = hashlib.sha256 if "256" in lock.checksum else hashlib.sha1
        # With and without what fills up the last block.
        found = [packed, packed[: -packed[-1]]] if packed else [packed]
        most = 1024 if "1k" in lock.checksum else None
        if not any(digest(one[:most]).digest() == lock.check for one in found):
            raise _refused(name, password)
    inflate = zlib.decompressobj(-15)
    plain = inflate.decompress(packed, PART_MAX)
    if inflate.unconsumed_tail:
        raise ValueError("too large")
    return plain


def _aes_cbc(data: bytes, key: bytes, vector: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    decryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    return decryptor.update(data[: len(data) // 16 * 16]) + decryptor.finalize()


def _aes_gcm(data: bytes, key: bytes, vector: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    # The vector stands before what it belongs to, the tag behind it.
    sealed = data[len(vector) :] if vector and data.startswith(vector) else data
    try:
        return AESGCM(key).decrypt(vector, sealed, None)
    except InvalidTag:
        raise PermissionError from None


def _blowfish(data: bytes, key: bytes, vector: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
    from cryptography.hazmat.primitives.ciphers import Cipher

    decryptor = Cipher(Blowfish(key), CFB(vector)).decryptor()
    return decryptor.update(data) + decryptor.finalize()
