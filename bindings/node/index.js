// SPDX-License-Identifier: MIT
// Hearth for JavaScript. The work, the defaults and the checks of parameters are in the addon
// (src/params.def); here are promises, AbortSignal, streams and events. No module of Node.js is
// needed, so that other hosts of Node-API can load it.
'use strict';

const native = require('./hearth.node');

function abortError(signal) {
  if (signal.reason !== undefined) return signal.reason;
  const error = new Error('This operation was aborted');
  error.name = 'AbortError';
  return error;
}

// Takes what is JavaScript's out of the parameters: a signal and listeners.
function split(name, params) {
  if (params !== undefined && (typeof params !== 'object' || params === null || Array.isArray(params))) throw invalid(name, name, 'takes an object of parameters');
  const { signal, onProgress, ...rest } = params ?? {};
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') throw invalid(name, 'signal', 'must be an AbortSignal');
  if (onProgress !== undefined && typeof onProgress !== 'function') throw invalid(name, 'onProgress', 'must be a function');
  return { signal, onProgress, rest };
}

function invalid(name, parameter, what) {
  return Object.assign(new TypeError(`${name}: ${parameter} ${what}`), { code: 'HEARTH_EINVAL', status: 'EINVAL', parameter });
}

// Calls a listener; what it throws is thrown outside, as an uncaught exception, and not into the addon.
function call(listener, value) {
  try {
    listener(value);
  } catch (error) {
    Promise.reject(error);
  }
}

async function run(name, handle, params, onEvent) {
  const { signal, onProgress, rest } = split(name, params);
  if (signal?.aborted) throw abortError(signal);
  const listener = onEvent ?? onProgress
    ? (event) => {
        if (onProgress && event.type === 'progress') call(onProgress, event);
        if (onEvent) call(onEvent, event);
      }
    : undefined;
  const job = native.start(name, handle, rest, listener);
  if (!signal) return job.promise;
  const onAbort = () => native.cancel(job.id);
  signal.addEventListener('abort', onAbort);
  try {
    return await job.promise;
  } catch (error) {
    throw signal.aborted ? abortError(signal) : error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

// An answer in the making: an async iterator over its events, an emitter of them by type, and its
// result as a promise. Leaving the loop early cancels it.
class AnswerStream {
  #listeners = new Map();
  #queue = [];
  #wake = null;
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
    this.#wake?.();
  }

  #finish(type, value, error) {
    this.#outer?.removeEventListener?.('abort', this.#forward);
    this.#ended = true;
    this.#error = error;
    this.#emit(type, value);
    this.#wake?.();
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
        await new Promise((resolve) => (this.#wake = resolve));
        this.#wake = null;
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
const release = async (handle) => native.release(handle);
const info = (handle) => native.info(handle);
const stats = (handle) => native.stats(handle);
const { parameters, version } = native;

module.exports = {
  initialize, plan, generate, generateStream, chat, chatStream, tokenize, detokenize, embed, rerank,
  logits, saveState, loadState, setAdapters, release, info, stats, parameters, version,
};
