import { afterAll, beforeAll, expect, it } from 'vitest';
import { Visitor } from './visitor.js';

let visitor: Visitor;

beforeAll(async () => {
  visitor = await Visitor.signedIn();
});

afterAll(() => visitor.leave());

it('makes a key and the line to paste', async () => {
  const { page } = visitor;
  await visitor.go('/nodes/add');
  await visitor.look('node-add');
  await page.getByRole('button', { name: 'Make the key' }).click();
  await page.getByText(/curl -fsS .*install.sh/).waitFor();
  await page.getByText('Waiting for your machine').waitFor();
  await visitor.look('node-add-key');
});

it('shows a node: what it does, why, and what it earned', async () => {
  const { page } = visitor;
  await visitor.go('/nodes');
  await visitor.look('nodes');
  await page.locator('[data-row]').first().click();
  await page.getByRole('heading', { name: 'The machine' }).waitFor();
  await visitor.settle();
  await visitor.look('node');
});

it('leaves nothing to complain of', () => expect(visitor.complaints).toEqual([]));
