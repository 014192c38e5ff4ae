"""Results → tables. Only formats and divides, never measures."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

from benchmarks.online.registry import OURS, PAIR
from train.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def markdown(results: Mapping[str, Any]) -> str:
    """The whole page."""
    parts = [f"# Online\n\n{_head(results)}", _rates(results), _costs(results), _limits(results)]
    if goals := _goals(results):
        parts.append(f"## Against what was asked for\n\n{goals}")
    if results["absent"]:
        lines = [f"- {one['name']}: {one['absent']}" for one in results["absent"]]
        parts.append("## Not measured\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


HEADS = {
    "README.md": ["", "rate, requests/s", "bursty", "alone: p50 / p99, ms", "CPU s / 1,000 lines"],
    "README.ko.md": ["", "초당 요청", "몰릴 때", "단독 p50 / p99, ms", "1,000줄당 CPU 초"],
}


def brief(results: Mapping[str, Any], head: Sequence[str]) -> str:
    """The table for a README: who answers single lines, the fastest first."""
    found = [one for one in results["contenders"] if "server" in one]
    rows = []
    for one in sorted(found, key=lambda one: -one["server"]["poisson"]):
        single = one["single_stream"] or {}
        rows.append(
            [
                one["name"],
                f"{one['server']['poisson']:,.0f}",
                f"{one['server']['bursty']:,.0f}",
                " / ".join(_ms(single.get(key)) for key in ("p50", "p99")),
                _ms(one["offline"]["cpu_s_per_1000_lines"]),
            ]
        )
    return table(head, rows)


def _head(results: Mapping[str, Any]) -> str:
    cores, lines = results["cores"], results["lines"]
    text = f"""`{results["model"]}` on {results["machine"]["processor"]}. Each contender serves the
