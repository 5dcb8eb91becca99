// SPDX-License-Identifier: MIT
// A model as an application's assistant: one call gives a handle, errors have names, defaults are in
// one table, and releasing is safe at any moment. node contexts.mjs MODEL.gguf
import assert from 'node:assert';
import hearth from 'hearth-node';

const config = {
  model: process.argv[2], // Path to model file
  n_threads: 4, // CPU threads to use
  n_ctx: 2048, // Context window size
  n_batch: 512, // Batch size for processing
  n_gpu_layers: 1, // GPU layer usage: told to be without effect where there is none
};

// Before anything is loaded: does it fit, and with which context?
const plan = await hearth.plan(config);
console.log(`${Math.ceil(plan.totalBytes / 2 ** 20)} MiB of ${Math.floor(plan.availableBytes / 2 ** 20)} MiB`);
assert(plan.fits);

const handle = await hearth.initialize(config);
const info = hearth.info(handle);
console.log(info.name, info.architecture, info.quantization, info.capabilities, info.warnings);

const params = { input: 'Hearth is', maxTokens: 500, temperature: 0.7, stopSequences: ['\n\n'] };
const result = await hearth.generate(handle, params);
console.log(result);
assert.equal(result.usage.totalTokens, result.usage.promptTokens + result.usage.completionTokens);

// Each token as an event, until the person has read enough.
const stream = hearth.generateStream(handle, { ...params, maxTokens: -1, ignoreEos: true, contextShift: true });
let n = 0;
for await (const { text } of stream) {
  process.stdout.write(text);
  if (++n === 10) break;
}
console.log();

// What went wrong has a code, and the parameter that it is about.
await assert.rejects(hearth.generate(handle, { ...params, temprature: 1 }), { code: 'HEARTH_EINVAL', parameter: 'temprature' });
await assert.rejects(hearth.initialize({ model: 'nothing.gguf' }), { code: 'HEARTH_ENOTFOUND' });

// In the middle of an answer, and once more.
const cut = hearth.generate(handle, { ...params, maxTokens: -1, ignoreEos: true });
const outcome = assert.rejects(cut, { code: 'HEARTH_ECANCELED' });
await hearth.release(handle);
await hearth.release(handle);
await outcome;
