// Which call of a tool a message of role `tool` answers. Ids of calls are the model's or a client's, and come again in
// later turns: a result belongs to the last message before it that has such a call without one.
import type { Id, Message } from './types';

export interface Results {
  /** By the id of the message that calls: results by the id of the call. */
  of: Map<Id, Map<string, Message>>;
  /** By the id of the result: the message that calls. */
  callers: Map<Id, string>;
}

export function resultsOf(messages: Message[]): Results {
  const of: Results['of'] = new Map();
  const callers: Results['callers'] = new Map();
  const open = new Map<string, Id>();
  for (const message of messages) {
    for (const call of message.tool_calls ?? []) open.set(call.id, message.id);
    if (message.role !== 'tool') continue;
    const caller = open.get(message.tool_call_id);
    if (caller === undefined) continue;
    open.delete(message.tool_call_id);
    if (!of.has(caller)) of.set(caller, new Map());
    of.get(caller)!.set(message.tool_call_id, message);
    callers.set(message.id, String(caller));
  }
  return { of, callers };
}
