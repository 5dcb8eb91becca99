// The chats that are open: the one on the screen, and those that go on writing behind it.
import { onNote } from './chats.svelte';
import type { Id } from '../lib/types';
import { Conversation } from './conversation.svelte';

const open = new Map<Id, Conversation>();
const MOST = 6;

/** The conversation of a chat, loaded if it is not. */
export function conversationOf(id: Id): Conversation {
  let conversation = open.get(id);
  if (conversation) {
    open.delete(id);
  } else {
    conversation = new Conversation();
    for (const [other, old] of open) {
      if (open.size < MOST) break;
      old.leave();
      open.delete(other);
    }
  }
  open.set(id, conversation);
  void conversation.load(id);
  return conversation;
}

/** A new chat got its id. */
export function keep(conversation: Conversation): void {
  if (conversation.chat) open.set(conversation.chat.id, conversation);
}

onNote((note) => {
  const conversation = note.chat === null ? undefined : open.get(note.chat);
  if (conversation && note.chat !== null && !conversation.answering) void conversation.load(note.chat);
});
