// SPDX-License-Identifier: MIT
// A page's backend: POST /chat with {messages} gives the answer as server-sent events, and a reader who
// leaves ends it. node server.mjs MODEL.gguf [PORT]
import { createServer } from 'node:http';
import hearth from 'hearth-node';

const handle = await hearth.initialize({ model: process.argv[2], parallel: 4 });

async function readJson(request) {
  let text = '';
  for await (const piece of request) {
    text += piece;
    if (text.length > 1 << 20) throw Object.assign(new Error('the body is over 1 MiB'), { status: 'EINVAL' });
  }
  return JSON.parse(text);
}

const server = createServer(async (request, response) => {
  const fail = (code, error) => response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify({ error: error.message }));
  if (request.method !== 'POST' || request.url !== '/chat') return fail(404, new Error('POST /chat'));
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  try {
    const { messages, maxTokens } = await readJson(request);
    const answer = hearth.chatStream(handle, { messages, maxTokens, signal: gone.signal });
    const events = answer[Symbol.asyncIterator]();
    let next = await events.next(); // what is wrong with the request fails here
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    for (; !next.done; next = await events.next()) response.write(`data: ${JSON.stringify(next.value)}\n\n`);
    response.end(`data: ${JSON.stringify({ type: 'done', ...(await answer.result) })}\n\n`);
  } catch (error) {
    if (gone.signal.aborted) return;
    if (response.headersSent) response.end(`data: ${JSON.stringify({ type: 'error', error: error.message })}\n\n`);
    else fail(error instanceof SyntaxError || error.status === 'EINVAL' ? 400 : 500, error);
  }
});
// Loopback alone: who opens it to others puts keys in front.
server.listen(Number(process.argv[3] ?? 8000), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/chat`));
process.on('SIGTERM', async () => {
  server.close();
  await hearth.release(handle);
});
