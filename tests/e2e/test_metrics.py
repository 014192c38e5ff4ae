"""`/metrics` of a really served Bento with two workers."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "gounmal.json"
PRIVATE = "꼬리표"
TWO_WORKERS = json.dumps({"services": {"gounmal": {"workers": 2}}})

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def served(environment):
    with environment.serving(
        "bentoml", "serve", BENTOML_CONFIG_OVERRIDES=TWO_WORKERS, GOUNMAL_CACHE="50"
    ) as server:
        yield server


def scraped(server):
    """Series → value."""
    response = httpx.get(server.url + "/metrics", timeout=30)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert PRIVATE not in response.text
    lines = [line for line in response.text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def post(server, text):
    # A connection of its own, so that both workers get some.
    body = {"text": text, "id": PRIVATE, "channel": PRIVATE}
    return httpx.post(server.url + "/moderate", json=body, timeout=30)


def eventually(server, holds):
    """Workers write once a second."""
    for _ in range(20):
        if holds(found := scraped(server)):
            return found
        time.sleep(0.25)
    return found


def test_all_workers_are_counted_and_the_dashboard_names_what_there_is(served):
    assert len(served.workers()) == 2
    before = scraped(served)
    for i in range(40):
        assert post(served, f"{PRIVATE} 이 바보 멍청아 {i % 4}").status_code == 200
    httpx.post(served.url + "/moderate_many", json={"texts": [PRIVATE] * 40}, timeout=30)
    assert httpx.post(served.url + "/moderate", json={"text": 5}).status_code == 400

    def counted(found):
        decisions = [v for k, v in found.items() if k.startswith("gounmal_decisions_total")]
        return sum(decisions) == 80

    after = eventually(served, counted)
    assert counted(after)
    looked_up = after["gounmal_cache_hits_total"] + after["gounmal_cache_misses_total"]
    assert looked_up == 80
    assert after["gounmal_cache_hits_total"] >= 30
    assert after['gounmal_requests_total{door="/moderate",status="200"}'] == 40
    assert after['gounmal_requests_total{door="/moderate",status="400"}'] == 1
    assert after["gounmal_batch_tokens_sum"] > before["gounmal_batch_tokens_sum"] == 0
    assert after["gounmal_padded_tokens_total"] >= after["gounmal_batch_tokens_sum"]
    assert after["gounmal_queue_wait_seconds_count"] == after["gounmal_batch_messages_sum"]
    assert after["gounmal_forward_seconds_sum"] > 0
    resident = sum(worker.memory_info().rss for worker in served.workers())
    assert after["gounmal_memory_bytes"] == pytest.approx(resident, rel=0.2)
    assert any(series.startswith('gounmal_info{model="gounmal-ko:') for series in after)

    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    named = {name for one in expressions for name in re.findall(r"gounmal_\w+", one)}
    assert named
    assert named <= {series.partition("{")[0] for series in after}


def test_unknown_urls_add_no_series(served):
    for _ in range(4):  # one for each worker, and their doors
        httpx.get(served.url + "/nowhere")
        scraped(served)
    before = set(scraped(served))
    for i in range(100):
        assert httpx.get(f"{served.url}/{PRIVATE}/{i}?{PRIVATE}").status_code == 404
    assert set(scraped(served)) == before
