// Colours for code, loaded when the first block of code is on the screen. The highlighter's own output is
// escaped HTML with spans; it is read into pieces here, so that the page builds text nodes from it and never
// parses HTML.
import type { HLJSApi } from 'highlight.js';

export interface Piece {
  text: string;
  /** Class names of the highlighter, "" for plain text. */
  scope: string;
}

let loading: Promise<HLJSApi> | undefined;
const MOST_CHARACTERS = 60_000;

function load(): Promise<HLJSApi> {
  loading ??= import('./languages').then((module) => module.highlighter);
  return loading;
}

const entities: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'" };

function pieces(html: string): Piece[] {
  const out: Piece[] = [];
  const scopes: string[] = [];
  for (const [part] of html.matchAll(/<span class="[^"]*">|<\/span>|[^<]+/g)) {
    if (part === '</span>') scopes.pop();
    else if (part.startsWith('<span')) scopes.push(part.slice(13, -2));
    else
      out.push({
        text: part.replace(/&(?:amp|lt|gt|quot|#x27);/g, (entity) => entities[entity]!),
        scope: scopes.at(-1) ?? '',
      });
  }
  return out;
}

/** Null: not a language we know, or more than is worth colouring. */
export async function highlight(text: string, language: string): Promise<Piece[] | null> {
  if (!language || text.length > MOST_CHARACTERS) return null;
  const highlighter = await load();
  if (!highlighter.getLanguage(language)) return null;
  return pieces(highlighter.highlight(text, { language, ignoreIllegals: true }).value);
}
