// SPDX-License-Identifier: MIT
// The models of a machine, as an application manages them. Environment as for test.mjs.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const { PACKAGE, MODELS, WORK } = process.env;
const require = createRequire(import.meta.url);
const hearth = require(PACKAGE);
const { ModelManager } = require(`${PACKAGE}/models.js`);
const file = `${MODELS}/ember.gguf`;
const sum = createHash('sha256').update(readFileSync(file)).digest('hex');
const open = (folder) => ModelManager.open({ folder: `${WORK}/${folder}`, huggingface: false, lmstudio: false, ollama: false });

test('list, import, metadata, remove', async () => {
  const manager = await open('own');
  assert.deepEqual((await manager.list()).map((m) => [m.name, m.origin]), [['ember', 'builtin']]);
  const model = await manager.import({ path: file, name: 'house/small' });
  assert.equal(model.name, 'house/small');
  assert.equal(model.modelPath, file);
  assert.equal(model.filename, 'ember.gguf');
  assert.equal(model.architecture, 'llama');
  assert.equal(model.size, readFileSync(file).length);
  assert.equal(model.modelType, 'local');
  assert.equal(model.active, false);
  assert.ok(model.capabilities.includes('chat'));
  assert.ok(model.contextLength > 0);
  assert.equal((await manager.list()).length, 2);
  assert.equal(await manager.verify('house/small'), sum);
  await manager.set('house/small', 'contextSize', 256);
  await manager.set('house/small', 'temperature', 0.25);
  const found = await manager.find('small');
  assert.deepEqual([found.contextSize, found.temperature, found.checksum], [256, 0.25, sum]);
  await manager.rename('house/small', 'house/little');
  await assert.rejects(manager.find('house/small'), { status: 'ENOTFOUND' });
  await assert.rejects(manager.import({ path: file, name: '../out' }), { status: 'EINVAL' });
  await assert.rejects(manager.import({ path: `${WORK}/nothing.gguf` }), { status: 'ENOTFOUND' });
  await assert.rejects(manager.import({ path: file, nmae: 'a' }), { parameter: 'nmae' });
  await assert.rejects(manager.set('house/little', 'temperature', 'hot'), { status: 'EINVAL' });
  await assert.rejects(manager.remove('ember'), { status: /EINVAL|EUNSUPPORTED/ });
  await manager.remove('house/little');
  assert.ok(existsSync(file), 'a file of somebody else stays');
  assert.equal((await manager.list()).length, 1);
  const copied = await manager.import({ path: file, name: 'copy', copy: true });
  assert.notEqual(copied.modelPath, file);
  assert.equal((await manager.remove('copy')).freedBytes >= copied.size, true);
  assert.ok(!existsSync(copied.modelPath));
  await manager.close();
  await manager.close();
  await assert.rejects(manager.list(), /released/);
});

