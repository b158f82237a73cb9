"""What both Python peers share: the tool's arguments, its description, and how a server is started, as uvicorn's documentation has it for speed."""

import sys
from typing import Annotated, Literal

import uvicorn
import uvloop
from pydantic import Field

DESCRIPTION = "Judges how severe an incident is (P0 worst to P3), why, who responds and within how many minutes. Changes nothing."

ErrorRate = Annotated[float | None, Field(ge=0, le=100, description="Share of requests that fail, 0 to 100.")]
ResponseTime = Annotated[float | None, Field(ge=0, description="Response time as users feel it (p95 or p99), milliseconds, 0 or more.")]
Availability = Annotated[float | None, Field(ge=0, le=100, description="Share of time or probes in which the service worked, 0 to 100.")]
Users = Annotated[int | None, Field(ge=0, description="Number of users affected, 0 or more.")]
Impact = Annotated[Literal["none", "low", "medium", "high", "critical"] | None, Field(description="How much the business feels it.")]
Words = Annotated[str | None, Field(max_length=4096, description="What people see, in their words, English or Chinese.")]


def serve(over_stdio, app_over_http):
    """Serves as the command line says: `stdio`, or `http PORT`."""
    if sys.argv[1] == "stdio":
        uvloop.run(over_stdio())
    else:
        uvicorn.run(app_over_http(), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False, loop="uvloop", http="httptools")
