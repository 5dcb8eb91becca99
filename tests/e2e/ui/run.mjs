// The page in a real browser: node run.mjs [NAME...]
// Without HEARTH_URL it meets the stand-in server, whose answers are known. With it (the address that `hearth serve`
// prints, token and all) the cases run that need nothing but Ember, and those of real.mjs if its helpers are there. A
// picture is kept of a case that fails.
import { join } from 'node:path';
import { cases } from './cases.mjs';
import { real as more } from './real.mjs';
import { executable, launch, SHOTS, startMock } from './browser.mjs';

if (!executable) {
  console.log('skipped: needs Chromium');
  process.exit(77);
}
const only = process.argv.slice(2);
const real = process.env.HEARTH_URL ? new URL(process.env.HEARTH_URL) : null;
const server = real ? { origin: real.origin, token: new URLSearchParams(real.hash.slice(1)).get('token'), stop: () => {} } : await startMock();
const browser = await launch();
let failed = 0;
let ran = 0;

async function mock(path, body) {
  const response = await fetch(`${server.origin}/mock/${path}`, body && { method: 'POST', body: JSON.stringify(body) });
  return response.json();
}

async function run({ name, scenario, act, context: options = {}, ours = false, quiet = true }) {
  if (only.length && !only.some((wanted) => name.includes(wanted))) return;
  if (real && !ours) return;
  ran++;
  if (!real) await mock('reset', { scenario: scenario ?? 'lively' });
  const context = await browser.newContext({ viewport: { width: 1280, height: 840 }, locale: 'en-US', ...options });
  context.setDefaultTimeout(Number(process.env.HEARTH_UI_TIMEOUT ?? 60000));
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.origin });
  const problems = [];
  const requests = [];
  const watch = (page) => {
    page.on('pageerror', (error) => problems.push(`error in the page: ${error.message}`));
    page.on('console', (message) => {
      // What the browser itself says of answers that are errors is no problem of the page.
      if (message.type() === 'error' && !/Failed to load resource|net::ERR/.test(message.text())) problems.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => requests.push(request.url()));
  };
  context.on('page', watch);
  const page = await context.newPage();
  const open = async (at = page) => {
    await at.goto(`${server.origin}/#token=${server.token}`);
    await at.locator('main').first().waitFor();
  };
  try {
    await act({ page, context, open, mock, requests, server, real: real !== null });
    if (quiet && problems.length > 0) throw new Error(problems.join('\n'));
    for (const url of requests) {
      if (!url.startsWith(server.origin) && !url.startsWith('blob:')) throw new Error(`the page asked for ${url}`);
    }
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED ${name}\n  ${String(error.stack ?? error).split('\n').slice(0, 8).join('\n  ')}`);
    for (const problem of problems) console.log(`  ${problem}`);
    await page.screenshot({ path: join(SHOTS, `failed-${name.replace(/\W+/g, '-')}.png`) }).catch(() => {});
  } finally {
    await context.close();
  }
}

for (const one of cases) await run(one);
if (real && process.env.HEARTH_UI_MODEL) for (const one of more) await run({ ...one, ours: true });
await browser.close();
server.stop();
console.log(`${ran} cases, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
