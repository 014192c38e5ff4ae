"""The remote runner: questions, answers, and what a door makes of them."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from aiohttp import ServerDisconnectedError
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from gounmal.errors import InvalidConfiguration, ScoringFailed
from gounmal.model.classifier import Classifier
from gounmal.model.encoder import Encoded
from gounmal.moderator import Moderator
from gounmal.online.decide import Online
from gounmal.online.remote import RemoteScorer, reach
from gounmal.online.remote_wire import Answer, Question, Status, digest
from gounmal.online.runner import Runner
from gounmal.online.scorer import Bytes, ScorerService, answer
from gounmal.schema import LABELS, Message
from gounmal.text.normalize import normalize

ARTIFACT = Path(__file__).parents[2] / "models" / "gounmal-ko"
LINES = [
    "안녕하세요",
    "이 바보 멍청아",
    "",
    "ㅋㅋㅋㅋ",
    "시발점이 어디예요?",
    "a\0b",
    "꺼 져",
    "\u200b",
]


@pytest.fixture(scope="module")
def classifier():
    return Classifier.load(ARTIFACT)


def remote(classifier, call=None, **more):
    """A door's scorer, by default with the network at hand."""

    async def at_once(question):
        [content] = answer([question], classifier)
        return content

    return RemoteScorer(classifier.config, classifier.encoder, call or at_once, **more)


def question(classifier, lines, *, echo=7, model=None):
    encoded = classifier.encoder.encode([normalize(line) for line in lines])
    model = digest(classifier.tag) if model is None else model
    return Question(echo, model, encoded)


def alike(got, expected):
    """Equal, but for the last digit of scores: the engine rounds otherwise in another batch."""
    got, expected = got.to_dict(), expected.to_dict()
    assert got | {"scores": None} == expected | {"scores": None}
    assert got["scores"] == pytest.approx(expected["scores"], abs=2e-4)


arrays = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(st.lists(st.integers(0, 9), max_size=9), st.sampled_from([0, 1, 15]), arrays)
def test_a_question_arrives_as_it_was_sent(lengths, width, random):
    shape = (sum(lengths), width) if width else (sum(lengths),)
    encoded = Encoded(random.integers(0, 2**31, shape, np.int32), np.array(lengths, np.int64))
    got = Question.from_bytes(Question(2**64 - 1, 3, encoded).to_bytes())
    assert (got.echo, got.model) == (2**64 - 1, 3)
    np.testing.assert_array_equal(got.encoded.ids, encoded.ids, strict=True)
    np.testing.assert_array_equal(got.encoded.lengths, encoded.lengths, strict=True)


@given(st.integers(0, 9), st.integers(0, 20), arrays)
def test_an_answer_arrives_as_it_was_sent(messages, tokens, random):
    scores = random.random((messages, len(LABELS)), np.float32)
    evidence = random.random((tokens, len(LABELS)), np.float32)
    sent = Answer(5, Status.SCORED, scores, evidence, seconds=0.25, padded=9)
    got = Answer.from_bytes(sent.to_bytes())
    assert (got.echo, got.status, got.seconds, got.padded) == (5, Status.SCORED, 0.25, 9)
    np.testing.assert_array_equal(got.scores, scores, strict=True)
    np.testing.assert_array_equal(got.evidence, evidence, strict=True)


@given(st.binary(max_size=200), st.data())
def test_what_breaks_off_or_is_none_is_refused(noise, data):
    encoded = Encoded(np.ones((5, 15), np.int32), np.array([2, 3]))
    floats = np.ones((2, 9), np.float32)
    whole = Question(1, 2, encoded).to_bytes(), Answer(1, Status.SCORED, floats, floats).to_bytes()
    for kind, content in zip((Question, Answer), whole, strict=True):
        cut = data.draw(st.integers(0, len(content) - 1))
        for bad in (noise, content[:cut], content + noise + b"x", b"x" + content[1:]):
            with pytest.raises(ScoringFailed):
                kind.from_bytes(bad)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 64])
async def test_a_door_decides_as_the_core_does(classifier, size):
    online = Online(Moderator(remote(classifier)))
    messages = [Message(line, id=str(i)) for i, line in enumerate((LINES * size)[:size])]
    expected = Moderator(classifier).moderate(messages)
    listed = await online.moderate_many(messages)
    single = await asyncio.gather(*(online.moderate(message) for message in messages))
    for got, other, right in zip(listed, single, expected, strict=True):
        alike(got, right)
        alike(other, right)
    await online.close()


async def test_it_is_never_run_on_the_loop_and_is_counted(classifier):
    online = Online(Moderator(remote(classifier)))
    await online.warm_up()
    await online.moderate(Message("이 바보 멍청아"))
    assert sum(online.recorder.messages.counts) == 1
    assert online.recorder.tokens.total == 8
    assert online.recorder.padded_tokens >= 8
    assert online.recorder.forward.total > 0
    await online.close()


def test_questions_of_many_doors_go_together_and_each_gets_its_own(classifier):
    lines = [[f"{line} {door}" for line in LINES[: door % 4]] for door in range(12)]
    asked = [question(classifier, some, echo=door) for door, some in enumerate(lines)]
    passes = classifier.work.passes
    answers = [Answer.from_bytes(c) for c in answer([q.to_bytes() for q in asked], classifier)]
    together = classifier.work.passes - passes
    assert [a.echo for a in answers] == list(range(12))
    for one, some in zip(answers, lines, strict=True):
        right = classifier.score([normalize(line) for line in some])
        assert len(one.scores) == len(right)
        for got, expected in zip(one.scores, right, strict=True):
            np.testing.assert_allclose(got, expected.scores, atol=2e-4)
    assert together < classifier.work.passes - passes - together
    assert sum(a.padded for a in answers) >= sum(len(q.encoded.ids) for q in asked)


