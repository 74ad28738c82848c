"""The folder ``<out>.unfinished``, in which an output is made: it survives a kill and belongs to one job."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from synth_replay.checkpoint import temporary_path, write_atomically
from synth_replay.datasets.atomic_files import require_name
from synth_replay.errors import DatasetExistsError, DifferentJobError
from synth_replay.upsampling.jobs import Job, as_read_back, differences

JOB, LOCK, UNFINISHED = "job.json", "lock", ".unfinished"


class Workplace:
    """A folder beside an output that keeps the progress of one job until the output is complete.

    Args:
        out: File or folder that is being made.
        job: JSON values that tell this job from another.

    Attributes:
        folder: ``<out>.unfinished``.
        job: The job as it is read back from JSON.
        resuming: Whether the folder holds an unfinished run of this job.

    Raises:
        DifferentJobError: If the folder belongs to another job.
        DatasetExistsError: If the folder holds something else.
        DatasetWriteError: If the name of the output is too long.
    """

    def __init__(self, out: Path, job: Job) -> None:
        require_name(out.with_name(out.name + UNFINISHED))
        self.out, self.folder = out, out.with_name(out.name + UNFINISHED)
        self.job = as_read_back(job)
        held = self._held_job()
        if held is not None and held != self.job:
            raise DifferentJobError(
                f"{self.folder} holds an unfinished run with other settings",
                differences(held, self.job),
                "run it again with its own settings, delete the folder, or choose another output.",
            )
        self.resuming = held is not None
        self._lock = FileLock(self.folder / LOCK, timeout=0)

    def _held_job(self) -> Job | None:
        if self.folder.is_symlink():
            raise DatasetExistsError(f"{self.folder} is a link, which is in the way: delete it.")
        try:
            job: Job = json.loads((self.folder / JOB).read_text())
        except FileNotFoundError:
            ours = {LOCK, temporary_path(self.folder / JOB).name}
            if self.folder.exists() and any(path.name not in ours for path in self.folder.iterdir()):
                raise DatasetExistsError(f"{self.folder} is in the way: delete it or choose another output.") from None
            return None
        except NotADirectoryError as error:
            place = self.folder if self.folder.is_file() else self.folder.parent
            raise DatasetExistsError(f"{place} is a file where a folder is needed: choose another output.") from error
        except (ValueError, RecursionError, OSError) as error:
            raise DatasetExistsError(f"{self.folder} is in the way ({error}): delete it.") from error
        if not isinstance(job, dict):
            raise DatasetExistsError(f"{self.folder} is in the way ({JOB} is damaged): delete it.")
        return job

    @property
    def trash(self) -> Path:
        """The name that the folder has while :meth:`clear` removes it; a kill may leave it there."""
        return temporary_path(self.folder)

    def holds(self, *names: str) -> bool:
        """Whether the folder holds one of these files or folders."""
        return any((self.folder / name).exists() for name in names)

    def sweep(self) -> None:
        """Removes what a killed run left of this folder."""
        shutil.rmtree(self.trash, ignore_errors=True)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Makes the folder and locks it against other processes while the ``with`` block runs.

        The trash of an earlier run is removed first. If the block fails before it has made any progress, the folder is
        removed as well.

        Raises:
            DatasetExistsError: If another process makes the same output.
            OSError: If the folder cannot be written.
        """
        self.sweep()
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise DatasetExistsError(f"Another process is making {self.out}: wait for it, or end it first.") from error
        try:
            if not self.resuming:
                write_atomically(self.folder / JOB, json.dumps(self.job, indent=1).encode())
            yield
        except Exception:
            if {path.name for path in self.folder.iterdir()} <= {JOB, LOCK}:
                self.clear()
            raise
        finally:
            self._lock.release()

    def clear(self) -> None:
        """Removes the folder; a kill in the middle leaves nothing that looks like an unfinished run."""
        if self.folder.exists():
            self.folder.rename(self.trash)
        self.sweep()
