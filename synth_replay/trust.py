"""Trust in files that run code: only content that the user has vouched for in this process may be loaded."""

from __future__ import annotations

import hashlib

from synth_replay.errors import UntrustedFileError

_vouched: set[bytes] = set()


def require_trust(content: bytes, trusted: bool, reason: str, remedy: str) -> None:
    """Checks that the user trusts a file whose loading runs code.

    A file that was loaded with ``trusted=True`` may be loaded again in the same process without it, for example by a
    policy that only gets its path. Other content under the same name is refused.

    Args:
        content: Bytes of the file that names or holds the code.
        trusted: The user's word that the file's origin is trusted.
        reason: First sentence of the error: what loading the file does.
        remedy: End of the error, after "If you trust its origin,": what to call instead.

    Raises:
        UntrustedFileError: If the user has not vouched for this content.
    """
    digest = hashlib.sha256(content).digest()
    if trusted:
        _vouched.add(digest)
    elif digest not in _vouched:
        raise UntrustedFileError(f"{reason} If you trust its origin, {remedy}")
