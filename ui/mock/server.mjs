// A stand-in for `hearth serve`: the page's files and its API (docs/API-HEARTH.md) with a fake model. For work on
// the page, and for its tests. Nothing here waits by the clock where a test would have to: an answer that holds, and
// a download at its half, go on when POST /mock/release says so.
//   node mock/server.mjs [--port N] [--scenario empty|lively|long] [--pace MS]
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { script } from './answers.mjs';
import * as data from './data.mjs';
import { Store, usage } from './store.mjs';

const argument = (name, usual) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : process.argv[at + 1];
};
const dist = fileURLToPath(new URL('../dist', import.meta.url));
const PACE = Number(argument('pace', 12));
const TOKEN = 'mock-token';
const KEY = 'hs_mock';
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

let state;
let eventId = 0;
let released = [];
const release = () => {
  released.forEach((go) => go());
  released = [];
};
const hold = () => new Promise((resolve) => released.push(resolve));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function reset(scenario) {
  release();
  for (const answer of state?.answers.values() ?? []) answer.stopped = true;
  for (const listener of state?.listeners ?? []) listener.end();
  state = {
    models: data.models(scenario !== 'empty'), store: new Store(data.chats(scenario)), answers: new Map(), listeners: new Set(), downloads: [],
    preferences: scenario === 'empty' ? {} : { welcomed: true, model: 'qwen3-8b' }, settings: structuredClone(data.serverSettings), mcp: data.mcp(), beacons: [], sessions: 0, scenario,
  };
}
reset(argument('scenario', 'lively'));

const sse = (event, payload) => `id: ${++eventId}\nevent: ${event}\ndata: ${JSON.stringify(payload)}\n\n`;
const tell = (event, payload) => state.listeners.forEach((listener) => listener.write(sse(event, payload)));

class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}
const need = (thing, what) => {
  if (!thing) throw new Refusal(404, 'not_found', `there is no such ${what}`);
  return thing;
};
const modelOf = (name) => {
  const found = state.models.find((m) => m.name === name);
  if (!found) throw new Refusal(404, 'model_not_found', `there is no model '${name}'`);
  return found;
};

function engine(m) {
  return { model: m.name, state: 'ready', kind: 'builtin', generation: 1, port: 1, pid: 1, started_at: 0, last_used_at: 0, expires_in_ms: 240000, pinned: m.settings.pinned, n_in_flight: 0, n_waiting: 0, progress: null, plan: data.plan(m), reserved_bytes: data.plan(m).memory.ram, reserved_vram_bytes: [], crashes: 0, error: null };
}
async function load(m) {
  if (m.state === 'loaded') return;
  m.state = 'loading';
  m.engine = { ...engine(m), state: 'starting' };
  for (const progress of [0.2, 0.6, 0.9]) {
    tell('model:progress', { model: m.name, state: 'starting', progress });
    await pause(PACE * 4);
  }
  m.state = 'loaded';
  m.engine = engine(m);
  tell('model:loaded', { model: m.name, kind: 'builtin', generation: 1, load_ms: 210, plan: m.engine.plan });
}

/* ---- answers ---- */

