"""classify_incident of opsmedic in Python: the policy `guarded` with its default settings, and the same text.

A level is a number here, 0 for P0 to 3 for P3; `NOTHING` stands where no level is hit. Limits, names of rules, lines of text and rows that do not
depend on the evidence are made once, at import. What such a row or list holds is shared by all answers: nobody changes an answer.
"""

import re
import socket
from bisect import bisect_left, bisect_right
from datetime import datetime, timedelta, timezone

LEVELS = ("P0", "P1", "P2", "P3")
NOTHING = 4
MILDEST_FIRST = (NOTHING, 3, 2, 1, 0)
METRICS = ("error_rate_percent", "response_time_ms", "availability_percent", "affected_users")
ERRORS, LATENCY, AVAILABILITY, USERS = range(4)
HOST = socket.gethostname()
SCOPE = "the evidence in the call"

# From P0 to P3.
LIMITS = ((50, 20, 5, 1), (30_000, 10_000, 5_000, 2_000), (90, 95, 98, 99.5), (1_000, 100, 10, 0))
# Of those where more is worse, for a search by halves; availability rises already.
RISING = tuple(limits[::-1] for limits in LIMITS)
DECISIVE_ERRORS, DECISIVE_AVAILABILITY = 90, 50
DECISIVE = {ERRORS: f">= {DECISIVE_ERRORS}", AVAILABILITY: f"< {DECISIVE_AVAILABILITY}"}
NOT_DECISIVE = {ERRORS: f"< {DECISIVE_ERRORS}", AVAILABILITY: f">= {DECISIVE_AVAILABILITY}"}
TEAMS = (
    ["on-call-engineer", "engineering-lead", "product-manager"],
    ["on-call-engineer", "team-lead"],
    ["on-call-engineer"],
    ["engineer"],
)
TEAM_TEXTS = tuple(", ".join(team) for team in TEAMS)
SLA_MINUTES = (5, 15, 60, 240)
SLA = tuple(timedelta(minutes=minutes) for minutes in SLA_MINUTES)
FLOORS = {"high": 2, "critical": 1}

KEYWORDS = (
    ("down", "outage", "critical", "5xx"),
    ("error", "timeout", "failure"),
    ("slow", "degraded", "warning"),
    ("minor", "performance", "optimization"),
)
KEYWORDS_ZH = (
    ("宕机", "瘫痪", "不可用", "全部中断", "服务中断", "崩溃"),
    ("错误", "报错", "超时", "失败", "故障"),
    ("缓慢", "变慢", "很慢", "卡顿", "降级", "告警"),
    ("轻微", "性能", "优化"),
)
NEGATIONS = frozenset(
    "no not never without none neither nor isn't isnt aren't wasn't weren't doesn't didn't hasn't don't".split()
    + "isn’t aren’t wasn’t weren’t doesn’t didn’t hasn’t don’t".split()
)
REACH_WORDS = 3
LEVEL_OF_WORD = {word + plural: level for level, words in enumerate(KEYWORDS) for word in words for plural in ("", "s")}
LEVEL_OF_WORD_ZH = {word: level for level, words in enumerate(KEYWORDS_ZH) for word in words}
CLAUSES = re.compile(r"[.,;:!?\n()]")
WORDS = re.compile(r"[\w'’-]+")
CLAUSES_ZH = re.compile(r"[，。；、,.\n]")
# Looks ahead only, so that words that overlap are all found.
WORDS_ZH = re.compile(f"(?=({'|'.join(LEVEL_OF_WORD_ZH)}))")
NEGATED_ZH = re.compile(r"(?:没有|没出现|未出现|未发生|未发现|未见|并未|不是|并非|不再|并无).{0,4}\Z|[不未无没]\Z", re.DOTALL)

RULES = tuple(tuple(f"{name} {'<' if metric == AVAILABILITY else '>'} {limit}" for limit in LIMITS[metric]) for metric, name in enumerate(METRICS))
# For each level and metric: level, rule, threshold, and the line of text before and after the value.
ROWS = tuple(
    tuple(
        (level, RULES[metric][at], float(LIMITS[metric][at]), f"  - severity={level} rule={RULES[metric][at]} value=", f" threshold={float(LIMITS[metric][at])} hit=")
        for metric in range(4)
    )
    for at, level in enumerate(LEVELS)
)
# For each level, the keyword rule that missed and the one that hit: row and line.
KEYWORD_ROWS = tuple(
    tuple(({"severity": level, "rule": "keywords", "hit": hit}, f"  - severity={level} rule=keywords hit={str(hit).lower()}\n") for hit in (False, True))
    for level in LEVELS
)


