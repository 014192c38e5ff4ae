"""The command line, through click's runner and as a real process."""

import csv
import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from gounmal import __version__, demo, serve
from gounmal.cli import main
from gounmal.errors import ModelNotFound
from gounmal.model import store
from gounmal.model.store import StoredModel
from gounmal.moderator import Moderator
from gounmal.policy import Policy
from gounmal.scan.recipe import Recipe
from gounmal.schema import Mode


@pytest.fixture(autouse=True)
def loaded(monkeypatch, fake_scorer):
    """`Moderator.load` without a model; what it was asked for is noted."""
    asked = []

    def load(model=None, *, policy=None):
        asked.append((model, policy))
        return Moderator(fake_scorer, Policy.load(policy) if policy else None)

    monkeypatch.setattr(Moderator, "load", load)
    monkeypatch.setattr(Recipe, "tag", lambda _: fake_scorer.tag)
    return asked


@pytest.fixture
def run(monkeypatch):
    for name in ("GOUNMAL_MODEL", "GOUNMAL_POLICY", "GOUNMAL_REPORT_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, code=0, **options):
        result = CliRunner().invoke(main, list(map(str, arguments)), **options)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def chat(tmp_path):
    path = tmp_path / "chat.csv"
    path.write_text(
        "time,user,text\n0:01,kim,안녕\n0:02,lee,이 바보야\n0:03,lee,젠장\n", encoding="utf-8"
    )
    return path


def test_moderate_prints_a_decision_a_line(run):
    lines = run("moderate", "안녕", "이 바보야").stdout.splitlines()
    first, second = map(json.loads, lines)
    assert (first["action"], second["action"]) == ("allow", "hold")
    assert second["spans"] == [{"start": 2, "end": 4, "label": "insult", "source": "model"}]
    assert second["model"] == "fake:1"


def test_moderate_reads_standard_input(run):
    text = "".join(f"{i} 바보\r\n" for i in range(600))
    lines = run("moderate", "-", input=text).stdout.splitlines()
    assert [json.loads(line)["masked"] for line in lines] == [f"{i} **" for i in range(600)]


def test_moderate_refuses_what_is_no_message(run):
    assert "expected at most 4000 characters" in run("moderate", "가" * 4_001, code=2).stderr
    assert "lone surrogate" in run("moderate", "-", input=b"\xff\n", code=2).stderr


def test_mode_model_and_policy_are_taken(run, loaded, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("channels: {quiet: {mode: lenient, blocklist: [품절]}}", encoding="utf-8")
    options = ("--policy", policy, "--mode", "strict", "--model", "other:1", "--channel", "quiet")
    decision = json.loads(run("moderate", "품절", *options).stdout)
    assert loaded == [("other:1", policy)]
    assert (decision["mode"], decision["reason"]) == (Mode.STRICT, "blocklist")


def test_the_policy_of_the_service_is_the_default(run, loaded):
    run("moderate", "안녕")
    assert loaded == [(None, Path(store.CHECKOUT / "policy.yaml"))]


def test_a_decision_for_the_eye(run, monkeypatch):
    monkeypatch.setattr("gounmal.cli.live._to_terminal", lambda: True)
    output = run("moderate", "이 바보야 [red]").stdout
    assert output == "hold  이 **야 [red]  model · insult 1.00\n"
    assert json.loads(run("moderate", "--json", "이 바보야").stdout)["action"] == "hold"


def test_scan_writes_three_files_and_says_what_it_found(run, chat, tmp_path):
    out = tmp_path / "new" / "out"
    options = ("--title", "밤 방송", "--lang", "en", "--report-key", "secret")
    output = run("scan", chat, "--output", out, *options).stdout
    for name in ("decisions.csv", "summary.json", "report.html"):
        assert (out / name).is_file()
        assert str(out / name) in output
    assert "3 rows" in " ".join(output.split())
    assert "2 flagged (66.67% of those judged)" in " ".join(output.split())
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["title"] == "밤 방송"
    assert '<html lang="en">' in (out / "report.html").read_text(encoding="utf-8")
    run("scan", chat, "--output", out, *options)
    again = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert again["offenders"] == summary["offenders"] != []


def test_scan_takes_named_columns_and_a_format(run, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("a,b,c,d\n바보,0:01,kim,ch\n", encoding="utf-8")
    columns = [
        f"--{role}={c}" for role, c in zip(("text", "time", "user", "channel"), "abcd", strict=True)
    ]
    run("scan", path, "--output", tmp_path, "--format", "jsonl", *columns)
    row = json.loads((tmp_path / "decisions.jsonl").read_text(encoding="utf-8"))
    assert (row["a"], row["action"]) == ("바보", "hold")


def test_scan_takes_several_inputs_and_leaves_out_what_is_old(run, chat, tmp_path):
    old = tmp_path / "old.csv"
    old.write_bytes(chat.read_bytes())
    os.utime(old, (1_000_000_000, 1_000_000_000))
    out = tmp_path / "out"
    output = run("scan", chat, old, "--output", out, "--since", "1d").stdout
    assert [path.name for path in (out / "decisions").iterdir()] == ["chat.csv"]
    assert "3 rows" in " ".join(output.split())
    empty = run("scan", old, "--output", tmp_path / "none", "--since", "1d")
    assert (empty.stdout, empty.stderr) == ("", "no file is newer than 1d\n")
    assert "expected 2026" in run("scan", old, "--output", out, "--since", "soon", code=2).stderr


def test_scan_says_what_is_not_done_and_exits_with_3(run, chat, tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"nothing")
    out = tmp_path / "out"
    bad = tmp_path / "bad.parquet"
    output = run("scan", chat, bad, "--output", out, "--workers", 1, code=3).stdout
    assert "not done: bad.parquet" in output
    assert (out / "decisions" / "chat.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("scan", "{tmp}/none.csv", "--output", "{tmp}"), "none.csv: no such file"),
        (("scan", "{chat}", "--output", "{tmp}", "--text", "body"), "no column 'body' for --text"),
        (("scan", "{chat}", "--output", "{chat}/x"), "Not a directory"),
        (
            ("scan", "{chat}", "--output", "{tmp}", "--format", "xls"),
            "Invalid value for '--format'",
        ),
        (("scan", "{chat}"), "Missing option '--output'"),
        (("moderate",), "Missing argument"),
        (("moderate", "x", "--policy", "{tmp}/none.yaml"), "none.yaml: No such file"),
        (("models", "import", "{tmp}"), "config.json"),
        (("serve", "--port", "0"), "Invalid value for '--port'"),
        (("nonsense",), "No such command"),
    ],
)
def test_a_fault_of_the_user_is_one_line_and_exit_code_2(run, chat, tmp_path, arguments, says):
    filled = [a.format(tmp=tmp_path, chat=chat) for a in arguments]
    error = run(*filled, code=2).stderr
    assert says in error
    assert "Traceback" not in error


def test_a_full_disk_leaves_nothing_half_written(run, chat, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gounmal.files.writers.os.fsync", full)
    out = tmp_path / "out"
    result = run("scan", chat, "--output", out, code=4)
    assert result.stderr.startswith("gounmal: No space left on device: ")
    assert result.stderr.count("\n") == 1
    assert list(out.iterdir()) == []


def test_no_model_names_the_command_that_gets_one(run, monkeypatch):
    def load(*_, **__):
        raise ModelNotFound("no model: get one with `gounmal models import …`")

    monkeypatch.setattr(Moderator, "load", load)
    assert run("moderate", "x", code=2).stderr.startswith("gounmal: no model: get one")


def test_a_bug_is_no_fault_of_the_user(run, monkeypatch):
    def load(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(Moderator, "load", load)
    result = run("moderate", "x", code=1)
    assert isinstance(result.exception, ZeroDivisionError)


def test_models_lists_the_store(run, monkeypatch):
    model = StoredModel(
        "gounmal-ko:1", Path("x"), datetime(2026, 11, 22, tzinfo=UTC), 8_700_000, {"taxonomy": "v1"}
    )
    monkeypatch.setattr(store, "list_models", lambda: [model])
    output = " ".join(run("models").stdout.split())
    assert output == "tag created size labels gounmal-ko:1 2026-11-22 00:00 8.7 MB taxonomy=v1"
    monkeypatch.setattr(store, "list_models", list)
    assert "the store is empty" in run("models").stdout


def test_models_import_prints_the_tag(run, monkeypatch, tmp_path):
    monkeypatch.setattr(store, "import_artifact", lambda folder: f"{folder.name}:1")
    assert run("models", "import", tmp_path).stdout == f"{tmp_path.name}:1\n"


def test_serve_hands_its_options_on(run, monkeypatch):
    asked = []
    monkeypatch.setattr(serve, "run", lambda **options: asked.append(options))
    run("serve", "--port", "3201", "--workers", "2")
    assert asked == [{"host": None, "port": 3201, "workers": 2}]


def test_demo_writes_a_broadcast_that_scans(run, tmp_path):
    folder = tmp_path / "a folder"
    output = run("demo", "--output", folder).stdout
    assert f"gounmal scan '{folder}/chat.csv' --output '{folder}'" in output
    with (folder / "chat.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert f"{len(rows):,} messages" in output
    assert len(rows) > 1_000
    assert {row["text"] for row in rows} & set(demo.HARMLESS)
    assert {row["text"] for row in rows} & set(demo.ABUSE)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    before = (folder / "chat.csv").read_bytes()
    run("demo", "--output", folder)
    assert (folder / "chat.csv").read_bytes() == before
    run("scan", folder / "chat.csv", "--output", folder)
    assert json.loads((folder / "summary.json").read_bytes())["rows"] == len(rows)


def gounmal(*arguments, **options):
    """A real process."""
    command = [sys.executable, "-m", "gounmal.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)


def test_a_real_process_says_its_version_and_loads_little(tmp_path):
    assert gounmal("--version").stdout.decode() == f"gounmal {__version__}\n"
    heavy = "{'bentoml', 'onnxruntime', 'pyarrow', 'pygal', 'rich', 'jinja2'}"
    check = f"import sys, gounmal.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True)
    assert done.stdout == b"[]\n"
    failed = gounmal("scan", tmp_path / "none.csv", "--output", tmp_path)
    assert (failed.returncode, failed.stdout) == (2, b"")
    assert failed.stderr.decode() == f"gounmal: {tmp_path}/none.csv: no such file\n"


def test_a_reader_that_goes_away_is_no_error():
    """`gounmal … | head -1`: the rest of the output has nowhere to go."""
    code = (
        "import click, gounmal.cli.group as cli\n"
        "@cli.main.command()\n"
        "@cli.one_line_errors\n"
        "def talk():\n"
        "    for _ in range(100_000): click.echo('x' * 100)\n"
        "cli.main(['talk'])"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_interrupted_is_exit_code_1():
    code = (
        "import os, signal, gounmal.cli as cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # we may be in the background
        "from gounmal.moderator import Moderator\n"
        "Moderator.load = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.main(['moderate', 'x'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=dict(os.environ)
    )
    assert (done.returncode, done.stderr) == (1, b"\nAborted!\n")


def test_names_are_imported_when_they_are_asked_for():
    program = """
import sys
import gounmal
assert "numpy" not in sys.modules, "gounmal --help would wait for it"
assert gounmal.errors.InvalidArtifact.__mro__[1:3] == (gounmal.GounmalError, Exception)
from gounmal import *
assert Moderator is gounmal.Moderator is gounmal.moderator.Moderator
assert {"Moderator", "Label"} <= set(dir(gounmal))
assert not hasattr(gounmal, "Moderater")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