class Answer {
  constructor(chat, user, message) {
    Object.assign(this, { chat, user, message, log: [], readers: new Set(), stopped: false, consent: null });
  }
  say(event, payload) {
    const text = sse(event, payload);
    this.log.push(text);
    this.readers.forEach((reader) => reader.write(text));
  }
  join(response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    this.log.forEach((text) => response.write(text));
    this.readers.add(response);
    response.on('close', () => this.readers.delete(response));
  }
  async run(steps) {
    const { store } = state;
    const { chat } = this;
    let { message } = this;
    const began = message.content.length;
    this.say('start', { chat: { ...chat }, user: this.user && store.view(this.user), message: store.view(message) });
    const m = modelOf(message.model);
    if (m.state !== 'loaded') {
      this.say('progress', { stage: 'loading', state: 'starting', progress: 0.4 });
      await load(m);
    }
    this.say('progress', { stage: 'reading', done: 100, total: 100 });
    message.finish_reason = 'stop';
    message.state = 'complete';
    for (const step of steps) {
      if (this.stopped) break;
      if (step.hold) await Promise.race([hold(), new Promise((resolve) => (this.wake = resolve))]);
      else if (step.thinking) {
        message.thinking += step.thinking;
        message.thinking_ms = (message.thinking_ms ?? 0) + 400;
        this.say('thinking', { text: step.thinking });
      } else if (step.chunk) {
        message.content += step.chunk;
        this.say('chunk', { text: step.chunk });
      } else if (step.source) {
        const from = [...store.messages.values()].find((m) => /flour/i.test(m.content) && m.chat_id !== chat.id);
        message.sources = [{ chat_id: from.chat_id, message_id: from.id, title: store.chats.get(from.chat_id).title, role: from.role, text: from.content.slice(0, 200), created_ms: from.created_ms }];
      } else if (step.limits) {
        message.context = step.limits;
        this.say('context', { n_ctx: step.limits.n_ctx, left_out: step.limits.left_out });
      } else if (step.ends) message.context = step.ends;
      else if (step.notice) {
        message.notices = [step.notice];
        this.say('notice', step.notice);
      } else if (step.tool) {
        const call = { id: `call_${message.id}`, ...step.tool, state: 'running', result: null, ms: null };
        const tool = state.mcp.find((s) => s.id === call.server)?.tools.find((other) => other.name === call.name);
        message.tool_calls = [{ id: call.id, type: 'function', function: { name: `${call.server}__${call.name}`, arguments: call.arguments } }];
        if (chat.tools_off.includes(call.server) || chat.tools_off.includes(`${call.server}__${call.name}`)) {
          message.content = 'I have no tools here.';
          this.say('chunk', { text: message.content });
          message.tool_calls = null;
          break;
        }
        let allow = chat.allowed?.includes(call.name) ? 'once' : tool.approval;
        if (allow === 'ask') {
          this.say('tool_call', { ...call, state: 'asking' });
          allow = await new Promise((resolve) => {
            this.consent = resolve;
            this.wake = () => resolve('never');
          });
          if (allow === 'chat') chat.allowed = [call.name];
          if (allow === 'always') tool.approval = 'always';
        } else this.say('tool_call', call);
        const denied = allow === 'never';
        const result = denied ? 'The user did not allow this call.' : '# Bread\n\n- 500 g flour\n- 350 g water\n- 10 g salt';
        this.say('tool_result', { id: call.id, state: denied ? 'denied' : 'done', result, ms: denied ? 0 : 31 });
        Object.assign(message, { state: 'complete', finish_reason: 'tool_calls', usage: usage(20, 300) });
        const said = store.addMessage(chat, message.id, { role: 'tool', content: result, tool_call_id: call.id, tool_name: call.name, state: denied ? 'failed' : 'complete' });
        this.say('message', { message: store.view(said) });
        message = store.addMessage(chat, said.id, { role: 'assistant', model: message.model, state: 'streaming', finish_reason: 'stop' });
        this.say('message', { message: store.view(message) });
        message.state = 'complete';
      } else if (step.end) message.finish_reason = step.end;
      else if (step.fail) {
        Object.assign(message, { state: 'failed', error: step.fail.message, finish_reason: null });
        this.end();
        this.say('error', { ...step.fail, failed: store.view(message) });
        return this.close();
      }
      if (PACE > 0) await pause(PACE);
    }
    if (this.stopped) Object.assign(message, { state: 'stopped', finish_reason: null });
    message.usage = usage((message.content.length - began + message.thinking.length) / 4, 120 + 40 * chat.n_messages);
    this.end();
    this.say('done', { message: store.view(message) });
    if (!chat.title && message.state === 'complete') {
      if (/slow name/i.test(this.user?.content ?? '')) await hold();
      chat.title = (this.user?.content ?? 'A chat').split(/\s+/).slice(0, 5).join(' ').replace(/[.?!:]+$/, '');
      this.say('title', { title: chat.title });
    }
    this.close();
  }
  end() {
    this.chat.answering = false;
    state.answers.delete(this.chat.id);
  }
  close() {
    this.readers.forEach((reader) => reader.end());
  }
  stop() {
    this.stopped = true;
    this.wake?.();
  }
}

const needPlace = (chat) => {
  if (state.answers.has(chat.id)) throw new Refusal(409, 'conflict', 'an answer is being written in this chat; stop it first');
};

