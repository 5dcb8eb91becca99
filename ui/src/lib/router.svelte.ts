// Where the page is: '#/chat/ID/message/ID', '#/models' ... Addresses are hashes, so that the server has one
// page to give and a reload stays where it was.
export interface Route {
  page: 'chat' | 'models' | 'settings' | 'compare' | 'monitor' | 'folder';
  /** A chat's or folder's id, a model's name, a part of the settings. */
  id: string | null;
  /** A message to jump to. */
  message: string | null;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function read(): Route {
  const [page = '', id = null, message = null] = location.hash.replace(/^#\/?/, '').split('/').map(decode);
  switch (page) {
    case 'models':
    case 'settings':
    case 'compare':
    case 'monitor':
    case 'folder':
      return { page, id, message: null };
    default:
      return { page: 'chat', id: page === 'chat' ? id : null, message };
  }
}

export const route: { now: Route } = $state({ now: read() });
addEventListener('hashchange', () => (route.now = read()));

export function link(page: Route['page'], id?: string | number | null, message?: string | number | null): string {
  const parts = [page, id, message].filter((part) => part !== undefined && part !== null);
  return `#/${parts.map((part) => encodeURIComponent(String(part))).join('/')}`;
}

export function go(page: Route['page'], id?: string | number | null, message?: string | number | null): void {
  location.hash = link(page, id, message);
}

/** The same page under another address, without a step in the history. */
export function settle(page: Route['page'], id: string | number): void {
  history.replaceState(null, '', link(page, id));
  route.now = read();
}
