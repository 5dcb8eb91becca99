// SPDX-License-Identifier: MIT
// node --test test.mjs, with PACKAGE (the built package's folder), MODELS (with ember.gguf, encoder.gguf,
// adapter.gguf) and a folder WORK to write in.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

const { PACKAGE, MODELS, WORK } = process.env;
const hearth = createRequire(import.meta.url)(PACKAGE);
const model = `${MODELS}/ember.gguf`;
const open = (more) => hearth.initialize({ model, contextSize: 512, threads: 1, ...more });
const conversation = [{ role: 'user', content: 'What is Hearth?' }];
const greedy = { temperature: 0 };

const rejects = (promise, parameter, pattern = /./) =>
  assert.rejects(promise, (error) => {
    assert.equal(error.parameter, parameter, error.message);
    assert.equal(error.code, `HEARTH_${error.status}`);
    assert.match(error.message, pattern);
    return true;
  });

test('an answer has the shape that applications expect', async () => {
  const handle = await open();
  const params = { input: 'Hearth is', maxTokens: 8, ...greedy };
  const result = await hearth.generate(handle, params);
  assert.equal(typeof result.text, 'string');
  assert.ok(result.text.length > 0);
  assert.ok(result.tokens > 0 && result.tokens <= 8);
  assert.ok(['stop', 'length'].includes(result.finishReason));
  const { timing, usage } = result;
  assert.ok(timing.startTime <= timing.endTime && Math.abs(timing.endTime - timing.startTime - timing.elapsedTime) < 1);
  assert.ok(Math.abs(Date.now() - timing.endTime) < 600000);
  assert.ok(timing.tokensPerSecond > 0);
  assert.equal(usage.completionTokens, result.tokens);
  assert.equal(usage.totalTokens, usage.promptTokens + usage.completionTokens);
  assert.equal((await hearth.generate(handle, params)).text, result.text);
  const tokens = await hearth.tokenize(handle, 'Hearth is');
  const same = await hearth.generate(handle, { tokens, maxTokens: 8, ...greedy });
  assert.equal(same.text, result.text);
  await hearth.release(handle);
});

test('progress of loading and of reading', async () => {
  const loading = [], reading = [];
  const handle = await open({ onProgress: (e) => loading.push(e) });
  assert.ok(loading.length > 0);
  assert.equal(loading.at(-1).done, loading.at(-1).total);
  await hearth.generate(handle, { input: 'word '.repeat(100), maxTokens: 1, onProgress: (e) => reading.push(e) });
  assert.ok(reading.every((e) => e.done <= e.total));
  await hearth.release(handle);
});

test('streams: iterator, events and result tell the same', async () => {
  const handle = await open();
  const params = { input: 'Hearth is', maxTokens: 12, topLogprobs: 2, ...greedy };
  const whole = await hearth.generate(handle, params);
  const stream = hearth.generateStream(handle, params);
  let heard = '', read = '', done;
  stream.on('token', (e) => (heard += e.text)).on('done', (result) => (done = result));
  for await (const event of stream) {
    assert.equal(event.type, 'token');
    if (event.token !== undefined) assert.ok(event.logprob <= 0 && event.topLogprobs.length === 2);
    read += event.text;
  }
  assert.equal(read, whole.text);
  assert.equal(heard, whole.text);
  assert.equal((await stream.result).text, whole.text);
  assert.equal(done, await stream.result);
  for await (const event of hearth.generateStream(handle, { input: 'Go on', maxTokens: -1, ignoreEos: true })) {
    assert.equal(event.type, 'token');
    break; // cancels
  }
  await hearth.release(handle);
});

