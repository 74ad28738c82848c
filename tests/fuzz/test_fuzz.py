"""Damaged and hostile files of 17 kinds are read or raise a named error, within 2 s and 1 GB each."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.fuzz.corpus import TARGETS

CASES = os.environ.get("FUZZ_CASES", "60")  # of each kind; 180 make 3,060 in all


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_every_file_is_read_or_raises_a_named_error(target, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.worker", target, CASES, "0", str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []
