// Models, the machine they run on, downloads, and what happens to them: lists are asked for once and then
// follow the server's events.
import { get, post, put, remove, stream, isAbort, messageOf, Failure } from '../lib/api';
import { t, fill } from '../lib/text';
import type { CatalogModel, Download, Machine, Model, ModelSettings, Plan, Sample } from '../lib/types';
import { prefs } from './prefs.svelte';
import { features } from './features.svelte';
import { toast } from './toasts.svelte';

export const models: {
  list: Model[];
  default: string | null;
  catalog: CatalogModel[];
  downloads: Download[];
  machine: Machine | null;
  loaded: boolean;
  /** Whether events arrive; false: the server does not answer. */
  online: boolean;
} = $state({ list: [], default: null, catalog: [], downloads: [], machine: null, loaded: false, online: true });

/** The last minutes, oldest first. */
export const telemetry: { samples: Sample[] } = $state({ samples: [] });
const MOST_SAMPLES = 450;

export const findModel = (name: string | null): Model | undefined => models.list.find((model) => model.name === name);
export const chatModels = (): Model[] =>
  models.list.filter((m) => !m.problem && !m.capabilities.includes('embedding') && !m.capabilities.includes('rerank'));
const here = (name: string | null): string | null => (name && findModel(name) ? name : null);
/** The model that answers: the wanted one, or if it is not here (a chat that was imported) the one of new chats. */
export const modelFor = (wanted: string | null): string | null =>
  here(wanted) ?? here(prefs.model) ?? here(models.default) ?? chatModels()[0]?.name ?? null;
export const named = (name: string): string => `model=${encodeURIComponent(name)}`;
export const titleOf = (name: string | null): string => findModel(name)?.title || name || '';

export async function refreshModels(): Promise<void> {
  const answer = await get<{ default: string | null; models: Model[] }>('/hearth/models');
  models.list = answer.models;
  models.default = answer.default;
  models.loaded = true;
}
export async function refreshDownloads(): Promise<void> {
  const { downloads } = await get<{ downloads: Download[] }>('/hearth/pull');
  // Events may have overtaken the list.
  for (const download of downloads) {
    const known = models.downloads.find((d) => d.id === download.id && d.state === download.state);
    if (known) download.transferred = Math.max(download.transferred, known.transferred);
  }
  models.downloads = downloads;
}
export async function refreshMachine(): Promise<void> {
  models.machine = await get<Machine>('/hearth/machine');
}
export async function refreshCatalog(): Promise<void> {
  if (features.catalog) models.catalog = (await get<{ models: CatalogModel[] }>('/hearth/catalog')).models;
}

async function attempt<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (!isAbort(error)) toast(messageOf(error), { kind: 'bad' });
    return null;
  }
}

export async function loadModel(name: string): Promise<void> {
  await attempt(post('/hearth/engines/start', { model: name, wait: false }));
  await attempt(refreshModels());
}
export async function unloadModel(name: string): Promise<void> {
  await attempt(post('/hearth/engines/stop', { model: name, wait: false }));
  await attempt(refreshModels());
}
export async function pinModel(name: string, pinned: boolean): Promise<void> {
  await attempt(post('/hearth/engines/pin', { model: name, pinned }));
  await attempt(refreshModels());
}
export async function saveSettings(name: string, settings: Partial<ModelSettings>): Promise<void> {
  const model = await attempt(put<Model>(`/hearth/model?${named(name)}`, { settings }));
  if (model) replace(model);
}
/** From the disk, or, where it runs elsewhere, from the list. */
export async function deleteModel({ name, origin }: Model): Promise<boolean> {
  const answer = await attempt(remove<object>(origin === 'remote' ? `/hearth/remotes?name=${encodeURIComponent(name)}` : `/hearth/model?${named(name)}`));
  if (answer) await attempt(refreshModels());
  return answer !== null;
}
export const planOf = (name: string): Promise<{ fits: boolean; plan: Plan }> => get(`/hearth/plan?${named(name)}`);
export const logOf = async (name: string): Promise<string> => {
  try {
    return (await get<{ log: string }>(`/hearth/engines/log?${named(name)}`)).log;
  } catch (error) {
    if (error instanceof Failure && error.status === 404) return '';
    throw error;
  }
};

function replace(model: Model): void {
  const at = models.list.findIndex((other) => other.name === model.name);
  if (at >= 0) models.list[at] = model;
}

