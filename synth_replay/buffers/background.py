"""A refresh in a second process: training continues with the old rows until the new ones are there.

The process is started anew (``python -c``): it does not import the user's script and holds no lock of this process. It
ends when this process does, however that ends. Tested on Linux.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from synth_replay.buffers.generators import RowGenerator
from synth_replay.buffers.refit_job import RefitJob
from synth_replay.errors import ConfigError, FitDivergedError
from synth_replay.generator.one_step import OneStepModel
from synth_replay.transitions import Transitions

JOB, RESULT, LOG = "job.pickle", "result.pickle", "stderr.txt"
CODE = "import sys; from synth_replay.buffers.background import work; work(sys.argv[1])"
TOLD = 300  # most characters that are told of the errors of a process that failed


@dataclass(frozen=True, eq=False)
class Outcome:
    """Result of a refresh in the background.

    Attributes:
        generator: The generator after the fit, or after the attempt; None if the process has died.
        made: Generated rows in environment units, by store.
        error: Why it failed; empty if it did not.
        said: What the process wrote to stderr, its warnings for example.
    """

    generator: RowGenerator | None = None
    made: dict[str, Transitions] = field(default_factory=dict)
    error: str = ""
    said: str = ""


def require_picklable(generator: RowGenerator) -> None:
    """Checks that a generator can be sent to another process.

    Raises:
        ConfigError: If it holds a function that another process cannot import, or needs the policy of this one.
    """
    if isinstance(generator, OneStepModel):
        raise ConfigError("generator='one_step_model' needs the policy of this process: use refresh='blocking'.")
    try:
        found = pickle.dumps(generator)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(f"refresh='background' sends the generator to another process: {error}. {_REMEDY}") from error
    if b"__main__" in found:
        raise ConfigError(f"refresh='background' sends the generator to another process. {_REMEDY}")


_REMEDY = "Move the function into a module that can be imported, not the script itself, or use refresh='blocking'."


def worker_threads() -> int:
    """Returns the number of threads of a refresh in the background: cores less torch's threads here, at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(allowed - torch.get_num_threads(), 1)


class BackgroundRefresh:
    """One refresh in a process of its own.

    Args:
        generator: The generator as it is now; it is copied.
        job: What to fit and generate.
    """

    def __init__(self, generator: RowGenerator, job: RefitJob) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="synth_replay-"))
        try:
            self._process = self._start(generator, job)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._stop = weakref.finalize(self, _end, self._process, self._folder, os.getpid())

    def _start(self, generator: RowGenerator, job: RefitJob) -> subprocess.Popen[bytes]:
        with (self._folder / JOB).open("wb") as file:
            pickle.dump((generator, job, worker_threads()), file, protocol=pickle.HIGHEST_PROTOCOL)
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        with (self._folder / LOG).open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", CODE, str(self._folder)],  # -P: no module of the current folder by chance
                stdin=subprocess.PIPE,  # its end tells the process that this one is gone
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | {"PYTHONPATH": paths},
                start_new_session=True,  # Ctrl-C in this process is not for that one
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def poll(self) -> Outcome | None:
        """Returns the outcome once the process has ended; None while it works."""
        code = self._process.poll()
        if code is None:
            return None
        try:
            return self._outcome(code)
        except Exception as error:  # whatever a damaged result raises
            return Outcome(error=f"the rows of the refresh cannot be read: {error!r}")
        finally:
            self.stop()

    def wait(self) -> None:
        """Waits for the end of the process."""
        self._process.wait()

    def _outcome(self, code: int) -> Outcome:
        words = (self._folder / LOG).read_text(errors="replace").strip()
        if code == 0:
            with (self._folder / RESULT).open("rb") as file:
                found: Outcome = pickle.load(file)
            return replace(found, said=words)
        killed = "it was killed; if memory ran out, lower fit_rows or store_rows" if code < 0 else "it left no message"
        why = words[-TOLD:] if words and code > 0 else killed
        return Outcome(error=f"the process of the refresh ended with exit code {code}: {why}")

    def stop(self) -> None:
        """Ends the process, if it still works, and removes its files."""
        self._stop()


def _end(process: subprocess.Popen[bytes], folder: Path, owner: int) -> None:
    if os.getpid() != owner:  # a fork of this process has copied the object
        return
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
    shutil.rmtree(folder, ignore_errors=True)


def work(folder: str) -> None:
    """Does the job that a folder holds; runs in the process of its own.

    Args:
        folder: Folder that holds the pickled job and receives the result.
    """
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    place = Path(folder)
    with (place / JOB).open("rb") as file:
        generator, job, threads = pickle.load(file)
    torch.set_num_threads(threads)
    found = _done(generator, job)
    partial = place / f"{RESULT}.partial"
    with partial.open("wb") as file:
        pickle.dump(found, file, protocol=pickle.HIGHEST_PROTOCOL)
    partial.replace(place / RESULT)


def _done(generator: Any, job: RefitJob) -> Outcome:
    try:
        job.fit(generator, progress=False)
    except FitDivergedError as error:
        return Outcome(generator, error=str(error))  # its random stream has moved on: the next fit differs
    return Outcome(generator, dict(job.made(generator, progress=False)))


def _end_with_parent(folder: str) -> None:
    """Ends this process as soon as the parent's end of the pipe is closed, and removes the folder."""
    while os.read(0, 1):  # not sys.stdin, whose lock the interpreter would wait for at its end
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
