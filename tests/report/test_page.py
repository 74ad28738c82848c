import itertools
import json
import re
from base64 import b64decode
from urllib.parse import urlparse
from xml.etree import ElementTree

import gymnasium as gym
import numpy as np
import pytest

from synth_replay import Transitions, evaluate
from synth_replay.report import write_report
from synth_replay.report.measure import scored_rows
from tests.conftest import rollout
from tests.report.helpers import Page, changed, halves

HISTORY = [{"step": s, "loss": 1 / s, "holdout_loss": 1.1 / s} for s in (10, 20, 30)]
SECTIONS = ["verdict", "scores", "marginals", "correlations", "pca", "diversity", "terminations", "copies", "loss"]


def dict_rows(n: int = 120) -> Transitions:
    rng = np.random.default_rng(0)
    before, after = ({"pos": rng.normal(size=(n, 2)), "on": rng.integers(0, 2, n)} for _ in range(2))
    return Transitions(before, rng.integers(0, 3, n), rng.normal(size=n), after, np.zeros(n, bool))


def wide_rows(n: int = 60) -> Transitions:
    rng = np.random.default_rng(0)
    observations, after = rng.normal(size=(2, n, 70))
    return Transitions(observations, rng.normal(size=(n, 2)), np.ones(n), after, rng.random(n) < 0.2)


def case(name: str):
    cartpole = rollout("CartPole-v1", 1200)
    a, b = halves(cartpole)
    pendulum, other = halves(rollout("Pendulum-v1"))
    return {
        "all": (a[:400], b, {"holdout": a[400:], "env": gym.make("CartPole-v1"), "history": HISTORY}),
        "bare": (a, b, {}),
        "no terminations": (pendulum, other, {"env": gym.make("Pendulum-v1")}),
        "dict": (dict_rows(), dict_rows()[:90], {"env": gym.make("CartPole-v1")}),
        "wide": (wide_rows(), wide_rows()[:40], {"history": []}),
        "one row": (a[:1], b[:1], {"env": gym.make("CartPole-v1")}),
        "constant": (changed(a, rewards=np.ones(600)), changed(b, rewards=np.ones(600)), {"history": [{"loss": 1.0}]}),
    }[name]