export async function pull(reference: string): Promise<Download | null> {
  const download = await attempt(post<Download>('/hearth/pull', { reference }));
  if (download) noteDownload(download);
  return download;
}
async function downloadCall(what: string, body: object): Promise<void> {
  const download = await attempt(post<Download>(`/hearth/pull/${what}`, body));
  if (download) noteDownload(download);
}
export const pausePull = (id: string): Promise<void> => downloadCall('pause', { id });
export const resumePull = (id: string): Promise<void> => downloadCall('resume', { id });
export const cancelPull = (id: string): Promise<void> => downloadCall('cancel', { id, discard: true });

function noteDownload(download: Download): void {
  const at = models.downloads.findIndex((other) => other.id === download.id);
  if (at >= 0) models.downloads[at] = download;
  else models.downloads.unshift(download);
}
export const activeDownloads = (): Download[] =>
  models.downloads.filter((d) => d.state === 'running' || d.state === 'paused' || d.state === 'failed');

type Payload = { model: string; id: string; progress: number | null } & Partial<Download> & { error?: { message: string }; message?: string };

function onEvent(name: string, data: unknown): void {
  const payload = data as Payload;
  const model = findModel(payload.model);
  switch (name) {
    case 'hello':
    case 'lost':
      models.online = true;
      void attempt(Promise.all([refreshModels(), refreshDownloads()]));
      break;
    case 'model:progress':
      if (model) {
        model.state = 'loading';
        if (model.engine) model.engine.progress = payload.progress;
      }
      break;
    case 'model:failed':
      toast(fill(t.models.failedToLoad, { model: titleOf(payload.model), why: payload.error?.message ?? '' }), { kind: 'bad' });
      void attempt(refreshModels());
      break;
    case 'engine:crashed':
      toast(fill(t.models.crashed, { model: titleOf(payload.model) }), { kind: 'bad' });
      void attempt(refreshModels());
      break;
    case 'model:loaded':
    case 'model:unloaded':
    case 'library:changed':
      void attempt(refreshModels());
      break;
    case 'download:progress': {
      const download = models.downloads.find((d) => d.id === payload.id);
      if (download) {
        download.transferred = payload.transferred ?? download.transferred;
        download.total = payload.total ?? download.total;
        download.bytes_per_second = payload.bytes_per_second ?? download.bytes_per_second;
      } else void attempt(refreshDownloads());
      break;
    }
    case 'download:success':
      toast(fill(t.models.arrived, { model: payload.model }), { kind: 'good' });
      void attempt(Promise.all([refreshModels(), refreshDownloads(), refreshCatalog()]));
      break;
    default:
      if (name.startsWith('download:') || name.startsWith('validation:')) void attempt(refreshDownloads());
  }
}

function noteSample(sample: Sample): void {
  if (sample.at_ms <= (telemetry.samples.at(-1)?.at_ms ?? 0)) return;
  telemetry.samples.push(sample);
  if (telemetry.samples.length > MOST_SAMPLES) telemetry.samples.splice(0, telemetry.samples.length - MOST_SAMPLES);
}

/* One stream of events, held only while the page is visible: a browser opens six connections to a server and no
   more, for all tabs together, and answers need some. Whoever comes back asks for the lists again. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
let following: AbortController | undefined;

async function follow(signal: AbortSignal): Promise<void> {
  for (let wait = FIRST_WAIT_MS; !signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      await stream('/hearth/events', { signal }, (event) => {
        wait = FIRST_WAIT_MS;
        onEvent(event.name, event.data);
      });
    } catch (error) {
      if (isAbort(error) || (error instanceof Failure && error.status === 401)) return;
    }
    if (signal.aborted) return;
    models.online = false;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

export function followEvents(): void {
  following?.abort();
  following = undefined;
  if (document.hidden) return;
  following = new AbortController();
  void follow(following.signal);
}
document.addEventListener('visibilitychange', followEvents);

let watchers = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

async function sampleOnce(): Promise<void> {
  let step = 2000;
  if (!document.hidden) {
    try {
      const since = telemetry.samples.at(-1)?.at_ms ?? 0;
      const answer = await get<{ step_ms: number; samples: Sample[] }>(`/hearth/telemetry?since_ms=${since}`);
      answer.samples.forEach(noteSample);
      step = answer.step_ms;
    } catch {
      // The next one may come through.
    }
  }
  if (watchers > 0) timer = setTimeout(() => void sampleOnce(), step);
}

/** Asks for telemetry as long as somebody looks at it. The function it gives ends that. */
export function watchTelemetry(): () => void {
  if (watchers++ === 0) void sampleOnce();
  return () => {
    if (--watchers === 0) clearTimeout(timer);
  };
}