test('the active model: one at a time, counted, released', async () => {
  const manager = await open('active');
  await manager.import({ path: file, name: 'one' });
  await manager.import({ path: file, name: 'two' });
  await manager.set('one', 'contextSize', 256);
  assert.equal(manager.active, null);
  const handle = await manager.activate('one', { threads: 1 });
  assert.equal(hearth.info(handle).plan.contextSize, 256);
  assert.equal(await manager.activate('one'), handle);
  assert.equal(manager.active.name, 'one');
  const answer = hearth.generate(handle, { input: 'Go on', maxTokens: -1, ignoreEos: true, contextShift: true });
  const [second] = await Promise.all([manager.activate('two', { contextSize: 512, threads: 1 }), assert.rejects(answer, { status: 'ECANCELED' })]);
  assert.throws(() => hearth.info(handle), /released/);
  assert.equal(hearth.info(second).plan.contextSize, 512);
  const models = await manager.list();
  assert.deepEqual(models.filter((m) => m.active).map((m) => m.name), ['two']);
  assert.equal(models.find((m) => m.name === 'one').usageCount, 1);
  assert.ok(models.find((m) => m.name === 'two').lastInitialized > 0);
  await assert.rejects(manager.activate('ember'), { status: 'EUNSUPPORTED' });
  await manager.remove('two');
  assert.equal(manager.active, null);
  // What model.yml says of answers holds, unless a call or the configuration says otherwise.
  assert.ok((await manager.find('one')).lastInitialized > 0);
  for (const [key, value] of Object.entries({ temperature: 0, topK: 5, topP: 0.5, threads: 1, batchSize: 64 })) await manager.set('one', key, value);
  const one = await manager.find('one');
  assert.deepEqual([one.temperature, one.topK, one.topP, one.threads, one.batchSize], [0, 5, 0.5, 1, 64]);
  const again = await manager.activate('one');
  const { plan } = hearth.info(again);
  assert.deepEqual([plan.contextSize, plan.batchSize, plan.threads], [256, 64, 1]);
  const write = (handle) => hearth.generate(handle, { input: 'What is Hearth?', maxTokens: 12, ignoreEos: true, seed: 1 });
  const expected = await hearth.generate(again, { input: 'What is Hearth?', maxTokens: 12, ignoreEos: true, seed: 2, temperature: 0 });
  assert.equal((await write(again)).text, expected.text);
  const hot = await manager.activate('one', { threads: 1, overrides: ['general.sampling.temp=float:5', 'general.sampling.top_p=float:1', 'general.sampling.top_k=int:0'] });
  assert.notEqual((await write(hot)).text, expected.text);
  await assert.rejects(manager.activate('one', { contextSiez: 1 }), { parameter: 'contextSiez' });
  assert.equal(manager.active, null);
  await manager.close();
});

test('download with progress, cancel and going on', async (t) => {
  const bytes = readFileSync(file);
  let slow = true;
  const controller = new AbortController();
  const server = createServer((request, response) => {
    const [, from, to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
    const start = Number(from ?? 0), end = to ? Number(to) : bytes.length - 1;
    const head = { 'accept-ranges': 'bytes', 'content-length': end - start + 1, etag: '"1"' };
    if (from !== undefined) head['content-range'] = `bytes ${start}-${end}/${bytes.length}`;
    response.writeHead(from !== undefined ? 206 : 200, head);
    if (request.method === 'HEAD') return response.end();
    if (!slow || end - start < 1 << 16) return response.end(bytes.subarray(start, end + 1));
    response.write(bytes.subarray(start, start + (1 << 16))); // and then nothing more
    controller.abort();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${server.address().port}/small.gguf`;
  const manager = await open('pulled');
  await assert.rejects(manager.download(url, { signal: controller.signal }), { name: 'AbortError' });
  assert.equal((await manager.list()).length, 1);
  slow = false;
  const progress = [];
  const model = await manager.download(url, { sha256: sum, onProgress: (e) => progress.push(e) });
  assert.deepEqual(readFileSync(model.modelPath), bytes);
  assert.equal(model.checksum, sum);
  assert.ok(progress.length > 0 && progress.every((e) => e.done <= e.total));
  await manager.remove(model.name);
  await assert.rejects(manager.download('no such model at all'), { status: /EINVAL|ENOTFOUND/ });
  await manager.close();
  rmSync(`${WORK}/pulled`, { recursive: true });
});

test('the catalogue and the types', async () => {
  const manager = await open('own');
  assert.ok(manager.catalogue.length > 1);
  assert.ok(manager.catalogue.slice(1).every((m) => m.name && m.filename.endsWith('.gguf') && m.repository.includes('/')));
  const types = readFileSync(`${PACKAGE}/models.d.ts`, 'utf8');
  for (const name of Object.getOwnPropertyNames(ModelManager.prototype)) assert.match(types, new RegExp(`\\b${name}\\b`), name);
  for (const key of Object.keys(await manager.find('ember'))) assert.match(types, new RegExp(`\\b${key}\\??:`), key);
  await manager.close();
});
