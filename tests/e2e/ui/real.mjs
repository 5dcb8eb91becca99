// What needs more than Ember: a model that does as it is told (HEARTH_UI_MODEL), a server of tools called "Small", and a
// hub that is slow; and an export of another program (HEARTH_UI_EXPORT). test_ui.sh starts them, hearth serve knows them.
import assert from 'node:assert/strict';
import { answered, answers, begin, field, questions, send, until } from './steps.mjs';

const MODEL = 'caller';
/** The held thoughts of the model end. */
const release = () => fetch(`${process.env.HEARTH_UI_MODEL}/think`);

async function ask(page, text) {
  await page.getByRole('button', { name: 'New chat' }).first().click();
  await page.getByRole('button', { name: /^Model: / }).click();
  await page.getByRole('menuitemradio', { name: MODEL }).click();
  await send(page, text);
}

// A chat with an address, whose answer is being thought about.
const beginThinking = async (t) => {
  await begin(t);
  await ask(t.page, 'think');
  await t.page.getByRole('button', { name: /^Thinking/ }).waitFor();
  await until(() => t.page.url().includes('#/chat/'));
};

export const real = [
  {
    name: 'a chat of another program is shown as it was, and goes on',
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.evaluate(() => (location.hash = '#/settings/chat'));
      await page.getByRole('textbox', { name: 'Path of the folder' }).fill(process.env.HEARTH_UI_EXPORT);
      await page.getByRole('button', { name: 'Bring' }).click();
      await page.getByText('2 chats were added. 7 pictures or files were not in it.').waitFor();
      await page.getByRole('link', { name: 'Shapes' }).click();
      await answers(page).getByText('It is a cat.').waitFor();
      // What a tool said has a card of its own where no call of it is known.
      await page.getByRole('region', { name: /^Tool browser/ }).first().getByRole('button').click();
      await page.getByText('# Results').waitFor();
      await page.getByRole('button', { name: 'Model: Ember. Change it' }).waitFor();
      await send(page, 'Hello');
      await answers(page).last().getByText('Hello').waitFor();
    },
  },
  {
    name: 'a download from a mirror, held and gone on with',
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.getByRole('link', { name: 'Models', exact: true }).click();
      await page.getByRole('searchbox').fill('org/tiny-GGUF');
      await page.getByRole('button', { name: 'Download', exact: true }).click();
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByText('paused').waitFor();
      await page.getByRole('button', { name: 'Resume' }).click();
      await page.getByText('Tiny-Q8_0 is here.').waitFor();
      await page.getByRole('heading', { name: 'tiny random model' }).waitFor();
    },
  },
  {
    name: 'servers of tools as other programs have them',
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.evaluate(() => (location.hash = '#/settings/tools'));
      await page.getByRole('button', { name: /^Small/ }).waitFor();
      await page.getByRole('button', { name: 'Add a server' }).click();
      const dialog = page.getByRole('dialog', { name: 'Add a server' });
      await dialog.getByText('As JSON').click();
      await dialog.getByRole('textbox').fill('{"mcpServers": {');
      await dialog.getByRole('button', { name: 'Save' }).click();
      await page.getByText('This is not JSON').waitFor();
      await dialog.getByRole('textbox').fill(`{"mcpServers": {"second": {"command": "node", "args": ["${process.env.HEARTH_UI_TOOLS}", "two words", "a\\"b"]}}}`);
      await dialog.getByRole('button', { name: 'Save' }).click();
      // It connects while one looks on, and an edit leaves its words as they are.
      const line = page.getByRole('listitem').filter({ hasText: 'second' });
      await line.getByText('4 tools').waitFor();
      await line.getByRole('button', { name: 'Edit' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
      await line.getByText('two words a"b').waitFor();
      await line.getByText('4 tools').waitFor();
      await line.getByRole('button', { name: 'Delete' }).click();
      await line.waitFor({ state: 'detached' });
    },
  },
  {
    name: 'a tool asks first: once, not, and always in this chat',
    async act(t) {
      const { page } = t;
      await begin(t);
      await ask(page, 'call Small__add {"a":2,"b":3}');
      await page.getByText('The model wants to use this tool of “Small”').waitFor();
      assert.match(await answers(page).first().innerText(), /"a": 2/);
      await page.getByRole('button', { name: 'Allow once' }).click();
      await answers(page).last().getByText('It said: the sum is 5').waitFor();
      await answered(page, 2);
      await send(page, 'call Small__add {"a":20,"b":3}');
      await page.getByRole('button', { name: 'Deny' }).click();
      await answers(page).last().getByText('did not allow').waitFor();
      await answered(page, 4);
      await send(page, 'call Small__add {"a":200,"b":3}');
      await page.getByRole('button', { name: 'Always in this chat' }).click();
      await answers(page).last().getByText('It said: the sum is 203').waitFor();
      await answered(page, 6);
      await send(page, 'call Small__add {"a":2000,"b":3}');
      await answers(page).last().getByText('It said: the sum is 2003').waitFor();
      // The model calls all of them c1: each card has its own result, also after a reload.
      await page.reload();
      await answers(page).last().getByText('It said: the sum is 2003').waitFor();
      const cards = page.getByRole('region', { name: 'Tool add of Small' });
      await until(async () => (await cards.count()) === 4);
      await cards.first().getByRole('button').click();
      await cards.first().getByText('the sum is 5').waitFor();
    },
  },
  {
    name: 'reload in mid-answer, and the end of it',
    async act(t) {
      const { page } = t;
      await beginThinking(t);
      await page.reload();
      await page.getByRole('button', { name: /^Thinking/ }).waitFor();
      await page.getByRole('button', { name: 'Stop the answer' }).waitFor();
      await release();
      await answers(page).getByText(/^No tools|^Hello/).waitFor();
      await answered(page, 1);
      assert.equal(await questions(page).count(), 1);
    },
  },
  {
    name: 'two tabs see one answer, and the next question of either',
    async act(t) {
      const { page, context, open } = t;
      await beginThinking(t);
      const other = await context.newPage();
      await open(other);
      await other.goto(page.url());
      await other.getByRole('button', { name: /^Thinking/ }).waitFor();
      await release();
      await answered(page, 1);
      await answered(other, 1);
      await send(other, 'And from here.');
      await answered(other, 2);
      await questions(page).getByText('And from here.').waitFor();
      await answered(page, 2);
    },
  },
  {
    name: 'a browser that left finds the answer whole',
    async act(t) {
      const { page, context, open } = t;
      await beginThinking(t);
      const address = page.url();
      await page.close();
      await release();
      const back = await context.newPage();
      await open(back);
      await back.goto(address);
      await answered(back, 1);
      assert.equal(await back.getByRole('button', { name: 'Stop the answer' }).count(), 0);
    },
  },
  {
    name: 'search, narrowed, and jump into a branch that is not shown',
    async act(t) {
      const { page } = t;
      await begin(t);
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await send(page, 'Something of quokkas');
      await answered(page, 1);
      await questions(page).first().hover();
      await questions(page).first().getByRole('button', { name: 'Edit' }).click();
      await page.getByRole('textbox', { name: 'Edit', exact: true }).fill('Something of wombats');
      await page.getByRole('button', { name: 'Save and ask' }).click();
      await questions(page).getByText('Something of wombats').waitFor();
      await answered(page, 1);
      await page.keyboard.press('Control+Shift+F');
      const search = page.getByRole('combobox', { name: 'Search all chats' });
      await search.fill('quokkas');
      await page.getByRole('option').filter({ has: page.locator('mark') }).first().waitFor();
      await page.getByLabel('Who said it').selectOption('tool');
      await page.getByText('Nothing was found.').waitFor();
      await page.getByLabel('Who said it').selectOption('user');
      await page.getByLabel('Where', { exact: true }).selectOption({ label: 'This chat' });
      await page.getByRole('option').filter({ has: page.locator('mark') }).first().click();
      await questions(page).getByText('Something of quokkas').waitFor();
      assert.equal(await questions(page).getByText('Something of wombats').count(), 0);
      // Who asks on from there sees the answer.
      for (let i = 2; i < 7; i++) {
        await send(page, `And number ${i}?`);
        await answered(page, i);
      }
      await until(() => questions(page).last().evaluate((node) => node.getBoundingClientRect().bottom < innerHeight));
    },
  },
];
