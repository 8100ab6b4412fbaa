import assert from 'node:assert/strict';
import { join } from 'node:path';
import { PORTAL } from '../visitor.js';
import { Terminal } from './terminal.js';

/** @import { Visitor } from '../visitor.js' */

/**
 * Makes the key by which `farm` pays in an account's name; the terminal that has it, and play money.
 * @param {Visitor} visitor
 * @param {string} folder is made
 * @param {'Artist' | 'Broadcaster'} scope what the key may do, as the page calls it
 */
export async function openWallet(visitor, folder, scope) {
  const { page } = visitor;
  await visitor.choose('API keys');
  await page.getByLabel('Name', { exact: true }).fill('wallet');
  await page.getByRole('radio', { name: scope }).check();
  await page.getByRole('button', { name: 'Make the key' }).click();
  const key = await visitor.copy('the key');
  assert.match(key, new RegExp(`^${scope.toLowerCase()}-`));
  await visitor.look('api-keys');
  const terminal = new Terminal(folder, {
    TESSERA_MASTER: PORTAL,
    TESSERA_TOKEN: key,
    TESSERA_WALLET: join(folder, 'wallet.json'),
  });
  await terminal.run('farm wallet --play-money 100');
  return terminal;
}
