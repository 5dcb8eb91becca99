// Files that a user attaches: pictures as they are, texts as texts. What is neither, or too large, is refused
// with a reason.
import { post } from './api';
import { bytes } from './format';
import { t, fill } from './text';
import type { Attachment } from './types';

const MOST_BYTES = 20 << 20;
const MOST_TEXT_BYTES = 1 << 20;

async function isText(file: File): Promise<boolean> {
  const head = new Uint8Array(await file.slice(0, 8192).arrayBuffer());
  if (head.includes(0)) return false;
  try {
    // The cut may go through a character, which "stream" forgives.
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}

async function base64(file: Blob): Promise<string> {
  const data = new Uint8Array(await file.arrayBuffer());
  let binary = '';
  for (let at = 0; at < data.length; at += 0x8000) binary += String.fromCharCode(...data.subarray(at, at + 0x8000));
  return btoa(binary);
}

/** Gives the file to the server. Throws an Error that says why not. */
export async function attach(file: File, sees: boolean): Promise<Attachment> {
  const image = file.type.startsWith('image/');
  if (image && !sees) throw new Error(t.files.blind);
  if (!image && !(await isText(file))) throw new Error(fill(t.files.neither, { name: file.name }));
  const most = image ? MOST_BYTES : MOST_TEXT_BYTES;
  if (file.size > most) throw new Error(fill(t.files.tooLarge, { name: file.name, most: bytes(most) }));
  const type = image ? file.type : 'text/plain';
  return post<Attachment>('/hearth/attachments', { name: file.name || t.files.pasted, type, data: await base64(file) });
}

/** Lets the user keep a text as a file. */
export function saveFile(name: string, content: string, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
