"""classify_incident on the Python SDK: `python_sdk.py stdio` or `python_sdk.py http PORT`."""

import sys
from typing import Any

import uvicorn
import uvloop
from mcp.server import MCPServer
from rules import classify

server = MCPServer("peer", log_level="WARNING")


# Asynchronous, because the SDK hands other functions to a thread.
@server.tool(description="Judges how severe an incident is.")
async def classify_incident(
    error_rate_percent: float, response_time_ms: float, availability_percent: float, affected_users: int, description: str = ""
) -> dict[str, Any]:
    return classify(error_rate_percent, response_time_ms, availability_percent, affected_users, description)


if sys.argv[1] == "stdio":
    uvloop.run(server.run_stdio_async())
else:
    app = server.streamable_http_app(json_response=True, stateless_http=True)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False, loop="uvloop", http="httptools")
