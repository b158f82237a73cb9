"""Lists and calls every tool through the Python SDK.

Reads {"command", "environment", "mode", "calls": [[tool, arguments], ..]} from standard input
and writes {"tools": [..], "results": {tool: {"is_error", "structured"}}} to standard output.
"""

import asyncio
import json
import sys

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters


async def main() -> None:
    order = json.load(sys.stdin)
    server = StdioServerParameters(command=order["command"], args=["serve"], env=order["environment"])
    async with Client(server, mode=order["mode"]) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        results = {}
        for tool, arguments in order["calls"]:
            result = await client.call_tool(tool, arguments)
            results[tool] = {"is_error": bool(result.is_error), "structured": result.structured_content}
    json.dump({"tools": tools, "results": results}, sys.stdout)


asyncio.run(main())
