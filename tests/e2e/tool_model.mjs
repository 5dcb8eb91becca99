// A model that calls tools as it is told to, behind OpenAI's API: node tool_model.mjs FILE, where it writes its port and
// then each request, a line each. The last user's text says what to do:
//   "call TOOL ARGUMENTS"   calls it once, then tells what it said
//   "twice TOOL ARGUMENTS"  two calls in one answer
//   "forever TOOL"          calls it as long as it may
//   "think"                 thinks, then says hello
import { appendFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const file = process.argv[2];
let slow = false;

function reply({ messages, tool_choice, tools }) {
    const at = messages.findLastIndex(m => m.role === 'user');
    const [order, name, ...words] = String(messages[at].content).split(' ');
    const results = messages.slice(at + 1).filter(m => m.role === 'tool');
    if (!tools || (tool_choice === 'none' && order !== 'stubborn')) return `No tools. ${results.length} results.`;
    const call = id => ({ id, type: 'function', function: { name, arguments: words.join(' ') || '{}' } });
    if (order === 'forever' || order === 'stubborn') return [call(`c${results.length}`)];
    if (results.length > 0) return `It said: ${results.map(r => r.content).join('; ')}`;
    if (order === 'call') return [call('c1')];
    if (order === 'twice') return [call('c1'), call('c2')];
    return 'Hello.';
}

/** Thoughts that take a while: they end when the server's next request asks for it, GET /think. */
let think = null;

function* chunks(said) {
    if (typeof said === 'string') {
        for (const text of said.split(/(?<= )/)) yield [{ content: text }, null];
        yield [{}, 'stop'];
        return;
    }
    for (const [index, { id, type, function: { name, arguments: text } }] of said.entries()) {
        yield [{ tool_calls: [{ index, id, type, function: { name, arguments: '' } }] }, null];
        yield [{ tool_calls: [{ index, function: { arguments: text.slice(0, 3) } }] }, null];
        yield [{ tool_calls: [{ index, function: { arguments: text.slice(3) } }] }, null];
    }
    yield [{}, 'tool_calls'];
}

async function answer(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    if (request.url === '/think') {
        think?.();
        response.end();
        return;
    }
    const body = parts.length ? JSON.parse(Buffer.concat(parts).toString()) : null;
    if (!request.url.endsWith('/chat/completions')) {
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({ object: 'list', data: [{ id: 'caller', object: 'model' }] }));
        return;
    }
    appendFileSync(file, JSON.stringify(body) + '\n');
    const said = reply(body);
    if (!body.stream) {
        // A title of "slow ..." is never said, the first time.
        if (!slow && String(body.messages.at(-1).content).startsWith('slow')) {
            slow = true;
            return;
        }
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'A title' }, finish_reason: 'stop' }] }));
        return;
    }
    response.setHeader('Content-Type', 'text/event-stream');
    if (String(body.messages.at(-1).content) === 'think') {
        response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { reasoning_content: 'Hm.' }, finish_reason: null }] })}\n\n`);
        await new Promise(resolve => (think = resolve));
    }
    for (const [delta, finish_reason] of chunks(said)) response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    response.end('data: [DONE]\n\n');
}

const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1', () => writeFileSync(file, `${server.address().port}\n`));