def _conditions(metric):
    """For a metric, by the first and the last of its ranges (mildest first): the changes to each level, as row and line."""
    down, name = metric == AVAILABILITY, METRICS[metric]
    limits = [(f"{'<' if down else '>'} {limit}", f"{'>=' if down else '<='} {limit}") for limit in reversed(LIMITS[metric])]
    limits += [(DECISIVE[metric], NOT_DECISIVE[metric])] if metric in DECISIVE else []

    def change(first, last, level):
        ends = [limits[first - 1][0]] if first else []
        ends += [limits[last][1]] if last < len(limits) else []
        condition = " and ".join(f"{name} {end}" for end in ends)
        return {"if_true": condition, "severity": level}, f"  - if_true={condition} severity={level}\n"

    ranges = range(len(limits) + 1)
    return tuple(tuple(tuple(change(first, last, level) for level in LEVELS) for last in ranges) for first in ranges)


CONDITIONS = tuple(_conditions(metric) for metric in range(4))


def _missing(metric, how):
    return {"input": METRICS[metric], "how": how}, f"  - input={METRICS[metric]} how={how}\n"


MISSING = (
    _missing(ERRORS, "failed / all requests of the last 5 minutes, from the load balancer or Prometheus"),
    _missing(LATENCY, "p95 of the last 5 minutes, in ms; run_health_checks measures one request"),
    _missing(AVAILABILITY, "share of successful probes; run_health_checks tells whether it answers now"),
    _missing(USERS, "distinct users with failed requests; 0 only if it was counted"),
)


def _contradiction(text, *between):
    return {"between": list(between), "text": text}, f"  -\n    between: {', '.join(between)}\n    text: {text}\n"


UNREACHED = _contradiction(
    "low availability with hardly any errors: no traffic arrives, or one of the two is measured in the wrong place", "availability_percent", "error_rate_percent"
)
BLIND_PROBE = _contradiction(
    "many errors at full availability: the probe may test something that still works", "error_rate_percent", "availability_percent"
)
NOBODY = _contradiction("nobody affected by an outage: the count may be missing rather than zero", "affected_users")
ONLY_WORDS = _contradiction("the description speaks of serious trouble, the metrics do not: check what they measure", "description")
NO_IMPACT = _contradiction("no business impact, yet the metrics are serious", "business_impact")

# The order in which a metric names issue type and playbook when several hit the same level: an outage explains errors, and errors explain slowness.
LEADS = (
    (AVAILABILITY, "service_unavailable", "service_down"),
    (ERRORS, "high_error_rate", "service_down"),
    (LATENCY, "high_latency", "high_latency"),
    (USERS, None, "incident_response"),
)


def _next(tool, arguments, why, written):
    return {"tool": tool, "arguments": arguments, "why": why}, f"next: {tool} {written} ({why})\n"


HEALTH = _next("run_health_checks", {}, "how everything is right now", "{}")
PLAYBOOKS = {name: _next("get_playbook", {"id": name}, "the steps for this trouble", f'{{"id":"{name}"}}') for _, _, name in LEADS}
# By playbook and whether the evidence suffices: the list and its lines.
NEXT = {(name, True): ([call], line) for name, (call, line) in PLAYBOOKS.items()}
NEXT |= {(name, False): ([HEALTH[0], call], HEALTH[1] + line) for name, (call, line) in PLAYBOOKS.items()}
ISSUE_TEXTS = {issue: f"issue_type: {issue}\n" if issue else "" for _, issue, _ in LEADS}


class NoEvidence(ValueError):
    """Nothing to judge by."""


def _number(value):
    """A number as opsmedic writes it, which differs from Python's way in small ones with an exponent only."""
    text = repr(value)
    if "e-" not in text:
        return text
    if value >= 1e-5:
        digits = text.split("e")[0].replace(".", "")
        return f"0.0000{digits}"
    return text.replace("e-0", "e-")


def _negated(words, at):
    start = max(0, at - REACH_WORDS - 1)
    # "not only slow but down" affirms.
    return any(words[i] in NEGATIONS and words[i + 1] != "only" for i in range(start, at))


def _spoken(text):
    """For each level, whether one of its words stands in the text and is not negated."""
    spoken = [False] * 4
    for clause in CLAUSES.split(text.lower()):
        words = WORDS.findall(clause)
        for at, word in enumerate(words):
            level = LEVEL_OF_WORD.get(word)
            if level is not None and not spoken[level] and not _negated(words, at):
                spoken[level] = True
    if not text.isascii():
        for clause in CLAUSES_ZH.split(text):
            for found in WORDS_ZH.finditer(clause):
                if not NEGATED_ZH.search(clause[: found.start()]):
                    spoken[LEVEL_OF_WORD_ZH[found[1]]] = True
    return spoken