CASES = ["all", "bare", "no terminations", "dict", "wide", "one row", "constant"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    made = {}

    def page(name: str) -> Page:
        if name not in made:
            path = tmp_path_factory.mktemp("report") / "report.html"
            real, synthetic, options = case(name)
            write_report(path, real, synthetic, **options)
            made[name] = Page(path)
        return made[name]

    return page


@pytest.mark.parametrize("name", CASES)
def test_every_page_is_whole_and_accessible(pages, name):
    page = pages(name)
    assert page.stack == []
    assert page.find("html")[0]["lang"] == "en" and len(page.find("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) and {*SECTIONS, "reproduce"} <= set(ids)
    assert len(page.find("caption")) == len(page.find("table"))
    assert page.find("th") and all(attributes.get("scope") in ("col", "row") for attributes in page.find("th"))


@pytest.mark.parametrize("name", CASES)
def test_every_page_stands_alone(pages, name):
    page = pages(name)
    assert page.find("img") and not page.find("link")
    for image in page.find("img"):
        assert len(image["alt"]) > 30 and re.search(r"\d", image["alt"])
        assert image["src"].startswith("data:image/svg+xml;base64,")
        svg = b64decode(image["src"].split(",", 1)[1]).decode()
        root = ElementTree.fromstring(svg)
        links = [v for element in root.iter() for k, v in element.attrib.items() if k.endswith("href")]
        assert all(link.startswith(("#", "data:")) for link in links) and "@import" not in svg
    for _, attributes in page.tags:
        for key in ("src", "href"):
            assert urlparse(attributes.get(key) or "#").scheme in ("", "data")
    assert all(script["type"] == "application/json" for script in page.find("script"))
    assert "url(" not in page.path.read_text() and page.path.stat().st_size < 4e6


def test_what_was_given_is_shown_and_what_was_not_is_said(pages):
    complete, bare = pages("all").text, pages("bare").text
    for text in ("not measured", "No history"):
        assert text not in complete
    assert "held-out real rows" in complete and "optimistic" not in complete
    assert "Generated rows against the simulator" in complete
    missing = ("Not measured: no environment was given", "No history of the fit was given")
    for text in (*missing, "these scores are optimistic"):
        assert text in bare
    assert "Generated rows against the simulator" not in bare


def test_dict_observations_are_compared_and_not_stepped(pages):
    page = pages("dict")
    assert "the simulator cannot be set from Dict observations" in page.text
    assert "observations/pos[1]" in page.text and page.data["scores"]["dynamics_error"] is None


def test_wide_rows_show_only_the_worst_columns_and_say_so(pages):
    page = pages("wide")
    histograms = [image for image in page.find("img") if re.match(r"Histogram of .* match", image["alt"])]
    assert "The 40 of 143 columns with the lowest match" in page.text and len(histograms) == 44
    first = min(page.data["scores"]["marginals"], key=page.data["scores"]["marginals"].get)
    assert first in histograms[0]["alt"]


def test_rows_without_terminations_say_that_there_is_nothing_to_compare(pages):
    page = pages("no terminations")
    assert "neither real nor generated rows are terminal" in page.text
    checks = {check["key"]: check for check in page.data["verdict"]["checks"]}
    assert checks["termination_rate"]["passed"] is True
    assert checks["termination_recall"]["outcome"] == "not measured"
    assert "there are no such terminations" in checks["termination_recall"]["sentence"]


def test_the_figures_are_those_of_evaluate(pages):
    real, synthetic, options = case("all")
    expected = evaluate(options["holdout"], synthetic, options["env"], train=real).to_dict()
    found = pages("all").data["scores"]
    assert found.pop("marginals") == pytest.approx(expected.pop("marginals"))
    assert found == pytest.approx(expected)
    without = evaluate(*case("bare")[:2]).to_dict()
    assert pages("bare").data["scores"]["copy_share"] == without["copy_share"]


def test_the_confusion_table_adds_up(pages):
    page, (_, synthetic, options) = pages("all"), case("all")
    counts = page.data["terminations"]
    assert counts["rows"] == len(synthetic) and counts["generated"] == synthetic.terminations.sum()
    assert counts["confirmed"] == counts["simulated"] == counts["generated"] and options["env"] is not None


def test_the_same_arguments_give_the_same_bytes(pages, tmp_path):
    real, synthetic, options = case("all")
    write_report(tmp_path / "again.html", real, synthetic, **options)
    assert (tmp_path / "again.html").read_bytes() == pages("all").path.read_bytes()


def test_wide_rows_are_scored_on_fewer_of_them():
    assert scored_rows(10) == scored_rows(40) == 10_000
    assert scored_rows(800) == pytest.approx(10_000 * (40 / 800) ** 0.5, rel=1e-3)


def test_the_map_has_as_many_generated_as_real_points(tmp_path):
    real, made = halves(rollout("Pendulum-v1", 1600))
    write_report(tmp_path / "report.html", real, made, holdout=real[:90], env=gym.make("Pendulum-v1"))
    images = [image["alt"] for image in Page(tmp_path / "report.html").find("img")]
    points = [re.search(r"Scatter of ([\d,]+) (real|generated) rows", alt) for alt in images]
    assert [(m[1], m[2]) for m in points if m] == [("90", "real"), ("90", "generated")]
    clouds = next(alt for alt in images if alt.startswith("Scatter plot on logarithmic axes"))
    assert re.findall(r"([\d,]+) (?:generated|held-out|fitted) rows", clouds) == ["90"] * 3


NAMES = ("price $a, $b", "$\\frac{$", "a_b^c$x$", "<b>&amp;", "bell\x07", "lone \ud800", "角度", "\\alpha %s {}")


def named_rows(seed: int, n: int = 60) -> Transitions:
    rng = np.random.default_rng(seed)
    before, after = ({name: rng.normal(size=(n, 1)) for name in NAMES} for _ in range(2))
    return Transitions(before, rng.normal(size=(n, 1)), rng.normal(size=n), after, rng.random(n) < 0.2)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_any_name_of_a_key_can_be_shown(tmp_path):
    write_report(tmp_path / "report.html", named_rows(0), named_rows(1), json_path=tmp_path / "report.json")
    page = Page(tmp_path / "report.html")
    for name in ("price $a, $b", "$\\frac{$", "<b>&amp;", "角度"):
        assert f"observations/{name}[0]" in page.text
    for image in page.find("img"):
        ElementTree.fromstring(b64decode(image["src"].split(",", 1)[1]))
    heat_map = next(image for image in page.find("img") if image["alt"].startswith("Heat map"))
    assert "price $a, $b" in b64decode(heat_map["src"].split(",", 1)[1]).decode()


def test_the_numbers_can_be_written_as_json_and_notes_are_shown(tmp_path):
    real, made = halves(rollout("CartPole-v1", 400))
    verdict = write_report(
        tmp_path / "report.html", real, made, json_path=tmp_path / "r.json", notes=["Ends are <drawn>."]
    )
    data, page = json.loads((tmp_path / "r.json").read_text()), Page(tmp_path / "report.html")
    assert data == page.data and data["verdict"]["level"] == verdict.level and data["notes"] == ["Ends are <drawn>."]
    assert "Ends are <drawn>." in page.text and data["scores"]["termination_precision"] is None
    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / "other.html", real, made, json_path=tmp_path / "nowhere" / "r.json")
    assert not (tmp_path / "other.html").exists()
