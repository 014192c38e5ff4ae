"""The whole of `python -m train`, on the smoke data."""

import json

import pytest
from click.testing import CliRunner

from gounmal import Moderator
from gounmal.schema import LABELS, Mode
from train import __main__ as program


def run(folder, *options):
    arguments = ["--smoke", "--no-store", "--out", str(folder), *map(str, options)]
    return CliRunner().invoke(program.main, arguments, catch_exceptions=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    result = run(folder, "--version", "1.2.3", "--test")
    assert result.exit_code == 0, result.output
    return folder, json.loads((folder / "metrics.json").read_bytes()), result


def test_smoke_run_makes_an_artifact_that_moderates(trained):
    folder, _, _ = trained
    lines = ["안녕하세요 배송 언제 와요?", "씨발 꺼져 병신새끼야"]
    clean, abusive = Moderator.load(folder).moderate(lines)
    assert clean.model == "gounmal-ko:1.2.3"
    assert sum(abusive.scores.values()) > sum(clean.scores.values())


def test_smoke_run_measures_model_and_floor_on_the_same_texts(trained):
    _, metrics, _ = trained
    for split in ("dev", "test"):
        for label in LABELS:
            model, floor = (metrics[who][split]["labels"][label] for who in ("model", "floor"))
            assert model["n"] == floor["n"] > 0
            assert set(model["modes"]) == set(floor["modes"]) == set(Mode)
    assert metrics["origin"]["smoke"] is True
    assert metrics["origin"]["seconds"]["train"] > 0
    assert metrics["parity"]["decisions_equal"] > 0.9
    assert {source["folder"] for source in metrics["sources"]} >= {"kodoli", "nsmc"}


def test_smoke_run_writes_card_tables_and_thresholds_of_the_artifact(trained):
    folder, metrics, result = trained
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Smoke run" in card
    assert "## Results on the test split" in card
    config = json.loads((folder / "config.json").read_bytes())
    assert config["thresholds"] == metrics["thresholds"]
    assert config["metadata"]["seed"] == "0"
    assert "### Benchmarks, dev split, balanced" in result.stdout


def test_same_seed_and_data_give_the_same_model(trained, tmp_path):
    folder, metrics, _ = trained
    assert run(tmp_path, "--version", "1.2.3", "--test").exit_code == 0
    again = json.loads((tmp_path / "metrics.json").read_bytes())
    for key in ("model", "floor", "thresholds", "spans", "splits", "sources"):
        assert again[key] == metrics[key]
    name = "vocabulary.npy"
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_missing_source_is_one_clear_line(tmp_path):
    result = CliRunner().invoke(program.main, ["--data", str(tmp_path), "--no-store"])
    assert result.exit_code == 1
    assert "kodoli.csv: no such file" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_unknown_checkpoint_is_one_clear_line(tmp_path):
    (tmp_path / "base").mkdir()
    result = CliRunner().invoke(
        program.main, ["--smoke", "--no-store", "--base", str(tmp_path / "base")]
    )
    assert result.exit_code == 1
    assert "Traceback" not in result.output
