"""`gounmal scan --previous … --report …` and `gounmal report`: what they write, and from what."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from gounmal.cli import main
from gounmal.moderator import Moderator
from gounmal.scan.recipe import Recipe
from gounmal.scan.shards import ScanOptions, plan


@pytest.fixture
def run(monkeypatch, fake_scorer):
    for name in ("GOUNMAL_MODEL", "GOUNMAL_POLICY", "GOUNMAL_REPORT_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Moderator, "load", lambda *_, **__: Moderator(fake_scorer))
    monkeypatch.setattr(Recipe, "tag", lambda _: fake_scorer.tag)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def chat(tmp_path):
    """Two broadcasts: one file each."""
    paths = []
    for week, abusive in (("one", 4), ("two", 9)):
        lines = [f"0:{i:02},u{i},안녕 {i}" for i in range(30)]
        lines += [f"0:{30 + i},troll,이 바보야 {i}" for i in range(abusive)]
        path = tmp_path / f"{week}.csv"
        path.write_text("\n".join(["time,user,text", *lines]) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def summary_of(folder):
    return json.loads((folder / "summary.json").read_bytes())


@pytest.fixture
def scanned(run, chat, tmp_path):
    """Both scanned, the second compared with the first."""
    one, two = tmp_path / "out1", tmp_path / "out2"
    run("scan", chat[0], "--output", one, "--report-key", "secret")
    forms = ("--report", "md", "--report", "html")
    run("scan", chat[1], "--output", two, "--report-key", "secret", "--previous", one, *forms)
    return one, two


def test_scan_compares_and_writes_the_forms_asked_for(scanned):
    one, two = scanned
    assert {p.name for p in one.iterdir()} == {
        *("decisions.csv", "summary.json", "report.html", "review.csv"),
    }
    assert {p.name for p in two.iterdir()} == {p.name for p in one.iterdir()} | {"report.md"}
    assert summary_of(one)["comparison"] is None
    found = summary_of(two)["comparison"]
    changes = {change["figure"]: (change["before"], change["now"]) for change in found["changes"]}
    assert (changes["rows"], changes["labels/insult"]) == ((34, 39), (4, 9))
    assert found["expressions"] == {"바보": 4}
    assert len(found["offenders"]) == 1
    assert "지난 방송과 비교" in (two / "report.md").read_text(encoding="utf-8")


def test_what_a_report_is_like_does_not_change_what_is_judged(chat, fake_scorer, tmp_path):
    def keys(**choices):
        options = ScanOptions.of(Moderator(fake_scorer), **choices)
        made = plan([str(chat[0])], str(tmp_path / "out"), options=options)
        assert type(made).from_dict(json.loads(json.dumps(made.to_dict()))) == made
        return [shard.key for shard in made.shards]

    assert keys() == keys(reports=("md", "json"), previous="elsewhere", language="en")


def test_only_the_data_where_nothing_else_is_asked_for(run, chat, tmp_path):
    out = tmp_path / "out"
    output = run("scan", chat[0], "--output", out, "--report", "json").stdout
    assert not list(out.glob("report.*"))
    assert f"{out}/summary.json\n{out}/review.csv\n" in output


def test_a_report_to_compare_with_that_is_not_there_is_told_before_the_work(run, chat, tmp_path):
    options = ("--output", tmp_path / "out", "--previous", tmp_path)
    assert "no summary.json of a scan there" in run("scan", chat[0], *options, code=2).stderr
    assert not (tmp_path / "out").exists()


def test_verdicts_come_back(run, scanned):
    _, folder = scanned
    path = folder / "review.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    assert {row["text"] for row in rows} >= {"이 바보야 0", "안녕 0"}
    assert "troll" not in path.read_text(encoding="utf-8-sig")
    for row in rows:
        row["abusive"] = int("바보" in row["text"] or row["text"] == "안녕 3")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    before = summary_of(folder)
    output = run("report", folder, "--verdicts", path, "--format", "html", "--format", "md").stdout
    assert "precision 100.0% (70.1% to 100.0%, 9 rows)" in output
    assert "miss rate 3.3% (0.6% to 16.7%, 30 rows)" in output
    after = summary_of(folder)
    assert after["verdicts"]["judged"] == len(rows)
    assert {**after, "verdicts": None} == before
    for name in ("report.html", "report.md"):
        assert "정밀도" in (folder / name).read_text(encoding="utf-8")
    run("report", folder, "--lang", "en")
    assert summary_of(folder)["verdicts"] == after["verdicts"]
    assert "What the review says" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_report_can_be_compared_later_and_put_elsewhere(run, scanned, tmp_path):
    one, two = scanned
    there = tmp_path / "there"
    run("report", two / "summary.json", "--previous", one, "--output", there, "--format", "md")
    assert {path.name for path in there.iterdir()} == {"summary.json", "report.md"}
    assert summary_of(there) == summary_of(two)
    assert "compared with itself" in run("report", two, "--previous", two, code=2).stderr
    assert "summary.json" in run("report", tmp_path, code=2).stderr


def test_review_of_what_is_not_flagged_has_no_text_in_the_summary_that_was_masked(scanned):
    _, folder = scanned
    found = summary_of(folder)
    lines = [*found["review"], *found["samples"]]
    lines += [line for peak in found["timeline"]["peaks"] for line in peak["lines"]]
    assert lines
    assert not [line for line in lines if "바보" in line["masked"]]
