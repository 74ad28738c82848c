"""Small datasets, a small preset, and the command as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from synth_replay.cli import main
from tests.conftest import TINY, rollout


def write_npz(path, steps=600, **changes):
    """A random policy's Pendulum rows under D4RL's names."""
    rows = rollout("Pendulum-v1", steps)
    columns = {"observations": rows.observations, "actions": rows.actions, "rewards": rows.rewards}
    columns |= {"next_observations": rows.next_observations, "terminals": rows.terminations}
    columns |= changes
    np.savez(path, **{name: column for name, column in columns.items() if column is not None})
    return path


def write_preset(folder, **changes):
    """The tests' small configuration as a file."""
    from dataclasses import replace

    path = Path(folder) / "tiny.yaml"
    replace(TINY, **changes).save(path)
    return path


def run(capsys, *arguments):
    """Exit code, standard output, standard error of a call in this process."""
    code = main([str(argument) for argument in arguments])
    found = capsys.readouterr()
    return code, found.out, found.err


def start(*arguments, **kwargs):
    """The command in its own process."""
    command = [sys.executable, "-c", "from synth_replay.cli import run; run()", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **(pipes | kwargs))
