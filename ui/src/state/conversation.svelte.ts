// One chat on the screen: the branch that is shown, and the answer that is being written.
//
// Messages are replaced as a whole and never changed in place; what grows is kept apart in `live`, which is
// filled once per frame however fast tokens come. The answer belongs to the server: a page that was
// reloaded, or a second tab, joins its stream from the start.
import { get, post, put, remove, stream, isAbort, messageOf, Failure } from '../lib/api';
import { t } from '../lib/text';
import type { AnswerEvents, Attachment, Chat, Id, Message, Parameters, ToolCall } from '../lib/types';
import type { ServerEvent } from '../lib/sse';
import { findModel, modelFor, models } from './models.svelte';
import { createChat, noteChat, refreshChats, tellOthers } from './chats.svelte';
import { toast } from './toasts.svelte';

export interface Live {
  id: Id;
  content: string;
  thinking: string;
  tools: ToolCall[];
  stage: 'waiting' | 'loading' | 'reading' | 'thinking' | 'writing' | 'tool';
  progress: number | null;
  /** Of `performance.now()`; 0: not yet. */
  thinkingSince: number;
  thinkingMs: number;
  writingSince: number;
  pieces: number;
}

const newLive = (message: Message): Live => ({
  id: message.id,
  content: '',
  thinking: '',
  tools: [],
  stage: 'waiting',
  progress: null,
  thinkingSince: 0,
  thinkingMs: 0,
  writingSince: 0,
  pieces: 0,
});

/** So many messages are shown first. */
const END = 100;
interface Branch {
  chat: Chat;
  messages: Message[];
  more?: boolean;
}

const pathOf = (chat: Id): string => `/hearth/chats/${chat}`;

export class Conversation {
  chat: Chat | null = $state.raw(null);
  messages: Message[] = $state.raw([]);
  live: Live | null = $state(null);
  loading = $state(false);
  /** Why the chat cannot be shown. */
  failure: string | null = $state(null);
  /** Something was asked of the server that will answer with a stream. */
  busy = $state(false);
  /** False while only the end of a long chat is here. */
  whole = $state(true);
  /** Goes up when an answer ends; what is read out then. */
  finished: Message | null = $state.raw(null);

  private abort: AbortController | undefined;
  /** The last load; of a chat that is not yet there: nothing. */
  private loaded: Promise<void> | undefined;
  /** Goes up with every answer that begins. */
  private turn = 0;
  private waiting: { content: string; thinking: string } = { content: '', thinking: '' };
  private frame = 0;

  get answering(): boolean {
    return this.busy || this.live !== null;
  }

  async load(id: Id, join = true): Promise<void> {
    const work = this.fetch(id, join);
    this.loaded = work;
    return work;
  }

  private async fetch(id: Id, join: boolean): Promise<void> {
    const turn = this.turn;
    this.loading = this.messages.length === 0;
    this.failure = null;
    try {
      const end = this.messages.length > END ? '' : `?limit=${END}`;
      const { chat, messages, more } = await get<Branch>(pathOf(id) + end);
      // An answer that began meanwhile knows more than what was read before.
      if (turn !== this.turn) return;
      this.chat = chat;
      if (more) this.whole = false;
      if (this.live === null) this.messages = messages;
      noteChat(chat);
      if (join && chat.answering && !this.answering) void this.join();
      if (more) await this.fetchBeginning(id);
      this.whole = true;
    } catch (error) {
      this.failure = messageOf(error);
    } finally {
      this.loading = false;
    }
  }

  /** Of a long chat: what is above its end. It may have grown or been answered meanwhile. */
  private async fetchBeginning(id: Id): Promise<void> {
    const { messages } = await get<Branch>(pathOf(id));
    const at = messages.findIndex((message) => message.id === this.messages[0]?.id);
    if (at > 0) this.messages = [...messages.slice(0, at), ...this.messages];
  }

  /** Stores a message and reads its answer. False: nothing was stored, the text is still the user's. */
  async send(text: string, attachments: Attachment[], first: Partial<Chat>): Promise<boolean> {
    if (this.answering) return false;
    this.busy = true;
    try {
      // A chat that is still on its way from the server is the one that is meant, not a new one.
      if (!this.chat) await this.loaded;
      if (!this.chat && this.failure !== null) throw new Error(this.failure);
      this.chat ??= await createChat(first);
    } catch (error) {
      this.busy = false;
      toast(messageOf(error), { kind: 'bad' });
      return false;
    }
    return this.read(`${pathOf(this.chat.id)}/messages`, { content: text, attachments: attachments.map((a) => a.id), model: this.another() });
  }

