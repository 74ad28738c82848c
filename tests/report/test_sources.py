"""The map of the four sources, in the report and kept at each refresh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synth_replay import Transitions
from synth_replay.buffers.snapshots import MOST, NEWEST_ROWS, OLDER_ROWS, Snapshot, Snapshots
from synth_replay.errors import InvalidTransitionsError
from synth_replay.report import write_mixed_report
from synth_replay.report.sampled import comparable_kinds
from synth_replay.report.sources import sources_section
from tests.buffers.test_cfg_mixed import feed, make
from tests.conftest import rollout
from tests.report.helpers import Page


def refreshed(times: int = 2, **kwargs):
    buffer = make(**kwargs)
    for _ in range(times):
        feed(buffer)
        buffer.sample(10)
    return buffer


def test_each_refresh_is_remembered_with_rows_of_each_source():
    buffer = refreshed(store_rows=400)
    first, second = buffer.engine.snapshots.held
    assert (first.step, second.step) == (200, 400)
    sizes = {name: len(rows) for name, rows in second.rows.items()}
    assert sizes == {"online": 400, "offline": 600, "synthetic_online": 320, "synthetic_offline": 80}
    assert len(first.rows["offline"]) == OLDER_ROWS
    offline = {row.tobytes() for row in buffer.offline.rows()["observations"]}
    assert all(row.tobytes() in offline for row in second.rows["offline"].observations)


def test_old_snapshots_are_thinned_and_never_more_than_fifty():
    snapshots = Snapshots(0)
    rows = rollout("Pendulum-v1")
    for step in range(2 * MOST):
        snapshots.add(step, {"online": rows})
    assert len(snapshots.held) <= MOST and snapshots.held[-1].step == 2 * MOST - 1
    assert [s.step for s in snapshots.held] == sorted(s.step for s in snapshots.held)
    assert len(snapshots.held[-1].rows["online"]) == min(NEWEST_ROWS, len(rows))


@pytest.mark.parametrize(
    ("generation", "names"),
    [
        ("conditional", "online offline synthetic online synthetic offline"),
        ("unconditional", "online offline synthetic"),
        ("online", "online synthetic online"),
    ],
)
def test_the_page_shows_the_sources_over_time(generation, names, tmp_path, monkeypatch):
    monkeypatch.setattr("synth_replay.report.sources.POINTS", 50)  # a map of thousands takes seconds
    buffer = refreshed(generation=generation)
    write_mixed_report(tmp_path / "page.html", buffer.engine.snapshots.held, progress=False)
    page = Page(tmp_path / "page.html")
    alts = [image["alt"] for image in page.find("img")]
    maps = [alt for alt in alts if alt.startswith(("t-SNE map", "Principal components of"))]
    assert len(maps) == 3 and "(t-SNE, step 400)" in maps[0] and "(Step 200)" in maps[1]
    for word in names.replace("synthetic ", "synthetic_").split():
        assert word.replace("_", " ") in maps[0]
    assert "The four sources" in page.text and page.data["verdict"]["checks"]


def test_without_a_refresh_there_is_nothing_to_report_on(tmp_path):
    with pytest.raises(InvalidTransitionsError, match="no refresh"):
        write_mixed_report(tmp_path / "page.html", make().engine.snapshots.held)
    assert not (tmp_path / "page.html").exists()
    assert "no refresh" in sources_section([], 0).missing


@pytest.mark.parametrize(
    ("made", "points"),
    [({"synthetic_online": 300, "synthetic_offline": 40}, 90 + 90 + 40 + 40), ({"synthetic": 300}, 90 + 200 + 290)],
)
def test_a_map_has_as_many_generated_as_real_points_of_a_kind(made, points):
    rows = rollout("Pendulum-v1")
    counts = {"online": 90, "offline": 200} | made
    section = sources_section([Snapshot(5, {name: rows[:n] for name, n in counts.items()}, counts)], 0)
    assert all(f"of {points:,} rows" in picture.alt for picture in section.pictures)


def test_rows_that_do_not_vary_are_not_drawn():
    rows = rollout("Pendulum-v1")[np.zeros(50, int)]
    assert "vary" in sources_section([Snapshot(0, {"online": rows}, {"online": 50})], 0).missing


@pytest.mark.parametrize("unlabelled", [True, False])
def test_perfect_rows_in_other_proportions_get_a_perfect_comparison(unlabelled):
    online = rollout("Pendulum-v1", 600)
    offline = replace(online, rewards=online.rewards - 500, observations=online.observations + 3)
    rows = {"online": online[:100], "offline": offline[:500]}
    sizes = {"online": 100, "offline": 300}
    if unlabelled:
        made = {"synthetic": Transitions.concatenate([online[100:200], offline[100:400]])}
    else:
        made = {"synthetic_online": online[100:500], "synthetic_offline": offline[:100]}
    real, generated = comparable_kinds(Snapshot(0, rows | made, sizes | {name: len(r) for name, r in made.items()}))
    assert (real.rewards < -400).mean() == pytest.approx((generated.rewards < -400).mean(), abs=0.01)


def test_a_kind_without_real_rows_cannot_be_compared():
    rows = rollout("Pendulum-v1")
    with pytest.raises(InvalidTransitionsError, match="no rows of a kind"):
        comparable_kinds(Snapshot(0, {"offline": rows, "synthetic_online": rows}, {}))
