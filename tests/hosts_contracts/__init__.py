"""The behaviours of the host libraries' buffers, tested with the stock class and with ours in its place.

Stable-Baselines3 ships its tests in its sdist. ``python -m tests.hosts_contracts.sb3_suite`` runs the buffer tests of
the installed version with our classes, and so does a slow test. d3rlpy's sdist has no tests, TorchRL has no sdist, and
their packages have no tests either. So their behaviours are tested here, in one file per host.

Each behaviour runs three times: with the stock class, with ours at real ratio 1 (nothing may differ), and with ours at
real ratio 0.5 after a fit. The table ``REFUSED`` of each file lists the features that our class refuses, and the reason
in the error. For each line, a test checks that our class raises that error and that the stock class has the feature.
"""

from tests.hosts import import_quietly

import_quietly("d3rlpy", "stable_baselines3", "torchrl.collectors")