function answer(chat, user, parent, model, response, continued) {
  const { store } = state;
  needPlace(chat);
  const message = continued ?? store.addMessage(chat, parent.id, { role: 'assistant', model: model || chat.model || 'ember' });
  message.state = 'streaming';
  chat.leaf_id = message.id;
  chat.answering = true;
  const history = store.branch(chat);
  const steps = continued ? [{ chunk: ' And' }, { chunk: ' so' }, { chunk: ' on.' }] : script(parent.content, history);
  const running = new Answer(chat, user, message);
  state.answers.set(chat.id, running);
  running.join(response);
  void running.run(steps);
}

/* ---- downloads ---- */

async function download(d) {
  const total = d.total;
  tell('download:started', d);
  for (let share = 0; share <= 20; share++) {
    while (d.state === 'paused') await hold();
    if (d.state !== 'running') return;
    d.transferred = (total * share) / 20;
    d.bytes_per_second = 24e6;
    tell('download:progress', d);
    if (share === 10) await hold();
    await pause(PACE);
  }
  d.state = 'done';
  const known = data.catalog.find((m) => m.name === d.model);
  state.models.push({ ...data.models(true)[1], name: d.model, title: known?.title ?? d.model, size_bytes: total, usage_count: 0, last_used_ms: 0 });
  tell('download:success', d);
  tell('library:changed', { model: d.model, change: 'added' });
}

/* ---- telemetry ---- */

function samples(since) {
  const step = 2000;
  const now = Math.floor(Date.now() / step) * step;
  const loaded = state.models.filter((m) => m.state === 'loaded');
  const busy = state.answers.size > 0;
  const out = [];
  for (let at = Math.max(since + step, now - 148 * step); at <= now; at += step) {
    const wave = (period, low, high) => low + ((Math.sin(at / step / period) + 1) / 2) * (high - low);
    const active = busy || Math.sin(at / step / 9) > 0.2;
    out.push({
      at_ms: at, cpu: active ? wave(2.3, 0.45, 0.62) : wave(3.1, 0.02, 0.08), memory: { total: data.machine.memory.total, available: data.machine.memory.total * wave(30, 0.55, 0.62) }, gpus: [],
      engines: loaded.map((m) => ({ model: m.name, pid: 1, cpu: active ? 7.8 : 0.1, rss: m.size_bytes, tokens_per_second: active ? wave(1.9, 34, 44) : 0, prompt_tokens_per_second: active ? 210 : 0, running: active ? 1 : 0, waiting: 0, cache: 0.2 })),
    });
  }
  return { step_ms: step, samples: out };
}

/* ---- routes ---- */

