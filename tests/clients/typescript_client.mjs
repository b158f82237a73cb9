// Lists and calls every tool through a TypeScript SDK, run in the folder of its packages.
//
// Reads {"sdk": "v1" | "v2", "transport": "stdio" | "http" | "sse", "calls": [[tool, arguments], ..]} from standard input, for stdio with
// "command" and "environment", otherwise with "url" and, where the server asks for them, "headers"; v2 takes a "mode", too. Writes
// {"protocol", "tools": [..], "results": {tool: {"is_error", "structured", "text"} or {"is_error", "thrown"}}} to standard output, or {"failed": why} when there is no connection.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const load = name => import(pathToFileURL(createRequire(process.cwd() + '/').resolve(name)));

async function sdk(version) {
    if (version === 'v2') return { ...(await load('@modelcontextprotocol/client')), ...(await load('@modelcontextprotocol/client/stdio')) };
    const parts = ['index', 'stdio', 'streamableHttp', 'sse'].map(part => load(`@modelcontextprotocol/sdk/client/${part}.js`));
    return Object.assign({}, ...(await Promise.all(parts)));
}

let text = '';
for await (const chunk of process.stdin) text += chunk;
const order = JSON.parse(text);
const { Client, StdioClientTransport, StreamableHTTPClientTransport, SSEClientTransport } = await sdk(order.sdk);

function transport() {
    const options = { requestInit: { headers: order.headers ?? {} } };
    if (order.transport === 'sse') return new SSEClientTransport(new URL(order.url), options);
    if (order.transport === 'http') return new StreamableHTTPClientTransport(new URL(order.url), options);
    return new StdioClientTransport({ command: order.command, args: ['serve'], env: order.environment, stderr: 'ignore' });
}

async function run() {
    const client = new Client({ name: 'opsmedic-tests', version: '1' }, order.mode ? { versionNegotiation: { mode: order.mode } } : {});
    const way = transport();
    await client.connect(way);
    const tools = (await client.listTools()).tools.map(tool => tool.name);
    const results = {};
    for (const [name, args] of order.calls) {
        try {
            const result = await client.callTool({ name, arguments: args });
            const text = result.content?.find(block => block.type === 'text')?.text;
            results[name] = { is_error: result.isError === true, structured: result.structuredContent, text };
        } catch (error) {
            results[name] = { is_error: true, thrown: error.message };
        }
    }
    const protocol = client.getNegotiatedProtocolVersion?.() ?? way.protocolVersion ?? null;
    await client.close();
    return { protocol, tools, results };
}

const answer = await run().catch(error => ({ failed: `${error.name}: ${error.message}` }));
// What a failed connection left open must not keep this process.
process.stdout.write(JSON.stringify(answer), () => process.exit());
