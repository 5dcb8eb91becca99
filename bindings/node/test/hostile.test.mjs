// SPDX-License-Identifier: MIT
// What an application does in its worst moments: releasing, aborting, dying and losing things while
// answers are being written. Environment as for test.mjs; in Node.js with --expose-gc, in Bun without.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const { PACKAGE, MODELS, WORK } = process.env;
const require = createRequire(import.meta.url);
const hearth = require(PACKAGE);
const model = `${MODELS}/ember.gguf`;
const open = (more) => hearth.initialize({ model, contextSize: 256, threads: 1, ...more });
const endless = { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true };
const collect = globalThis.gc ?? (() => globalThis.Bun.gc(true));
const mappings = () => readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => line.includes('ember.gguf')).length;
const threads = () => readdirSync('/proc/self/task').length;

// Looks again and again, for what other threads and the collector do in their own time.
async function until(holds) {
  for (let i = 0; i < 1000 && !holds(); i++) {
    collect();
    await sleep(10);
  }
  return holds();
}

test('release from inside a stream', async () => {
  const handle = await open();
  const stream = hearth.generateStream(handle, endless);
  let released;
  await assert.rejects(async () => {
    for await (const _ of stream) released ??= hearth.release(handle);
  }, { status: 'ECANCELED' });
  await released;
  await assert.rejects(stream.result, { status: 'ECANCELED' });
  const again = await open();
  const heard = hearth.generateStream(again, endless);
  heard.on('token', () => hearth.release(again));
  await assert.rejects(heard.result, { status: 'ECANCELED' });
});

test('release under every call at once', async () => {
  for (let round = 0; round < 5; round++) {
    const handle = await open({ parallel: 2 });
    const messages = [{ role: 'user', content: 'Hello' }];
    const calls = [
      hearth.generate(handle, endless), hearth.chat(handle, { messages, maxTokens: -1 }),
      hearth.generateStream(handle, endless).result, hearth.embed(handle, Array(50).fill('a fire in the evening')),
      hearth.tokenize(handle, 'word '.repeat(2000)), hearth.logits(handle, { input: 'word '.repeat(100), all: true }),
      hearth.saveState(handle, { path: `${WORK}/none`, messages }), hearth.trim(handle), hearth.generate(handle, endless),
    ];
    if (round % 2) await sleep(round);
    const releases = [hearth.release(handle), hearth.release(handle)];
    for (const { status, reason } of await Promise.allSettled(calls)) assert.ok(status === 'fulfilled' || reason.status, String(reason));
    await Promise.all(releases);
    await assert.rejects(hearth.embed(handle, 'a'), { parameter: 'handle' });
  }
});

test('abort: before anything, in the same turn, in the queue', async () => {
  const handle = await open({ parallel: 1 });
  const reason = new Error('no more');
  const aborted = AbortSignal.abort(reason);
  const calls = {
    generate: endless, chat: { messages: [] }, tokenize: { input: 'a' }, detokenize: { tokens: [1] }, embed: { texts: 'a' },
    rerank: { query: 'a', documents: 'b' }, logits: { input: 'a' }, saveState: { path: 'x', input: 'a' }, loadState: { path: 'x' }, trim: {},
  };
  for (const [name, params] of Object.entries(calls))
    await assert.rejects(hearth[name](handle, { ...params, signal: aborted }), (error) => error === reason, name);
  for (const name of ['initialize', 'plan']) await assert.rejects(hearth[name]({ model, signal: aborted }), (error) => error === reason, name);
  await assert.rejects(hearth.generateStream(handle, { ...endless, signal: aborted }).result, (error) => error === reason);
  assert.equal(hearth.stats(handle).requests, 0);
  const now = new AbortController();
  const inTurn = hearth.generate(handle, { ...endless, signal: now.signal });
  now.abort(reason);
  await assert.rejects(inTurn, (error) => error === reason);
  const first = hearth.generateStream(handle, endless);
  await first[Symbol.asyncIterator]().next(); // it has the one place
  const queued = Array.from({ length: 5 }, () => new AbortController());
  const waiting = queued.map(({ signal }) => hearth.generate(handle, { ...endless, signal }));
  const outcomes = Promise.allSettled(waiting);
  for (const controller of queued) controller.abort(reason);
  assert.ok((await outcomes).every((o) => o.reason === reason));
  first.cancel(reason);
  await assert.rejects(first.result, (error) => error === reason);
  assert.equal((await hearth.generate(handle, { input: 'a', maxTokens: 2, ignoreEos: true })).tokens, 2);
  await hearth.release(handle);
});