def _worst(values):
    """For each metric, the worst level that its value hits; None where it is not known."""
    errors, latency, availability, users = values
    return (
        None if errors is None else NOTHING - bisect_left(RISING[ERRORS], errors),
        None if latency is None else NOTHING - bisect_left(RISING[LATENCY], latency),
        None if availability is None else bisect_right(LIMITS[AVAILABILITY], availability),
        None if users is None else NOTHING - bisect_left(RISING[USERS], users),
    )


def _enough(worst, known, counts, spoken, floor):
    """The level of two metrics or more, the step that set it, and why."""
    level, step, why = 3, "no_rule", "P3: no rule hit"
    for at, count in enumerate(counts):
        # At least half of the known metrics and, where they hit, the keywords; of two metrics the keywords alone are never half.
        if 2 * count + spoken[at] >= len(known):
            hits = [RULES[metric][at] for metric in known if worst[metric] <= at]
            if spoken[at]:
                hits.append("keywords")
            level, step, why = at, "quorum", f"{LEVELS[at]}: at least half of its rules hit ({', '.join(hits)})"
            break
    metric = min(known, key=worst.__getitem__)
    if worst[metric] < NOTHING:
        single = min(worst[metric] + 1, 3)
        if single < level or step == "no_rule":
            level, step = single, "single_metric"
            why = f"{LEVELS[single]}: one metric is far out ({METRICS[metric]}), which counts one level below its own"
    if floor < level:
        level, step, why = floor, "business_impact", f"{LEVELS[floor]}: the business impact sets this floor"
    return level, step, why


def _too_little(worst, known, spoken, floor):
    """The same of one metric or none: the worst level that anything points to."""
    level, step, why = (3 if known else 2), "no_rule", ""
    plausible, source = (worst[known[0]], METRICS[known[0]]) if known else (NOTHING, "")
    word = spoken.index(True) if True in spoken else NOTHING
    if word < plausible:
        plausible, source = word, "keywords"
    if plausible <= level:
        level, step = plausible, "worst_plausible"
        why = f"not determined, too little is known; {LEVELS[level]} is the worst that the evidence points to ({source})"
    if floor < level or (step == "no_rule" and floor == level):
        level, step, why = floor, "business_impact", f"{LEVELS[floor]}: the business impact sets this floor"
    return level, step, why or f"not determined, too little is known and nothing points anywhere; {LEVELS[level]} so that somebody looks"


def _levels(metric, worst, known, counts, spoken, floor):
    """The level for each range of a metric, mildest first, everything else as it is and nothing decisive."""
    if len(known) == 1:
        least = min(floor, spoken.index(True) if True in spoken else 3)
        return [min(least, hit) for hit in MILDEST_FIRST]
    # From which level on the others reach the half by themselves, and from which with this metric beside them.
    own, total = worst[metric], len(known)
    alone, together = NOTHING, [NOTHING] * 5
    for at in (3, 2, 1, 0):
        others = counts[at] - (own <= at)
        score = 2 * others + spoken[at]
        together[at] = at if score + 2 >= total else together[at + 1]
        if score >= total:
            alone = at
    least = min(floor, alone, min([worst[other] for other in known if other != metric]) + 1, 3)
    return [min(least, together[hit], hit + 1) for hit in MILDEST_FIRST]


def _would_change(movable, worst, known, counts, spoken, floor, level):
    """Which ranges of these metrics give another level: rows and lines."""
    found = []
    for metric in movable:
        levels = _levels(metric, worst, known, counts, spoken, floor)
        if metric in DECISIVE:
            levels.append(0)
        # Neighbours with the same level are one range.
        rows, first, last = CONDITIONS[metric], 0, len(levels) - 1
        for at, other in enumerate(levels):
            if at == last or levels[at + 1] != other:
                if other != level:
                    found.append(rows[first][at][other])
                first = at + 1
    return found


def _contradictions(values, worst, known, spoken, impact, determined, level):
    errors, _, availability, users = values
    found = []
    if errors is not None and availability is not None:
        if availability < 95 and errors <= 1:
            found.append(UNREACHED)
        if errors > 20 and availability >= 99.5:
            found.append(BLIND_PROBE)
    if users == 0 and ((availability is not None and availability < 90) or (errors is not None and errors > 50)):
        found.append(NOBODY)
    if known and (spoken[0] or spoken[1]) and all(worst[metric] == NOTHING for metric in known):
        found.append(ONLY_WORDS)
    if impact == "none" and determined and level <= 1:
        found.append(NO_IMPACT)
    return found


