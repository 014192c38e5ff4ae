"""Keys, limits, and who needs a key where."""

from __future__ import annotations

import os
import socket
import time

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.errors import InvalidConfiguration
from gounmal.gate import keys as room
from gounmal.gate.browsers import is_this_machine
from gounmal.gate.exposure import Exposure, asked_host, is_local, listening, only_local
from gounmal.gate.keys import Keys
from gounmal.gate.limits import CALLERS_BUCKET, Bucket, retry_after, spend

ONE, TWO, THREE = "one-key-of-sixteen", "two-key/of+sixteen=", "three.key~of_sixteen"


def test_every_form_of_a_key_is_known_by_its_name():
    known = Keys(f" shop:{ONE}, {TWO}\n{THREE},")
    assert known.names == ["shop", "key-2", "key-3"]
    assert [known.name_of(key.encode()) for key in (ONE, TWO, THREE)] == known.names


@given(st.binary(max_size=600))
def test_no_other_bytes_are_a_key(presented):
    expected = "shop" if presented == ONE.encode() else None
    assert Keys(f"shop:{ONE}").name_of(presented) == expected


@pytest.mark.parametrize(
    "presented", [b"", ONE[:-1].encode(), ONE.encode() + b" ", f"shop:{ONE}".encode(), b"shop"]
)
def test_what_is_nearly_a_key_is_none(presented):
    assert Keys(f"shop:{ONE}").name_of(presented) is None


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ("short", "key 1"),
        (f"{ONE},fifteen-letters", "key 2"),
        (f"a b:{ONE}", "key 1"),
        (f"one:two:{ONE}", "key 1"),
        (f":{ONE}", "key 1"),
        (f"{ONE}!", "key 1"),
        ("가" * 16, "key 1"),
        ("a" * 513, "key 1"),
        (f"{ONE},{TWO},{ONE}", "key 3"),
        (f"shop:{ONE},shop:{TWO}", "key 2"),
    ],
)
def test_a_bad_key_is_named_by_its_place_and_not_quoted(written, where):
    with pytest.raises(InvalidConfiguration, match=rf"^GOUNMAL_API_KEYS, {where}: ") as raised:
        Keys(written)
    for secret in (ONE, TWO, "short", "fifteen-letters"):
        assert secret not in str(raised.value)


def test_keys_are_not_kept():
    known = Keys(f"shop:{ONE}")
    assert ONE not in repr(vars(known))
    assert ONE.encode() not in b"".join(known._names)


def swap(file, content):
    """Write a file as a secret's volume does: beside it, then in its place."""
    fresh = file.with_suffix(".new")
    fresh.write_text(content)
    fresh.replace(file)


def test_a_file_of_keys_is_read_again(tmp_path, caplog):
    file = tmp_path / "keys"
    file.write_text(f"# who may call\nshop:{ONE}  # since May\n\n{TWO}\n")
    known = Keys(f"own:{THREE}", file)
    assert known.names == ["own", "shop", "key-3"]
    swap(file, f"shop-2:{TWO}\n")
    known._look(file)
    assert known.name_of(ONE.encode()) is None
    assert known.name_of(TWO.encode()) == "shop-2"
    assert known.name_of(THREE.encode()) == "own"
    [record] = caplog.records
    assert record.getMessage().endswith("keys now: own, shop-2")
    swap(file, "")
    known._look(file)
    assert known.name_of(TWO.encode()) is None
    assert not any(secret in caplog.text for secret in (ONE, TWO, THREE))