same artifact with one worker on {_cores(cores["server"])}; the load generator is on core
{cores["generator"][0]} and uses {results["connections"]} connections. Every answer is compared with
the right one.
{lines["count"]:,} lines of the lengths of live chat, {lines["repeats"]:.0%} of them repeated.
Rate: the highest number of requests per second at which 99 % are answered within
{results["p99_bound_ms"]:g} ms of the moment at which they should have been sent, and all of them
rightly. Overload: twice that rate."""
    return fill(text, 100)


def _cores(numbers: Sequence[int]) -> str:
    return f"core{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _rates(results: Mapping[str, Any]) -> str:
    """Latency, rates and overload of who answers single lines."""
    rows = []
    for one in results["contenders"]:
        if "server" not in one:
            continue
        single = one["single_stream"] or {}
        flood = one.get("overload", {})
        latency = flood.get("latency") or {}
        rows.append(
            [
                one["name"],
                f"{one['server']['poisson']:,.0f}",
                f"{one['server']['bursty']:,.0f}",
                " / ".join(_ms(single.get(key)) for key in ("p50", "p90", "p99")),
                _ms(latency.get("p99")),
                " / ".join(f"{flood[key]:,}" for key in ("accepted", "shed", "lost", "wrong"))
                if flood
                else "–",
            ]
        )
    head = ["", "rate", "rate, bursty", "alone: p50 / p90 / p99, ms", "overload: p99, ms"]
    return table([*head, "accepted / shed / lost / wrong"], rows)


def _costs(results: Mapping[str, Any]) -> str:
    """Throughput and what it costs."""
    rows = [
        [
            one["name"],
            f"{one['offline']['lines_per_second']:,.0f}",
            _ms(one["offline"]["cpu_s_per_1000_lines"]),
            f"{one['offline']['memory_mib']:,.0f}",
            str(one["offline"]["processes"]),
        ]
        for one in results["contenders"]
    ]
    head = ["flat out", "lines/s", "CPU s per 1,000 lines", "memory, MiB", "processes"]
    return table(head, rows)


def _limits(results: Mapping[str, Any]) -> str:
    reference = results["reference"]
    rows = [
        ["text → Decision in a loop, batches of 32", f"{reference['decisions_per_second']:,.0f}"],
        ["scoring alone, batches of 32", f"{reference['scored_per_second']:,.0f}"],
        *(
            [
                f"{name}, {bare['single_stream_ms']:.2f} ms alone",
                f"{bare['requests_per_second']:,.0f}",
            ]
            for name, bare in reference["bare"].items()
        ),
    ]
    return table(["for scale, on the same core", "lines/s"], rows)


def _goals(results: Mapping[str, Any]) -> str:
    """The figures of the issue, from these results."""
    named = {one["name"]: one for one in results["contenders"]}
    if OURS not in named:
        return ""
    ours, reference = named[OURS], results["reference"]
    rate, single = ours["server"]["poisson"], ours["single_stream"]
    others = {k: v for k, v in named.items() if not k.startswith("gounmal") and "server" in v}
    pair = others.get(PAIR, {}).get("server", {}).get("poisson")
    best = max(others, key=lambda k: others[k]["server"]["poisson"], default=None)
    one_line = reference["decision_ms"]["1"] + reference["bare"]["bare FastAPI"]["single_stream_ms"]
    flood = ours.get("overload", {})
    rows = [
        ["rate over the documented pair", _ratio(rate, pair), "≥ 6", "10"],
        [
            f"rate over the best other ({best})",
            _ratio(rate, others[best]["server"]["poisson"] if best else None),
            "≥ 1.5",
            "3",
        ],
        *(
            [
                f"{door}, lines/s over {what}",
                _share(named.get(door), limit),
                "≥ 0.6",
                "0.85",
            ]
            for what, limit in (
                ("text → Decision alone", reference["decisions_per_second"]),
                ("scoring alone", reference["scored_per_second"]),
            )
            for door in ("gounmal /moderate_many", "gounmal WS /stream", "gounmal POST /stream")
        ),
        [
            "alone: p50 over engine and bare round trip",
            _ratio(single["p50"], one_line),
            "≤ 1.3",
            "1.1",
        ],
        ["alone: p99 over p50", _ratio(single["p99"], single["p50"]), "≤ 3", "2"],
        ["half load: mean wait over one forward pass", _waiting(ours), "≤ 1.4", "1.2"],
        ["overload: p99, ms", _ms((flood.get("latency") or {}).get("p99")), "≤ 100", "≤ 40"],
        [
            "overload: lost, wrong",
            f"{flood.get('lost', '–')}, {flood.get('wrong', '–')}",
            "0, 0",
            "",
        ],
        *_endured(results.get("endurance")),
    ]
    return table(["figure, cache off", "measured", "must", "aim"], rows)


def _endured(found: Mapping[str, Any] | None) -> list[list[str]]:
    """Growth of memory in a run of its own: `endure.py`, any machine."""
    if found is None:
        return []
    name = f"{found['seconds'] / 60:g} min, {found['requests']:,} requests: growth of memory"
    return [[name, f"{found['growth']:.1%}", "≤ 5 %", "0"]]


def _waiting(ours: Mapping[str, Any]) -> str:
    """From arrival to the start of the batch over the batch's time, as the server counts them."""
    counted = ours.get("half_load", {}).get("counted", {})
    wait, forward = (_mean(counted, name) for name in ("queue_wait_seconds", "forward_seconds"))
    return "–" if wait is None or not forward else f"{wait / forward:.2f}"


def _mean(counted: Mapping[str, float], name: str) -> float | None:
    """Of gounmal's histogram of this name."""
    count = counted.get(f"gounmal_{name}_count")
    return counted[f"gounmal_{name}_sum"] / count if count else None


def _share(one: Mapping[str, Any] | None, limit: float) -> str:
    return _ratio(one["offline"]["lines_per_second"], limit) if one else "–"


def _ratio(one: float, other: float | None) -> str:
    if other is None:
        return "–"
    return f"{one / other:.2f}" if other else "∞"


def _ms(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
