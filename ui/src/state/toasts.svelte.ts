// Short notes at the edge of the page, one of which may be undone.
export interface Toast {
  id: number;
  text: string;
  kind: 'plain' | 'good' | 'bad';
  action: { label: string; run: () => void } | null;
}

export const toasts: Toast[] = $state([]);
let last = 0;
const timers = new Map<number, ReturnType<typeof setTimeout>>();
const SHOWN_MS = 7000;

export function dismiss(id: number): void {
  clearTimeout(timers.get(id));
  timers.delete(id);
  const at = toasts.findIndex((toast) => toast.id === id);
  if (at >= 0) toasts.splice(at, 1);
}

export function toast(text: string, more: { kind?: Toast['kind']; action?: Toast['action'] } = {}): number {
  const id = ++last;
  toasts.push({ id, text, kind: more.kind ?? 'plain', action: more.action ?? null });
  if (toasts.length > 4) dismiss(toasts[0]!.id);
  timers.set(id, setTimeout(() => dismiss(id), SHOWN_MS));
  return id;
}
