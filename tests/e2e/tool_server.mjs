// A small server of tools (Model Context Protocol) without packages, over standard input and output:
// `add` says a sum, `fail` says that it failed, `wait` says nothing, `die` ends the server.
import { createInterface } from 'node:readline';

const object = { type: 'object' };
const tools = ['add', 'fail', 'wait', 'die'].map(name => ({ name, description: `the tool ${name}`, inputSchema: object }));
const text = (words, isError = false) => ({ content: [{ type: 'text', text: words }], isError });

function answer(method, params) {
    if (method === 'initialize') return { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'small', version: '1' } };
    if (method === 'tools/list') return { tools };
    if (params.name === 'add') return text(`the sum is ${params.arguments.a + params.arguments.b}`);
    if (params.name === 'fail') return text('nothing works today', true);
    if (params.name === 'die') process.exit(1);
    return null;
}

for await (const line of createInterface({ input: process.stdin })) {
    const { id, method, params } = JSON.parse(line);
    const result = id === undefined ? null : answer(method, params);
    if (result) console.log(JSON.stringify({ jsonrpc: '2.0', id, result }));
}
