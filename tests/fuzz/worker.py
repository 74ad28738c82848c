"""Reads damaged files one by one, with limits on time and memory, and prints all faults as a JSON list.

Run as a module in a process of its own: ``python -m tests.fuzz.worker TARGET CASES SEED FOLDER``.
"""

from __future__ import annotations

import json
import logging
import random
import resource
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

from synth_replay.errors import SynthReplayError
from tests.fuzz.corpus import TARGETS, copied
from tests.fuzz.mutations import mutate

SECONDS = 2  # of the processor
MEMORY = 1 << 30


class TooSlowError(BaseException):
    """A case took too long."""


def limit_memory() -> None:
    """Limits the address space to one gigabyte more than the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def too_slow(*_: object) -> None:
    raise TooSlowError


def one_case(target: str, whole: Path, given: Path, seed: int) -> str | None:
    """Changes a copy of the whole file and reads it. Returns the fault as text, or None."""
    rng = random.Random(seed)
    said = mutate(copied(whole, given), rng)
    with suppress(Exception):  # a file that cannot be mended stays damaged
        TARGETS[target].mend(given)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        TARGETS[target].read(given)
    except SynthReplayError as error:
        return f"seed {seed}, {said}: a message of {len(str(error))} characters" if len(str(error)) > 2_000 else None
    except (Exception, TooSlowError) as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"seed {seed}, {said}: {error!r:.200} ({Path(at.filename).name}:{at.lineno})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return None


def main(target: str, cases: int, first: int, folder: Path) -> list[str]:
    """Runs the cases of one target and returns the faults."""
    logging.disable()
    warnings.simplefilter("ignore")
    suffix = Path(target).suffix if "," not in target else ""
    whole, given = folder / f"whole{suffix}", folder / f"given-v0{suffix}"
    TARGETS[target].make(whole if suffix or target != "minari-v0" else (whole := folder / "whole-v0"))
    TARGETS[target].read(copied(whole, given))  # a whole file is read
    signal.signal(signal.SIGPROF, too_slow)
    limit_memory()
    found = (one_case(target, whole, given, seed) for seed in range(first, first + cases))
    return [fault for fault in found if fault is not None]


if __name__ == "__main__":
    target, cases, first, folder = sys.argv[1:]
    print(json.dumps(main(target, int(cases), int(first), Path(folder))))