const routes = {
  'GET /health': () => ({ status: 'ok' }),
  'GET /hearth/openapi.json': () => ({ paths: { '/hearth/chats/{id}/continue': {}, '/hearth/mcp': {}, '/hearth/catalog': {} } }),
  'GET /hearth/version': () => ({ name: 'hearth', version: '0.1.0' }),
  'POST /hearth/session': ({ body }) => {
    if (body.token !== TOKEN && body.token !== KEY) throw new Refusal(401, 'unauthorized', 'this is not the token');
    state.sessions++;
    return { key: KEY, scope: 'manage' };
  },
  'GET /hearth/session': () => ({ scope: 'manage' }),
  'GET /hearth/models': () => ({ version: 1, default: state.models.some((m) => m.name === 'qwen3-8b') ? 'qwen3-8b' : 'ember', models: state.models }),
  'PUT /hearth/model': ({ query, body }) => {
    const m = modelOf(query.get('model'));
    Object.assign(m.settings, body.settings);
    return m;
  },
  'DELETE /hearth/model': ({ query }) => {
    const m = modelOf(query.get('model'));
    state.models = state.models.filter((other) => other !== m);
    return { freed_bytes: m.size_bytes };
  },
  'POST /hearth/models/scan': () => ({ version: 2 }),
  'POST /hearth/models/verify': () => ({ sha256: '0'.repeat(64) }),
  'POST /hearth/models/import': ({ body }) => {
    throw new Refusal(404, 'not_found', `${body.path}: no such file`);
  },
  'GET /hearth/catalog': () => ({ models: data.catalog.map((m) => ({ ...m, installed: state.models.some((other) => other.name === m.name) })) }),
  'POST /hearth/engines/start': ({ body }) => {
    const m = modelOf(body.model);
    if (m.problem) throw new Refusal(422, 'bad_model', m.problem);
    void load(m);
    return engine(m);
  },
  'POST /hearth/engines/stop': ({ body }) => {
    const m = modelOf(body.model);
    Object.assign(m, { state: 'unloaded', engine: null });
    tell('model:unloaded', { model: m.name, generation: 1, reason: 'asked' });
    return { stopped: true };
  },
  'POST /hearth/engines/pin': ({ body }) => engine(Object.assign(modelOf(body.model))),
  'GET /hearth/engines/log': ({ query }) => ({ log: modelOf(query.get('model')).state === 'loaded' ? `load: ${query.get('model')}\nplan: context 8192, 8 threads\nserver is listening on http://127.0.0.1:41234\n` : '' }),
  'GET /hearth/plan': ({ query }) => {
    const m = modelOf(query.get('model'));
    if (m.problem) throw new Refusal(422, 'bad_model', m.problem);
    const plan = data.plan(m);
    return { model: m.name, fits: plan.fit !== 'red', plan };
  },
  'GET /hearth/machine': () => data.machine,
  'GET /hearth/telemetry': ({ query }) => samples(Number(query.get('since_ms') ?? 0)),
  'GET /hearth/pull': () => ({ downloads: state.downloads }),
  'POST /hearth/pull': ({ body }) => {
    const known = data.catalog.find((m) => m.reference === body.reference);
    if (!known && !/^(hf\.co\/|https?:)/.test(body.reference)) throw new Refusal(400, 'invalid_request', `'${body.reference}' is no reference`);
    const d = { id: String(state.downloads.length + 1), model: known?.name ?? body.reference.split('/').at(-1).toLowerCase(), reference: body.reference, state: 'running', transferred: 0, total: known?.size_bytes ?? 4.1e9, bytes_per_second: 0, validating: false, error: null };
    state.downloads.unshift(d);
    void download(d);
    return d;
  },
  'POST /hearth/pull/pause': ({ body }) => setDownload(body, 'paused'),
  'POST /hearth/pull/resume': ({ body }) => setDownload(body, 'running'),
  'POST /hearth/pull/cancel': ({ body }) => setDownload(body, 'stopped'),
  'GET /hearth/settings': () => ({ file: '/home/me/.config/hearth/config.json', settings: state.settings }),
  'PUT /hearth/settings': ({ body }) => {
    for (const [name, value] of Object.entries(body)) {
      const setting = need(state.settings.find((s) => s.name === name), 'setting');
      Object.assign(setting, { value: value ?? setting.default, source: value === null ? 'default' : 'file' });
    }
    return { restart: true };
  },
  'GET /hearth/preferences': () => state.preferences,
  'PUT /hearth/preferences': ({ body }) => (state.preferences = body),
  'GET /hearth/folders': () => ({ folders: state.store.names((c) => [c.folder]) }),
  'GET /hearth/tags': () => ({ tags: state.store.names((c) => c.tags) }),
  'POST /hearth/folders/rename': ({ body }) => {
    let n_chats = 0;
    for (const c of state.store.chats.values()) if (c.folder === body.from) (c.folder = body.to), n_chats++;
    return { n_chats };
  },
  'GET /hearth/search': ({ query }) => ({ hits: state.store.search(query.get('q') ?? ''), more: false }),
  'GET /hearth/chats': ({ query }) => state.store.list(query),
  'POST /hearth/chats': ({ body }) => state.store.addChat(body),
  'GET /hearth/export': () => ({ chats: [...state.store.chats.values()] }),
  'POST /hearth/chats/import': ({ body }) => {
    const { chats } = JSON.parse(body.data);
    for (const { title } of chats) state.store.addChat({ title });
    return { format: 'hearth', chats: chats.length, messages: 0, attachments: 0, there: 0, empty: 0, left_out: 0 };
  },
  'POST /hearth/attachments': ({ body }) => {
    const bytes = Buffer.from(body.data, 'base64');
    const id = ++state.store.lastId;
    state.store.attachments.set(id, { id, name: body.name, type: body.type, size_bytes: bytes.length, bytes });
    return { id, name: body.name, type: body.type, size_bytes: bytes.length };
  },
  'GET /hearth/mcp': () => ({ servers: state.mcp.map(({ tools: _, ...server }) => server) }),
  'POST /hearth/mcp': ({ body }) => {
    const server = { id: body.name, env: {}, headers: {}, args: [], command: null, url: null, tool_allowlist: null, state: 'connected', error: null, n_tools: 0, tools: [], ...body };
    state.mcp.push(server);
    return server;
  },
  'POST /mock/reset': ({ body }) => {
    reset(body.scenario ?? 'lively');
    return {};
  },
  'POST /mock/release': ({ body }) => {
    if (body.first) released.shift()?.();
    else release();
    return {};
  },
  'GET /mock/state': () => ({ beacons: state.beacons, sessions: state.sessions, preferences: state.preferences, held: released.length, answering: [...state.answers.keys()], deleted: [...state.store.chats.values()].filter((c) => c.deleted_ms).length }),
};

