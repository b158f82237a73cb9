"""The incident classifier as it was specified first: four metrics and keywords, from the worst level down."""

import json
import os

# With --same-answer: the structure that opsmedic answers with, beside which the verdict is put.
SAME = json.load(open(os.environ["PEER_ANSWER"])) if "PEER_ANSWER" in os.environ else {}

RULES = (
    ("P0", 50, 30000, 90, 1000, ("down", "outage", "critical", "5xx"), 5),
    ("P1", 20, 10000, 95, 100, ("error", "timeout", "failure"), 15),
    ("P2", 5, 5000, 98, 10, ("slow", "degraded", "warning"), 60),
    ("P3", 1, 2000, 99.5, 0, ("minor", "performance", "optimization"), 240),
)


def classify(error_rate_percent, response_time_ms, availability_percent, affected_users, description):
    """Severity and minutes to respond: a level is taken when half of its rules hit."""
    text = description.lower()
    for severity, errors, latency, availability, users, keywords, minutes in RULES:
        hits = (error_rate_percent > errors) + (response_time_ms > latency) + (availability_percent < availability) + (affected_users > users)
        total = 4
        if any(keyword in text for keyword in keywords):
            hits, total = hits + 1, 5
        if 2 * hits >= total:
            return SAME | {"severity": severity, "sla_minutes": minutes}
    return SAME | {"severity": "P3", "sla_minutes": 240}
