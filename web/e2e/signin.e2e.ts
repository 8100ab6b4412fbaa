import { afterAll, beforeAll, expect, it } from 'vitest';
import { Visitor } from './visitor.js';

let visitor: Visitor;

beforeAll(async () => {
  visitor = await Visitor.arrive();
});

afterAll(() => visitor.leave());

it('offers a password, a wallet and a key', async () => {
  const { page } = visitor;
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('button', { name: 'Password' }).click();
  await visitor.look('sign-in');
  await page.getByRole('button', { name: 'Make an account' }).click();
  await visitor.look('sign-up');
  await page.getByRole('button', { name: 'Wallet' }).click();
  await page.getByText('no Solana wallet').waitFor();
  await visitor.look('sign-in-wallet');
});

it('refuses a key that nobody made, in words', async () => {
  const { page } = visitor;
  await page.getByRole('button', { name: 'API key' }).click();
  await page.getByLabel('API key').fill('artist-0000');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
  await visitor.look('sign-in-refused');
});

it('lets an operator in, and out again', async () => {
  await visitor.signIn();
  await visitor.look('home');
  await visitor.page.getByRole('button', { name: 'Sign out' }).click();
  await visitor.page.getByRole('button', { name: 'API key' }).waitFor();
});

it('leaves nothing to complain of', () => expect(visitor.complaints).toEqual([]));