def _rules(values, worst, known, described, spoken):
    """Every rule held against the evidence: rows and lines."""
    texts = [None if value is None else _number(value) for value in values]
    rows, lines = [], []
    for at, of_level in enumerate(ROWS):
        for metric in known:
            level, rule, threshold, before, after = of_level[metric]
            hit = worst[metric] <= at
            rows.append({"severity": level, "rule": rule, "value": values[metric], "threshold": threshold, "hit": hit})
            lines.append(f"{before}{texts[metric]}{after}{'true' if hit else 'false'}\n")
        if described:
            row, line = KEYWORD_ROWS[at][spoken[at]]
            rows.append(row)
            lines.append(line)
    return rows, f"rules:\n{''.join(lines)}" if rows else "rules: none\n"


def _listed(name, found):
    """Rows and lines of a list that may be empty."""
    if not found:
        return [], f"{name}: none\n"
    return [row for row, _ in found], f"{name}:\n{''.join([line for _, line in found])}"


def _lead(worst):
    """Issue type and playbook, as the metric that points to the worst level has them."""
    best, found = NOTHING, (None, "incident_response")
    for metric, issue, playbook in LEADS:
        if worst[metric] is not None and worst[metric] < best:
            best, found = worst[metric], (issue, playbook)
    return found


def classify(error_rate_percent=None, response_time_ms=None, availability_percent=None, affected_users=None, business_impact=None, description=None):
    """The verdict as a structure and as text."""
    values = (error_rate_percent, response_time_ms, availability_percent, None if affected_users is None else float(affected_users))
    worst = _worst(values)
    known = [metric for metric in range(4) if worst[metric] is not None]
    if not known and business_impact is None and not (description and description.strip()):
        raise NoEvidence(f"no evidence: give at least one of {', '.join(METRICS)}, business_impact, description")
    spoken = _spoken(description) if description else [False] * 4
    counts = [sum([worst[metric] <= at for metric in known]) for at in range(4)]
    floor = FLOORS.get(business_impact, NOTHING)

    decisive = []
    if availability_percent is not None and availability_percent < DECISIVE_AVAILABILITY:
        decisive.append(AVAILABILITY)
    if error_rate_percent is not None and error_rate_percent >= DECISIVE_ERRORS:
        decisive.append(ERRORS)
    determined = bool(decisive) or len(known) >= 2
    if decisive:
        level, step, why = 0, "decisive_signal", f"P0: a decisive signal ({', '.join([f'{METRICS[metric]} {DECISIVE[metric]}' for metric in decisive])})"
    else:
        level, step, why = _enough(worst, known, counts, spoken, floor) if determined else _too_little(worst, known, spoken, floor)

    # Where one metric decides, no other changes anything; where two do, neither.
    movable = known if not decisive else decisive if len(decisive) == 1 else ()
    against = _contradictions(values, worst, known, spoken, business_impact, determined, level)
    confidence = "low" if not determined or len(against) >= 2 else "high" if len(known) == 4 and not against else "medium"
    lists = (
        _rules(values, worst, known, description is not None, spoken),
        _listed("missing_evidence", [MISSING[metric] for metric in range(4) if worst[metric] is None]),
        _listed("contradictions", against),
        _listed("would_change", _would_change(movable, worst, known, counts, spoken, floor, level)),
    )
    return _written(level, determined, confidence, step, why, lists, *_lead(worst))


def _written(level, determined, confidence, step, why, lists, issue, playbook):
    """The answer: structure and text."""
    (rules, rules_text), (missing, missing_text), (contradictions, contradictions_text), (changes, changes_text) = lists
    name, minutes = LEVELS[level], SLA_MINUTES[level]
    respond_by = f"{(datetime.now(timezone.utc) + SLA[level]).isoformat(timespec='milliseconds')[:-6]}Z"
    next_calls, next_text = NEXT[playbook, determined]
    structure = {
        "severity": name,
        "determined": determined,
        "confidence": confidence,
        "policy": "guarded",
        "decided_by": step,
        "why": why,
        "rules": rules,
        "missing_evidence": missing,
        "contradictions": contradictions,
        "would_change": changes,
        "response_team": TEAMS[level],
        "sla_minutes": minutes,
        "respond_by": respond_by,
        "playbook": playbook,
    }
    if issue:
        structure["issue_type"] = issue
    structure |= {"host": HOST, "scope": SCOPE, "next_calls": next_calls, "truncated": []}
    text = (
        f"{name} ({'determined' if determined else 'NOT determined'}): respond within {minutes} min. {why}\n"
        f"severity: {name}\ndetermined: {'true' if determined else 'false'}\nconfidence: {confidence}\npolicy: guarded\ndecided_by: {step}\nwhy: {why}\n"
        f"{rules_text}{missing_text}{contradictions_text}{changes_text}"
        f"response_team: {TEAM_TEXTS[level]}\nsla_minutes: {minutes}\nrespond_by: {respond_by}\nplaybook: {playbook}\n"
        f"{ISSUE_TEXTS[issue]}host: {HOST}\nscope: {SCOPE}\ntruncated: none\n{next_text}"
    )
    return structure, text
