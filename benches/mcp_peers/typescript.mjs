// classify_incident on the TypeScript SDK: `typescript.mjs stdio` or `typescript.mjs http PORT`, run in the folder of its packages.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { classify } from './verdict.mjs';

const load = name => import(pathToFileURL(createRequire(process.cwd() + '/').resolve(name)));
const { McpServer, createMcpHandler } = await load('@modelcontextprotocol/server');
const z = await load('zod');

// Made once: the SDK asks for a server of its own for each request over HTTP.
const config = {
    description: 'Judges how severe an incident is (P0 worst to P3), why, who responds and within how many minutes. Changes nothing.',
    inputSchema: z.object({
        error_rate_percent: z.number().min(0).max(100).optional().describe('Share of requests that fail, 0 to 100.'),
        response_time_ms: z.number().min(0).optional().describe('Response time as users feel it (p95 or p99), milliseconds, 0 or more.'),
        availability_percent: z.number().min(0).max(100).optional().describe('Share of time or probes in which the service worked, 0 to 100.'),
        affected_users: z.int().min(0).optional().describe('Number of users affected, 0 or more.'),
        business_impact: z.enum(['none', 'low', 'medium', 'high', 'critical']).optional().describe('How much the business feels it.'),
        description: z.string().max(4096).optional().describe('What people see, in their words, English or Chinese.')
    })
};

function factory() {
    const server = new McpServer({ name: 'peer', version: '1.0.0' });
    server.registerTool('classify_incident', config, async evidence => {
        const { structure, text } = classify(evidence);
        return { content: [{ type: 'text', text }], structuredContent: structure };
    });
    return server;
}

if (process.argv[2] === 'stdio') {
    const { serveStdio } = await load('@modelcontextprotocol/server/stdio');
    serveStdio(factory);
} else {
    const { toNodeHandler } = await load('@modelcontextprotocol/node');
    createServer(toNodeHandler(createMcpHandler(factory, { responseMode: 'json' }))).listen(Number(process.argv[3]), '127.0.0.1');
}
