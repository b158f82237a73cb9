"""classify_incident on FastMCP: `fastmcp_server.py stdio` or `fastmcp_server.py http PORT`."""

import sys
from typing import Any

import uvicorn
import uvloop
from fastmcp import FastMCP
from rules import classify

server = FastMCP("peer")


# Asynchronous, because other functions are handed to a thread.
@server.tool(description="Judges how severe an incident is.")
async def classify_incident(
    error_rate_percent: float, response_time_ms: float, availability_percent: float, affected_users: int, description: str = ""
) -> dict[str, Any]:
    return classify(error_rate_percent, response_time_ms, availability_percent, affected_users, description)


if sys.argv[1] == "stdio":
    uvloop.run(server.run_stdio_async(show_banner=False, log_level="WARNING"))
else:
    app = server.http_app(path="/mcp", json_response=True, stateless_http=True)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False, loop="uvloop", http="httptools")