def test_only_what_is_bad_itself_is_not_scored(classifier):
    good = question(classifier, ["안녕", "이 바보"])
    bad = question(classifier, ["안녕", "이 바보", "꺼져"])
    bad.encoded.ids[3] = 2**31 - 1  # of the second message: no such n-gram
    other = question(classifier, ["안녕"], model=1)
    contents = [good.to_bytes(), bad.to_bytes(), b"noise", other.to_bytes(), good.to_bytes()]
    answers = [Answer.from_bytes(content) for content in answer(contents, classifier)]
    scored, unreadable = Status.SCORED, Status.UNREADABLE
    assert [a.status for a in answers] == [scored, scored, unreadable, Status.OTHER_MODEL, scored]
    could = [np.isfinite(a.scores).all(axis=1).tolist() for a in answers]
    assert could == [[True, True], [True, False, True], [], [], [True, True]]


async def test_a_message_that_cannot_be_scored_fails_alone(classifier):
    async def without_the_second(content):
        [scored] = answer([content], classifier)
        answered = Answer.from_bytes(scored)
        scores = answered.scores.copy()
        scores[1:2] = np.nan
        return replace(answered, scores=scores).to_bytes()

    online = Online(Moderator(remote(classifier, without_the_second)))
    asked = [online.moderate(Message(line)) for line in ("가", "나", "다")]
    first, second, third = await asyncio.gather(*asked, return_exceptions=True)
    assert (first.masked, third.masked) == ("가", "다")
    assert isinstance(second, ScoringFailed)
    assert online.recorder.failed == 1
    await online.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda a: replace(a, echo=a.echo ^ 1),
        lambda a: replace(a, status=Status.UNREADABLE),
        lambda a: replace(a, status=Status.OTHER_MODEL),
        lambda a: replace(a, scores=a.scores[:-1]),
        lambda a: replace(a, evidence=a.evidence[:-1]),
        lambda a: replace(a, scores=a.scores[:, :-1], evidence=a.evidence[:, :-1]),
    ],
    ids=["another's", "refused", "other model", "fewer messages", "fewer tokens", "fewer labels"],
)
async def test_an_answer_to_something_else_is_given_to_nobody(classifier, change):
    async def changed(content):
        [scored] = answer([content], classifier)
        return change(Answer.from_bytes(scored)).to_bytes()

    scorer = remote(classifier, changed)
    with pytest.raises(ScoringFailed):
        await scorer.ask([normalize("안녕"), normalize("이 바보")])


async def test_a_lost_connection_is_tried_once_more_and_silence_ends(classifier):
    calls = count()

    async def losing(content, *, every):
        if next(calls) % every == 0:
            raise ServerDisconnectedError
        [scored] = answer([content], classifier)
        return scored

    text = normalize("안녕")
    await remote(classifier, lambda c: losing(c, every=2)).ask([text])
    assert next(calls) == 2
    with pytest.raises(ScoringFailed, match="ServerDisconnectedError"):
        await remote(classifier, lambda c: losing(c, every=1)).ask([text])
    assert next(calls) == 5
    with pytest.raises(ScoringFailed, match="TimeoutError"):
        await remote(classifier, lambda _: asyncio.sleep(60), patience=0.01).ask([text])


async def test_it_waits_until_the_scorer_is_there(classifier):
    there = threading.Event()

    async def call(content):
        if not there.is_set():
            there.set()
            raise ConnectionRefusedError
        raise ValueError(content)

    with pytest.raises(ScoringFailed, match="ValueError"):
        await remote(classifier, call).wait(0)
    await remote(classifier).wait()


async def test_other_threads_can_use_it_like_any_scorer(classifier):
    moderator = Moderator(remote(classifier))
    decisions = await asyncio.to_thread(moderator.moderate, LINES)
    for got, right in zip(decisions, Moderator(classifier).moderate(LINES), strict=True):
        alike(got, right)


async def test_without_a_process_of_its_own_there_is_no_remote_runner():
    with pytest.raises(InvalidConfiguration, match="--development"):
        await reach(ScorerService(), ARTIFACT)


async def test_nothing_is_unpickled_whatever_it_is_called():
    async def receive():
        return {"type": "http.request", "body": b"\x80\x05N."}

    headers = [(b"content-type", b"application/vnd.bentoml+pickle")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    assert await Bytes.from_http_request(request, None) == [b"\x80\x05N."]
    response = await Bytes.to_http_response([b"\0"], None)
    assert (response.body, response.media_type) == (b"\0", "application/octet-stream")


def test_bentoml_is_told_what_makes_it_safe():
    method = ScorerService.apis["score"]
    assert method.batchable
    assert method.max_latency_ms >= 60_000
    assert ScorerService.config["runner_connection"] == {"max_requests": 10**9, "max_age": 1e9}


@pytest.mark.parametrize("fails", [False, True])
async def test_a_coroutine_function_is_awaited_and_not_asked_again(fails):
    calls = []

    async def run(items):
        calls.append(list(items))
        await asyncio.sleep(0)
        if fails:
            raise ValueError("secret text")
        return [ScoringFailed("this one") if item == 1 else 2 * item for item in items]

    runner = Runner(run, cost=lambda _: 1, max_batch_cost=10, max_queue_cost=100)
    runner.on_loop = True
    found = await asyncio.gather(*(runner.submit([i]) for i in range(3)), return_exceptions=True)
    await runner.close()
    assert calls == [[0, 1, 2]]
    failed = [isinstance(one, ScoringFailed) for one in found]
    assert failed == ([True] * 3 if fails else [False, True, False])
    assert "secret" not in str(found)
