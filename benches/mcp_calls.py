"""What `benches/mcp` asks: evidences, the requests made of them, and the proof that every server gives the same answers as opsmedic."""

import functools
import itertools
import json
import random
from datetime import datetime, timedelta, timezone

MODERN, LEGACY = "2026-07-28", "2025-11-25"
TOOL = "classify_incident"
HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
INITIALIZE = {"jsonrpc": "2.0", "id": 1_000_000, "method": "initialize", "params": HELLO}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
# So many different calls are sent over HTTP.
HTTP_CALLS = 256
# The moment to respond by is counted from the answer.
MOMENT_SECONDS = 2.0


class CannotRun(Exception):
    """Why, and what to do."""


# ---- evidences ------------------------------------------------------------------------------------------------------------

# For each metric, its ranges from unknown to decisive; in each the values at its edges and one between.
RANGES = {
    "error_rate_percent": ((None,), (0, 0.4, 1), (1.001, 3.25, 5), (5.0001, 12, 20), (20.5, 35, 50), (50.001, 60, 89.999), (90, 97.5, 100)),
    "response_time_ms": ((None,), (0, 180.5, 2000), (2000.5, 3100, 5000), (5001, 7250.125, 10000), (10001, 12000, 30000), (30000.001, 45000, 1e7)),
    "availability_percent": ((None,), (99.5, 99.95, 100), (98, 99.1, 99.499), (95, 96.5, 97.999), (90, 93.25, 94.999), (50, 75, 89.999), (0, 12.5, 49.999)),
    "affected_users": ((None,), (0, 0, 0), (1, 4, 10), (11, 40, 100), (101, 400, 1000), (1001, 5000, 2_000_000)),
}
IMPACTS = (None, "none", None, "low", None, "high", None, "medium", None, "critical", None)
TEXTS = (
    None, "checkout times out", "API is DOWN", "no outage", "", "two outages today, critical", "not only slow but down", "no sign of an outage",
    "isn’t down", "errors and timeouts since the release", "never any timeout; a failure though", "slow, degraded (warning)", "minor performance optimization",
    "download page: countdown", "数据库宕机", "没有宕机", "并没有发现宕机，但是超时", "不断超时、未知错误", "未出现超时", "页面很慢，无错误", "轻微性能问题", "报错误 and down", "没有告警",
)  # fmt: skip
# Numbers that not every language writes alike.
NUMBERS = (1e-7, 0.00001, 0.000012, 0.000123, 0.1 + 0.2, 33.333333333333336, 99.999999999999)
LARGE = (1e15, 1234567890123456.0, 1e16, 1.5e20, 1e22, 1e-3, 100000.1)
# Nothing to judge by, or outside the range.
REFUSED_EVIDENCES = ({}, {"description": "  "}, {"error_rate_percent": 101}, {"affected_users": -1}, {"availability_percent": -0.5}, {"business_impact": "huge"})


def _evidence(*values):
    return {name: value for name, value in zip((*RANGES, "business_impact", "description"), values) if value is not None}


def _evidences():
    """Every combination of ranges, and words, impacts and numbers on their own."""
    found = []
    for at, ranges in enumerate(itertools.product(*RANGES.values())):
        values = [one[(at + 2 * place) % len(one)] for place, one in enumerate(ranges)]
        found.append(_evidence(*values, IMPACTS[at % len(IMPACTS)], TEXTS[at % len(TEXTS)]))
    found += [_evidence(None, None, None, None, impact, text) for impact in (None, "none", "high", "critical") for text in TEXTS]
    found += [_evidence(errors, latency, None, None, None, text) for text in TEXTS for errors, latency in ((0.1, 100), (60, 20), (0.2, None))]
    found += [_evidence(number, None, 99.25) for number in NUMBERS] + [_evidence(None, number) for number in LARGE]
    found = [one for one in found if one.get("description") or len(one) > ("description" in one)]
    random.Random(1).shuffle(found)
    return found


EVIDENCES = _evidences()

# ---- requests -------------------------------------------------------------------------------------------------------------


def request(era, number, evidence):
    params = {"name": TOOL, "arguments": evidence}
    if era == MODERN:
        own = "io.modelcontextprotocol/"
        params["_meta"] = {own + "protocolVersion": MODERN, own + "clientInfo": {"name": "bench", "version": "1"}, own + "clientCapabilities": {}}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


