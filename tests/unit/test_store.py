"""Models in the Bento store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bentoml.exceptions import NotFound
from hypothesis import given
from hypothesis import strategies as st

from gounmal.errors import InvalidArtifact, ModelNotFound
from gounmal.model import store
from gounmal.model.locate import locate
from gounmal.schema import LABELS, Mode

REMEDY = "gounmal models import models/gounmal-ko"


@pytest.fixture(autouse=True)
def bento_store(tmp_path):
    """An empty store for each test."""
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.models import ModelStore

    folder = tmp_path / "store"
    folder.mkdir()
    BentoMLContainer.model_store.set(ModelStore(folder))
    yield folder
    BentoMLContainer.model_store.reset()


@pytest.fixture(autouse=True)
def no_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "not-there")


def artifact(folder: Path, *, version="1", name="gounmal-ko", weights=b"weights"):
    config = {
        "format": 1,
        "name": name,
        "version": version,
        "labels": list(LABELS),
        "encoder": "ngrams",
        "scale": [1] * len(LABELS),
        "shift": [0] * len(LABELS),
        "thresholds": {mode: dict.fromkeys(LABELS, 0.5) for mode in Mode},
        "span_threshold": 0.5,
        "metadata": {"trained_on": "nothing"},
    }
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.onnx").write_bytes(weights)
    (folder / "sub" / "card.md").write_text("card")
    (folder / ".DS_Store").write_text("no part of it")
    return folder


def test_an_artifact_goes_in_and_is_found_and_listed(tmp_path):
    folder = artifact(tmp_path / "a", version="7")
    assert store.import_artifact(folder) == "gounmal-ko:7"

    found = store.find()
    assert found != folder
    assert (found / "model.onnx").read_bytes() == b"weights"
    assert (found / "sub" / "card.md").read_text() == "card"
    assert not (found / ".DS_Store").exists()
    assert store.find("gounmal-ko") == store.find("gounmal-ko:7") == found
    [listed] = store.list_models()
    assert (listed.tag, listed.folder, listed.labels["taxonomy"]) == ("gounmal-ko:7", found, "v1")
    assert listed.size_bytes >= len(b"weights")


def test_importing_again_changes_nothing(tmp_path):
    folder = artifact(tmp_path / "a")
    store.import_artifact(folder)
    [before] = store.list_models()
    assert store.import_artifact(folder) == before.tag
    assert store.list_models() == [before]


def test_one_tag_never_stands_for_two_things(tmp_path):
    store.import_artifact(artifact(tmp_path / "a"))
    other = artifact(tmp_path / "b", weights=b"other weights")
    with pytest.raises(InvalidArtifact, match="other files as gounmal-ko:1"):
        store.import_artifact(other)
    assert (store.find() / "model.onnx").read_bytes() == b"weights"


def test_the_newest_is_the_default(tmp_path):
    for version in ("2", "10", "1"):
        store.import_artifact(artifact(tmp_path / version, version=version))
    store.import_artifact(artifact(tmp_path / "else", name="something-else"))
    assert store.find().name == "1"
    assert [m.tag.partition(":")[2] for m in store.list_models()] == ["1", "1", "10", "2"]


def test_what_is_no_artifact_is_refused(tmp_path):
    with pytest.raises(InvalidArtifact, match=r"no config\.json"):
        store.import_artifact(tmp_path)
    assert store.list_models() == []


def test_a_folder_is_found_as_it_is(tmp_path):
    assert locate(tmp_path) == locate(str(tmp_path)) == tmp_path


def test_the_shipped_artifact_stands_in_for_an_empty_store(tmp_path, monkeypatch):
    shipped = artifact(tmp_path / "shipped")
    monkeypatch.setattr(store, "SHIPPED", shipped)
    assert locate() == store.find() == shipped
    assert store.ensure_default() == "gounmal-ko:1"
    assert store.ensure_default() is None
    assert store.find().parent.name == "gounmal-ko"


@pytest.mark.parametrize("model", [None, "nobody", "gounmal-ko:9", "no tag!", Path("nowhere")])
def test_what_is_not_there_comes_with_the_remedy(model):
    with pytest.raises(ModelNotFound, match=REMEDY):
        locate(model)


def test_nothing_to_import_comes_with_the_remedy():
    with pytest.raises(ModelNotFound, match=REMEDY):
        store.ensure_default()


@given(st.text(max_size=20).filter(lambda name: not Path(name.replace("\0", "")).is_dir()))
def test_no_name_of_a_model_is_more_than_not_found(name):
    with pytest.raises(ModelNotFound):
        locate(name or "x")


def test_a_services_reference_looks_in_the_store_only(tmp_path):
    reference = store.ModelReference("gounmal-ko:latest")
    with pytest.raises(NotFound, match=REMEDY):
        reference.resolve()
    store.import_artifact(artifact(tmp_path / "a"))
    assert str(reference.resolve().tag) == "gounmal-ko:1"
