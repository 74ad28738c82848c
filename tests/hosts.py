"""Host libraries warn of their own deprecations when they are imported, and warnings are errors here."""

import warnings
from importlib import import_module
from importlib.util import find_spec


def import_quietly(*names: str) -> None:
    """Imports what a room's tests need, called by the room's package. What a room does not name, it does not import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            if find_spec(name.partition(".")[0]):  # procgen has no wheels for all versions of Python
                import_module(name)
