"""classify_incident on the Python SDK: `python_sdk.py stdio` or `python_sdk.py http PORT`."""

from common import DESCRIPTION, Availability, ErrorRate, Impact, ResponseTime, Users, Words, serve
from mcp.server import MCPServer
from mcp_types import CallToolResult, TextContent
from verdict import classify

server = MCPServer("peer", log_level="WARNING")


# Asynchronous, because the SDK hands other functions to a thread. A ready result is sent as it is: the SDK neither converts nor validates it.
@server.tool(description=DESCRIPTION)
async def classify_incident(
    error_rate_percent: ErrorRate = None,
    response_time_ms: ResponseTime = None,
    availability_percent: Availability = None,
    affected_users: Users = None,
    business_impact: Impact = None,
    description: Words = None,
) -> CallToolResult:
    structure, text = classify(error_rate_percent, response_time_ms, availability_percent, affected_users, business_impact, description)
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structure)


serve(server.run_stdio_async, lambda: server.streamable_http_app(json_response=True, stateless_http=True))
