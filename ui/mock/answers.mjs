// What the fake model says, chosen by a word of the question. The same question gets the same answer.

export const SHOWCASE = `Here is a **short tour** of what an answer may hold.

## Code

\`\`\`python
from pathlib import Path
from hashlib import sha256

def duplicates(folder: str) -> dict[str, list[Path]]:
    """Files of one folder by their content."""
    found: dict[str, list[Path]] = {}
    for path in Path(folder).rglob("*"):
        if path.is_file():
            found.setdefault(sha256(path.read_bytes()).hexdigest(), []).append(path)
    return {key: paths for key, paths in found.items() if len(paths) > 1}
\`\`\`

## A table

| Format | Bits per weight | Size of 7 B | Loss |
|:--|--:|--:|:-:|
| F16 | 16.0 | 14.5 GB | none |
| Q8_0 | 8.5 | 7.7 GB | tiny |
| Q4_K | 4.5 | 4.4 GB | small |

## Mathematics

Attention is $\\mathrm{softmax}\\left(QK^\\top/\\sqrt{d}\\right)V$, and the sum of the first numbers is

$$\\sum_{k=1}^{n} k = \\frac{n(n+1)}{2}$$

## Lists

1. Measure first.
2. Then change *one* thing.
   - Keep what helped.
   - Drop what did not.

- [x] read the question
- [ ] doubt the answer

> Simple beats clever.

It costs $5 and not $6, and [a link](https://example.org "Example") says more.`;

export const HOSTILE = `Look at this:

<script>window.hacked = true; fetch('/beacon/script')</script>

<img src="/beacon/html" onerror="window.hacked = true">

![beacon](http://127.0.0.1:9/beacon.png?secret=1) and ![same](/beacon/markdown)

[click](javascript:window.hacked=true) and [data](data:text/html,<script>window.hacked=true</script>) and <javascript:alert(1)>

<iframe src="/beacon/frame"></iframe><style>body{display:none}</style>

$\\href{javascript:window.hacked=true}{x}$ and $\\includegraphics{/beacon/math}$

[ok](https://example.org/safe)

| a | b |
|--|--|
| <img src=x onerror=alert(1)> | \`<b>\` |`;

const PLAIN = [
  'A fire needs three things: something to burn, air, and warmth to begin with.',
  'Take one of them away and it goes out.',
  'That is why a lid on a burning pan works, and why water on burning oil does not.',
];

/** What happens in answer to `text`: steps of {thinking}, {chunk}, {hold}, {tool}, {fail}, {source}, {limits}, {ends}, {notice}. */
export function script(text, history) {
  const words = (answer) => answer.match(/\s*\S+/g).map((chunk) => ({ chunk }));
  const wanted = text.toLowerCase();
  if (wanted.includes('hostile')) return [{ chunk: HOSTILE }];
  if (wanted.includes('showcase')) return words(SHOWCASE);
  if (wanted.includes('fail')) return [...words('This begins well and'), { fail: { code: 'engine_crashed', message: "the engine of 'qwen3-8b' ended by signal 9 (killed)", log: 'load: 36 layers\nserve: slot 0 begins\nKilled' } }];
  if (wanted.includes('remember')) return [{ source: true }, ...words('You said 500 g of flour.')];
  if (wanted.includes('crowded')) return [{ limits: { n_ctx: 8192, used: 7900, left_out: 12, near_end: true } }, ...words('What was said long ago is gone.')];
  if (wanted.includes('nearly')) return [{ ends: { n_ctx: 8192, used: 7900, left_out: 0, near_end: true } }, ...words('There is little room left.')];
  if (wanted.includes('notice')) return [{ notice: { code: 'no_tools', message: "the model 'qwen3-8b' knows no tools; it answers without them" } }, ...words('As you wish.')];
  if (wanted.includes('hold')) return [...words('One moment, I am'), { hold: true }, ...words(' done with waiting.')];
  if (wanted.includes('think')) return [...words('The user wants a careful answer. Let me weigh both sides, then say it **briefly**.').map(({ chunk }) => ({ thinking: chunk })), ...words('Both are right, in their way. The second one is cheaper.')];
  if (wanted.includes('tool')) return [{ tool: { server: 'files', name: 'read_file', arguments: '{"path": "notes/bread.md"}' } }, ...words('Your note says: 500 g of flour, 350 g of water, 10 g of salt.')];
  if (wanted.includes('length')) return [...words('This answer is longer than it may be, so it'), { end: 'length' }];
  if (wanted.includes('how many')) return words(`You have asked me ${history.filter((m) => m.role === 'user').length} times so far.`);
  return words(PLAIN.join(' '));
}
