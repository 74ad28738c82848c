import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from synth_replay.datasets import open_dataset
from synth_replay.diffusion.config import TrainingConfig
from tests.cli.helpers import start, write_npz, write_preset

ROWS, SHARD = 6_050, 500


def command(folder, out, steps=600):
    preset = write_preset(folder, training=TrainingConfig(steps=steps, batch_size=64, eval_every=20))
    return (
        "upsample",
        folder / "d.npz",
        "--num-samples",
        ROWS,
        "--out",
        out,
        "--preset",
        preset,
        "--shard-rows",
        SHARD,
    )


def kill_when(process, out, reached):
    """SIGKILL as soon as the work folder looks as if ``reached``; whether the run was still going on."""
    while process.poll() is None:
        if reached(out.with_name(out.name + ".unfinished")):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    process.wait()
    process.stdout.close()
    process.stderr.close()
    return process.returncode == -signal.SIGKILL


MOMENTS = {
    "in the fit": lambda work: any(work.glob("fit/training.json")),
    "when the generator is saved": lambda work: (work / "generator" / "generator.json").exists(),
    "in a shard": lambda work: len(list(work.glob("shards/part-*.parquet"))) >= 3,
    "late": lambda work: len(list(work.glob("shards/part-*.parquet"))) >= 11,
}


@pytest.mark.slow
def test_killed_at_many_moments_the_result_is_that_of_an_undisturbed_run(tmp_path):
    write_npz(tmp_path / "d.npz")
    with start(*command(tmp_path, tmp_path / "calm")) as process:
        assert process.wait() == 0
    out = tmp_path / "killed"
    kills = 0
    for reached in MOMENTS.values():
        kills += kill_when(start(*command(tmp_path, out)), out, reached)
        assert not out.exists()
    assert kills >= 3
    with start(*command(tmp_path, out)) as process:
        assert process.wait() == 0
    check_equal(tmp_path / "calm", out)


def check_equal(calm, out):
    shards = sorted(out.glob("part-*"))
    assert [path.name for path in shards] == [f"part-{i:05d}.parquet" for i in range(13)]
    assert sum(pq.read_metadata(path).num_rows for path in shards) == ROWS
    a, b = open_dataset(calm).read(), open_dataset(out).read()
    assert all(np.array_equal(x, b.leaves()[name]) for name, x in a.leaves().items())
    assert len(np.unique(b.observations, axis=0)) == ROWS
    assert not out.with_name(out.name + ".unfinished").exists()


def test_interrupted_by_ctrl_c_it_says_how_to_go_on(tmp_path):
    write_npz(tmp_path / "d.npz")
    out = tmp_path / "more"
    # tests that run in a shell's background have the signal ignored, and their children inherit that
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = start(*command(tmp_path, out, steps=10**9), **heeding)  # ends by the signal alone
    work = out.with_name("more.unfinished")
    while process.poll() is None and not any(work.glob("fit/training.json")):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    try:
        _, err = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "the same command" in err and err.count("\n") == 1
    assert not out.exists()


PRESSED = """
import os, signal, sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == "{}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, CtrlC())
from synth_replay.cli import run
run()
"""


@pytest.mark.parametrize("module", ["numpy._core", "torch", "synth_replay.cli.upsample"])
def test_interrupted_while_a_library_is_imported_it_ends_as_at_any_time(module):
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    call = [sys.executable, "-c", PRESSED.format(module), "info", "d.npz"]
    done = subprocess.run(call, capture_output=True, text=True, **heeding)
    assert done.returncode == 130 and done.stderr.startswith("synth-replay: interrupted"), done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


@pytest.mark.slow
def test_a_second_process_does_not_join_in(tmp_path):
    write_npz(tmp_path / "d.npz")
    out = tmp_path / "more"
    first = start(*command(tmp_path, out, steps=10**9))
    while first.poll() is None and not any(out.with_name("more.unfinished").glob("fit/training.json")):
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)  # it keeps the folder and leaves the processor to the other one
    with start(*command(tmp_path, out, steps=10**9)) as second:
        _, err = second.communicate(timeout=600)
    assert second.returncode == 1 and "Another process is making" in err and err.count("\n") == 1
    assert first.poll() is None
    first.kill()
    first.communicate()