test('chat: text, tools, schema, reasoning in the message', async () => {
  const handle = await open();
  const plain = await hearth.chat(handle, { messages: conversation, maxTokens: 40, ...greedy });
  assert.equal(plain.message.role, 'assistant');
  assert.equal(plain.message.content, plain.text);
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { enum: ['Rome', 'Oslo'] } }, required: ['city'], additionalProperties: false } } }];
  const stream = hearth.chatStream(handle, { messages: conversation, tools, toolChoice: 'required', parallelToolCalls: false, maxTokens: 100, ...greedy });
  let name, text = '';
  for await (const event of stream) {
    if (event.type === 'toolCall') name = event.name;
    if (event.type === 'toolArguments') text += event.text;
  }
  const called = await stream.result;
  assert.equal(called.finishReason, 'toolCalls');
  assert.equal(name, 'get_weather');
  assert.deepEqual(called.message.tool_calls[0].function, { name, arguments: text });
  assert.ok(['Rome', 'Oslo'].includes(JSON.parse(text).city));
  const schema = { type: 'object', properties: { warm: { type: 'boolean' } }, required: ['warm'], additionalProperties: false };
  const held = await hearth.chat(handle, { messages: conversation, schema, maxTokens: 60, ...greedy });
  assert.equal(typeof JSON.parse(held.text).warm, 'boolean');
  const either = await hearth.chat(handle, { messages: conversation, tools, schema, parallelToolCalls: false, maxTokens: 100, ...greedy });
  if (either.finishReason === 'toolCalls')
    assert.ok(['Rome', 'Oslo'].includes(JSON.parse(either.message.tool_calls[0].function.arguments).city));
  else
    assert.equal(typeof JSON.parse(either.text).warm, 'boolean');
  await rejects(hearth.chat(handle, { messages: 3 }), 'messages');
  await rejects(hearth.chat(handle, {}), 'messages');
  await hearth.release(handle);
});

test('tokens and numbers come as typed arrays', async () => {
  const handle = await open();
  const tokens = await hearth.tokenize(handle, { input: 'Hello, Grüße 🔥', addSpecial: false });
  assert.ok(tokens instanceof Int32Array);
  assert.equal(await hearth.detokenize(handle, tokens), 'Hello, Grüße 🔥');
  assert.equal(await hearth.detokenize(handle, [...tokens]), 'Hello, Grüße 🔥');
  assert.equal((await hearth.tokenize(handle, { input: '', addSpecial: false })).length, 0);
  const { embeddings, usage } = await hearth.embed(handle, ['fire', 'water', 'fire']);
  assert.equal(embeddings.length, 3);
  assert.ok(embeddings[0] instanceof Float32Array);
  assert.equal(embeddings[0].length, hearth.info(handle).embeddingSize);
  assert.deepEqual(embeddings[0], embeddings[2]);
  assert.notDeepEqual(embeddings[0], embeddings[1]);
  assert.ok(Math.abs(embeddings[0].reduce((sum, x) => sum + x * x, 0) - 1) < 1e-4);
  assert.ok(usage.promptTokens >= 3);
  const n = hearth.info(handle).vocabularySize;
  const last = await hearth.logits(handle, 'Hearth is');
  const all = await hearth.logits(handle, { input: 'Hearth is', all: true });
  assert.equal(last.length, n);
  assert.equal(all.length % n, 0);
  assert.deepEqual(all.slice(-n), last);
  const best = last.indexOf(Math.max(...last));
  const [first] = await Array.fromAsync?.(hearth.generateStream(handle, { input: 'Hearth is', maxTokens: 1, ...greedy })) ?? [];
  if (first) assert.equal(first.token, best);
  await hearth.release(handle);
});

test('a reranker ranks', async () => {
  const handle = await hearth.initialize({ model: `${MODELS}/encoder.gguf`, contextSize: 256, threads: 1 });
  assert.ok(hearth.info(handle).capabilities.includes('rerank'));
  const documents = ['de fg', 'the other one', 'xyz xyz'];
  const { results } = await hearth.rerank(handle, { query: 'abc', documents });
  assert.deepEqual(results.map((r) => r.index).sort(), [0, 1, 2]);
  assert.ok(results[0].score >= results[1].score && results[1].score >= results[2].score);
  assert.equal(results[0].document, documents[results[0].index]);
  assert.equal((await hearth.rerank(handle, { query: 'abc', documents, topN: 1 })).results.length, 1);
  await rejects(hearth.embed(handle, 'abc'), 'pooling', /reranker/);
  await assert.rejects(hearth.logits(handle, 'abc'), { status: 'EUNSUPPORTED' });
  await hearth.release(handle);
});

