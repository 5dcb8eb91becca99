// SPDX-License-Identifier: MIT
// A conversation at the terminal, one line a turn: node chat.mjs MODEL.gguf
import { createInterface } from 'node:readline/promises';
import hearth from 'hearth-node';

const handle = await hearth.initialize({
  model: process.argv[2],
  onProgress: ({ done, total }) => process.stderr.write(`\rloading ${Math.floor((done / total) * 100)} %`),
});
process.stderr.write('\n');
const lines = createInterface({ input: process.stdin, terminal: false });
const messages = [];
for await (const line of lines) {
  messages.push({ role: 'user', content: line });
  const answer = hearth.chatStream(handle, { messages, maxTokens: 128 });
  for await (const event of answer) {
    if (event.type === 'token') process.stdout.write(event.text);
  }
  const { message, timing } = await answer.result;
  process.stdout.write('\n');
  process.stderr.write(`${timing.tokensPerSecond.toFixed(1)} tokens per second\n`);
  messages.push(message);
}
await hearth.release(handle);