function setDownload({ id }, wanted) {
  const d = need(state.downloads.find((other) => other.id === id), 'download');
  d.state = wanted;
  tell(wanted === 'stopped' ? 'download:stopped' : 'download:progress', d);
  if (wanted !== 'paused') release();
  return d;
}

const chatRoutes = {
  'GET ': ({ chat, query }) => ({ chat, messages: query.get('all') ? [...state.store.messages.values()].filter((m) => m.chat_id === chat.id).map((m) => state.store.view(m)) : state.store.branch(chat) }),
  'PUT ': ({ chat, body }) => {
    if (body.leaf_id) body.leaf_id = state.store.leaf(chat, body.leaf_id);
    return Object.assign(chat, body);
  },
  'DELETE ': ({ chat }) => {
    chat.deleted_ms = Date.now();
    return { deleted: true };
  },
  'GET /export': ({ chat }) => ({ chats: [chat], messages: state.store.branch(chat) }),
  'POST /restore': ({ chat }) => Object.assign(chat, { deleted_ms: 0 }),
  'POST /stop': ({ chat }) => {
    state.answers.get(chat.id)?.stop();
    return { stopped: true };
  },
  'POST /title': ({ chat }) => ({ title: (chat.title = 'A better title') }),
  'POST /fork': ({ chat, body }) => {
    const { store } = state;
    const path = [];
    for (let m = store.messages.get(body.message_id); m; m = store.messages.get(m.parent_id)) path.unshift(m);
    const copy = store.addChat({ title: chat.title, model: chat.model, folder: chat.folder });
    for (const { id: _id, chat_id: _chat, parent_id: _parent, ...m } of path) store.addMessage(copy, copy.leaf_id, m);
    return copy;
  },
  'POST /tools': ({ chat, body }) => {
    need(state.answers.get(chat.id)?.consent, 'call')(body.allow);
    return { call_id: body.call_id };
  },
  'POST /messages': ({ chat, body, response }) => {
    needPlace(chat);
    const attachments = (body.attachments ?? []).map((id) => need(state.store.attachments.get(id), 'attachment')).map(({ bytes: _, ...a }) => a);
    const user = state.store.addMessage(chat, body.parent_id ?? chat.leaf_id, { content: body.content, attachments });
    answer(chat, user, user, body.model, response);
  },
  'POST /regenerate': ({ chat, body, response }) => {
    const old = need(state.store.messages.get(body.message_id ?? chat.leaf_id), 'message');
    answer(chat, null, state.store.messages.get(old.parent_id), body.model, response);
  },
  'POST /continue': ({ chat, body, response }) => {
    const old = need(state.store.messages.get(body.message_id), 'message');
    answer(chat, null, state.store.messages.get(old.parent_id), old.model, response, old);
  },
  'POST /edit': ({ chat, body, response }) => {
    const old = need(state.store.messages.get(body.message_id), 'message');
    const fresh = state.store.addMessage(chat, old.parent_id, { role: old.role, content: body.content, model: old.model, attachments: old.attachments, finish_reason: old.finish_reason });
    if (old.role !== 'user') return { message: state.store.view(fresh) };
    answer(chat, fresh, fresh, body.model, response);
  },
};

