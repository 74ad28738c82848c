"""The entry point: runs a command line and returns its exit code."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from threading import current_thread, main_thread
from typing import Any

from synth_replay.cli.wording import word_error
from synth_replay.errors import SynthReplayError

FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141
RESUME = "interrupted; to resume fit, sample or upsample, run the same command again"

DESCRIPTION = """Learn a diffusion model of a dataset of transitions, and generate more of them.

Start with
  synth-replay upsample my_dataset.hdf5 --num-samples 1_000_000 --out my_dataset_1M --report report.html

Exit codes: 0 done; 1 the data, a file or a setting cannot be used (one line says why); 2 wrong arguments;
3 a report is worse than --fail-below asks; 130 interrupted (to resume fit, sample or upsample, run the same command
again)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``synth-replay``.

    Args:
        arguments: Arguments after ``synth-replay``; None takes them from the command line.

    Returns:
        Exit code: 0 done, 1 unusable input, 2 wrong arguments, 3 verdict below ``--fail-below``, 130 interrupted, 141
        broken pipe.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if find_spec("tyro") is None and {"-h", "--help"} & set(given):
        print(f"{DESCRIPTION}\n\nThe commands need an extra: pip install 'synth-replay[cli]'")
        return 0
    warnings.simplefilter("ignore")  # libraries warn their developers; our own messages are errors or notes
    try:
        with _exit_on_interrupt():
            command = _parse(given)
        command.run()
        if sys.stdout is not None:  # a shell may have closed it
            sys.stdout.flush()
    except SystemExit as exit_:  # the parser's: 0 after --help, 2 after wrong arguments
        return exit_.code if isinstance(exit_.code, int) else USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the flush at exit must not fail too
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return _fail(RESUME, INTERRUPTED)
    except (SynthReplayError, OSError) as error:
        return _fail(word_error(error), FAILED)
    except MemoryError as error:
        return _fail(f"this machine has too little memory ({word_error(error) or 'MemoryError'})", FAILED)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"synth-replay: {message}", file=sys.stderr)
    return code


@contextmanager
def _exit_on_interrupt() -> Iterator[None]:
    """Lets Ctrl-C end the process at once, inside a ``with`` block.

    Parsing imports libraries that would turn a KeyboardInterrupt into other exceptions.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or current_thread() is not main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(_fail(RESUME, INTERRUPTED)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _parse(given: list[str]) -> Any:
    from synth_replay.cli.parser import parse_command, require_tyro

    require_tyro()
    return parse_command(given, DESCRIPTION)


def run() -> None:
    """Runs ``synth-replay`` as a console script, which exits with the code of :func:`main`."""
    sys.exit(main())
