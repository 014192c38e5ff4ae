"""The garbage collector while a shard is judged: off, called once a chunk, then as it was."""

import gc
import json
import weakref

import pytest

from gounmal.errors import ScoringFailed
from gounmal.files.reader import CHUNK_ROWS
from gounmal.moderator import Moderator
from gounmal.scan.garbage import YOUNG, spared
from gounmal.scan.shards import ScanOptions, plan, run_shard


class Knot:
    """Refers to itself: only the collector finds it."""

    def __init__(self):
        self.me = self


@pytest.fixture
def collector():
    """Gives the generations that were collected so far; the collector is on again at the end."""
    found = []

    def told(phase, info):
        if phase == "start":
            found.append(info["generation"])

    gc.callbacks.append(told)
    yield found
    gc.callbacks.remove(told)
    gc.enable()


@pytest.mark.parametrize("was_on", [True, False])
def test_it_is_off_within_and_as_it_was_after(collector, was_on):
    (gc.enable if was_on else gc.disable)()
    with spared():
        assert not gc.isenabled()
        collector.clear()
        many = [[] for _ in range(100 * gc.get_threshold()[0])]
        assert collector == []
    assert gc.isenabled() is was_on
    assert len(many) == 100 * gc.get_threshold()[0]


@pytest.mark.usefixtures("collector")
def test_it_is_as_it_was_after_a_failure():
    with pytest.raises(ScoringFailed), spared():
        raise ScoringFailed("engine: out of sorts")
    assert gc.isenabled()


def test_what_is_new_is_collected_when_asked_for():
    with spared() as collect:
        knot = weakref.ref(Knot())
        assert knot() is not None
        collect()
        assert knot() is None


def test_a_shard_collects_after_each_chunk(tmp_path, fake_scorer, collector):
    lines = [json.dumps({"text": str(i)}) for i in range(3 * CHUNK_ROWS)]
    made, moderator = planned(tmp_path, lines, fake_scorer)
    seen = []

    def on_progress(_rows, _done):
        seen.append((gc.isenabled(), list(collector)))

    run_shard(made, 0, moderator, tmp_path / "work", on_progress=on_progress)
    assert [on for on, _ in seen] == [False] * 3
    (_, first), (_, second), (_, third) = seen
    assert (second, third) == ([*first, YOUNG], [*first, YOUNG, YOUNG])
    assert collector[len(third)] == YOUNG
    assert gc.isenabled()


@pytest.mark.usefixtures("collector")
def test_a_shard_that_fails_leaves_the_collector_on(tmp_path, fake_scorer, monkeypatch):
    def score(_texts):
        raise ScoringFailed("engine: out of sorts")

    monkeypatch.setattr(fake_scorer, "score", score)
    made, moderator = planned(tmp_path, ['{"text": "a"}', '{"text": "b"}'], fake_scorer)
    with pytest.raises(ScoringFailed):
        run_shard(made, 0, moderator, tmp_path / "work")
    assert gc.isenabled()


def planned(folder, lines, scorer):
    """A plan for a JSONL file of these lines, and who judges it."""
    (folder / "chat.jsonl").write_text("\n".join(lines), encoding="utf-8")
    moderator = Moderator(scorer)
    options = ScanOptions.of(moderator)
    return plan([str(folder / "chat.jsonl")], str(folder / "out"), options=options), moderator
