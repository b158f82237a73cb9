// classify_incident on the TypeScript SDK: `typescript.mjs stdio` or `typescript.mjs http PORT`, run in the folder of its packages.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const load = name => import(pathToFileURL(createRequire(process.cwd() + '/').resolve(name)));
const { McpServer, createMcpHandler } = await load('@modelcontextprotocol/server');
const z = await load('zod');

// With --same-answer: the structure that opsmedic answers with, beside which the verdict is put.
const SAME = process.env.PEER_ANSWER ? JSON.parse(readFileSync(process.env.PEER_ANSWER)) : {};

const RULES = [
    ['P0', 50, 30000, 90, 1000, ['down', 'outage', 'critical', '5xx'], 5],
    ['P1', 20, 10000, 95, 100, ['error', 'timeout', 'failure'], 15],
    ['P2', 5, 5000, 98, 10, ['slow', 'degraded', 'warning'], 60],
    ['P3', 1, 2000, 99.5, 0, ['minor', 'performance', 'optimization'], 240]
];

function classify({ error_rate_percent, response_time_ms, availability_percent, affected_users, description = '' }) {
    const text = description.toLowerCase();
    for (const [severity, errors, latency, availability, users, keywords, sla_minutes] of RULES) {
        let hits = (error_rate_percent > errors) + (response_time_ms > latency) + (availability_percent < availability) + (affected_users > users);
        let total = 4;
        if (keywords.some(keyword => text.includes(keyword))) [hits, total] = [hits + 1, 5];
        if (2 * hits >= total) return { ...SAME, severity, sla_minutes };
    }
    return { ...SAME, severity: 'P3', sla_minutes: 240 };
}

// Made once: the SDK asks for a server of its own for each request over HTTP.
const config = {
    description: 'Judges how severe an incident is.',
    inputSchema: z.object({
        error_rate_percent: z.number(),
        response_time_ms: z.number(),
        availability_percent: z.number(),
        affected_users: z.number().int(),
        description: z.string().optional()
    })
};

function factory() {
    const server = new McpServer({ name: 'peer', version: '1.0.0' });
    server.registerTool('classify_incident', config, async evidence => {
        const structuredContent = classify(evidence);
        return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
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
