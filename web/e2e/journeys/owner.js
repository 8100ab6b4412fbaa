import assert from 'node:assert/strict';
import { join } from 'node:path';
import { PORTAL } from '../visitor.js';
import { Terminal } from './terminal.js';

/** @import { Visitor } from '../visitor.js' */

/** Somebody with a machine, from the line that is pasted there to the payout. */
export class Owner {
  /**
   * @param {Visitor} visitor
   * @param {string} folder
   */
  constructor(visitor, folder) {
    this.visitor = visitor;
    this.page = visitor.page;
    this.folder = folder;
  }

  /** Pastes the line that the page gives, and waits until it has seen the node join. */
  async addsANode() {
    const { page, visitor } = this;
    await visitor.choose('Add a node');
    await visitor.look('node-add');
    await page.getByLabel('What to call the key').fill('workshop');
    await page.getByRole('button', { name: 'Make the key' }).click();
    await page.getByText('Waiting for your machine').waitFor();
    assert.match(
      await visitor.copy('the line'),
      /^curl -fsS \S+\/install\.sh \| sudo TESSERA_TOKEN=enrol-\S+ sh$/,
    );
    await page.getByText('With render-node there already').click();
    const line = await visitor.copy('the command');
    assert.match(line, /^render-node run --master \S+ --token enrol-\S+$/);
    assert.ok(line.includes(PORTAL), `${line} names another farm than ${PORTAL}`);
    await visitor.look('node-add-key');
    const node = new Terminal(join(this.folder, 'node')).start(line);
    await page.getByText('has joined').first().waitFor();
    await page.getByRole('link', { name: 'Open its page' }).click();
    await page.getByRole('heading', { name: 'The machine' }).waitFor();
    return node;
  }

  /** Gives the node no hour to work in, sees that it rests, and gives it all of them back. */
  async setsItsHours() {
    const { page, visitor } = this;
    await this.#says('never');
    await page.getByText('Its owner gave it no hour of the week to work in.').waitFor();
    await page.getByText('It works: never').waitFor();
    await visitor.look('node-hours');
    await this.#says('noon');
    await page.getByText("'noon' is no part of a week").waitFor();
    await this.#says('always');
    await page.getByText('It works: always').waitFor();
    await page.getByText('Resting').waitFor({ state: 'detached' });
  }

  /** @param {string} hours */
  async #says(hours) {
    await this.page.getByLabel('Hours it may work in').fill(hours);
    await this.page.getByRole('button', { name: 'Set the hours' }).click();
  }

  /** Sees that the node renders. */
  async seesItWork() {
    const { page, visitor } = this;
    await page.getByText(/[1-9][\d,]* units,/).waitFor();
    await visitor.look('node-works');
  }

  /**
   * Sees what the node earned.
   * @param {string} all what the job cost, of which this node did all
   */
  async seesItPaid(all) {
    const { page, visitor } = this;
    const paid = page.locator('dl .paid dd', {
      hasText: new RegExp(`^${all.replace('.', '\\.')}$`),
    });
    await paid.waitFor();
    await page
      .getByRole('table', { name: 'Payouts of this node' })
      .getByText('Paid')
      .first()
      .waitFor();
    await visitor.look('node-paid');
    await visitor.choose('My nodes');
    await page.locator('[data-row]').first().waitFor();
    await visitor.look('nodes');
  }
}
