"""Times as files write them, and the timeline that they make."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.errors import InvalidInput
from gounmal.files import times
from gounmal.files.times import Clock, Instant, as_datetime, moment, parse_time
from gounmal.report import timeline
from gounmal.report.timeline import Times

MOMENT = datetime(2026, 11, 22, 20, 1, 2, tzinfo=UTC)
SECONDS = MOMENT.timestamp()


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-22 20:01:02",
        " 2026-11-22T20:01:02 ",
        "2026-11-22T20:01:02Z",
        "2026-11-22T20:01:02+09:00",
        "2026/11/22 20:01:02",
        "2026.11.22. 20:01:02",
        "2026. 11. 22. 오후 8:01:02",
        "2026년 11월 22일 오후 8:01:02",
        "2026년 11월 22일, 20:01:02",
        str(int(SECONDS)),
        f"{SECONDS:.0f}000",
        SECONDS,
        int(SECONDS) * 1_000,
        int(SECONDS) * 1_000_000,
        int(SECONDS) * 1_000_000_000,
        MOMENT,
        MOMENT.replace(tzinfo=None),
        MOMENT.replace(tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_one_moment_in_many_ways(written):
    assert parse_time(written) == Instant(Clock.DATETIME, SECONDS)
    assert as_datetime(SECONDS) == MOMENT.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("written", "hour"),
    [("2026-11-22 오전 12:30", 0), ("2026-11-22 오후 12:30", 12), ("2026-11-22 9:30", 9)],
)
def test_hours_of_the_day(written, hour):
    assert as_datetime(parse_time(written).seconds) == datetime(2026, 11, 22, hour, 30)  # noqa: DTZ001


def test_a_day_alone_begins_at_midnight():
    for written in ("2026-11-22", "20261122", "2026.11.22", "2026년 11월 22일"):
        assert as_datetime(parse_time(written).seconds) == datetime(2026, 11, 22)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        *(("1:02:03", 3723), ("02:03", 123), ("0:00:00.5", 0.5), ("75:00", 4500)),
        *((12.5, 12.5), ("12.5", 12.5), (0, 0), (timedelta(minutes=2), 120)),
    ],
)
def test_offsets_from_the_beginning(written, seconds):
    assert parse_time(written) == Instant(Clock.OFFSET, seconds)


@pytest.mark.parametrize(
    "written",
    [
        *(None, "", " ", "soon", "1712-01-12", "2026-13-45", "2026년 어느 날", "9:99:99:99"),
        *(True, float("nan"), float("inf"), -5, [], "٣" * 400, "1" * 400),
    ],
)
def test_no_time_is_none(written):
    assert parse_time(written) is None


@given(st.one_of(st.text(), st.floats(), st.integers(), st.datetimes(), st.none()))
def test_any_value_is_read_or_none(value):
    instant = parse_time(value)
    assert instant is None or instant.seconds == pytest.approx(instant.seconds)


def counted(messages):
    times = Times()
    for value, flagged in messages:
        times.add(value, flagged=flagged)
    return times


def test_messages_by_the_minute():
    times = counted([(5, False), (59, True), (60, True), (200, False)])
    line = times.timeline()
    assert [(b.offset_s, b.messages, b.flagged) for b in line.buckets] == [
        *((0.0, 2, 1), (60.0, 1, 1), (180.0, 1, 0)),
    ]
    assert (line.clock, line.start, line.duration_s, line.bucket_s) == ("offset", "5", 195, 60)
    assert times.offset(200.0) == 200.0


def test_offsets_count_from_the_first_minute_on_the_clock():
    times = counted([("2026-11-22 20:01:30", False), ("2026-11-22 20:00:10", True)])
    line = times.timeline()
    assert line.start == "2026-11-22T20:00:10"
    assert line.duration_s == 80
    assert [b.offset_s for b in line.buckets] == [0, 60]
    assert times.offset(parse_time("2026-11-22 20:01:30").seconds) == 90


def test_peaks_are_apart_and_highest_first():
    flagged = {0: 1, 3: 9, 4: 8, 5: 2, 10: 5}
    line = counted([(m * 60, True) for m, n in flagged.items() for _ in range(n)]).timeline()
    assert [(p.offset_s / 60, p.flagged) for p in line.peaks] == [(3, 9), (10, 5), (5, 2), (0, 1)]
    assert counted([(0, False)]).timeline().peaks == []


def test_a_long_file_gets_wider_buckets(monkeypatch):
    monkeypatch.setattr(timeline, "MAX_BUCKETS", 10)
    line = counted([(second, second % 7 == 0) for second in range(0, 6_000, 5)]).timeline()
    assert len(line.buckets) <= 10
    assert line.bucket_s == 960
    assert sum(b.messages for b in line.buckets) == 1_200
    assert sum(b.flagged for b in line.buckets) == len(range(0, 6_000, 35))


def test_times_of_another_clock_do_not_count():
    times = counted([("0:01", False), ("2026-11-22 20:00", True), ("later", False)])
    assert times.unread == 2
    assert times.timeline().duration_s == 0
    assert counted([("never", True)]).timeline() is None


@pytest.mark.parametrize(
    ("ago", "seconds"), [("90m", 5_400), ("12h", 43_200), ("1d", 86_400), (" 2w ", 1_209_600)]
)
def test_since_so_long_ago(monkeypatch, ago, seconds):
    monkeypatch.setattr(times.time, "time", lambda: 10_000_000.0)
    assert moment(ago) == 10_000_000 - seconds


def test_since_a_date_and_time():
    assert moment("2026-11-22T20:01:02+00:00") == SECONDS
    assert moment("2026-11-22") == datetime(2026, 11, 22).timestamp()  # noqa: DTZ001  (local)


@pytest.mark.parametrize("nonsense", ["yesterday", "1y", "", "-1d", "d"])
def test_since_says_what_it_expects(nonsense):
    with pytest.raises(InvalidInput, match="expected 2026-11-22T20:00, or 90m, 12h, 1d, 2w"):
        moment(nonsense)


WHEN = st.integers(0, 3_000_000)


@given(st.lists(st.tuples(WHEN, st.booleans()), min_size=1, max_size=60), st.integers(1, 59))
def test_timelines_merge_to_that_of_the_whole(rows, cut):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "MAX_BUCKETS", 7)
        whole, first, second, merged = Times(), Times(), Times(), Times()
        for i, (when, flagged) in enumerate(rows):
            for part in (whole, first if i < cut else second):
                part.add(when, flagged=flagged)
        for part in (first, second):
            merged.merge_dict(part.to_dict())
        assert merged.timeline() == whole.timeline()
        assert merged.unread == whole.unread