test('wrong parameters are named', async () => {
  const handle = await open();
  await rejects(hearth.generate(handle, { input: 'a', tempertaure: 1 }), 'tempertaure', /no parameter/);
  await rejects(hearth.generate(handle, { input: 'a', temperature: 'hot' }), 'temperature', /number/);
  await rejects(hearth.generate(handle, { input: 'a', temperature: -1 }), 'temperature', /from 0/);
  await rejects(hearth.generate(handle, { input: 'a', temperature: NaN }), 'temperature');
  await rejects(hearth.generate(handle, { input: 'a', topK: 1.5 }), 'topK', /whole/);
  await rejects(hearth.generate(handle, { input: 'a', maxTokens: -2 }), 'maxTokens');
  await rejects(hearth.generate(handle, { input: 1 }), 'input', /text/);
  await rejects(hearth.generate(handle, { input: 'a', prompt: 'b' }), 'input', /twice/);
  await rejects(hearth.generate(handle, { input: 'a', tokens: [1] }), 'input', /either/);
  await rejects(hearth.generate(handle, {}), 'input');
  await rejects(hearth.generate(handle, { tokens: [1.5] }), 'tokens');
  await rejects(hearth.generate(handle, { tokens: new Float32Array(2) }), 'tokens', /Int32Array/);
  await assert.rejects(hearth.generate(handle, { tokens: [100000000] }), { status: 'EINVAL' });
  await rejects(hearth.generate(handle, { input: 'a', stop: [1] }), 'stopSequences');
  await rejects(hearth.generate(handle, { input: 'a', messages: [] }), 'messages');
  await rejects(hearth.generate(handle, { input: 'a', signal: 3 }), 'signal');
  await rejects(hearth.generate(handle, 'a'), 'generate', /object/);
  await assert.rejects(hearth.generate(handle, { input: 'a', schema: { type: 'nothing' } }), { status: 'EINVAL' });
  await rejects(hearth.generate(handle, { input: 'a', grammar: 'root ::= "a"', regex: 'b' }), 'grammar', /exclude/);
  const loop = {};
  loop.loop = loop;
  await rejects(hearth.generate(handle, { input: 'a', schema: loop }), 'schema', /JSON/);
  await rejects(hearth.embed(handle, { texts: 'a', pooling: 'max' }), 'pooling', /none\|mean/);
  await assert.rejects(hearth.generate(handle, { input: 'word '.repeat(2000) }), { status: 'ECONTEXT' });
  await rejects(hearth.initialize({}), 'model');
  await rejects(hearth.initialize({ model: 'a\0b' }), 'model', /NUL/);
  await assert.rejects(hearth.initialize({ model: `${WORK}/nothing.gguf` }), { code: 'HEARTH_ENOTFOUND' });
  await assert.rejects(hearth.initialize({ model: import.meta.filename ?? new URL(import.meta.url).pathname }), { status: 'EFORMAT' });
  await rejects(hearth.initialize({ model, cacheTypeK: 'q4' }), 'cacheTypeK', /q8_0/);
  for (const nothing of [undefined, null, 1, {}, '0x1234']) await rejects(hearth.generate(nothing, { input: 'a' }), 'handle');
  await hearth.release(handle);
});

test('undefined is as not given', async () => {
  const handle = await open({ isa: undefined });
  await hearth.generate(handle, { input: 'a', maxTokens: 1, temperature: undefined, signal: undefined });
  await hearth.release(handle);
});

test('AbortSignal: before, during, after', async () => {
  const handle = await open();
  const endless = { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true };
  await assert.rejects(hearth.generate(handle, { ...endless, signal: AbortSignal.abort() }), { name: 'AbortError' });
  const controller = new AbortController();
  const stream = hearth.generateStream(handle, { ...endless, signal: controller.signal });
  stream.on('token', () => controller.abort(new Error('enough')));
  await assert.rejects(stream.result, /enough/);
  const other = new AbortController();
  const result = await hearth.generate(handle, { input: 'a', maxTokens: 1, signal: other.signal });
  other.abort();
  assert.equal(result.usage.completionTokens, 1);
  const loading = new AbortController();
  const opening = open({ signal: loading.signal, onProgress: () => loading.abort() });
  await assert.rejects(opening, { name: 'AbortError' });
  await hearth.release(handle);
});

test('release at any moment, more than once', async () => {
  const handle = await open();
  const running = [1, 2, 3].map(() => hearth.generate(handle, { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true }));
  const outcomes = Promise.allSettled(running);
  await Promise.all([hearth.release(handle), hearth.release(handle), hearth.release(handle)]);
  for (const { status, reason } of await outcomes) {
    assert.equal(status, 'rejected');
    assert.equal(reason.status, 'ECANCELED');
  }
  await hearth.release(handle);
  await rejects(hearth.generate(handle, { input: 'a' }), 'handle', /released/);
  assert.throws(() => hearth.info(handle), /released/);
});

test('several contexts and many requests at once', async () => {
  const handles = await Promise.all([open(), open(), open({ parallel: 4 })]);
  const params = { input: 'Hearth is', maxTokens: 10, ...greedy };
  const { text } = await hearth.generate(handles[0], params);
  const results = await Promise.all(handles.flatMap((h) => Array.from({ length: 8 }, () => hearth.generate(h, params))));
  assert.ok(results.every((r) => r.text === text));
  assert.ok(results.some((r) => r.usage.cachedTokens > 0 || r.usage.promptTokens < 5));
  while (hearth.stats(handles[2]).done < 8) await new Promise(setImmediate); // counted when a pass ends
  assert.equal(hearth.stats(handles[2]).requests, 8);
  await Promise.all(handles.map(hearth.release));
});

