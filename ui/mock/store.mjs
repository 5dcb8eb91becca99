// Chats as the server keeps them: trees of messages, in memory.
export class Store {
  constructor(seed) {
    this.chats = new Map();
    this.messages = new Map();
    this.attachments = new Map();
    this.lastId = 0;
    this.clock = Date.now() - 3_600_000;
    for (const { title, folder, pinned, age_days, turns } of seed) {
      const chat = this.addChat({ title, folder, pinned, model: 'qwen3-8b' });
      chat.created_ms = chat.updated_ms = this.clock - age_days * 86_400_000;
      for (const [question, answer] of turns) {
        this.addMessage(chat, chat.leaf_id, { role: 'user', content: question });
        this.addMessage(chat, chat.leaf_id, { role: 'assistant', content: answer, model: 'qwen3-8b', finish_reason: 'stop', usage: usage(answer.length / 4, 200) });
      }
      chat.updated_ms = this.clock - age_days * 86_400_000;
    }
  }
  addChat(fields) {
    const now = (this.clock += 1000);
    const chat = { id: ++this.lastId, title: '', model: '', system: '', parameters: {}, memory: false, tools_off: [], folder: '', tags: [], pinned: false, leaf_id: 0, n_messages: 0, created_ms: now, updated_ms: now, deleted_ms: 0, origin: '', answering: false, ...fields };
    this.chats.set(chat.id, chat);
    return chat;
  }
  addMessage(chat, parent_id, fields) {
    const message = {
      id: ++this.lastId, chat_id: chat.id, parent_id, role: 'user', state: 'complete', content: '', thinking: '', model: '', error: '', finish_reason: null, usage: null,
      tool_calls: null, tool_call_id: '', tool_name: '', attachments: [], feedback: null, created_ms: (this.clock += 1000), deleted: false, ...fields,
    };
    this.messages.set(message.id, message);
    chat.leaf_id = message.id;
    chat.n_messages++;
    chat.updated_ms = Math.max(message.created_ms, Date.now());
    return message;
  }
  children(chat, parent_id) {
    this.index ??= new Map();
    return [...this.messages.values()].filter((m) => m.chat_id === chat.id && m.parent_id === parent_id && !m.deleted);
  }
  view(message, siblings) {
    const all = siblings ?? this.children({ id: message.chat_id }, message.parent_id);
    const i = all.indexOf(message);
    const { deleted: _, ...shown } = message;
    return { ...shown, sibling_index: Math.max(0, i), n_siblings: all.length, previous_sibling_id: all[i - 1]?.id ?? 0, next_sibling_id: all[i + 1]?.id ?? 0 };
  }
  branch(chat) {
    const byParent = new Map();
    for (const m of this.messages.values())
      if (m.chat_id === chat.id && !m.deleted) byParent.set(m.parent_id, [...(byParent.get(m.parent_id) ?? []), m]);
    const out = [];
    for (let m = this.messages.get(chat.leaf_id); m; m = this.messages.get(m.parent_id)) out.push(this.view(m, byParent.get(m.parent_id)));
    return out.reverse();
  }
  /** The newest leaf below a message. */
  leaf(chat, id) {
    for (let next = this.children(chat, id); next.length > 0; next = this.children(chat, id)) id = next.at(-1).id;
    return id;
  }
  remove(message, deleted) {
    let n = 1;
    message.deleted = deleted;
    for (const m of this.messages.values()) if (m.parent_id === message.id && m.deleted !== deleted) n += this.remove(m, deleted);
    return n;
  }
  list(query) {
    const all = [...this.chats.values()]
      .filter((c) => (query.get('deleted') === 'true') === (c.deleted_ms > 0))
      .filter((c) => !query.has('folder') || c.folder === query.get('folder') || c.folder.startsWith(`${query.get('folder')}/`))
      .sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.updated_ms - a.updated_ms);
    const offset = Number(query.get('offset') ?? 0);
    const limit = Number(query.get('limit') ?? 50);
    return { chats: all.slice(offset, offset + limit), more: all.length > offset + limit };
  }
  names(of) {
    const counts = new Map();
    for (const chat of this.chats.values())
      if (!chat.deleted_ms) for (const name of of(chat)) if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
    return [...counts].sort().map(([name, n_chats]) => ({ name, n_chats }));
  }
  search(query) {
    const words = query.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
    const hits = [];
    for (const m of words.length ? this.messages.values() : []) {
      const chat = this.chats.get(m.chat_id);
      const text = m.content.toLowerCase();
      if (m.deleted || !chat || chat.deleted_ms || !words.every((word) => text.includes(word))) continue;
      const at = Math.max(0, text.indexOf(words[0]) - 40);
      const snippet = (at > 0 ? '…' : '') + m.content.slice(at, at + 160).replaceAll('\n', ' ');
      const marks = words.flatMap((word) => {
        const start = snippet.toLowerCase().indexOf(word);
        return start < 0 ? [] : [[start, word.length]];
      }).sort((a, b) => a[0] - b[0]);
      hits.push({ chat_id: chat.id, message_id: m.id, title: chat.title, role: m.role, snippet, marks, created_ms: m.created_ms, score: 1 / (hits.length + 1), by_words: true, by_meaning: false });
      if (hits.length === 30) break;
    }
    return hits;
  }
}

export function usage(n, prompt) {
  const completion_tokens = Math.max(1, Math.round(n));
  return { prompt_tokens: prompt, cached_tokens: Math.round(prompt * 0.6), completion_tokens, prompt_ms: prompt * 1.2, generate_ms: completion_tokens * 24, tokens_per_second: 41.7 };
}
