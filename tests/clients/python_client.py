"""Lists and calls every tool through the Python SDK.

Reads {"transport": "stdio" | "http" | "sse", "mode", "calls": [[tool, arguments], ..]} from standard input, for stdio with "command" and
"environment", otherwise with "url" and, where the server asks for them, "headers"; writes {"protocol", "tools": [..], "results": {tool:
{"is_error", "structured", "text"}}} to standard output, or {"failed": why} when there is no connection.
"""

import asyncio
import json
import sys

try:
    BaseExceptionGroup
except NameError:  # before Python 3.11
    from exceptiongroup import BaseExceptionGroup

from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client


def server(order):
    headers = order.get("headers")
    if order["transport"] == "sse":
        return sse_client(order["url"], headers=headers)
    if order["transport"] == "http":
        return streamable_http_client(order["url"], http_client=create_mcp_http_client(headers=headers)) if headers else order["url"]
    return StdioServerParameters(command=order["command"], args=["serve"], env=order["environment"])


async def run(order):
    async with Client(server(order), mode=order["mode"], read_timeout_seconds=30) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        results = {}
        for tool, arguments in order["calls"]:
            result = await client.call_tool(tool, arguments)
            text = next((block.text for block in result.content if block.type == "text"), "")
            results[tool] = {"is_error": bool(result.is_error), "structured": result.structured_content, "text": text}
        return {"protocol": client.protocol_version, "tools": tools, "results": results}


def reason(error):
    """What is inside a group of errors, in a line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def main():
    order = json.load(sys.stdin)
    try:
        answer = asyncio.run(asyncio.wait_for(run(order), 45))
    except Exception as error:
        answer = {"failed": reason(error)}
    json.dump(answer, sys.stdout)


main()
