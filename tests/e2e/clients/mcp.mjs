// A Model Context Protocol server's tools for a model: node mcp.mjs URL KEY. With --serve it is that server.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import OpenAI from 'openai';
import { z } from 'zod';
import { city, equal, finish, ok, question } from './check.mjs';

if (process.argv[2] === '--serve') {
    const server = new McpServer({ name: 'weather', version: '1.0.0' });
    const inputSchema = { ...city.shape, days: z.number().int().min(1).max(3) };
    server.registerTool('forecast', { description: 'The weather of the next days', inputSchema },
        ({ city, days }) => ({ content: [{ type: 'text', text: `${city}: rain for ${days} days` }] }));
    await server.connect(new StdioServerTransport());
} else {
    await ask(...process.argv.slice(2));
}

async function ask(url, key) {
    const host = new Client({ name: 'hearth-clients', version: '1.0.0' });
    await host.connect(new StdioClientTransport({ command: process.execPath, args: [process.argv[1], '--serve'] }));
    const offered = (await host.listTools()).tools;
    equal('tools', offered.map(t => t.name), ['forecast']);
    const tools = offered.map(t => ({ type: 'function', function: { name: t.name, description: t.description, parameters: t.inputSchema } }));

    const model = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
    const messages = [{ role: 'user', content: question }];
    const common = { model: 'ember', temperature: 0, max_tokens: 200, tools, parallel_tool_calls: false };
    const message = (await model.chat.completions.create({ ...common, messages, tool_choice: 'required' })).choices[0].message;
    const call = message.tool_calls[0];
    const result = await host.callTool({ name: call.function.name, arguments: JSON.parse(call.function.arguments) });
    ok('the call is executed', !result.isError && /^(Rome|Oslo): rain for [123] days$/.test(result.content[0].text));

    messages.push(message, { role: 'tool', tool_call_id: call.id, content: result.content[0].text });
    const answer = await model.chat.completions.create({ ...common, messages, tool_choice: 'none' });
    ok('answer to a result', answer.choices[0].message.content.length > 0);
    await host.close();
    finish();
}
