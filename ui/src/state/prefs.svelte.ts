// What the user likes. The look is kept in this browser, since it must be known before the first paint;
// everything else is kept by the server, so that all browsers agree.
import { get, put, messageOf } from '../lib/api';
import type { Parameters } from '../lib/types';
import { toast } from './toasts.svelte';

export interface Look {
  theme: 'system' | 'light' | 'dark';
  size: 'small' | 'medium' | 'large';
  width: 'reading' | 'wide';
}
export interface Prompt {
  id: string;
  name: string;
  text: string;
}
export interface Preferences {
  sampling: Parameters;
  prompts: Prompt[];
  /** The one that new chats begin with. */
  prompt: string | null;
  /** Whether new chats are given passages of other chats. */
  memory: boolean;
  sendWith: 'enter' | 'mod-enter';
  openThoughts: boolean;
  /** The model that new chats begin with; null: the server's. */
  model: string | null;
  /** Folders that no chat is in yet. */
  folders: string[];
  welcomed: boolean;
}

const LOOK = 'hearth.look';
const defaults: Preferences = {
  sampling: {},
  prompts: [],
  prompt: null,
  memory: false,
  sendWith: 'enter',
  openThoughts: false,
  model: null,
  folders: [],
  welcomed: false,
};

function keptLook(): Look {
  const look: Look = { theme: 'system', size: 'medium', width: 'reading' };
  try {
    return { ...look, ...(JSON.parse(localStorage.getItem(LOOK) ?? '{}') as Partial<Look>) };
  } catch {
    return look;
  }
}

export const look: Look = $state(keptLook());
export const prefs: Preferences = $state({ ...defaults });

export function setLook(change: Partial<Look>): void {
  Object.assign(look, change);
  const root = document.documentElement;
  const set = (name: string, value: string, usual: string) => {
    if (value === usual) delete root.dataset[name];
    else root.dataset[name] = value;
  };
  set('theme', look.theme, 'system');
  set('size', look.size, 'medium');
  set('width', look.width, 'reading');
  try {
    localStorage.setItem(LOOK, JSON.stringify(look));
  } catch {
    // Then it holds until the page is closed.
  }
}

export async function loadPreferences(): Promise<void> {
  Object.assign(prefs, defaults, await get<Partial<Preferences>>('/hearth/preferences'));
}

let timer: ReturnType<typeof setTimeout> | undefined;
export function setPreferences(change: Partial<Preferences>): void {
  Object.assign(prefs, change);
  clearTimeout(timer);
  timer = setTimeout(() => {
    put('/hearth/preferences', $state.snapshot(prefs)).catch((error) => toast(messageOf(error), { kind: 'bad' }));
  }, 200);
}

export const currentPrompt = (): string => prefs.prompts.find((p) => p.id === prefs.prompt)?.text ?? '';