  regenerate(message: Message, model?: string | null): Promise<boolean> {
    return this.ask('regenerate', { message_id: message.id, model: model ?? this.another() });
  }
  continueFrom(message: Message): Promise<boolean> {
    return this.ask('continue', { message_id: message.id, model: this.another() });
  }
  /** The model that the page shows in place of the chat's own, where that is not here. */
  private another(): string | null {
    const own = this.chat?.model ?? '';
    return models.loaded && own !== '' && !findModel(own) ? modelFor(null) : null;
  }
  private async ask(what: string, body: object): Promise<boolean> {
    if (!this.chat || this.answering) return false;
    return this.read(`${pathOf(this.chat.id)}/${what}`, body);
  }

  async edit(message: Message, content: string): Promise<boolean> {
    if (!this.chat || this.answering) return false;
    if (message.role === 'user') return this.ask('edit', { message_id: message.id, content, model: this.another() });
    return this.change(post(`${pathOf(this.chat.id)}/edit`, { message_id: message.id, content }));
  }

  show(message: Id): Promise<boolean> {
    if (!this.chat || this.answering) return Promise.resolve(false);
    return this.change(put(pathOf(this.chat.id), { leaf_id: message }));
  }

  async deleteMessage(message: Message): Promise<void> {
    const path = `/hearth/messages/${message.id}`;
    if (!(await this.change(remove(path)))) return;
    const restore = async (): Promise<void> => {
      await post(`${path}/restore`);
      await put(pathOf(message.chat_id), { leaf_id: message.id });
    };
    toast(t.chat.messageDeleted, { action: { label: t.common.undo, run: () => void this.change(restore()) } });
  }

  async rate(message: Message, feedback: Message['feedback']): Promise<void> {
    try {
      const rated = await put<Message>(`/hearth/messages/${message.id}`, { feedback });
      this.messages = this.messages.map((m) => (m.id === message.id ? { ...m, feedback: rated.feedback } : m));
    } catch (error) {
      toast(messageOf(error), { kind: 'bad' });
    }
  }

  async set(change: { model?: string; system?: string; parameters?: Parameters }): Promise<void> {
    if (!this.chat) return;
    try {
      this.chat = await put<Chat>(pathOf(this.chat.id), change);
      noteChat(this.chat);
      tellOthers(this.chat.id);
    } catch (error) {
      toast(messageOf(error), { kind: 'bad' });
    }
  }

  async stop(): Promise<void> {
    if (!this.chat) return;
    try {
      await post(`${pathOf(this.chat.id)}/stop`);
    } catch (error) {
      if (!(error instanceof Failure && error.status === 404)) toast(messageOf(error), { kind: 'bad' });
    }
  }

  /** What the user says to a tool that wants to be called. */
  async approve(call: ToolCall, allow: 'once' | 'chat' | 'always' | 'never'): Promise<void> {
    if (!this.chat) return;
    try {
      await post(`${pathOf(this.chat.id)}/tools`, { call_id: call.id, allow });
    } catch (error) {
      toast(messageOf(error), { kind: 'bad' });
    }
  }

  /** Leaves the stream; the server goes on writing. */
  leave(): void {
    this.abort?.abort();
  }

