"""Kills a command before each of its last changes of a file name, runs it again, and reports faults in the result.

Run as a module in a process of its own: ``python -m tests.cli.kills FOLDER OUT LAST COMMAND ...``. An audit hook sees
every rename, removal and new folder, so the kills hit each moment at which a file could be lost or left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

MOVES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}


def moves(folder: Path, act: Callable[[int], None]) -> Callable[[str, tuple], None]:
    """Returns an audit hook that calls ``act(number)`` before each change of a name under ``folder``."""
    seen = [0]

    def hook(event, given):
        if event in MOVES and any(str(path).startswith(str(folder)) for path in given):
            seen[0] += 1
            act(seen[0])

    return hook


def forked(arguments: list[str], hook=None) -> int:
    """Runs the command in a child process and returns its exit code, -9 if it was killed."""
    from synth_replay.cli import main

    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 99
    try:
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        if hook is not None:
            sys.addaudithook(hook)
        code = main(arguments)
    finally:
        os._exit(code)


def die(_: int = 0) -> None:
    """Kills this process without cleanup, as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def content(out: Path) -> dict[str, bytes]:
    if out.suffix == ".npz":  # its members, without the times that a zip archive stores
        with zipfile.ZipFile(out) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def counted(folder: Path, arguments: list[str]) -> int:
    """Returns the number of changes of names in an undisturbed run."""
    log = folder.with_name("moves.log")
    forked(arguments, moves(folder, lambda number: log.write_text(str(number))))
    return int(log.read_text())


def kill_everywhere(folder: Path, out: Path, last: int, arguments: list[str]) -> dict[str, object]:
    """Kills the run before each of its ``last`` changes of names, repeats it each time and returns kills and faults."""
    import h5py  # noqa: F401 - imported before the forks, so that they start at once
    import pyarrow.parquet  # noqa: F401

    import synth_replay.cli.upsample  # noqa: F401

    there = {path.name for path in folder.iterdir()}
    total = counted(folder, arguments)
    calm, kills, faults = content(out), 0, []
    for number in range(max(1, total - last + 1), total + 1):
        for path in folder.iterdir():
            if path.name not in there:
                remove(path)
        kills += forked(arguments, moves(folder, lambda at, number=number: die() if at == number else None)) == -9
        again = forked(arguments)
        left = sorted({path.name for path in folder.iterdir()} - there - {out.name})
        if again or left or content(out).keys() != calm.keys():
            faults.append(f"killed before change {number} of {total}: then exit code {again}, left: {left}")
        elif out.suffix != ".hdf5" and content(out) != calm:  # HDF5 stores times
            faults.append(f"killed before change {number} of {total}: other rows than those of an undisturbed run")
    return {"kills": kills, "faults": faults}


if __name__ == "__main__":
    folder, out, last, *command = sys.argv[1:]
    print(json.dumps(kill_everywhere(Path(folder), Path(out), int(last), command)))