@pytest.mark.parametrize("broken", ["short\n", "\xff", None])
def test_a_file_that_breaks_leaves_the_keys(tmp_path, caplog, broken):
    file = tmp_path / "keys"
    file.write_text(ONE)
    known = Keys(file=file)
    if broken is None:
        file.unlink()
    else:
        file.write_bytes(broken.encode("latin-1"))
    for _ in range(3):
        known._look(file)
        assert known.name_of(ONE.encode()) == "key-1"
    assert len(caplog.records) == 1  # it is not said every time
    assert "keys from before hold" in caplog.text
    swap(file, TWO)
    known._look(file)
    assert known.name_of(TWO.encode()) == "key-1"
    assert known.name_of(ONE.encode()) is None


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A file of one key, looked at a hundred times a second."""
    monkeypatch.setattr(room, "LOOK_AGAIN_S", 0.01)
    file = tmp_path / "keys"
    file.write_text(ONE)
    known = Keys(file=file)
    known.watch()
    return file, known


def heard(caplog, said):
    until = time.monotonic() + 10
    while said not in caplog.text and time.monotonic() < until:
        time.sleep(0.01)
    assert said in caplog.text


def test_a_revoked_key_stays_out_of_a_gate_that_nobody_called(watched, caplog):
    """Whoever looks at the file only when called misses the version that revoked it."""
    file, known = watched
    swap(file, TWO)
    heard(caplog, "has changed")
    swap(file, "short")
    heard(caplog, "keys from before hold")
    assert known.name_of(ONE.encode()) is None
    assert known.name_of(TWO.encode()) == "key-1"


def test_a_look_that_fails_is_not_the_last(watched, caplog, monkeypatch):
    file, known = watched
    read = Keys._read

    def failing(*_):
        monkeypatch.setattr(Keys, "_read", read)
        raise MemoryError

    monkeypatch.setattr(Keys, "_read", failing)
    swap(file, TWO)
    heard(caplog, "could not be looked at")
    heard(caplog, "has changed")
    assert known.name_of(ONE.encode()) is None
    assert known.name_of(TWO.encode()) == "key-1"


def test_a_file_is_watched_once(watched):
    _, known = watched
    first = known._watcher
    known.watch()
    assert known._watcher is first


@pytest.mark.parametrize("content", [None, "short", "\xff"])
def test_a_file_that_is_wrong_at_the_start_is_refused(tmp_path, content):
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidConfiguration, match="keys"):
        Keys(file=file)


# Limits.


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_bucket_lets_a_burst_in_and_then_the_rate():
    clock = Clock()
    bucket = Bucket(10, 5, clock)
    for _ in range(5):
        assert bucket.wait_s(1) == 0
        bucket.spend(1)
    assert bucket.wait_s(1) == pytest.approx(0.1)
    clock.now = 0.25
    assert bucket.wait_s(1) == 0
    assert bucket.wait_s(3) == pytest.approx(0.05)
    clock.now = 1000
    assert bucket.wait_s(5) == 0
    assert bucket.wait_s(6) == pytest.approx(0.1)  # no more than the burst


def test_a_debt_is_waited_off():
    bucket = Bucket(10, 5, clock := Clock())
    bucket.spend(105)
    assert bucket.wait_s() == pytest.approx(10)
    assert retry_after(bucket.wait_s(1)) == 11
    clock.now = 10.1
    assert bucket.wait_s(1) == pytest.approx(0)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 50)), max_size=30))
def test_no_more_goes_through_than_burst_and_rate_allow(asked):
    bucket = Bucket(7, 20, clock := Clock())
    spent = 0
    for pause, lines in asked:
        clock.now += pause
        if bucket.wait_s(lines) == 0:
            bucket.spend(lines)
            spent += lines
    assert spent <= 20 + 7 * clock.now + 1e-6


def test_lines_are_counted_against_whoever_is_being_answered():
    spend(5)  # nobody is: nothing happens
    bucket = Bucket(1, 10, Clock())
    token = CALLERS_BUCKET.set(bucket)
    spend(12)
    CALLERS_BUCKET.reset(token)
    assert bucket.wait_s() == pytest.approx(2)


# Exposure.


def test_nothing_said_is_nothing_allowed():
    assert Exposure.read({}) == Exposure(None, False, False, None, 1024, ())


def test_all_of_it_is_read(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"shop:{TWO}")
    exposure = Exposure.read(
        {
            "GOUNMAL_API_KEYS": f"own:{ONE}",
            "GOUNMAL_API_KEYS_FILE": str(file),
            "GOUNMAL_METRICS_OPEN": "1",
            "GOUNMAL_RATE": "0.5:20",
            "GOUNMAL_IN_FLIGHT": "8",
            "GOUNMAL_CORS_ORIGINS": "https://a.example, http://127.0.0.1:8080,http://[::1]:1",
        }
    )
    assert exposure.keys.names == ["own", "shop"]
    assert (exposure.open, exposure.metrics_open) == (False, True)
    assert (exposure.rate, exposure.in_flight) == ((0.5, 20), 8)
    assert exposure.origins == ("https://a.example", "http://127.0.0.1:8080", "http://[::1]:1")


def test_a_rate_without_a_burst_lets_a_full_list_in():
    assert Exposure.read({"GOUNMAL_RATE": "200"}).rate == (200, 1024)
    assert Exposure.read({"GOUNMAL_RATE": "5000"}).rate == (5000, 5000)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"GOUNMAL_OPEN": "yes"}, "GOUNMAL_OPEN: expected 1"),
        ({"GOUNMAL_METRICS_OPEN": "true"}, "GOUNMAL_METRICS_OPEN: expected 1"),
        ({"GOUNMAL_OPEN": "1", "GOUNMAL_API_KEYS": ONE}, "one of the two"),
        ({"GOUNMAL_API_KEYS": " , "}, "at least one"),
        ({"GOUNMAL_API_KEYS_FILE": "/nowhere/keys"}, "/nowhere/keys: No such file"),
        ({"GOUNMAL_RATE": "0"}, "GOUNMAL_RATE"),
        ({"GOUNMAL_RATE": "fast"}, "GOUNMAL_RATE"),
        ({"GOUNMAL_RATE": "1:0"}, "GOUNMAL_RATE"),
        ({"GOUNMAL_RATE": "-1"}, "GOUNMAL_RATE"),
        ({"GOUNMAL_IN_FLIGHT": "0"}, "GOUNMAL_IN_FLIGHT"),
        ({"GOUNMAL_IN_FLIGHT": "many"}, "GOUNMAL_IN_FLIGHT"),
        ({"GOUNMAL_CORS_ORIGINS": "*"}, "expected origins"),
        ({"GOUNMAL_CORS_ORIGINS": "https://a.example/chat"}, "expected origins"),
        ({"GOUNMAL_CORS_ORIGINS": "a.example"}, "expected origins"),
        ({"GOUNMAL_CLOUD": "azure"}, "GOUNMAL_CLOUD"),
    ],
)
def test_what_cannot_be_said_is_refused(environ, said):
    with pytest.raises(InvalidConfiguration, match=said) as raised:
        Exposure.read(environ)
    assert ONE not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("chat.example", False),
        ("", False),
    ],
)
def test_only_where_nobody_else_comes_are_keys_not_needed(host, local):
    assert is_local(host) == local
    for allowed in (Exposure(Keys(ONE)), Exposure(open=True)):
        allowed.check(host)
    if local:
        Exposure().check(host)
    else:
        with pytest.raises(InvalidConfiguration, match="GOUNMAL_API_KEYS") as raised:
            Exposure().check(host)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "needed"),
    [
        ({"AIP_HTTP_PORT": "8080"}, False),
        ({"GOUNMAL_CLOUD": "sagemaker"}, False),
        ({"AIP_HTTP_PORT": "8080", "GOUNMAL_CLOUD": "none"}, True),
        ({"AIP_HTTP_PORT": "8080", "GOUNMAL_API_KEYS": ONE}, True),
        ({}, True),
    ],
)
def test_a_platform_checks_callers_unless_there_are_keys(environ, needed):
    assert Exposure.read(environ).open != needed


def test_the_host_is_that_of_the_command():
    assert asked_host("0.0.0.0") == "0.0.0.0"
    command = click.Command("serve", params=[click.Option(["--host"])])
    for arguments, host in ((["--host", "::1"], "::1"), ([], "0.0.0.0")):
        with command.make_context("serve", list(arguments)):
            assert asked_host("0.0.0.0") == host


def test_a_process_knows_where_it_listens():
    before = set(listening())
    with socket.create_server(("127.0.0.1", 0)) as local:
        assert "127.0.0.1" in listening()
        with socket.create_server(("0.0.0.0", 0)), socket.create_connection(local.getsockname()):
            found = listening()
            assert "0.0.0.0" in found
            assert not only_local(found)
        # Not a file, a pipe, a socket of this machine's own, nor a connection.
        reading, writing = os.pipe()
        os.close(reading), os.close(writing)
    assert set(listening()) == before
    assert not only_local([])
    assert only_local(["127.0.0.1", "::1"])


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        (b"localhost:3000", True),
        (b"127.0.0.1:3000", True),
        (b"[::1]:3000", True),
        (b"192.168.0.7", True),
        (b"", True),
        (b"chat.example", False),
        (b"localhost.evil.example:3000", False),
        (b"127.0.0.1.evil.example", False),
        (b"[evil.example]", False),
        (b"\xff", False),
    ],
)
def test_a_name_that_is_not_localhost_is_somebody_elses(host, ours):
    assert is_this_machine(host) == ours
