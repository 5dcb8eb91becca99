// The list of chats, with folders and tags. Other tabs of this browser are told of changes, and tell us.
import { get, post, put, remove, messageOf } from '../lib/api';
import { t, fill } from '../lib/text';
import type { Chat, Hit, Id, Name } from '../lib/types';
import { prefs, setPreferences } from './prefs.svelte';
import { toast } from './toasts.svelte';

export const chats: { list: Chat[]; wholeFolders: Record<string, Chat[]>; folders: Name[]; tags: Name[]; more: boolean; loaded: boolean } = $state({
  /** The newest ones. */
  list: [],
  /** All of a folder, where somebody wanted to see them: they may be older. */
  wholeFolders: {},
  folders: [],
  tags: [],
  more: false,
  loaded: false,
});

const PAGE = 100;

type Note = { chat: Id | null };
const channel = new BroadcastChannel('hearth');
const listeners = new Set<(note: Note) => void>();
channel.onmessage = (event: MessageEvent<Note>) => {
  void refreshChats().catch(() => undefined);
  listeners.forEach((listener) => listener(event.data));
};
/** What another tab has changed. */
export function onNote(listener: (note: Note) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
export const tellOthers = (chat: Id | null): void => channel.postMessage({ chat } satisfies Note);

interface Page {
  chats: Chat[];
  more: boolean;
}

export async function refreshChats(): Promise<void> {
  const limit = Math.max(PAGE, chats.list.length);
  const [page, folders, tags] = await Promise.all([
    get<Page>(`/hearth/chats?limit=${limit}`),
    get<{ folders: Name[] }>('/hearth/folders'),
    get<{ tags: Name[] }>('/hearth/tags'),
  ]);
  chats.list = page.chats;
  chats.more = page.more;
  chats.folders = folders.folders;
  chats.tags = tags.tags;
  chats.loaded = true;
  const whole = Object.keys(chats.wholeFolders).filter((name) => chats.folders.some((folder) => folder.name === name));
  chats.wholeFolders = Object.fromEntries(Object.entries(chats.wholeFolders).filter(([name]) => whole.includes(name)));
  await Promise.all(whole.map(readFolder));
}

/** Those of a folder that are known. */
export function chatsOf(folder: string): Chat[] {
  const newest = chats.list.filter((chat) => chat.folder === folder);
  const known = new Set(chats.list.map((chat) => chat.id));
  return [...newest, ...(chats.wholeFolders[folder] ?? []).filter((chat) => !known.has(chat.id))];
}
async function readFolder(folder: string): Promise<void> {
  const page = await get<Page>(`/hearth/chats?limit=5000&folder=${encodeURIComponent(folder)}`);
  chats.wholeFolders[folder] = page.chats.filter((chat) => chat.folder === folder);
}
export const allOfFolder = (folder: string): Promise<unknown> => attempt(readFolder(folder), null);

export async function moreChats(): Promise<void> {
  const page = await get<Page>(`/hearth/chats?limit=${PAGE}&offset=${chats.list.length}`);
  const known = new Set(chats.list.map((chat) => chat.id));
  chats.list.push(...page.chats.filter((chat) => !known.has(chat.id)));
  chats.more = page.more;
}

/** Puts what the server said of a chat into the list. */
export function noteChat(chat: Chat): void {
  const at = chats.list.findIndex((other) => other.id === chat.id);
  if (at >= 0) chats.list[at] = chat;
  else chats.list.unshift(chat);
}

export async function createChat(fields: Partial<Chat>): Promise<Chat> {
  const chat = await post<Chat>('/hearth/chats', fields);
  noteChat(chat);
  return chat;
}

/** Does it, tells other tabs, and says what went wrong; null then. */
async function attempt<T>(work: Promise<T>, chat: Id | null): Promise<T | null> {
  try {
    const answer = await work;
    tellOthers(chat);
    return answer;
  } catch (error) {
    toast(messageOf(error), { kind: 'bad' });
    return null;
  }
}

export async function changeChat(id: Id, change: Partial<Chat>): Promise<Chat | null> {
  const chat = await attempt(put<Chat>(`/hearth/chats/${id}`, change), id);
  if (chat) noteChat(chat);
  if (change.folder !== undefined || change.tags !== undefined) await refreshChats().catch(() => undefined);
  return chat;
}

/** Into the trash, from where it can be taken back for a while. */
export async function deleteChat(chat: Chat): Promise<void> {
  chats.list = chats.list.filter((other) => other.id !== chat.id);
  for (const [folder, list] of Object.entries(chats.wholeFolders)) chats.wholeFolders[folder] = list.filter((other) => other.id !== chat.id);
  const deleted = await attempt(remove(`/hearth/chats/${chat.id}`), chat.id);
  void refreshChats().catch(() => undefined);
  if (!deleted) return;
  toast(fill(t.sidebar.deleted, { title: chat.title || t.chat.untitled }), {
    action: {
      label: t.common.undo,
      run: () => void attempt(post<Chat>(`/hearth/chats/${chat.id}/restore`), chat.id).then((back) => back && refreshChats()),
    },
  });
}

export async function forkChat(chat: Id, message: Id): Promise<Chat | null> {
  const copy = await attempt(post<Chat>(`/hearth/chats/${chat}/fork`, { message_id: message }), null);
  if (copy) noteChat(copy);
  return copy;
}

/* A folder is there as long as a chat is in it. Ones that are still empty are the page's own. */
export const folderNames = (): string[] =>
  [...new Set([...chats.folders.map((folder) => folder.name), ...prefs.folders])].sort((a, b) => a.localeCompare(b));

export function createFolder(name: string): void {
  if (!folderNames().includes(name)) setPreferences({ folders: [...prefs.folders, name] });
}
/** To "": its chats are of no folder then. */
export async function renameFolder(from: string, to: string): Promise<void> {
  const rest = prefs.folders.filter((name) => name !== from);
  setPreferences({ folders: prefs.folders.includes(from) && to ? [...rest, to] : rest });
  if (!chats.folders.some((folder) => folder.name === from || folder.name.startsWith(`${from}/`))) return;
  await attempt(post('/hearth/folders/rename', { from, to }), null);
  await refreshChats().catch(() => undefined);
}

export async function search(query: string, filters: Record<string, string | number>, signal: AbortSignal): Promise<Hit[]> {
  const asked = new URLSearchParams({ limit: '30', as_typed: 'true', q: query });
  for (const [name, value] of Object.entries(filters)) if (value !== '') asked.set(name, String(value));
  return (await get<{ hits: Hit[] }>(`/hearth/search?${asked}`, signal)).hits;
}
