"""Which files may run code: only those whose content the user has vouched for in this process."""

from __future__ import annotations

import hashlib

from synth_replay.errors import UntrustedFileError

_vouched: set[bytes] = set()


def require_trust(content: bytes, trusted: bool, reason: str, remedy: str) -> None:
    """Checks that a file which would run code may do so.

    A file that was loaded with ``trusted=True`` may be loaded again in the same process without it, for example by a
    policy that only gets its path. A file of the same name with other content may not.

    Args:
        content: Bytes of the file that names or holds the code.
        trusted: The user's word that the file's origin is trusted.
        reason: First half of the error: what the file would do.
        remedy: Second half of the error: what to call instead.

    Raises:
        UntrustedFileError: If the user has not vouched for this content.
    """
    digest = hashlib.sha256(content).digest()
    if trusted:
        _vouched.add(digest)
    elif digest not in _vouched:
        raise UntrustedFileError(f"{reason} If you trust its origin, {remedy}")
