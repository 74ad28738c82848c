"""Imports of the simulators, when an environment is made; errors name the missing package or system library."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import import_module, reload
from importlib.util import find_spec
from io import StringIO
from typing import Any, NoReturn

from synth_replay.errors import MissingExtraError


def load_procgen() -> Any:
    """Imports ``procgen.env``.

    Raises:
        MissingExtraError: If a package is missing; the message has the pip commands.
    """
    try:
        with _quiet_imports():
            return import_module("procgen.env")
    except ImportError as error:
        raise MissingExtraError(
            f"Procgen cannot be imported ({error}). On NumPy 2: pip install cffi gym==0.26.2 && pip install --no-deps "
            "procgen-mirror==0.10.7 gym3. On NumPy 1, which its packages ask for: pip install 'synth-replay[procgen]'"
        ) from error


def refuse_procgen(error: Exception) -> NoReturn:
    """Raises the error for a compiled library that cannot be loaded."""
    raise MissingExtraError(
        f"Procgen's compiled library cannot be loaded ({error}). It needs OpenGL and GLib of the system: "
        "apt-get install libgl1 libglib2.0-0"
    ) from error


def load_dm_control() -> tuple[Any, Any, Any]:
    """Imports ``dm_control.suite``, its engine, and Shimmy's compatibility class.

    On Linux without a display, ``MUJOCO_GL`` is set to ``egl`` unless the user has set it: dm_control would otherwise
    choose GLFW, which opens windows and fails at the first picture. If another library (d3rlpy does) has imported
    dm_control before, its choice of backend is repeated.

    Returns:
        The modules ``dm_control.suite`` and ``dm_control.mujoco.engine``, and the class ``DmControlCompatibilityV0``.

    Raises:
        MissingExtraError: If a package or an OpenGL backend is missing; the message says how to install it.
    """
    for module in ("dm_control", "shimmy"):
        if find_spec(module) is None:
            raise MissingExtraError(f"{module} is not installed: pip install 'synth-replay[dmc]'")
    modules = ("dm_control.suite", "dm_control.mujoco.engine", "shimmy.dm_control_compatibility")
    try:
        _choose_backend()
        with _quiet_imports():
            suite, engine, compatibility = map(import_module, modules)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{error.name} is not installed: pip install 'synth-replay[dmc]'") from error
    except Exception as error:  # every OpenGL backend raises its own types
        refuse_rendering(error)
    return suite, engine, compatibility.DmControlCompatibilityV0


def _choose_backend() -> None:
    if sys.platform != "linux" or any(os.environ.get(x) for x in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY")):
        return
    os.environ["MUJOCO_GL"] = "egl"
    if chosen := sys.modules.get("dm_control._render"):
        reload(chosen)  # it reads the variable at its import alone


def refuse_rendering(error: Exception) -> NoReturn:
    """Raises the error for an OpenGL backend that is missing or does not start."""
    backend = os.environ.get("MUJOCO_GL", "not set")
    raise MissingExtraError(
        f"MuJoCo cannot render ({error}); MUJOCO_GL is {backend}. Without a display, install EGL (apt-get install "
        "libegl1 libgl1-mesa-dri) and set MUJOCO_GL=egl, or install OSMesa (apt-get install libosmesa6) and set "
        "MUJOCO_GL=osmesa, before dm_control is first imported (which d3rlpy does too)."
    ) from error


@contextmanager
def _quiet_imports() -> Iterator[None]:
    """Silences gym's deprecation notice, which both imports trigger, and procgen's warnings of unclosed files."""
    with redirect_stderr(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
