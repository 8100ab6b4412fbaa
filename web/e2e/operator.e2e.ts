import { afterAll, beforeAll, expect, it } from 'vitest';
import { Visitor } from './visitor.js';

let visitor: Visitor;

beforeAll(async () => {
  visitor = await Visitor.signedIn();
});

afterAll(() => visitor.leave());

it.each([
  ['queue', '/operate/queue'],
  ['all-nodes', '/operate/nodes'],
  ['workers', '/operate/workers'],
  ['gateways', '/operate/gateways'],
  ['ledger', '/operate/ledger'],
  ['payouts', '/operate/payouts'],
  ['settlement', '/operate/settlement'],
  ['api-keys', '/keys'],
  ['account', '/account'],
  ['lost', '/no/such/page'],
])('shows %s', async (name, path) => {
  await visitor.go(path);
  await visitor.look(name);
});

it('opens the menu on a phone', async () => {
  const { page } = visitor;
  await visitor.go('/');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole('button', { name: 'Menu' }).click();
  await page.getByRole('link', { name: 'Ledger' }).click();
  await page.getByRole('heading', { name: 'Ledger', level: 1 }).waitFor();
  expect(await page.getByRole('link', { name: 'Payouts' }).isVisible()).toBe(false);
});

it('leaves nothing to complain of', () => expect(visitor.complaints).toEqual([]));