test('the event loop goes on meanwhile', async () => {
  const handle = await open();
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const stream = hearth.generateStream(handle, { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true });
  while (ticks < 20) await once(process, 'nothing', { signal: AbortSignal.timeout(5) }).catch(() => {});
  clearInterval(timer);
  stream.cancel();
  await assert.rejects(stream.result, { name: 'AbortError' });
  await hearth.release(handle);
});

test('state files', async () => {
  const path = `${WORK}/state`;
  const input = 'The hearth is where the fire burns, and where people sit in the evening. '.repeat(6);
  const params = { input, maxTokens: 4, ...greedy };
  const one = await open();
  await rejects(hearth.saveState(one, path), 'input', /generate first/);
  const before = await hearth.generate(one, params);
  const saved = await hearth.saveState(one, path);
  assert.ok(saved.tokens > 64 && saved.bytes > 1000 && existsSync(path));
  await hearth.release(one);
  const two = await open();
  assert.equal((await hearth.loadState(two, path)).tokens, saved.tokens);
  const after = await hearth.generate(two, params);
  assert.equal(after.text, before.text);
  assert.ok(after.usage.cachedTokens >= 64);
  assert.ok((await hearth.saveState(two, { path: `${path}.chat`, messages: conversation })).tokens > 0);
  await assert.rejects(hearth.loadState(two, `${WORK}/nothing`), { status: 'ENOTFOUND' });
  await hearth.release(two);
});

test('LoRA adapters: loaded, per request, swapped', async () => {
  const handle = await open({ adapters: `${MODELS}/adapter.gguf`, adapterScales: [0] });
  const bare = await open();
  const params = { input: 'What is Hearth?', maxTokens: 12, ...greedy };
  const plain = (await hearth.generate(bare, params)).text;
  assert.equal((await hearth.generate(handle, params)).text, plain);
  const scaled = (await hearth.generate(handle, { ...params, adapterScales: [2] })).text;
  assert.notEqual(scaled, plain);
  await hearth.setAdapters(handle, [2]);
  assert.equal((await hearth.generate(handle, params)).text, scaled);
  await rejects(hearth.setAdapters(handle, [1, 2]), 'adapterScales', /1 adapters/);
  await rejects(hearth.generate(bare, { ...params, adapterScales: [1] }), 'adapterScales');
  await Promise.all([hearth.release(handle), hearth.release(bare)]);
});

test('LoRA adapters come and go while answers are written', async () => {
  const handle = await open();
  const params = { input: 'What is Hearth?', maxTokens: 12, ...greedy };
  const path = `${MODELS}/adapter.gguf`;
  const { text: plain } = await hearth.generate(handle, params);
  const before = await hearth.logits(handle, 'a b c');
  const adapter = await hearth.loadAdapter(handle, { path, scale: 2 });
  assert.deepEqual(hearth.info(handle).adapters, [adapter]);
  assert.equal(adapter.path, path);
  assert.equal(adapter.scale, 2);
  assert.equal(adapter.rank, 2);
  const { text: adapted } = await hearth.generate(handle, params);
  assert.notEqual(adapted, plain);
  assert.notDeepEqual(await hearth.logits(handle, 'a b c'), before);
  assert.deepEqual(await hearth.logits(handle, { input: 'a b c', adapterScales: [0] }), before);
  const vector = async (more) => (await hearth.embed(handle, { texts: 'a b c', ...more })).embeddings[0];
  assert.notDeepEqual(await vector({}), await vector({ adapterScales: [0] }));
  const long = { ...params, maxTokens: 400, ignoreEos: true };
  const whole = (await hearth.generate(handle, long)).text;
  const stream = hearth.generateStream(handle, long);
  let written = '';
  for await (const event of stream) {
    if (written === '') await hearth.removeAdapter(handle, adapter);
    written += event.text;
  }
  assert.equal(written, whole);
  assert.deepEqual(hearth.info(handle).adapters, []);
  assert.equal((await hearth.generate(handle, params)).text, plain);
  const again = await hearth.loadAdapter(handle, path);
  assert.ok(again.id > adapter.id);
  assert.equal(again.scale, 1);
  assert.equal((await hearth.generate(handle, { ...params, adapterScales: [2] })).text, adapted);
  await rejects(hearth.removeAdapter(handle, adapter), 'id', /no adapter/);
  await rejects(hearth.removeAdapter(handle, -2), 'id');
  await rejects(hearth.loadAdapter(handle, {}), 'path');
  await rejects(hearth.loadAdapter(handle, { path, scale: 'much' }), 'scale');
  await assert.rejects(hearth.loadAdapter(handle, `${MODELS}/nothing.gguf`), { status: 'ENOTFOUND' });
  await assert.rejects(hearth.loadAdapter(handle, `${MODELS}/ember.gguf`), { status: 'EFORMAT' });
  await Promise.all([hearth.release(handle), hearth.loadAdapter(handle, path).catch(() => {})]);
});

