"""What the hosts promise of their buffers, run with the stock class and with ours in its place.

Stable-Baselines3 ships its tests in its sdist: ``python -m tests.hosts_contracts.sb3_suite`` runs those of the
installed version that are about buffers, with our classes; a slow test does so, too. d3rlpy's sdist has no tests and
TorchRL has no sdist, nor are there any in their packages; so the behaviours are stated here again, one file a host.

Each behaviour runs three times: with the stock class, with ours at real ratio 1 (nothing may differ), and with ours at
real ratio 0.5 after a fit. What ours refuses is in the table ``REFUSED`` of each file, with the reason that the error
gives; a test holds each line to it, and holds the stock class to offering it.
"""

from tests.hosts import import_quietly

import_quietly("d3rlpy", "stable_baselines3", "torchrl.collectors")
