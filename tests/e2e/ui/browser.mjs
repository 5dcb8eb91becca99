// Chromium from the system, driven by playwright-core, against the stand-in server or a real one.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
export const SHOTS = process.env.HEARTH_UI_SHOTS ?? here('./shots');
mkdirSync(SHOTS, { recursive: true });

export const executable = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

export function launch() {
  return chromium.launch({
    executablePath: executable,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
  });
}

/** The stand-in server; its address comes with the token. */
export async function startMock() {
  const child = spawn(process.execPath, [here('../../../ui/mock/server.mjs'), '--port', '0', '--pace', '2'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const { value } = await lines[Symbol.asyncIterator]().next();
  const url = new URL(value);
  return { origin: url.origin, token: new URLSearchParams(url.hash.slice(1)).get('token'), stop: () => child.kill() };
}
