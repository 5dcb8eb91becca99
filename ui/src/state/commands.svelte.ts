// What can be done from anywhere: by the keyboard, and out of the palette.
import { go } from '../lib/router.svelte';

export interface ChatCommands {
  stop: () => void;
  focus: () => void;
  step: (by: 1 | -1) => void;
  options: () => void;
  regenerate: () => void;
  copyLast: () => void;
}

let chat: ChatCommands | null = null;
/** The chat on the screen offers itself; the function it gets takes that back. */
export function offerChat(offered: ChatCommands): () => void {
  chat = offered;
  return () => {
    if (chat === offered) chat = null;
  };
}
export const onChat = (run: (chat: ChatCommands) => void): void => {
  if (chat) run(chat);
};
export const hasChat = (): boolean => chat !== null;

export const shell = $state({ sidebar: innerWidth > 860, palette: null as null | 'commands' | 'search', shortcuts: false });

export const commands = {
  toggleSidebar: (): void => {
    shell.sidebar = !shell.sidebar;
  },
  newChat: (): void => {
    if (location.hash === '' || location.hash === '#/chat') onChat((c) => c.focus());
    else go('chat');
    if (innerWidth <= 860) shell.sidebar = false;
  },
  palette: (): void => {
    shell.palette = shell.palette === 'commands' ? null : 'commands';
  },
  search: (): void => {
    shell.palette = shell.palette === 'search' ? null : 'search';
  },
};

export const apple = /Mac|iPhone|iPad/.test(navigator.platform);
export const MOD = apple ? '⌘' : 'Ctrl';

/** X of the shortcut table: keys as they are shown, and what they do. The order is that of the help. */
export const shortcuts: { id: string; keys: string[]; match: (event: KeyboardEvent) => boolean; run: () => void }[] = [
  { id: 'palette', keys: [MOD, 'K'], match: mod('k'), run: commands.palette },
  { id: 'search', keys: [MOD, 'Shift', 'F'], match: mod('f', true), run: commands.search },
  { id: 'newChat', keys: [MOD, 'Shift', 'O'], match: mod('o', true), run: commands.newChat },
  { id: 'sidebar', keys: [MOD, 'B'], match: mod('b'), run: commands.toggleSidebar },
  { id: 'settings', keys: [MOD, ','], match: mod(','), run: () => go('settings') },
  { id: 'models', keys: [MOD, 'Shift', 'M'], match: mod('m', true), run: () => go('models') },
  { id: 'write', keys: ['/'], match: bare('/'), run: () => onChat((c) => c.focus()) },
  { id: 'stop', keys: ['Esc'], match: (e) => e.key === 'Escape' && !e.defaultPrevented, run: () => onChat((c) => c.stop()) },
  { id: 'previous', keys: ['Alt', '↑'], match: (e) => e.altKey && e.key === 'ArrowUp', run: () => onChat((c) => c.step(-1)) },
  { id: 'next', keys: ['Alt', '↓'], match: (e) => e.altKey && e.key === 'ArrowDown', run: () => onChat((c) => c.step(1)) },
  { id: 'help', keys: ['?'], match: bare('?'), run: () => (shell.shortcuts = !shell.shortcuts) },
];

function mod(key: string, shift = false) {
  return (event: KeyboardEvent): boolean =>
    (apple ? event.metaKey : event.ctrlKey) && !event.altKey && event.shiftKey === shift && event.key.toLowerCase() === key;
}
/** A key alone, but not while somebody writes. */
function bare(key: string) {
  return (event: KeyboardEvent): boolean =>
    event.key === key && !event.ctrlKey && !event.metaKey && !event.altKey &&
    !(event.target instanceof HTMLElement && event.target.closest('input, textarea, select, [contenteditable], dialog, [role=menu]') !== null);
}

export function onKey(event: KeyboardEvent): void {
  const shortcut = shortcuts.find((s) => s.match(event));
  if (!shortcut) return;
  if (shortcut.id !== 'stop') event.preventDefault();
  shortcut.run();
}