test('memory given back, and guesses of a smaller model, change no answer', async () => {
  const handle = await open();
  const params = { input: 'Hearth is where the fire burns. '.repeat(8), maxTokens: 12, ...greedy };
  const { text } = await hearth.generate(handle, params);
  const trimmed = await hearth.trim(handle, { weights: true });
  assert.ok(trimmed.cacheBytes > 0);
  const again = await hearth.generate(handle, params);
  assert.equal(again.text, text);
  assert.equal(again.usage.cachedTokens, 0);
  const guessing = await open({ draftModel: model, draftMax: 4 });
  assert.equal((await hearth.generate(guessing, params)).text, text);
  await assert.rejects(open({ draftModel: `${WORK}/nothing.gguf` }), /nothing/);
  await Promise.all([hearth.release(handle), hearth.release(guessing)]);
});

test('plan and info', async () => {
  const plan = await hearth.plan({ model, contextSize: 256 });
  assert.equal(plan.contextSize, 256);
  assert.equal(plan.totalBytes, plan.weightBytes + plan.cacheBytes + plan.computeBytes + plan.overheadBytes);
  const handle = await hearth.initialize({ model, n_ctx: 256, n_batch: 64, n_threads: 1, n_gpu_layers: 1 });
  const info = hearth.info(handle);
  assert.equal(info.plan.contextSize, 256);
  assert.equal(info.architecture, 'llama');
  assert.match(info.warnings[0], /gpuLayers/);
  assert.ok(info.capabilities.includes('chat'));
  await hearth.release(handle);
});

test('a handle that nobody holds is collected, and one that is used is not', async () => {
  const gc = globalThis.gc ?? (() => globalThis.Bun.gc(true)); // node --expose-gc
  const maps = () => readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => line.includes('ember.gguf')).length;
  const before = maps();
  await (async () => void (await hearth.generate(await open(), { input: 'a', maxTokens: 1 })))();
  const text = hearth.generate(await open(), { input: 'Hearth is', maxTokens: 20, ignoreEos: true });
  gc();
  assert.equal((await text).tokens, 20);
  for (let i = 0; i < 500 && maps() > before; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(maps(), before);
});

test('worker threads, also one that is stopped in the middle', async () => {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const hearth = require(workerData.package);
    (async () => {
      const handle = await hearth.initialize({ model: workerData.model, contextSize: 256, threads: 1 });
      const { text } = await hearth.generate(handle, { input: 'Hearth is', maxTokens: 6, temperature: 0 });
      parentPort.postMessage(text);
      if (workerData.endless) await hearth.generate(handle, { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true });
      await hearth.release(handle);
    })();`;
  const start = (endless) => new Worker(source, { eval: true, workerData: { package: PACKAGE, model, endless } });
  const workers = [start(false), start(false), start(true)];
  const exits = workers.map((w) => once(w, 'exit'));
  const texts = await Promise.all(workers.map(async (w) => (await once(w, 'message'))[0]));
  assert.ok(texts.every((t) => t === texts[0]));
  await workers[2].terminate();
  for (const exit of exits.slice(0, 2)) assert.equal((await exit)[0], 0);
});

test('the types name every parameter and every function', () => {
  const types = readFileSync(`${PACKAGE}/index.d.ts`, 'utf8') + readFileSync(`${PACKAGE}/models.d.ts`, 'utf8');
  for (const { name } of hearth.parameters) assert.match(types, new RegExp(`\\b${name}\\??:`), name);
  for (const name of Object.keys(hearth)) assert.match(types, new RegExp(`export (function|const) ${name}\\b`), name);
  const temperature = hearth.parameters.find((p) => p.name === 'temperature');
  assert.ok(Math.abs(temperature.default - 0.7) < 1e-6);
});
