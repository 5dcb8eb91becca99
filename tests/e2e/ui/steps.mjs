// What the cases do with the page. Every wait is for something that can be seen.
export const field = (page) => page.getByRole('textbox', { name: 'Message', exact: true });
export const send = async (page, text) => {
  await field(page).fill(text);
  await field(page).press('Enter');
};
export const answers = (page) => page.locator('article:not(.mine)');
export const questions = (page) => page.locator('article.mine');
/** The last answer is whole. */
export const answered = async (page, n) => {
  await answers(page).nth(n - 1).getByRole('button', { name: 'Answer again', exact: true }).waitFor({ state: 'attached' });
};
export const until = async (condition) => {
  const end = Date.now() + 30_000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`this did not come true: ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
};
export const begin = async ({ page, open, real }) => {
  await open();
  if (real) {
    const start = page.getByRole('button', { name: 'Start with Ember' });
    await start.or(field(page)).first().waitFor();
    if (await start.isVisible()) await start.click();
  }
  await field(page).waitFor();
};