function findRoute(method, path) {
  const plain = routes[`${method} ${path}`];
  if (plain) return [plain, {}];
  let match = /^\/hearth\/chats\/(\d+)(\/\w+)?$/.exec(path);
  if (match) {
    const route = chatRoutes[`${method} ${match[2] ?? ''}`];
    if (route) return [route, { chat: need(state.store.chats.get(Number(match[1])), 'chat') }];
  }
  match = /^\/hearth\/messages\/(\d+)(\/restore)?$/.exec(path);
  if (match) {
    const message = need(state.store.messages.get(Number(match[1])), 'message');
    const chat = state.store.chats.get(message.chat_id);
    if (method === 'PUT') return [({ body }) => state.store.view(Object.assign(message, body)), {}];
    return [() => {
      state.store.remove(message, method === 'DELETE');
      if (method === 'DELETE') chat.leaf_id = state.store.leaf(chat, message.parent_id);
      return chat;
    }, {}];
  }
  match = /^\/hearth\/mcp\/([^/]+)(\/tools)?$/.exec(path);
  if (match) {
    const server = need(state.mcp.find((s) => s.id === decodeURIComponent(match[1])), 'server');
    if (match[2] && method === 'GET') return [() => ({ tools: server.tools }), {}];
    if (match[2]) return [({ body }) => Object.assign(server.tools.find((tool) => tool.name === body.name), { approval: body.approval }), {}];
    if (method === 'PUT') return [({ body }) => Object.assign(server, body), {}];
    if (method === 'DELETE') return [() => ((state.mcp = state.mcp.filter((other) => other !== server)), { deleted: true }), {}];
  }
  return null;
}

async function readBody(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return parts.length ? JSON.parse(Buffer.concat(parts).toString()) : {};
}

function serveFile(path, response) {
  const file = join(dist, normalize(path === '/' ? '/index.html' : path));
  if (!file.startsWith(dist) || !existsSync(file) || extname(file) === '') return false;
  response.writeHead(200, {
    'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': "default-src 'self'", 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer',
    'Cache-Control': path.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache',
  });
  createReadStream(file).pipe(response);
  return true;
}

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://mock');
  const path = url.pathname;
  const json = (status, body) => {
    response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    response.end(JSON.stringify(body));
  };
  (async () => {
    const open = path.startsWith('/mock/') || path === '/health' || path === '/hearth/version' || `${request.method} ${path}` === 'POST /hearth/session';
    if (!path.startsWith('/hearth/') && !open) {
      if (request.method === 'GET' && serveFile(path, response)) return;
      if (path.includes('beacon')) state.beacons.push(path);
      throw new Refusal(404, 'not_found', `there is nothing at ${path}`);
    }
    if (!open && request.headers.authorization !== `Bearer ${KEY}`) throw new Refusal(401, 'unauthorized', 'a key is needed');
    if (path === '/hearth/events') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      response.write(sse('hello', { version: '0.1.0' }));
      const { listeners } = state;
      listeners.add(response);
      response.on('close', () => listeners.delete(response));
      return;
    }
    let match = /^\/hearth\/chats\/(\d+)\/stream$/.exec(path);
    if (match) return need(state.answers.get(Number(match[1])), 'answer').join(response);
    match = /^\/hearth\/attachments\/(\d+)$/.exec(path);
    if (match) {
      const attachment = need(state.store.attachments.get(Number(match[1])), 'attachment');
      response.writeHead(200, { 'Content-Type': attachment.type });
      return response.end(attachment.bytes);
    }
    const found = findRoute(request.method, path);
    if (!found) throw new Refusal(404, 'not_found', `there is nothing at ${path}`);
    const [route, more] = found;
    const body = request.method === 'GET' ? {} : await readBody(request);
    if (more.chat?.answering && /\/(messages|regenerate|edit|continue)$/.test(path)) throw new Refusal(409, 'conflict', 'an answer is being written in this chat');
    const result = route({ query: url.searchParams, body, response, ...more });
    if (result !== undefined) json(200, result);
  })().catch((error) => {
    if (response.headersSent) return response.end();
    json(error.status ?? 500, { error: { code: error.code ?? 'internal_error', message: error.message, where: null } });
  });
});
server.listen(Number(argument('port', 8900)), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/#token=${TOKEN}`);
});
