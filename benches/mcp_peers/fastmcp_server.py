"""classify_incident on FastMCP: `fastmcp_server.py stdio` or `fastmcp_server.py http PORT`."""

from common import DESCRIPTION, Availability, ErrorRate, Impact, ResponseTime, Users, Words, serve
from fastmcp import FastMCP
from fastmcp.tools.base import ToolResult
from verdict import classify

server = FastMCP("peer")


# Asynchronous, because other functions are handed to a thread. A ToolResult needs no schema of the answer, so that none is held against it.
@server.tool(description=DESCRIPTION)
async def classify_incident(
    error_rate_percent: ErrorRate = None,
    response_time_ms: ResponseTime = None,
    availability_percent: Availability = None,
    affected_users: Users = None,
    business_impact: Impact = None,
    description: Words = None,
) -> ToolResult:
    structure, text = classify(error_rate_percent, response_time_ms, availability_percent, affected_users, business_impact, description)
    return ToolResult(content=text, structured_content=structure)


serve(lambda: server.run_stdio_async(show_banner=False, log_level="WARNING"), lambda: server.http_app(path="/mcp", json_response=True, stateless_http=True))