  private async change(work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      await this.load(this.chat!.id);
      tellOthers(this.chat!.id);
      return true;
    } catch (error) {
      toast(messageOf(error), { kind: 'bad' });
      return false;
    }
  }

  private async join(): Promise<void> {
    this.busy = true;
    await this.follow(`${pathOf(this.chat!.id)}/stream`, undefined);
  }

  private async read(path: string, body: object): Promise<boolean> {
    this.busy = true;
    return new Promise<boolean>((resolve) => {
      void this.follow(path, body, () => resolve(true)).then((begun) => resolve(begun));
    });
  }

  private async follow(path: string, body: object | undefined, onStart?: () => void): Promise<boolean> {
    const abort = (this.abort = new AbortController());
    let begun = false;
    let ended = false;
    try {
      await stream(path, { body, signal: abort.signal }, (event) => {
        if (event.name === 'start') {
          begun = true;
          onStart?.();
        }
        if (event.name === 'done' || event.name === 'error') ended = true;
        this.take(event);
      });
    } catch (error) {
      const gone = error instanceof Failure && error.status === 404 && body === undefined;
      if (!isAbort(error) && !gone) toast(begun ? t.chat.lostStream : messageOf(error), { kind: 'bad' });
    }
    // A stream goes on until the chat has its title; the next answer may have begun meanwhile, and is not this one's.
    if (this.abort === abort) {
      this.flush();
      this.live = null;
      this.busy = false;
    }
    // A stream that broke off says nothing of how it ended.
    if (!ended && !abort.signal.aborted && this.chat) await this.load(this.chat.id, begun);
    // Only now the chat has its title.
    void refreshChats().catch(() => undefined);
    return begun;
  }

  private take(event: ServerEvent): void {
    const type = event.name as keyof AnswerEvents;
    const data = event.data as never;
    switch (type) {
      case 'start':
        this.start(data as AnswerEvents['start']);
        break;
      case 'progress': {
        const { stage, progress, done, total } = data as AnswerEvents['progress'];
        if (!this.live) break;
        this.live.stage = stage;
        this.live.progress = progress ?? (total ? (done ?? 0) / total : null);
        break;
      }
      case 'thinking':
        this.grow('thinking', (data as AnswerEvents['thinking']).text);
        break;
      case 'chunk':
        this.grow('content', (data as AnswerEvents['chunk']).text);
        break;
      case 'notice': {
        const notice = data as AnswerEvents['notice'];
        this.patch((m) => ({ notices: [...(m.notices ?? []), notice] }));
        break;
      }
      case 'context': {
        const context = data as AnswerEvents['context'];
        this.patch(() => ({ context }));
        break;
      }
      case 'tool_call':
      case 'tool_result':
        this.noteTool(data as AnswerEvents['tool_call']);
        break;
      case 'message':
        this.flush();
        this.next((data as AnswerEvents['message']).message);
        break;
      case 'done':
        this.flush();
        this.finish((data as AnswerEvents['done']).message);
        break;
      case 'error': {
        const failure = data as AnswerEvents['error'];
        this.flush();
        const live = this.live;
        const message = live && this.messages.find((m) => m.id === live.id);
        if (live && message)
          this.finish({ ...(failure.failed ?? { ...message, content: live.content, thinking: live.thinking, state: 'failed', error: failure.message }), log: failure.log ?? null });
        else toast(failure.message, { kind: 'bad' });
        break;
      }
      case 'title':
        if (this.chat) {
          this.chat = { ...this.chat, title: (data as AnswerEvents['title']).title };
          noteChat(this.chat);
        }
        break;
    }
  }

  private start({ chat, user, message }: AnswerEvents['start']): void {
    this.turn++;
    this.chat = chat;
    noteChat(chat);
    // What stands below the new message's parent belongs to another branch.
    const parent = user ? user.parent_id : message.parent_id;
    const at = this.messages.findIndex((m) => m.id === parent);
    const kept = this.messages.slice(0, parent === 0 ? 0 : at < 0 ? undefined : at + 1);
    const more = user && !kept.some((m) => m.id === user.id) ? [user, message] : [message];
    this.messages = [...kept.filter((m) => m.id !== message.id), ...more];
    this.live = newLive(message);
    this.live.content = message.content;
    this.live.thinking = message.thinking;
    this.live.thinkingMs = message.thinking_ms ?? 0;
    tellOthers(chat.id);
  }

  /** The turn goes on: what a tool said, or the next answer of the model. */
  private next(message: Message): void {
    const live = this.live;
    const calls = live?.tools.map((c) => ({ id: c.id, function: { name: c.server ? `${c.server}__${c.name}` : c.name, arguments: c.arguments } }));
    this.messages = [
      ...this.messages
        .map((m): Message => (m.id === live?.id ? { ...m, content: live.content, thinking: live.thinking, tool_calls: calls?.length ? calls : m.tool_calls, state: 'complete' } : m))
        .filter((m) => m.id !== message.id),
      message,
    ];
    if (message.role === 'assistant') this.live = newLive(message);
  }

  /** Of the message that is written. */
  private patch(change: (message: Message) => Partial<Message>): void {
    const id = this.live?.id;
    this.messages = this.messages.map((m) => (m.id === id ? { ...m, ...change(m) } : m));
  }

  private grow(part: 'content' | 'thinking', text: string): void {
    this.waiting[part] += text;
    if (this.live) this.live.pieces++;
    this.frame ||= requestAnimationFrame(() => this.flush());
    // A hidden page gets no frames.
    if (document.hidden) this.flush();
  }

  private flush(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { content, thinking } = this.waiting;
    this.waiting = { content: '', thinking: '' };
    const live = this.live;
    if (!live) return;
    const now = performance.now();
    if (thinking) {
      live.thinking += thinking;
      live.thinkingSince ||= now;
      live.thinkingMs = now - live.thinkingSince;
      live.stage = 'thinking';
    }
    if (content) {
      if (live.thinkingSince && !live.content) live.thinkingMs = now - live.thinkingSince;
      live.content += content;
      live.stage = 'writing';
    }
    if (thinking || content) live.writingSince ||= now;
  }

  private noteTool(call: Partial<ToolCall> & { id: string }): void {
    if (!this.live) return;
    this.flush();
    const at = this.live.tools.findIndex((other) => other.id === call.id);
    if (at >= 0) this.live.tools[at] = { ...this.live.tools[at]!, ...call };
    else this.live.tools.push({ server: '', name: '', arguments: '', state: 'running', result: null, ms: null, ...call });
    this.live.stage = 'tool';
  }

  private finish(message: Message): void {
    const thinkingMs = this.live?.thinkingMs;
    this.messages = this.messages.map((m) =>
      m.id === message.id ? { ...message, thinking_ms: message.thinking_ms ?? thinkingMs ?? null } : m,
    );
    this.live = null;
    this.busy = false;
    this.finished = message;
    if (this.chat) tellOthers(this.chat.id);
  }
}
