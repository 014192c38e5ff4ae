"""What is counted, and what Prometheus sees of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from gounmal import __version__
from gounmal.errors import Overloaded
from gounmal.moderator import Moderator
from gounmal.online.decide import Online
from gounmal.online.exposition import Exporter, Histogram
from gounmal.online.scrape import Metrics
from gounmal.online.telemetry import Distribution
from gounmal.schema import LABELS, Action, Message

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "gounmal.json"
PRIVATE = "비밀문장"


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
async def online(fake_scorer):
    online = Online(Moderator(fake_scorer), cache=10)
    yield online
    await online.close()


def value(registry, name, **labels):
    return registry.get_sample_value(f"gounmal_{name}", labels)


def series(registry):
    return {line.rpartition(" ")[0] for line in generate_latest(registry).decode().splitlines()}


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0.1, 50), min_size=1, unique=True))
def test_a_histogram_of_many_values_at_once_is_that_of_each(values, bounds):
    bounds = tuple(sorted(bounds))
    together, alone = CollectorRegistry(), CollectorRegistry()
    many = Histogram("h", "h", buckets=bounds, registry=together)
    one_by_one = Histogram("h", "h", buckets=bounds, registry=alone)
    noted = Distribution(bounds)
    for each in values:
        noted.add(each)
        one_by_one.observe(each)
    many.add(noted)
    many.add(noted)  # nothing new
    for bound in map(str, bounds):
        got = together.get_sample_value("h_bucket", {"le": bound})
        assert got == alone.get_sample_value("h_bucket", {"le": bound})
    assert together.get_sample_value("h_count") == len(values)
    assert together.get_sample_value("h_sum") == pytest.approx(sum(values))


async def test_everything_that_happens_is_counted(online, registry):
    exporter = Exporter(online, registry)
    await online.moderate(Message("이 바보야", id=PRIVATE))
    await online.moderate_many([Message("이 바보야"), Message("안녕"), Message("오랑캐")])
    exporter.write()
    assert value(registry, "cache_hits_total") == 1
    assert value(registry, "cache_misses_total") == 3
    assert value(registry, "cache_entries") == 3
    assert value(registry, "decisions_total", action="allow") == 1
    assert value(registry, "labels_total", label="insult") == 2
    assert value(registry, "labels_total", label="hate/origin") == 1
    assert value(registry, "batch_messages_count") == 2
    assert value(registry, "batch_messages_sum") == 3
    assert value(registry, "queue_wait_seconds_count") == 3
    assert value(registry, "queue_messages") == 0
    assert value(registry, "memory_bytes") > 1e6
    assert value(registry, "info", model="fake:1", version=__version__) == 1
    exporter.write()
    assert value(registry, "cache_misses_total") == 3


async def test_what_was_refused_is_counted(fake_scorer, registry):
    online = Online(Moderator(fake_scorer))
    exporter = Exporter(online, registry)
    await online.close()
    with pytest.raises(Overloaded):
        await online.moderate_many([Message(PRIVATE)] * 3)
    exporter.write()
    assert value(registry, "shed_total") == 3


async def test_labels_are_a_closed_set_from_the_start(online, registry):
    exporter = Exporter(online, registry)
    before = series(registry)
    for i in range(30):
        await online.moderate(Message(f"{PRIVATE} 바보 {i}", id=PRIVATE, channel=PRIVATE))
    exporter.write()
    assert series(registry) == before
    assert PRIVATE not in generate_latest(registry).decode()
    for action in Action:
        assert value(registry, "decisions_total", action=action) is not None
    for label in LABELS:
        assert value(registry, "labels_total", label=label) is not None


async def test_stopping_writes_what_is_left(online, registry):
    exporter = Exporter(online, registry)
    exporter.start()
    await online.moderate(Message("안녕"))
    exporter.stop()
    assert value(registry, "cache_misses_total") == 1


async def call(app, path, status=200, method="GET"):
    sent = []

    async def send(event):
        sent.append(event)

    scope = {"type": "http", "method": method, "path": path, "status": status}
    await app(scope, None, send)
    return sent


async def answering(scope, receive, send):
    del receive
    await send({"type": "http.response.start", "status": scope["status"], "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_metrics_are_only_looked_at(registry):
    app = Metrics(answering, registry)
    for method, status in (("GET", 200), ("HEAD", 200), ("POST", 405), ("TRACE", 405)):
        start, body = await call(app, "/metrics", method=method)
        assert start["status"] == status
        assert bool(body["body"]) == (status == 200)


async def test_requests_are_counted_by_door_and_unknown_paths_add_nothing(registry):
    app = Metrics(answering, registry)
    await call(app, "/moderate")
    await call(app, "/moderate", 429)
    await call(app, "/nowhere", 404)
    await call(app, "/metrics")
    await call(app, "/metrics")
    before = series(registry)
    for i in range(50):
        await call(app, f"/{PRIVATE}/{i}", 404)
    sent = await call(app, "/metrics")
    assert series(registry) == before
    assert value(registry, "requests_total", door="/moderate", status="200") == 1
    assert value(registry, "requests_total", door="/moderate", status="429") == 1
    assert value(registry, "requests_total", door="other", status="404") == 51
    assert value(registry, "request_seconds_count", door="other") == 51
    assert sent[0]["status"] == 200
    assert b'door="other",status="404"} 51.0' in sent[1]["body"]
    assert PRIVATE not in sent[1]["body"].decode()


async def test_a_job_is_no_door_of_its_own_and_a_clouds_path_is(registry):
    app = Metrics(answering, registry, doors=["/invocations"])
    for path in ("/jobs", "/jobs/one", "/jobs/two/result", "/invocations"):
        await call(app, path)
    await call(app, "/metrics")
    assert value(registry, "requests_total", door="/jobs", status="200") == 3
    assert value(registry, "requests_total", door="/invocations", status="200") == 1


async def test_what_is_no_request_passes(registry):
    seen = []

    async def app(scope, receive, send):
        del receive, send
        seen.append(scope["type"])

    metrics = Metrics(app, registry)
    for kind in ("lifespan", "websocket"):
        await metrics({"type": kind}, None, None)
    assert seen == ["lifespan", "websocket"]


async def test_the_dashboard_names_what_there_is(online, registry):
    Exporter(online, registry)
    Metrics(answering, registry).write()
    there = {sample.name for family in registry.collect() for sample in family.samples}
    there.add("gounmal_requests_total")  # from the first answer on
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    named = {name for one in expressions for name in re.findall(r"gounmal_\w+", one)}
    assert named <= there
    # And leaves nothing out that is counted.
    families = {family.name for family in registry.collect()}
    assert all(any(name.startswith(family) for name in named) for family in families)
