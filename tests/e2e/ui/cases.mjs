// What the page must do.
import assert from 'node:assert/strict';
import { answered, answers, begin, field, questions, send, until } from './steps.mjs';

export const cases = [
  {
    name: 'first run',
    scenario: 'empty',
    ours: true,
    async act(t) {
      const { page, open, real, mock } = t;
      await open();
      if (!real) {
        await page.getByRole('heading', { name: 'Welcome to Hearth' }).waitFor();
        await page.getByRole('heading', { name: 'Qwen3 8B' }).waitFor();
        assert.match(await page.locator('.best').innerText(), /about [\d.]+ to [\d.]+ tokens\/s/);
        assert.equal(await page.getByText('Llama 3.3 70B').count(), 0, 'what is too large is not the first choice');
        await page.getByRole('button', { name: '4 other models' }).click();
        await page.getByText('too large for this machine').first().waitFor();
        await page.getByRole('button', { name: 'Start with Ember' }).click();
      }
      await begin(t);
      await send(page, 'Hello');
      await answered(page, 1);
      assert.ok((await answers(page).first().innerText()).length > 10);
      if (!real) await until(async () => (await mock('state')).preferences.welcomed);
      await page.reload();
      await field(page).waitFor();
      assert.equal(await page.getByRole('heading', { name: 'Welcome to Hearth' }).count(), 0);
    },
  },
  {
    name: 'a browser without the key',
    ours: true,
    async act({ page, server, real, context }) {
      await page.goto(server.origin);
      await page.getByLabel('Address or key').fill('wrong');
      await page.keyboard.press('Enter');
      await page.getByText('That is not the key').waitFor();
      await page.getByLabel('Address or key').fill(`${server.origin}/#token=${server.token}`);
      await page.keyboard.press('Enter');
      await page.getByLabel('Address or key').waitFor({ state: 'detached' });
      assert.ok(!page.url().includes('token='));
      if (real) return;
      // A key that no longer holds asks again instead of failing.
      await page.evaluate(() => localStorage.setItem('hearth.key', 'stale'));
      const other = await context.newPage();
      await other.goto(server.origin);
      await other.getByLabel('Address or key').waitFor();
    },
  },
  {
    name: 'chat and stop',
    async act({ page, open, mock }) {
      await open();
      await send(page, 'Please hold the line.');
      await answers(page).getByText('One moment, I am').waitFor();
      await page.getByRole('button', { name: 'Stop the answer' }).click();
      await page.getByText('Stopped', { exact: true }).waitFor();
      assert.deepEqual((await mock('state')).answering, []);
      await answered(page, 1);
      assert.match(await answers(page).first().innerText(), /tokens\/s/);
      // Escape stops, too.
      await send(page, 'Hold again.');
      await answers(page).nth(1).getByText('One moment, I am').waitFor();
      await page.keyboard.press('Escape');
      await until(async () => (await mock('state')).answering.length === 0);
      await page.getByRole('button', { name: 'Continue' }).click();
      await answers(page).nth(1).getByText('And so on.').waitFor();
      await page.getByRole('meter', { name: 'Context' }).waitFor();
    },
  },
  {
    name: 'Ember answers, its answer is stopped',
    ours: true,
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await send(page, 'What is Hearth?');
      await answered(page, 1);
      // At once, while the chat still gets its name.
      await send(page, 'And what can it do?');
      await questions(page).nth(1).waitFor();
      await answered(page, 2);
      assert.equal(await questions(page).count(), 2);
      await page.reload();
      await answered(page, 2);
    },
  },
  {
    name: 'the next question, while the chat still gets its name',
    async act({ page, open, mock }) {
      await open();
      await send(page, 'A slow name, please.');
      await answered(page, 1);
      await until(async () => (await mock('state')).held === 1);
      await send(page, 'Hold on, please.');
      await answers(page).getByText('One moment, I am').waitFor();
      // The list of chats is read again when the first stream has ended.
      await Promise.all([page.waitForResponse((r) => /hearth.chats\?/.test(r.url())), mock('release', { first: true })]);
      await page.getByRole('heading', { name: 'A slow name, please' }).waitFor();
      // The end of the first stream takes nothing from the second one.
      await page.getByRole('button', { name: 'Stop the answer' }).waitFor();
      await mock('release', {});
      await answers(page).getByText('One moment, I am done with waiting.').waitFor();
      await answered(page, 2);
    },
  },
  {
    name: 'a question to a chat that is still being read',
    async act({ page, open, mock }) {
      await open();
      let go;
      const held = new Promise((resolve) => (go = resolve));
      await page.route(/hearth.chats.\d+$/, async (route) => {
        await held;
        await route.continue();
      });
      await page.getByRole('link', { name: 'Weekend in Ghent' }).click();
      await until(() => page.url().includes('#/chat/'));
      const address = page.url();
      await send(page, 'And where do I eat?');
      go();
      await questions(page).getByText('And where do I eat?').waitFor();
      await answers(page).last().getByText('A fire needs three things').waitFor();
      assert.equal(page.url(), address);
      assert.ok((await questions(page).count()) > 1, 'it went into a chat of its own');
    },
  },
  {
    name: 'edit and branch',
    ours: true,
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await send(page, 'First question');
      await answered(page, 1);
      await send(page, 'Second question');
      await answered(page, 2);
      await questions(page).first().hover();
      await questions(page).first().getByRole('button', { name: 'Edit' }).click();
      await page.getByRole('textbox', { name: 'Edit', exact: true }).fill('Another first question');
      await page.getByRole('button', { name: 'Save and ask' }).click();
      await questions(page).getByText('Another first question').waitFor();
      await answered(page, 1);
      assert.equal(await questions(page).count(), 1, 'the second question belongs to the other branch');
      assert.match(await questions(page).first().innerText(), /2\/2/);
      await questions(page).first().getByRole('button', { name: 'Previous version' }).click();
      await questions(page).getByText('Second question').waitFor();
      assert.match(await questions(page).first().innerText(), /1\/2/);
      await answers(page).last().getByRole('button', { name: 'Answer again', exact: true }).click();
      await answers(page).last().getByText('2/2').waitFor();
      // An answer can be edited, too, and the first version stays.
      await answered(page, 2);
      await answers(page).last().getByRole('button', { name: 'More actions' }).click();
      await page.getByRole('menuitem', { name: 'Edit the answer' }).click();
      await page.getByRole('textbox', { name: 'Edit', exact: true }).fill('What I would have said.');
      await page.keyboard.press('Control+Enter');
      await answers(page).last().getByText('What I would have said.').waitFor();
      assert.match(await answers(page).last().innerText(), /3\/3/);
      await page.reload();
      await answers(page).last().getByText('What I would have said.').waitFor();
      // Deleting can be taken back.
      await answers(page).last().getByRole('button', { name: 'More actions' }).click();
      await page.getByRole('menuitem', { name: 'Delete from here on' }).click();
      await page.getByText('What I would have said.').waitFor({ state: 'detached' });
      await page.getByRole('button', { name: 'Undo' }).click();
      await answers(page).last().getByText('What I would have said.').waitFor();
    },
  },
  {
    name: 'search and jump',
    scenario: 'long',
    async act({ page, open }) {
      await open();
      await page.keyboard.press('Control+Shift+F');
      await page.getByRole('combobox', { name: 'Search all chats' }).fill('question 1234');
      await page.getByRole('option', { name: /Question 1234/i }).waitFor();
      assert.ok((await page.locator('mark').allInnerTexts()).some((word) => word.toLowerCase() === 'question'));
      await page.keyboard.press('Enter');
      const row = questions(page).getByText('Question 1234: what is 1233 plus 1233?');
      await row.waitFor();
      await until(() => row.evaluate((node) => { const box = node.getBoundingClientRect(); return box.top > 0 && box.bottom < innerHeight; }));
    },
  },
  {
    name: 'a chat of five thousand messages',
    scenario: 'long',
    async act({ page, open }) {
      await open();
      await page.getByRole('link', { name: 'Five thousand messages' }).click();
      await answers(page).getByText('4998').waitFor();
      const rows = await page.locator('article').count();
      assert.ok(rows < 60, `${rows} messages are in the page`);
      // Twenty steps through the whole: every one shows messages, and none builds more than the view.
      for (let i = 0; i < 20; i++) {
        await page.getByRole('log').evaluate((view, share) => { view.scrollTop = view.scrollHeight * share; }, i / 20);
        await until(() => page.locator('article').evaluateAll((all) => all.some((node) => { const box = node.getBoundingClientRect(); return box.bottom > 60 && box.top < innerHeight - 150; })));
        assert.ok((await page.locator('article').count()) < 80);
      }
      await page.getByRole('button', { name: 'To the end' }).click();
      await answers(page).getByText('4998').waitFor();
      // Typing stays quick: a letter is in the field within a frame or two, however long the chat.
      await field(page).pressSequentially('still here');
      assert.equal(await field(page).inputValue(), 'still here');
    },
  },
  {
    name: 'what is read stays where it is while rows above are measured',
    scenario: 'long',
    async act({ page, open }) {
      await open();
      await page.getByRole('link', { name: 'Five thousand messages' }).click();
      await answers(page).getByText('4998').waitFor();
      const log = page.getByRole('log');
      await log.hover();
      await log.evaluate((view) => { view.scrollTop = view.scrollHeight * 0.5; });
      await until(() => page.locator('article').evaluateAll((all) => all.some((node) => { const box = node.getBoundingClientRect(); return box.top > 60 && box.top < 400; })));
      // Upwards row by row, as with the wheel: what is on the screen may move by what was scrolled, and no more.
      for (let i = 0; i < 15; i++) {
        const moved = await log.evaluate(async (view) => {
          const node = [...view.querySelectorAll('article')].find((a) => a.getBoundingClientRect().top > 80);
          const before = node.getBoundingClientRect().top;
          view.scrollTop -= 200;
          await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(resolve))));
          return node.isConnected ? node.getBoundingClientRect().top - before : 200;
        });
        assert.ok(Math.abs(moved - 200) < 3, `it moved by ${moved} instead of 200`);
      }
    },
  },
  {
    name: 'download with pause',
    async act({ page, open, mock }) {
      await open();
      await page.getByRole('link', { name: 'Models', exact: true }).click();
      await page.getByText('Catalogue').click();
      await page.getByRole('listitem').filter({ hasText: 'Llama 3.2 3B' }).getByRole('button', { name: 'Download' }).click();
      await page.getByText('50 %').waitFor();
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByText('paused').waitFor();
      await mock('release', {});
      await until(async () => (await mock('state')).held === 1);
      await page.getByRole('button', { name: 'Resume' }).click();
      await page.getByText('llama-3.2-3b is here.').waitFor();
      await page.getByRole('heading', { name: 'Llama 3.2 3B' }).waitFor();
      await page.getByRole('button', { name: 'Load Llama 3.2 3B' }).click();
      await page.getByRole('button', { name: 'Unload Llama 3.2 3B' }).click();
      await page.getByRole('button', { name: 'Load Llama 3.2 3B' }).waitFor();
    },
  },
  {
    name: 'the plan of a model follows its settings',
    async act({ page, open }) {
      await open();
      await page.getByRole('link', { name: 'Models', exact: true }).click();
      await page.getByRole('link', { name: 'Qwen3 8B' }).click();
      const dialog = page.getByRole('dialog', { name: 'Qwen3 8B' });
      await dialog.getByText('8,192 tokens').waitFor();
      await dialog.getByText('Settings', { exact: true }).click();
      await dialog.getByLabel('Context', { exact: true }).selectOption('32768');
      await dialog.getByText('Plan', { exact: true }).click();
      await dialog.getByText('32,768 tokens').waitFor();
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
    },
  },
  {
    name: "Ember's plan, load and log",
    ours: true,
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.getByRole('link', { name: 'Models', exact: true }).click();
      await page.getByRole('link', { name: 'Ember' }).first().click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('2,048 tokens').first().waitFor();
      await dialog.getByRole('img', { name: /memory/ }).waitFor();
      const load = dialog.getByRole('button', { name: 'Load', exact: true });
      const unload = dialog.getByRole('button', { name: 'Unload', exact: true });
      await load.or(unload).first().waitFor();
      if (await load.isVisible()) await load.click();
      await unload.waitFor();
      await dialog.getByText('Log', { exact: true }).click();
      await until(async () => /ember|listening|loaded/i.test(await dialog.locator('pre').innerText()));
    },
  },
  {
    name: 'tools ask first',
    async act({ page, open }) {
      await open();
      await send(page, 'Use a tool.');
      await page.getByText('notes/bread.md').waitFor();
      await page.getByRole('button', { name: 'Deny' }).click();
      await answers(page).first().getByText('failed').waitFor();
      await answers(page).last().getByText('500 g of flour').waitFor();
      await answered(page, 2);
      await send(page, 'Use the tool again.');
      await page.getByRole('button', { name: 'Always allow this tool' }).click();
      await until(async () => (await answers(page).count()) === 4);
      await answered(page, 4);
      await send(page, 'And the tool once more.');
      await until(async () => (await answers(page).count()) === 6);
      await answered(page, 6);
      assert.equal(await page.getByRole('button', { name: 'Allow once' }).count(), 0);
      await page.goto(`${page.url().split('#')[0]}#/settings/tools`);
      await page.getByRole('button', { name: /^files/ }).click();
      const group = page.getByRole('radiogroup', { name: 'What read_file may do' });
      assert.ok(await group.getByRole('radio', { name: 'Always' }).isChecked());
      await group.getByText('Ask').click();
      await until(() => group.getByRole('radio', { name: 'Ask' }).isChecked());
    },
  },
  {
    name: 'a tool is allowed for one chat',
    async act({ page, open }) {
      await open();
      await send(page, 'Use a tool.');
      await page.getByRole('button', { name: 'Always in this chat' }).click();
      await answers(page).last().getByText('500 g of flour').waitFor();
      await answered(page, 2);
      await send(page, 'The tool again.');
      await until(async () => (await answers(page).count()) === 4);
      await answered(page, 4);
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await send(page, 'Use a tool.');
      await page.getByRole('button', { name: 'Allow once' }).waitFor();
      await page.getByRole('button', { name: 'Deny' }).click();
      await answered(page, 2);
    },
  },
  {
    name: 'tools are switched off in one chat',
    async act({ page, open }) {
      await open();
      const options = async () => {
        await page.getByRole('button', { name: 'Options of this chat' }).click();
        return page.getByRole('dialog', { name: 'Options of this chat' });
      };
      let dialog = await options();
      await dialog.getByRole('button', { name: 'files 2/2' }).click();
      await dialog.getByRole('switch', { name: 'Use read_file in this chat' }).click();
      await dialog.getByRole('button', { name: 'files 1/2' }).waitFor();
      await dialog.getByRole('button', { name: 'Save' }).click();
      await send(page, 'Use a tool.');
      await answers(page).getByText('I have no tools here.').waitFor();
      await answered(page, 1);
      dialog = await options();
      await dialog.getByRole('button', { name: 'files 1/2' }).click();
      await dialog.getByRole('switch', { name: 'Use files in this chat' }).click();
      await dialog.getByRole('button', { name: 'files 0/2' }).waitFor();
      await dialog.getByRole('switch', { name: 'Use read_file in this chat' }).click();
      await dialog.getByRole('button', { name: 'files 1/2' }).waitFor();
      await dialog.getByRole('button', { name: 'Save' }).click();
      await send(page, 'Use a tool.');
      await page.getByRole('button', { name: 'Deny' }).click();
      await answered(page, 3);
    },
  },
  {
    name: 'what was taken from other chats is shown, with the way there',
    async act({ page, open }) {
      await open();
      await send(page, 'Do you remember the dough?');
      await answered(page, 1);
      await page.reload();
      await page.getByRole('button', { name: '1 passage of another chat was added' }).click();
      const part = page.getByRole('region', { name: 'From other chats' });
      assert.match(await part.locator('blockquote').innerText(), /flour/i);
      const title = await part.getByRole('link').innerText();
      await part.getByRole('link').click();
      await page.getByRole('heading', { name: title }).waitFor();
      await until(() => page.locator('article.marked').evaluate((node) => { const box = node.getBoundingClientRect(); return box.bottom > 0 && box.top < innerHeight; }));
      assert.match(await page.locator('article.marked').innerText(), /flour/i);
    },
  },
  {
    name: 'what has no room, and what a model cannot do, is said and stays said',
    async act({ page, open }) {
      await open();
      await send(page, 'It is crowded here.');
      await page.getByText('The first 12 messages of this chat had no room in the context').waitFor();
      await answered(page, 1);
      assert.match(await page.getByRole('meter', { name: 'Context' }).getAttribute('title'), /of 8,192 tokens[^]*first 12 messages/);
      await page.reload();
      await page.getByText('The first 12 messages of this chat had no room in the context').waitFor();
      await send(page, 'Give notice.');
      await page.getByText('knows no tools; it answers without them').waitFor();
      await answered(page, 2);
      await page.reload();
      await page.getByText('knows no tools; it answers without them').waitFor();
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await send(page, 'It is nearly full.');
      await page.getByText('The context is nearly full').waitFor();
    },
  },
  {
    name: 'Ember goes on where it was cut',
    ours: true,
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.getByRole('button', { name: 'New chat' }).first().click();
      if (t.real) {
        await page.getByRole('button', { name: 'Options of this chat' }).click();
        await page.getByLabel('Longest answer').fill('6');
        await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
      }
      await send(page, 'A question of length');
      await page.getByText('Cut at the limit').waitFor();
      // Without the marks of a code that the cut left open.
      const words = async () => (await answers(page).first().locator('.prose').innerText()).replace(/[`*]/g, '').trim();
      const cut = await words();
      await page.getByRole('button', { name: 'Continue' }).click();
      await until(async () => (await words()).length > cut.length);
      await answered(page, 1);
      await page.reload();
      await answered(page, 1);
      const now = await words();
      assert.ok(now.startsWith(cut) && now.length > cut.length, `'${now}' does not go on from '${cut}'`);
      assert.equal(await answers(page).count(), 1);
    },
  },
  {
    name: 'files for Ember, which cannot see',
    ours: true,
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await page.getByRole('button', { name: /^Model: / }).click();
      await page.getByRole('menuitemradio', { name: /Ember/ }).click();
      const choose = async (file) => {
        const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Attach pictures or text files' }).click()]);
        await chooser.setFiles(file);
      };
      await choose({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('89504e470d0a1a0a', 'hex') });
      await page.getByText('This model cannot see pictures').waitFor();
      assert.equal(await page.getByRole('button', { name: 'Remove a.png' }).count(), 0);
      await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('The gazebo is turquoise. '.repeat(20)) });
      await page.getByRole('button', { name: 'Remove notes.txt' }).waitFor();
      await send(page, 'What do the notes say?');
      await answered(page, 1);
      await questions(page).getByText('notes.txt').waitFor();
      if (t.real) assert.match(await answers(page).first().locator('.statistics').getAttribute('title'), /^(\d{3,}|1,\d+) tokens read$/m);
    },
  },
  {
    name: 'reload in mid-answer',
    async act({ page, open, mock }) {
      await open();
      await send(page, 'Hold on, please.');
      await answers(page).getByText('One moment, I am').waitFor();
      await until(() => page.url().includes('#/chat/'));
      await page.reload();
      await answers(page).getByText('One moment, I am').waitFor();
      await page.getByRole('button', { name: 'Stop the answer' }).waitFor();
      await mock('release', {});
      await answers(page).getByText('One moment, I am done with waiting.').waitFor();
      await answered(page, 1);
    },
  },
  {
    name: 'two tabs',
    async act({ page, context, open, mock }) {
      await open();
      const other = await context.newPage();
      await open(other);
      await send(page, 'Hold for both.');
      await answers(page).getByText('One moment, I am').waitFor();
      await until(() => page.url().includes('#/chat/'));
      await other.goto(page.url());
      await answers(other).getByText('One moment, I am').waitFor();
      await mock('release', {});
      await answers(other).getByText('done with waiting').waitFor();
      await answers(page).getByText('done with waiting').waitFor();
      await answered(other, 1);
      await send(other, 'And from here.');
      await answered(other, 2);
      await page.getByText('And from here.').waitFor();
      await answered(page, 2);
    },
  },
  {
    name: 'an answer that fails',
    async act({ page, open }) {
      await open();
      await send(page, 'Please fail.');
      await page.getByRole('alert').getByText("the engine of 'qwen3-8b' ended by signal 9").waitFor();
      await page.getByText('Last lines of the engine').click();
      await page.getByText('Killed').last().waitFor();
      assert.match(await answers(page).first().innerText(), /This begins well and/);
      await page.getByRole('button', { name: 'Try again' }).waitFor();
    },
  },
  {
    name: 'thinking is folded',
    async act({ page, open }) {
      await open();
      await send(page, 'Please think.');
      await answered(page, 1);
      assert.equal(await page.getByText('weigh both sides').count(), 0);
      // How long it took is of the server, and stays.
      await page.reload();
      await page.getByRole('button', { name: /^Thought for \d/ }).click();
      await page.getByText('weigh both sides').waitFor();
    },
  },
  {
    name: 'hostile Markdown',
    async act({ page, open, mock, requests }) {
      await open();
      await send(page, 'Something hostile, please.');
      await answered(page, 1);
      await answers(page).getByText('Look at this:').waitFor();
      await page.getByRole('link', { name: 'beacon', exact: true }).waitFor();
      const found = await page.locator('.prose').evaluateAll((all) => all.map((prose) => ({
        forbidden: prose.querySelectorAll('script, iframe, img, style, object, embed, form, [onerror], [src]').length,
        links: [...prose.querySelectorAll('a')].map((a) => a.protocol),
      })));
      for (const prose of found) {
        assert.equal(prose.forbidden, 0);
        for (const scheme of prose.links) assert.match(scheme, /^(https?|mailto):$/);
      }
      assert.equal(await page.evaluate(() => 'hacked' in window), false);
      assert.deepEqual((await mock('state')).beacons, []);
      assert.ok(!requests.some((url) => url.includes('beacon') || url.includes(':9/')));
      const safe = page.getByRole('link', { name: 'ok', exact: true });
      assert.match(await safe.getAttribute('rel'), /noopener.*noreferrer/);
      assert.equal(await safe.getAttribute('target'), '_blank');
    },
  },
  {
    name: 'hostile Markdown of a user',
    ours: true,
    async act(t) {
      const { page, requests } = t;
      await begin(t);
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await send(page, 'x <img src="/beacon/html" onerror="window.hacked=1"> ![p](/beacon/md) [j](javascript:window.hacked=1) <script>window.hacked=1</script>');
      await answered(page, 1);
      assert.equal(await page.evaluate(() => 'hacked' in window), false);
      assert.ok(!requests.some((url) => url.includes('beacon')));
    },
  },
  {
    name: 'Markdown, mathematics and code',
    async act({ page, open }) {
      await open();
      await send(page, 'A showcase.');
      await answered(page, 1);
      await page.locator('.katex-display').waitFor();
      await page.locator('pre .hljs-keyword').first().waitFor();
      await page.getByRole('columnheader', { name: 'Bits per weight' }).waitFor();
      assert.equal(await page.getByRole('checkbox').count(), 2);
      await page.getByRole('button', { name: 'Copy the code' }).click();
      await page.getByRole('button', { name: 'Copied' }).waitFor();
      assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^from pathlib import Path\n/);
      await answers(page).getByText('It costs $5 and not $6').waitFor();
    },
  },
  {
    name: 'folders, pins, names and undo',
    ours: true,
    async act(t) {
      const { page, real } = t;
      await begin(t);
      if (real) {
        await page.getByRole('button', { name: 'New chat' }).first().click();
        await send(page, 'Weekend in Ghent');
        await answered(page, 1);
        await page.getByRole('button', { name: 'More about this chat' }).click();
        await page.getByRole('menuitem', { name: 'Rename' }).click();
        await page.getByRole('textbox', { name: 'Rename' }).fill('Weekend in Ghent');
        await page.keyboard.press('Enter');
      }
      const nav = page.getByRole('navigation', { name: 'Chats and pages' });
      const actions = async (title, action) => {
        await nav.getByRole('link', { name: title, exact: true }).first().hover();
        await nav.getByRole('button', { name: `Actions for ${title}` }).first().click();
        await page.getByRole('menuitem', { name: action, exact: true }).click();
      };
      await nav.getByRole('link', { name: 'Weekend in Ghent', exact: true }).waitFor();
      await nav.getByRole('button', { name: 'New folder' }).click();
      await page.getByRole('textbox', { name: 'Name of the folder' }).fill('Travel');
      await page.keyboard.press('Enter');
      await actions('Weekend in Ghent', 'Move to Travel');
      await nav.getByRole('button', { name: /^Travel 1/ }).waitFor();
      await actions('Weekend in Ghent', 'Rename');
      await nav.getByRole('textbox', { name: 'Rename' }).fill('Ghent in June');
      await page.keyboard.press('Enter');
      await actions('Ghent in June', 'Pin');
      await nav.getByText('Pinned').waitFor();
      await actions('Ghent in June', 'Delete');
      await until(async () => (await nav.getByRole('link', { name: 'Ghent in June', exact: true }).count()) === 0);
      await page.getByRole('button', { name: 'Undo' }).click();
      await nav.getByRole('link', { name: 'Ghent in June', exact: true }).first().waitFor();
    },
  },
  {
    name: 'chats are taken along and brought back',
    ours: true,
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await send(page, 'Something to keep');
      await answered(page, 1);
      await page.getByRole('button', { name: 'More about this chat' }).click();
      const [one] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'Save as Markdown' }).click()]);
      assert.match(one.suggestedFilename(), /\.md$/);
      await page.evaluate(() => (location.hash = '#/settings/chat'));
      const [all] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save all chats' }).click()]);
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Choose a file' }).click()]);
      await chooser.setFiles(await all.path());
      await page.getByText(/chats? w(as|ere) added/).waitFor();
    },
  },
  {
    name: 'attachments',
    async act({ page, open }) {
      await open();
      const choose = async (file) => {
        const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Attach pictures or text files' }).click()]);
        await chooser.setFiles(file);
      };
      const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGP8z8DAwMDAxMDAwMDAAAANHQEDasKb6QAAAABJRU5ErkJggg==', 'base64');
      await choose({ name: 'a.png', mimeType: 'image/png', buffer: png });
      await page.getByText('This model cannot see pictures').waitFor();
      await choose({ name: 'a.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0, 1, 2, 255]) });
      await page.getByText('a.bin is neither a picture nor text').waitFor();
      await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('some notes') });
      await page.getByRole('button', { name: 'Remove notes.txt' }).waitFor();
      await page.getByRole('button', { name: /^Model: / }).click();
      await page.getByRole('menuitemradio', { name: /Gemma 3 4B/ }).click();
      await choose({ name: 'a.png', mimeType: 'image/png', buffer: png });
      await page.getByRole('button', { name: 'Remove a.png' }).waitFor();
      await send(page, 'What is this?');
      await answered(page, 1);
      await questions(page).getByText('notes.txt').waitFor();
      await until(() => questions(page).locator('canvas').evaluate((canvas) => canvas.width === 2));
      assert.match(await answers(page).first().innerText(), /Gemma 3 4B/);
    },
  },
  {
    name: 'another model in mid-chat, and two side by side',
    async act({ page, open }) {
      await open();
      await send(page, 'Hello.');
      await answered(page, 1);
      await page.getByRole('button', { name: /^Model: Qwen3 8B/ }).click();
      await page.getByRole('menuitemradio', { name: /Ember/ }).click();
      await page.getByRole('button', { name: /^Model: Ember/ }).waitFor();
      await send(page, 'Hello again.');
      await answered(page, 2);
      assert.match(await answers(page).nth(0).innerText(), /Qwen3 8B/);
      assert.match(await answers(page).nth(1).innerText(), /Ember/);
      await page.getByRole('link', { name: 'Compare' }).click();
      await send(page, 'Which of you is better?');
      for (const side of ['Left model', 'Right model']) await page.getByRole('region', { name: side }).getByRole('button', { name: 'Answer again', exact: true }).waitFor();
    },
  },
  {
    name: 'dark mode',
    context: { colorScheme: 'dark' },
    ours: true,
    async act(t) {
      const { page } = t;
      await begin(t);
      const light = () => page.evaluate(() => {
        const canvas = document.createElement('canvas').getContext('2d');
        canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data[0] > 128;
      });
      assert.equal(await light(), false);
      await page.keyboard.press('Control+,');
      await page.getByRole('radiogroup', { name: 'Theme' }).getByText('Light').click();
      assert.equal(await light(), true);
      await page.reload();
      await page.getByRole('radiogroup', { name: 'Theme' }).waitFor();
      assert.equal(await light(), true, 'the choice is kept');
    },
  },
  {
    name: 'phone width',
    context: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
    ours: true,
    async act(t) {
      const { page } = t;
      await begin(t);
      const fits = async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${page.url()} is wider than the screen`);
      await send(page, 'Tell me about the showcase.');
      await answered(page, 1);
      await fits();
      await page.getByRole('button', { name: 'Show or hide the sidebar' }).click();
      const nav = page.getByRole('navigation', { name: 'Chats and pages' });
      await nav.getByRole('link', { name: 'Models', exact: true }).click();
      await page.getByRole('heading', { name: 'Models', exact: true }).waitFor();
      await until(() => nav.evaluate((node) => node.getBoundingClientRect().right <= 0));
      for (const hash of ['#/models', '#/settings', '#/settings/server', '#/monitor', '#/compare']) {
        await page.evaluate((to) => (location.hash = to), hash);
        await page.locator('main h1').waitFor();
        await fits();
      }
    },
  },
  {
    name: 'keyboard only',
    ours: true,
    async act(t) {
      const { page, real } = t;
      await begin(t);
      // To the field, a question, and out of it.
      await page.keyboard.press('Control+Shift+O');
      await until(() => field(page).evaluate((node) => node === document.activeElement));
      await page.keyboard.type('What is a hearth?');
      await page.keyboard.press('Enter');
      await answered(page, 1);
      // Back through the messages, and to a button of one of them.
      await page.keyboard.press('Alt+ArrowUp');
      await until(() => page.evaluate(() => document.activeElement?.tagName === 'ARTICLE'));
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BUTTON');
      const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.equal(ring, 'solid', 'what has the focus can be seen');
      // A menu by arrows; Escape gives the focus back.
      await page.getByRole('button', { name: /^Model: / }).focus();
      await page.keyboard.press('ArrowDown');
      await page.getByRole('menu').waitFor();
      await page.keyboard.press('Escape');
      assert.match(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), /^Model: /);
      // The palette.
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox').waitFor();
      await page.keyboard.type('monitor');
      await page.getByRole('option', { name: 'Monitor', selected: true }).waitFor();
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Monitor', exact: true }).waitFor();
      await page.keyboard.press('?');
      await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      // An arrow in the empty field opens the last question.
      await page.goBack();
      await field(page).press('ArrowUp');
      await page.getByRole('textbox', { name: 'Edit', exact: true }).waitFor();
      assert.equal(await page.getByRole('textbox', { name: 'Edit', exact: true }).inputValue(), 'What is a hearth?');
      await page.keyboard.press('Escape');
      assert.ok(real || (await questions(page).count()) === 1);
    },
  },
  {
    name: 'a screen reader hears the answer once',
    async act({ page, open }) {
      await open();
      await send(page, 'Why does a lid put out a fire?');
      await page.locator('[aria-live=polite]').filter({ hasText: 'Answer: A fire needs three things' }).waitFor({ state: 'attached' });
      assert.equal(await page.getByRole('log').getAttribute('aria-live'), 'off');
      const nameless = await page.locator('button, a, input, textarea, select').evaluateAll((all) =>
        all.filter((node) => node.checkVisibility() && !(node.getAttribute('aria-label') || node.innerText?.trim() || node.labels?.length || node.title)).map((node) => node.outerHTML.slice(0, 120)));
      assert.deepEqual(nameless, []);
    },
  },
  {
    name: 'motion is reduced where that is wanted',
    context: { reducedMotion: 'reduce' },
    async act({ page, open }) {
      await open();
      await field(page).waitFor();
      const long = await page.evaluate(() => document.getAnimations().filter((a) => Number(a.effect.getComputedTiming().duration) > 20).length);
      assert.equal(long, 0);
    },
  },
  {
    name: 'system prompts and sampling',
    ours: true,
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.evaluate(() => (location.hash = '#/settings/prompts'));
      await page.getByRole('button', { name: 'Add a prompt' }).click();
      await page.getByRole('textbox', { name: 'Name', exact: true }).fill('Brief');
      await page.getByRole('textbox', { name: 'Instructions' }).fill('Answer in one sentence.');
      await page.getByRole('button', { name: 'Save', exact: true }).click();
      await page.getByRole('radio', { name: /Brief/ }).check();
      await page.evaluate(() => (location.hash = '#/settings/sampling'));
      await page.getByLabel('Temperature').fill('0.3');
      await page.getByLabel('Temperature').press('Tab');
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await page.getByRole('button', { name: 'Options of this chat' }).click();
      await until(async () => (await page.getByLabel('System prompt').inputValue()) === 'Answer in one sentence.');
      assert.equal(await page.getByLabel('Temperature').inputValue(), '0.3');
      await page.getByRole('button', { name: 'Cancel' }).click();
      // As it was, for whoever comes next.
      await page.evaluate(() => (location.hash = '#/settings/prompts'));
      await page.getByRole('button', { name: 'Delete', exact: true }).click();
      await page.evaluate(() => (location.hash = '#/settings/sampling'));
      await page.getByLabel('Temperature').fill('');
      await page.getByLabel('Temperature').press('Tab');
    },
  },
];
