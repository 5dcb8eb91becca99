// Pictures of the page in its main states, for people to look at: node shots.mjs [NAME...]
import { join } from 'node:path';
import { launch, SHOTS, startMock } from './browser.mjs';

const only = process.argv.slice(2);
const server = await startMock();
const browser = await launch();
const reset = (scenario) => fetch(`${server.origin}/mock/reset`, { method: 'POST', body: JSON.stringify({ scenario }) });

async function shot(name, { scenario = 'lively', width = 1280, height = 840, dark = false, path = '#/chat', touch = false }, act = async () => {}) {
  if (only.length && !only.some((wanted) => name.includes(wanted))) return;
  await reset(scenario);
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', hasTouch: touch, isMobile: touch, deviceScaleFactor: 1 });
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && console.log(name, 'console:', message.text()));
  page.on('pageerror', (error) => console.log(name, 'error:', error.message));
  await page.goto(`${server.origin}/#token=${server.token}`);
  await page.locator('main').first().waitFor();
  if (path !== '#/chat') await page.evaluate((hash) => (location.hash = hash), path);
  try {
    await act(page);
  } catch (error) {
    console.log(name, 'act:', error.message.split('\n')[0]);
  }
  await page.evaluate(() => document.fonts.ready);
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
  console.log(name);
  await context.close();
}
const ask = async (page, text) => {
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill(text);
  await page.keyboard.press('Enter');
};
const answered = (page) => page.getByRole('button', { name: 'Answer again' }).last().waitFor();

await shot('welcome', { scenario: 'empty' }, (page) => page.getByRole('button', { name: 'Download', exact: true }).first().waitFor());
await shot('welcome-dark', { scenario: 'empty', dark: true }, (page) => page.getByRole('button', { name: 'Download', exact: true }).first().waitFor());
await shot('greeting', {}, (page) => page.getByText('Sourdough').first().waitFor());
await shot('chat', { height: 1500 }, async (page) => { await ask(page, 'Please think about it.'); await answered(page); await ask(page, 'A showcase, please.'); await page.getByText('says more').last().waitFor(); await answered(page); await page.locator('.katex').first().waitFor(); });
await shot('chat-dark', { dark: true }, async (page) => { await ask(page, 'A showcase, please.'); await page.getByText('says more').last().waitFor(); await answered(page); });
await shot('streaming', {}, async (page) => { await ask(page, 'Please hold.'); await page.getByText('One moment, I am').waitFor(); });
await shot('tool', {}, async (page) => { await ask(page, 'Use a tool.'); await page.getByRole('button', { name: 'Allow once' }).waitFor(); });
const crowded = async (page) => { await ask(page, 'Do you remember the dough?'); await answered(page); await page.getByRole('button', { name: '1 passage of another chat' }).click(); await ask(page, 'Give notice.'); await page.getByText('knows no tools').waitFor(); await answered(page); await ask(page, 'It is crowded here.'); await page.getByText('had no room').waitFor(); await answered(page); };
await shot('sources', {}, crowded);
await shot('sources-dark', { dark: true }, crowded);
await shot('phone-sources', { width: 390, height: 844, touch: true }, crowded);
await shot('phone-tool', { width: 390, height: 844, touch: true }, async (page) => { await ask(page, 'Use a tool.'); await page.getByRole('button', { name: 'Allow once' }).waitFor(); });
await shot('options', {}, async (page) => { await page.getByRole('button', { name: 'Options of this chat' }).click(); await page.getByRole('button', { name: 'files 2/2' }).click(); });
await shot('failed', {}, async (page) => { await ask(page, 'Please fail.'); await page.getByText('The answer failed').waitFor(); });
await shot('models', { path: '#/models' }, (page) => page.getByRole('heading', { name: 'Qwen3 8B' }).waitFor());
await shot('models-dark', { path: '#/models', dark: true }, (page) => page.getByRole('heading', { name: 'Qwen3 8B' }).waitFor());
await shot('catalog', { path: '#/models' }, async (page) => { await page.getByText('Catalogue').click(); await page.getByRole('button', { name: 'Download' }).first().click(); await page.getByText('50 %').waitFor(); await page.getByText('Catalogue').click(); await page.getByText('Llama 3.3 70B').waitFor(); });
await shot('plan', { path: '#/models/qwen3-8b' }, (page) => page.getByText('Fits well').waitFor());
await shot('model-settings', { path: '#/models/qwen3-8b' }, async (page) => { await page.getByRole('dialog').getByText('Settings', { exact: true }).click(); });
await shot('monitor', { path: '#/monitor' }, async (page) => { await page.getByRole('heading', { name: 'This machine' }).waitFor(); await page.evaluate(() => (location.hash = '#/chat')); await ask(page, 'Hello'); await answered(page); await page.evaluate(() => (location.hash = '#/monitor')); await page.getByRole('heading', { name: 'This machine' }).waitFor(); });
await shot('settings', { path: '#/settings' }, (page) => page.getByText('Theme').waitFor());
await shot('tools', { path: '#/settings/tools', dark: true }, async (page) => { await page.getByRole('button', { name: /files/ }).click(); await page.getByText('read_file').waitFor(); });
await shot('server', { path: '#/settings/server' }, (page) => page.getByText('idle-timeout').waitFor());
await shot('palette', {}, async (page) => { await page.keyboard.press('Control+k'); await page.getByRole('combobox').fill('flour'); await page.locator('mark').first().waitFor(); });
await shot('compare', { path: '#/compare' }, async (page) => { await ask(page, 'Why does a lid put out a fire?'); await page.getByRole('button', { name: 'Answer again' }).nth(1).waitFor(); });
await shot('phone', { width: 390, height: 844, touch: true }, async (page) => { await ask(page, 'A showcase, please.'); await page.getByText('says more').last().waitFor(); await answered(page); });
await shot('phone-side', { width: 390, height: 844, touch: true, dark: true }, async (page) => { await page.getByRole('button', { name: 'Show or hide the sidebar' }).click(); await page.getByText('Sourdough').first().waitFor(); });
await shot('phone-models', { width: 390, height: 844, touch: true, path: '#/models' }, (page) => page.getByRole('heading', { name: 'Qwen3 8B' }).waitFor());
await shot('phone-welcome', { width: 390, height: 844, touch: true, scenario: 'empty' }, (page) => page.getByRole('button', { name: 'Download', exact: true }).first().waitFor());
await shot('long', { scenario: 'long' }, async (page) => { await page.getByRole('link', { name: 'Five thousand messages' }).click(); await page.getByText('It is 4998').waitFor(); });
await browser.close();
server.stop();