@functools.cache
def lines(era, count):
    """So many calls as lines, over and over through the evidences."""
    return [json.dumps(request(era, number, EVIDENCES[number % len(EVIDENCES)])).encode() + b"\n" for number in range(count)]


LUA = """
wrk.method = "%s"
%s
local bodies, calls, last = {%s}, {}, 0
function init()
  for i, body in ipairs(bodies) do calls[i] = wrk.format(nil, nil, nil, body) end
end
function request()
  last = last %% #calls + 1
  return calls[last]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.stderr:write(string.format("%%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


def script(era, headers, method="POST"):
    """For wrk: one call after the other, each written out before the first is sent."""
    named = "\n".join(f"wrk.headers[{json.dumps(key)}] = {json.dumps(value)}" for key, value in headers.items())
    return LUA % (method, named, ",\n".join(json.dumps(line.decode().strip()) for line in lines(era, HTTP_CALLS)))


# ---- the same answers -----------------------------------------------------------------------------------------------------


def facts(answer):
    """What an answer says, apart from the host and the moment, which must be right by this machine's clock."""
    result = answer.get("result")
    if result is None or result.get("isError"):
        return {"refused": True}
    structure, [content] = dict(result["structuredContent"]), result["content"]
    if content["type"] != "text":
        raise CannotRun(f"a content of type {content['type']} instead of text")
    text, moment = content["text"], structure["respond_by"]
    late = datetime.fromisoformat(moment) - timedelta(minutes=structure["sla_minutes"]) - datetime.now(timezone.utc)
    if abs(late.total_seconds()) > MOMENT_SECONDS:
        raise CannotRun(f"respond_by is {late.total_seconds():.1f} s off: {moment}")
    for name in ("respond_by", "host"):
        # Once in the structure and once in the text; the rest must be the same.
        line = f"\n{name}: {structure.pop(name)}\n"
        text = text.replace(line, f"\n{name}\n", 1) if line in text else f"{name} is not in the text: {text}"
    return {"structuredContent": structure, "text": text.splitlines()}


def difference(ours, theirs, path=""):
    """Where two answers differ first; None if they do not."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        parts = [(key, ours.get(key), theirs.get(key)) for key in dict.fromkeys([*ours, *theirs])]
    elif isinstance(ours, list) and isinstance(theirs, list):
        parts = [(at, *pair) for at, pair in enumerate(itertools.zip_longest(ours, theirs))]
    else:
        same = ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool)
        return None if same else f"{path.lstrip('.')} is {theirs!r}, of opsmedic {ours!r}"
    return next(filter(None, (difference(mine, other, f"{path}.{key}") for key, mine, other in parts)), None)


class Proof:
    """opsmedic's answers to all evidences, and that others give the same ones."""

    def __init__(self, ask):
        self.facts = [facts(ask(evidence)) for evidence in (*EVIDENCES, *REFUSED_EVIDENCES)]
        given = [one["structuredContent"] for one in self.facts if "refused" not in one]
        if len(given) != len(EVIDENCES):
            raise CannotRun(f"opsmedic answers {len(given)} of {len(EVIDENCES)} evidences")
        # Evidences that no longer reach every step would prove nothing of those that they miss.
        for what, ways in (("severity", 4), ("confidence", 3), ("decided_by", 6), ("playbook", 3), ("contradictions", 5), ("missing_evidence", 4)):
            reached = {json.dumps(item) for one in given for item in (one[what] if isinstance(one[what], list) else [one[what]])}
            if len(reached) != ways:
                raise CannotRun(f"the evidences reach {len(reached)} values of {what}, they must reach {ways}: {', '.join(sorted(reached))}")

    def hold(self, name, ask, count=None):
        """Every answer, or those to the first so many evidences, must be the same; ask(evidence) gives the answer."""
        places = range(len(self.facts)) if count is None else (*range(count), *range(len(EVIDENCES), len(self.facts)))
        for at in places:
            self.same(name, at, ask((*EVIDENCES, *REFUSED_EVIDENCES)[at]))

    def same(self, name, at, answer):
        """This must be the answer to the evidence at this place."""
        try:
            found = difference(self.facts[at], facts(answer))
        except (KeyError, TypeError, ValueError) as reason:
            found = f"no answer to compare ({reason!r}): {json.dumps(answer)[:300]}"
        if found:
            evidence = (*EVIDENCES, *REFUSED_EVIDENCES)[at]
            raise CannotRun(f"{name} answers otherwise to {json.dumps(evidence, ensure_ascii=False)}: {found}")
