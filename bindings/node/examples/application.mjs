// SPDX-License-Identifier: MIT
// A desktop application's backend around one model: it starts and stops, tells its state and its
// configuration, and keeps conversations by session. What a server process and its commands do
// elsewhere are functions here. node application.mjs MODEL.gguf
import assert from 'node:assert';
import { randomUUID } from 'node:crypto';
import hearth from 'hearth-node';

let server = null; // {handle, config}
const sessions = new Map(); // session id to messages

async function startServer(config) {
  if (server) throw new Error('it runs already');
  const handle = await hearth.initialize({
    model: config.modelPath,
    contextSize: config.contextSize,
    parallel: config.parallel,
    gpuLayers: config.gpuLayers,
  });
  server = { handle, config };
  return 'started';
}

const isRunning = () => server !== null;
const getConfig = () => ({ ...server.config, ...hearth.info(server.handle).plan, warnings: hearth.info(server.handle).warnings });

// Every piece goes to onEvent as {chunk}; the last event is {status: 'done', usage}.
async function sendMessage({ message, sessionId = randomUUID(), temperature = 0.7, maxTokens = 512, onEvent }) {
  const messages = sessions.get(sessionId) ?? [];
  messages.push({ role: 'user', content: message });
  const answer = hearth.chatStream(server.handle, { messages, temperature, maxTokens });
  answer.on('token', ({ text }) => onEvent({ chunk: text }));
  const result = await answer.result;
  messages.push(result.message);
  sessions.set(sessionId, messages);
  onEvent({ status: 'done', usage: result.usage });
  return sessionId;
}

async function stopServer() {
  await hearth.release(server.handle);
  server = null;
  return 'stopped';
}

console.log(await startServer({ modelPath: process.argv[2], contextSize: 512, parallel: 4, gpuLayers: 33 }));
assert(isRunning());
console.log(getConfig());
const onEvent = (event) => (event.chunk ? process.stdout.write(event.chunk) : console.log('\n', event.usage));
const sessionId = await sendMessage({ message: 'What is Hearth?', maxTokens: 40, onEvent });
await sendMessage({ message: 'Tell me more.', sessionId, maxTokens: 40, onEvent });
assert.equal(sessions.get(sessionId).length, 4);
console.log(await stopServer());
assert(!isRunning());
