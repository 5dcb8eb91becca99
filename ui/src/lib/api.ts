// Calls of the server. Every request carries the installation's key in its head; there are no cookies. The
// key comes from the address that `hearth serve` printed (#token=...), is asked for once and kept.
import type { ApiError } from './types';
import { readEvents, type ServerEvent } from './sse';

const KEY = 'hearth.key';

export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly log: string | null = null,
  ) {
    super(message);
  }
}

let key: string | null = null;
try {
  key = localStorage.getItem(KEY);
} catch {
  // Storage may be forbidden; then the key holds as long as the page.
}
let refused: () => void = () => undefined;

/** Called when the server no longer takes the key. */
export function onRefused(callback: () => void): void {
  refused = callback;
}
export const currentKey = (): string | null => key;

function keepKey(value: string): void {
  key = value;
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // As above.
  }
}

async function failureOf(response: Response): Promise<Failure> {
  let error: Partial<ApiError> = {};
  try {
    error = ((await response.json()) as { error?: ApiError }).error ?? {};
  } catch {
    // Not ours: a proxy's page, or nothing at all.
  }
  return new Failure(
    response.status,
    error.code ?? 'http',
    error.message ?? `${response.status} ${response.statusText}`,
    error.log ?? null,
  );
}

interface Call {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
  keepalive?: boolean;
}

async function send(path: string, call: Call = {}): Promise<Response> {
  const headers: Record<string, string> = {};
  if (key) headers['Authorization'] = `Bearer ${key}`;
  if (call.body !== undefined) headers['Content-Type'] = 'application/json';
  const response = await fetch(path, {
    method: call.method ?? 'GET',
    headers,
    body: call.body === undefined ? undefined : JSON.stringify(call.body),
    signal: call.signal,
    keepalive: call.keepalive,
    credentials: 'omit',
    cache: 'no-store',
  });
  if (response.ok) return response;
  const failure = await failureOf(response);
  if (response.status === 401) refused();
  throw failure;
}

async function json<T>(path: string, call?: Call): Promise<T> {
  return (await (await send(path, call)).json()) as T;
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => json<T>(path, { signal });
export const post = <T>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<T> =>
  json<T>(path, { method: 'POST', body, signal });
export const put = <T>(path: string, body: unknown): Promise<T> => json<T>(path, { method: 'PUT', body });
export const remove = <T>(path: string, keepalive = false): Promise<T> => json<T>(path, { method: 'DELETE', keepalive });
export const blob = async (path: string): Promise<Blob> => (await send(path)).blob();
export const text = async (path: string): Promise<string> => (await send(path)).text();

/** Reads an event stream until it ends; `body` makes it a POST. */
export async function stream(
  path: string,
  call: { body?: unknown; signal?: AbortSignal },
  onEvent: (event: ServerEvent) => void,
): Promise<void> {
  const response = await send(path, { method: call.body === undefined ? 'GET' : 'POST', ...call });
  if (!response.body) throw new Failure(0, 'http', 'the server sent no stream');
  await readEvents(response.body, onEvent);
}

/** True: the server takes the key, which may come from the address. Called once, at the start. */
export async function signIn(): Promise<boolean> {
  const token = /[#&]token=([^&]+)/.exec(location.hash)?.[1];
  if (token) {
    history.replaceState(null, '', location.pathname + location.search);
    if (await trade(decodeURIComponent(token))) return true;
  }
  try {
    await get('/hearth/session');
    return true;
  } catch (error) {
    if (error instanceof Failure && error.status === 401) return false;
    throw error;
  }
}

/** Trades a token, or the installation's own key, for the key that the page keeps. */
export async function trade(token: string): Promise<boolean> {
  try {
    keepKey((await post<{ key: string }>('/hearth/session', { token })).key);
    return true;
  } catch (error) {
    if (error instanceof Failure && error.status === 401) return false;
    throw error;
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';