test('more requests than there is room for: each ends', async () => {
  const handle = await open({ parallel: 2, queue: 4 });
  const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => hearth.generate(handle, { input: 'Hearth', maxTokens: 4, ignoreEos: true })));
  const refused = outcomes.filter((o) => o.status === 'rejected');
  assert.ok(refused.every((o) => o.reason.status === 'EBUSY'));
  assert.ok(outcomes.length - refused.length >= 6);
  await hearth.release(handle);
});

test('two readers of one stream share it, and both come to its end', async () => {
  const handle = await open();
  const params = { input: 'Hearth is', maxTokens: 20, ignoreEos: true, temperature: 0 };
  const { text } = await hearth.generate(handle, params);
  const stream = hearth.generateStream(handle, params);
  const read = async () => {
    let n = 0;
    for await (const event of stream) n += event.text.length;
    return n;
  };
  const [a, b] = await Promise.all([read(), read()]);
  assert.equal(a + b, text.length);
  await hearth.release(handle);
});

test('workers that die while they load, write, embed', async () => {
  const before = { maps: mappings(), threads: threads() };
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const hearth = require(workerData.package);
    const { model, what } = workerData;
    const open = () => hearth.initialize({ model, contextSize: 256, threads: 1, onProgress: () => what === 'load' && parentPort.postMessage(what) });
    const tell = () => parentPort.postMessage(what);
    (async () => {
      const handle = await open();
      if (what === 'write') hearth.generateStream(handle, { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true }).on('token', tell);
      if (what === 'embed') hearth.embed(handle, Array(3000).fill('a fire in the evening'));
      if (what === 'release') hearth.release(handle);
      if (what === 'exit') hearth.generateStream(handle, { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true }).on('token', () => { tell(); process.exit(0); });
      if (what === 'throw') hearth.generateStream(handle, { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true }).on('token', () => { throw new Error('on purpose'); });
      if (what !== 'exit' && what !== 'throw') tell();
    })();`;
  for (const what of ['load', 'write', 'embed', 'release', 'exit', 'throw']) {
    const worker = new Worker(source, { eval: true, workerData: { package: PACKAGE, model, what } });
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    if (what === 'throw') {
      assert.match((await once(worker, 'error'))[0].message, /on purpose/);
    } else {
      await once(worker, 'message');
      await worker.terminate();
    }
    await exit;
  }
  // Bun keeps threads of its own for workers that were.
  if (!globalThis.Bun) assert.ok(await until(() => threads() <= before.threads + 1), `${threads()} threads, ${before.threads} before`);
  assert.ok(await until(() => mappings() <= before.maps), `${mappings()} mappings, ${before.maps} before`);
});

test('a process that ends in the middle of an answer', () => {
  const run = (end) => spawnSync(process.execPath, ['-e', `
    const hearth = require(${JSON.stringify(PACKAGE)});
    hearth.initialize({ model: ${JSON.stringify(model)}, contextSize: 256, threads: 1 }).then((handle) => {
      hearth.generateStream(handle, { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true }).on('token', () => { ${end} });
    });`], { timeout: 60000, encoding: 'utf8' });
  assert.equal(run('process.exit(3)').status, 3);
  const thrown = run('throw new Error("on purpose")');
  assert.equal(thrown.status, 1, thrown.stderr);
  assert.match(thrown.stderr, /on purpose/);
  assert.equal(run('process.kill(process.pid, "SIGTERM")').signal, 'SIGTERM');
});

test('a hundred handles, side by side and lost', async () => {
  const before = { maps: mappings(), threads: threads() };
  await (async () => {
    const handles = await Promise.all(Array.from({ length: 100 }, () => open({ contextSize: 64, parallel: 1 })));
    const texts = await Promise.all(handles.map((h) => hearth.generate(h, { input: 'Hearth is', maxTokens: 3, temperature: 0 })));
    assert.equal(new Set(texts.map((r) => r.text)).size, 1);
    await Promise.all(handles.slice(50).map(hearth.release));
  })();
  // In Bun the collector reads the stack conservatively, and may keep some.
  const left = globalThis.Bun ? 10 : 0;
  assert.ok(await until(() => mappings() <= before.maps + left), `${mappings()} mappings, ${before.maps} before`);
  assert.ok(await until(() => threads() <= before.threads + left + 2), `${threads()} threads, ${before.threads} before`);
});

test('arrays outlive what gave them', async () => {
  const handle = await open();
  const { embeddings: [vector] } = await hearth.embed(handle, 'fire');
  const logits = await hearth.logits(handle, 'fire');
  const tokens = await hearth.tokenize(handle, 'fire and water');
  const copies = [vector, logits, tokens].map((array) => array.slice());
  await hearth.release(handle);
  for (let i = 0; i < 5; i++) {
    collect();
    await sleep(1);
  }
  assert.deepEqual([vector, logits, tokens], copies);
  assert.deepEqual(structuredClone(vector), copies[0]);
  logits.fill(0); // they are the caller's
  try {
    structuredClone(tokens, { transfer: [tokens.buffer] }); // hosts may refuse
  } catch (error) {
    assert.equal(error.name, 'DataCloneError');
  }
});

test('parameters that bite', async () => {
  const handle = await open();
  const bad = new Error('from a getter');
  await assert.rejects(hearth.generate(handle, { get input() { throw bad; } }), (error) => error === bad);
  await assert.rejects(hearth.chat(handle, { messages: [{ role: 'user', get content() { throw bad; } }] }), { parameter: 'messages' });
  await assert.rejects(hearth.generate(handle, { input: { toString: () => 'a' } }), { parameter: 'input' });
  await assert.rejects(hearth.generate(handle, { input: new String('a') }), { parameter: 'input' });
  await assert.rejects(hearth.generate(handle, { input: 'a', maxTokens: 1n }), { parameter: 'maxTokens' });
  await assert.rejects(hearth.generate(handle, { input: 'a', maxTokens: Infinity }), { parameter: 'maxTokens' });
  await assert.rejects(hearth.generate(handle, { input: 'a', stop: Object.assign([], { length: 2 ** 31 }) }), { parameter: 'stopSequences' });
  await assert.rejects(hearth.generate(handle, { input: 'a', __proto__: null, constructor: 1 }), { parameter: 'constructor' });
  await assert.rejects(hearth.generate(handle, Object.assign(Object.create({ input: 'a' }), { inpt: 'a' })), { parameter: 'inpt' });
  for (const params of [[], () => {}, null, 'a', 3]) await assert.rejects(hearth.generate(handle, params), Error);
  const frozen = Object.freeze({ input: 'a', maxTokens: 1 });
  assert.equal((await hearth.generate(handle, frozen)).usage.completionTokens, 1);
  assert.equal((await hearth.generate(handle, new Proxy({ input: 'a', maxTokens: 1 }, {}))).usage.completionTokens, 1);
  await hearth.generate(handle, { input: '\ud800 half a pair', maxTokens: 1 });
  await hearth.release(handle);
});

test('handles of others are none', async () => {
  const handle = await open();
  const { ModelManager } = require(`${PACKAGE}/models.js`);
  const manager = await ModelManager.open({ folder: `${WORK}/hostile`, huggingface: false, lmstudio: false, ollama: false });
  const native = require(`${PACKAGE}/hearth.node`), models = require(`${PACKAGE}/models.node`);
  assert.throws(() => models.start('list', handle, {}, undefined), { parameter: 'handle' });
  assert.throws(() => native.start('nothing', handle, {}, undefined), { parameter: 'name' });
  for (const args of [[], [1], ['generate'], ['generate', 1], [{}, {}, {}, {}]]) {
    try {
      native.start(...args);
    } catch (error) {
      assert.ok(error instanceof Error);
    }
  }
  assert.doesNotThrow(() => native.cancel(123456));
  assert.doesNotThrow(() => native.cancel(NaN));
  await assert.rejects(hearth.release({}), { parameter: 'handle' });
  await assert.rejects(hearth.release(), { parameter: 'handle' });
  await manager.close();
  await hearth.release(handle);
});
