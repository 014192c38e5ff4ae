"""The ways to start serving, and what stops one from it."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import aiohttp
import httpx
import pytest

from gounmal.cores import fitting_workers

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.e2e


def judge(server, text):
    return httpx.post(server.url + "/moderate", json={"text": text}, timeout=30).json()


def test_plain_bentoml_serve_has_the_configuration_in_force(environment):
    with environment.serving("bentoml", "serve") as server:
        assert judge(server, "안녕하세요")["action"] == "allow"
        assert len(server.workers()) == fitting_workers()
        metrics = httpx.get(server.url + "/metrics").text
        assert 'le="0.002"' in metrics
    assert "/moderate" not in server.log.read_text()  # no line for each request


def test_the_operators_overrides_win(environment, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("mode: strict\nblocklist: [안녕]\n")
    overrides = {"services": {"gounmal": {"logging": {"access": {"enabled": True}}}}}
    with environment.serving(
        "bentoml",
        "serve",
        GOUNMAL_POLICY=str(policy),
        BENTOML_CONFIG_OVERRIDES=json.dumps(overrides),
    ) as server:
        decision = judge(server, "안녕하세요")
        assert (decision["reason"], decision["mode"]) == ("blocklist", "strict")
    assert "/moderate" in server.log.read_text()


def test_gounmal_serve_imports_the_model_and_serves(bare_environment):
    with bare_environment.serving("gounmal", "serve", "--workers", "2") as server:
        assert len(server.workers()) == 2
        assert judge(server, "안녕하세요")["model"].startswith("gounmal-ko:")


def stopped(done):
    """What a program that could not start said, in one line."""
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    return [line for line in done.stdout.splitlines() if "Error" in line]


def test_without_a_model_it_says_which_command_gets_one(bare_environment):
    [line] = stopped(bare_environment.run("bentoml", "serve", "--port", "0"))
    assert "no model gounmal-ko:latest in the Bento store" in line
    assert "`gounmal models import models/gounmal-ko`" in line
    assert stopped(bare_environment.run("bentoml", "build"))


def test_a_policy_with_a_typing_error_stops_it(environment, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("blocklst: [안녕]\n")
    done = environment.run("bentoml", "serve", "--port", "0", GOUNMAL_POLICY=str(policy))
    [line] = stopped(done)
    assert "blocklst" in line


def test_another_model_can_be_named(environment):
    [line] = stopped(environment.run("bentoml", "serve", "--port", "0", GOUNMAL_MODEL="mine:1"))
    assert "no model mine:1" in line


async def test_what_was_accepted_is_answered_when_it_is_told_to_stop(environment):
    texts = [f"안녕하세요 {i}" for i in range(1024)]
    with environment.serving("bentoml", "serve") as server:
        async with aiohttp.ClientSession() as session:

            async def ask():
                async with session.post(
                    server.url + "/moderate_many", json={"texts": texts}
                ) as response:
                    return response.status, len(await response.json())

            asked = [asyncio.ensure_future(ask()) for _ in range(4)]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert await asyncio.to_thread(server.stop) == 0
            answers = await asyncio.gather(*asked)
    assert answers == [(200, 1024)] * 4


def test_a_checkout_without_its_configuration_says_so(environment, tmp_path):
    shutil.copy(ROOT / "service.py", tmp_path)
    done = environment.run("bentoml", "serve", "--port", "0", cwd=tmp_path)
    [line] = stopped(done)
    assert "configuration.yaml" in line
