// SPDX-License-Identifier: MIT
// A call of an addon as a promise: signals, listeners, errors. For index.js and models.js.
'use strict';

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

// run(name, handle, params, onEvent) of an addon: a promise of its result.
const runner = (native) => async function run(name, handle, params, onEvent) {
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
};

module.exports = { runner, split, call };
