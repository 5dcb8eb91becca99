// SPDX-License-Identifier: MIT
// Hearth for JavaScript. The work, the defaults and the checks of parameters are in the addon
// (src/params.def); here are promises, AbortSignal, streams and events. No module of Node.js is
// needed, so that other hosts of Node-API can load it.
'use strict';

const native = require('./hearth.node');
const { runner, split, call } = require('./run.js');

const run = runner(native);

// An answer in the making: an async iterator over its events, an emitter of them by type, and its
// result as a promise. Leaving the loop early cancels it.
class AnswerStream {
  #listeners = new Map();
  #queue = [];
  #waiting = []; // of iterators: more than one may read
  #ended = false;
  #error = null;
  #controller = new AbortController();
  #outer;
  #forward = () => this.#controller.abort(this.#outer.reason);

  constructor(name, handle, params) {
    this.#outer = params?.signal;
    this.result = this.#start(name, handle, params);
    this.result.then(
      (result) => this.#finish('done', result, null),
      (error) => this.#finish('error', error, error)
    );
  }

  async #start(name, handle, params) {
    const { signal } = split(name, params);
    if (signal?.aborted) this.#forward();
    signal?.addEventListener('abort', this.#forward);
    return run(name, handle, { ...params, signal: this.#controller.signal }, (event) => this.#take(event));
  }

  #take(event) {
    if (event.type !== 'progress') this.#queue.push(event);
    this.#emit(event.type, event);
    this.#wake();
  }

  #finish(type, value, error) {
    this.#outer?.removeEventListener?.('abort', this.#forward);
    this.#ended = true;
    this.#error = error;
    this.#emit(type, value);
    this.#wake();
  }

  #wake() {
    for (const go of this.#waiting.splice(0)) go();
  }

  #emit(type, value) {
    for (const listener of this.#listeners.get(type) ?? []) call(listener, value);
  }

  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return this;
  }

  off(type, listener) {
    this.#listeners.get(type)?.delete(listener);
    return this;
  }

  cancel(reason) {
    this.#controller.abort(reason);
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        while (this.#queue.length > 0) yield this.#queue.shift();
        if (this.#ended) break;
        await new Promise((resolve) => this.#waiting.push(resolve));
      }
      if (this.#error) throw this.#error;
    } finally {
      if (!this.#ended) this.cancel();
    }
  }
}

const texts = (key, value) => (typeof value === 'string' || Array.isArray(value) ? { [key]: value } : value);

const initialize = (config) => run('initialize', undefined, config);
const plan = (config) => run('plan', undefined, config);
const generate = (handle, params) => run('generate', handle, params);
const generateStream = (handle, params) => new AnswerStream('generate', handle, params);
const chat = (handle, params) => run('chat', handle, params);
const chatStream = (handle, params) => new AnswerStream('chat', handle, params);
const tokenize = (handle, input) => run('tokenize', handle, texts('input', input));
const detokenize = (handle, tokens) => run('detokenize', handle, Array.isArray(tokens) || ArrayBuffer.isView(tokens) ? { tokens } : tokens);
const embed = (handle, input) => run('embed', handle, texts('texts', input));
const rerank = (handle, params) => run('rerank', handle, params);
const logits = (handle, input) => run('logits', handle, texts('input', input));
const saveState = (handle, params) => run('saveState', handle, texts('path', params));
const loadState = (handle, params) => run('loadState', handle, texts('path', params));
const setAdapters = (handle, scales) => run('setAdapters', handle, Array.isArray(scales) ? { adapterScales: scales } : scales);
const loadAdapter = (handle, params) => run('loadAdapter', handle, texts('path', params));
const removeAdapter = (handle, adapter) => run('removeAdapter', handle, { id: typeof adapter === 'object' && adapter !== null ? adapter.id : adapter });
const trim = (handle, params) => run('trim', handle, params);
const release = async (handle) => native.release(handle);
const info = (handle) => native.info(handle);
const stats = (handle) => native.stats(handle);
const { parameters, version } = native;

module.exports = {
  initialize, plan, generate, generateStream, chat, chatStream, tokenize, detokenize, embed, rerank,
  logits, saveState, loadState, setAdapters, loadAdapter, removeAdapter, trim, release, info, stats, parameters, version,
};
