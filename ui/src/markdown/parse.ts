// Markdown to a tree of plain objects that components draw. No HTML string exists at any point, so
// nothing a model writes can become a script, an image request or a style: tags stay text, links are
// checked here, images become links.
//
// Streaming: the text is parsed anew for every frame, which is cheap, but a top-level block whose
// source did not change keeps its old object, so that only the block at the end is drawn again.
import MarkdownIt from 'markdown-it';
import type { Token } from 'markdown-it';
import { mathRules } from './math';

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'math'; text: string; display: boolean }
  | { kind: 'break' }
  | { kind: 'strong' | 'em' | 'strike'; children: Inline[] }
  | { kind: 'link'; href: string; title: string; children: Inline[] }
  | { kind: 'image'; href: string; text: string };

export type Block =
  | { kind: 'paragraph'; children: Inline[]; tight: boolean }
  | { kind: 'heading'; level: number; children: Inline[] }
  | { kind: 'code'; language: string; text: string }
  | { kind: 'math'; text: string }
  | { kind: 'quote'; blocks: Block[] }
  | { kind: 'list'; ordered: boolean; start: number; items: ListItem[] }
  | { kind: 'table'; head: Cell[]; rows: Cell[][] }
  | { kind: 'rule' };

export interface ListItem {
  blocks: Block[];
  /** Of a task list; null: an ordinary item. */
  done: boolean | null;
}
export interface Cell {
  children: Inline[];
  align: 'left' | 'center' | 'right';
}
export interface TopBlock {
  source: string;
  block: Block;
}

const reader = new MarkdownIt({ html: false, linkify: true, breaks: true }).use(mathRules);
reader.linkify.set({ fuzzyLink: false, fuzzyEmail: false });

/** The address if a person may be led there, else null. */
export function safeLink(href: string): string | null {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(href)?.[1]?.toLowerCase();
  return scheme === 'http' || scheme === 'https' || scheme === 'mailto' ? href.trim() : null;
}

class Cursor {
  at = 0;
  constructor(readonly tokens: Token[]) {}
  get token(): Token | undefined {
    return this.tokens[this.at];
  }
}

/** Reads siblings up to the token that closes `closer`. */
function inlines(cursor: Cursor, closer: string | null): Inline[] {
  const out: Inline[] = [];
  for (let token = cursor.token; token; token = cursor.token) {
    cursor.at++;
    if (token.type === closer) break;
    switch (token.type) {
      case 'text':
      case 'text_special':
      case 'html_inline':
        out.push({ kind: 'text', text: token.content });
        break;
      case 'code_inline':
        out.push({ kind: 'code', text: token.content });
        break;
      case 'math_inline':
        out.push({ kind: 'math', text: token.content, display: token.markup === '$$' });
        break;
      case 'softbreak':
      case 'hardbreak':
        out.push({ kind: 'break' });
        break;
      case 'strong_open':
        out.push({ kind: 'strong', children: inlines(cursor, 'strong_close') });
        break;
      case 'em_open':
        out.push({ kind: 'em', children: inlines(cursor, 'em_close') });
        break;
      case 's_open':
        out.push({ kind: 'strike', children: inlines(cursor, 's_close') });
        break;
      case 'link_open': {
        const children = inlines(cursor, 'link_close');
        const href = safeLink(String(token.attrGet('href') ?? ''));
        if (href) out.push({ kind: 'link', href, title: token.attrGet('title') ?? '', children });
        else out.push(...children);
        break;
      }
      case 'image': {
        const href = safeLink(String(token.attrGet('src') ?? ''));
        if (href) out.push({ kind: 'image', href, text: token.content || href });
        else if (token.content) out.push({ kind: 'text', text: token.content });
        break;
      }
      default:
        if (token.content) out.push({ kind: 'text', text: token.content });
    }
  }
  return out;
}

const inlineOf = (token: Token | undefined): Inline[] => inlines(new Cursor(token?.children ?? []), null);

function listItem(cursor: Cursor): ListItem {
  const item: ListItem = { blocks: blocks(cursor, 'list_item_close'), done: null };
  const first = item.blocks[0];
  const lead = first?.kind === 'paragraph' ? first.children[0] : undefined;
  const mark = lead?.kind === 'text' ? /^\[([ xX])\]\s+/.exec(lead.text) : null;
  if (mark && lead?.kind === 'text') {
    item.done = mark[1] !== ' ';
    lead.text = lead.text.slice(mark[0].length);
  }
  return item;
}

function list(cursor: Cursor, open: Token): Block {
  const ordered = open.type === 'ordered_list_open';
  const closer = ordered ? 'ordered_list_close' : 'bullet_list_close';
  const items: ListItem[] = [];
  for (let token = cursor.token; token; token = cursor.token) {
    cursor.at++;
    if (token.type === closer) break;
    if (token.type === 'list_item_open') items.push(listItem(cursor));
  }
  return { kind: 'list', ordered, start: Number(open.attrGet('start') ?? 1), items };
}

function table(cursor: Cursor): Block {
  const rows: Cell[][] = [];
  for (let token = cursor.token; token; token = cursor.token) {
    cursor.at++;
    if (token.type === 'table_close') break;
    if (token.type === 'tr_open') rows.push([]);
    if (token.type === 'th_open' || token.type === 'td_open') {
      const align = /text-align:(center|right)/.exec(token.attrGet('style') ?? '')?.[1];
      rows.at(-1)?.push({
        align: align === 'center' || align === 'right' ? align : 'left',
        children: inlineOf(cursor.token),
      });
    }
  }
  return { kind: 'table', head: rows[0] ?? [], rows: rows.slice(1) };
}

function blocks(cursor: Cursor, closer: string | null): Block[] {
  const out: Block[] = [];
  for (let token = cursor.token; token; token = cursor.token) {
    if (closer && token.type === closer) {
      cursor.at++;
      break;
    }
    out.push(block(cursor));
  }
  return out;
}

function block(cursor: Cursor): Block {
  const token = cursor.token!;
  cursor.at++;
  switch (token.type) {
    case 'heading_open': {
      const children = inlineOf(cursor.token);
      cursor.at += 2;
      return { kind: 'heading', level: Number(token.tag.slice(1)), children };
    }
    case 'paragraph_open': {
      const children = inlineOf(cursor.token);
      cursor.at += 2;
      return { kind: 'paragraph', children, tight: token.hidden };
    }
    case 'fence':
      return { kind: 'code', language: token.info.trim().split(/\s+/)[0] ?? '', text: token.content.replace(/\n$/, '') };
    case 'code_block':
      return { kind: 'code', language: '', text: token.content.replace(/\n$/, '') };
    case 'math_block':
      return { kind: 'math', text: token.content };
    case 'blockquote_open':
      return { kind: 'quote', blocks: blocks(cursor, 'blockquote_close') };
    case 'bullet_list_open':
    case 'ordered_list_open':
      return list(cursor, token);
    case 'table_open':
      return table(cursor);
    case 'hr':
      return { kind: 'rule' };
    default:
      return { kind: 'paragraph', children: token.children ? inlineOf(token) : [{ kind: 'text', text: token.content }], tight: false };
  }
}

/** The blocks of `text`; objects of `before` are used again where their source is the same. */
export function parse(text: string, before: TopBlock[] = []): TopBlock[] {
  const environment: { references?: object } = {};
  const cursor = new Cursor(reader.parse(text, environment));
  const lines = text.split('\n');
  // A reference that is defined later can change what an earlier block means.
  const keep = !environment.references || Object.keys(environment.references).length === 0;
  const out: TopBlock[] = [];
  while (cursor.token) {
    const map = cursor.token.map ?? [0, 0];
    const source = `${cursor.token.type}\n${lines.slice(map[0], map[1]).join('\n')}`;
    const fresh = block(cursor);
    const old = before[out.length];
    out.push(keep && old?.source === source ? old : { source, block: fresh });
  }
  return out;
}

/** What a screen reader is told of an answer, and what a preview shows: the words alone. */
export function plainText(text: string): string {
  const words = (children: Inline[]): string =>
    children
      .map((i) => ('children' in i ? words(i.children) : i.kind === 'break' ? ' ' : i.text))
      .join('');
  const of = (b: Block): string => {
    switch (b.kind) {
      case 'paragraph':
      case 'heading':
        return words(b.children);
      case 'quote':
        return b.blocks.map(of).join(' ');
      case 'list':
        return b.items.map((i) => i.blocks.map(of).join(' ')).join('. ');
      case 'table':
        return [b.head, ...b.rows].map((r) => r.map((c) => words(c.children)).join(', ')).join('. ');
      case 'code':
      case 'math':
        return b.text;
      case 'rule':
        return '';
    }
  };
  return parse(text).map((top) => of(top.block)).join('\n').trim();
}
