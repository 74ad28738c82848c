"""3,000 damaged and hostile files of every kind end in a named error or are read, within 2 s and 1 GB each."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.fuzz.corpus import TARGETS

CASES = 180  # of each target: 3,060 in all


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_no_file_ends_in_anything_but_a_named_error(target, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.worker", target, str(CASES), "0", str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []
