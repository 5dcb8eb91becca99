// Mathematics in Markdown: $x$, $$x$$, \(x\) and \[x\]. A dollar opens only before a non-space and closes
// only after one and not before a digit, so that prices stay prices.
import type MarkdownIt from 'markdown-it';
import type { StateBlock, StateInline } from 'markdown-it';

function inlineRule(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state;
  const pairs: [string, string][] = [['$$', '$$'], ['$', '$'], ['\\(', '\\)'], ['\\[', '\\]']];
  const pair = pairs.find(([open]) => src.startsWith(open, pos));
  if (!pair) return false;
  const [open, close] = pair;
  const start = pos + open.length;
  let end = src.indexOf(close, start);
  while (end > 0 && open === '$' && src[end - 1] === '\\') end = src.indexOf(close, end + 1);
  if (end < 0 || end + close.length > posMax || end === start) return false;
  const text = src.slice(start, end);
  if (open === '$') {
    if (/^\s|\s$/.test(text) || /\d/.test(src[end + 1] ?? '') || text.includes('\n\n')) return false;
    if (/[\w$]/.test(src[pos - 1] ?? '')) return false;
  }
  if (!silent) {
    const token = state.push('math_inline', 'math', 0);
    token.content = text.trim();
    token.markup = open === '$$' || open === '\\[' ? '$$' : '$';
  }
  state.pos = end + close.length;
  return true;
}

function blockRule(state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean {
  const line = (n: number) => state.src.slice(state.bMarks[n]! + state.tShift[n]!, state.eMarks[n]!);
  const first = line(startLine).trim();
  const pair = first.startsWith('$$') ? ['$$', '$$'] : first.startsWith('\\[') ? ['\\[', '\\]'] : null;
  if (!pair) return false;
  const [open, close] = pair as [string, string];
  let body = first.slice(open.length);
  let last = startLine;
  if (body.trimEnd().endsWith(close)) {
    body = body.trimEnd().slice(0, -close.length);
    if (!body.trim()) return false;
  } else {
    if (body.includes(close)) return false;
    const lines = [body];
    for (last = startLine + 1; last < endLine; last++) {
      const text = line(last);
      const at = text.indexOf(close);
      if (at >= 0) {
        lines.push(text.slice(0, at));
        break;
      }
      lines.push(text);
    }
    if (last >= endLine) return false;
    body = lines.join('\n');
  }
  if (silent) return true;
  const token = state.push('math_block', 'math', 0);
  token.content = body.trim();
  token.map = [startLine, last + 1];
  state.line = last + 1;
  return true;
}

export function mathRules(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'math', inlineRule);
  md.block.ruler.before('fence', 'math', blockRule, { alt: ['paragraph', 'reference', 'blockquote', 'list'] });
}
