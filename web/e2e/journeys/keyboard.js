// Everything is done by somebody who has a keyboard and nothing else: no click, no field that is filled but by
// typing. `tests/tests/portal.rs` starts the farm and runs this; it ends with 0 if all went well.
//
//   TESSERA_PORTAL    where the farm answers: one without a chain, with a gateway and without a node
//   TESSERA_PROGRAMS  the folder of `render-node`
//   TESSERA_FOLDER    where scene.glb and sky.hdr lie, and whatever is made here

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startBrowser } from '../browser.js';
import { Keyboard } from '../keyboard.js';
import { PATIENCE_MS, Visitor } from '../visitor.js';
import { step } from './step.js';
import { stop, Terminal } from './terminal.js';

/** @import { Locator } from 'playwright-core' */

const folder = process.env['TESSERA_FOLDER'] ?? '';
const PASSWORD = 'four random words of ada';

/** What the menu offers to an account, and how pages are called that have another name. */
const PLACES = [
  ['Jobs'],
  ['New job'],
  ['My nodes'],
  ['Add a node'],
  ['Streams'],
  ['API keys'],
  ['Webhooks'],
  ['Account'],
  ['Home', 'Hello, ada'],
];

/** What is rendered: two frames of six tiles. */
const SETTINGS = {
  Frames: '0-1',
  Width: '96',
  Height: '54',
  'Samples of each pixel': '2',
};
const MORE_SETTINGS = { Tile: '32', 'Samples of a unit': '2', Bounces: '2' };

async function walk() {
  const browser = await startBrowser();
  const visitor = await Visitor.arrive(browser);
  const keys = await Keyboard.of(visitor);
  try {
    await step('an account is made', signsUp(keys));
    await step('each page of the menu is walked round', seesAllPages(keys));
    await step('the menu of a phone opens and closes', opensTheMenu(keys));
    await step('an API key is made and removed', makesAKey(keys));
    await step('a stream is made, and gets another key', makesAStream(keys));
    await step('a scene is chosen, turned and sent', sendsAScene(keys));
    await step('its tiles and frames are looked at', looksAtTheJob(keys));
    await step('the job is paused, resumed and cancelled', changesTheJob(keys));
    await step('jobs are chosen in their list', choosesJobs(keys));
    const node = await step('a node is added', addsANode(keys));
    await step('pictures are saved, and the film is played', takesTheFilm(keys));
    await step('the node is paused', pausesTheNode(keys));
    await stop(node);
    await step('somebody signs out and in again', leavesAndComes(keys));
    assert.deepEqual(visitor.complaints, []);
  } catch (error) {
    const { page } = visitor;
    const shown = page.locator('body').innerText({ timeout: 10_000 });
    console.error(`${page.url()} shows:\n${await shown.catch(String)}\n`);
    console.error(visitor.complaints.join('\n'));
    throw error;
  } finally {
    await browser.close();
  }
}

/** @param {Keyboard} keys */
async function signsUp(keys) {
  await keys.page.getByRole('heading', { level: 1 }).waitFor();
  await keys.around('sign-in');
  for (const way of ['Wallet', 'API key', 'Password']) {
    await keys.to('button', way);
    await keys.press('Space');
    await keys.page.getByRole('button', { name: way, pressed: true }).waitFor();
  }
  await keys.enter('button', 'Make an account');
  await keys.holds('button', 'Sign in');
  await keys.fill('textbox', 'Name', 'ada');
  await keys.fill('textbox', 'Password', PASSWORD);
  await keys.press('Enter');
  await keys.arrives('Hello, ada');
}

/** @param {Keyboard} keys */
async function seesAllPages(keys) {
  const { page } = keys;
  for (const [place = '', title = place] of PLACES) {
    await keys.enter('link', place);
    await keys.arrives(title);
    await keys.around(place);
    await skips(keys);
  }
  await keys.enter('button', 'Keys');
  const help = page.getByRole('dialog', { name: 'Keys' });
  await help.locator(':focus').waitFor();
  await keys.press('Escape');
  await help.waitFor({ state: 'hidden' });
  await keys.holds('button', 'Keys');
}

/**
 * The first stop of a page leads past the menu.
 * @param {Keyboard} keys
 */
async function skips(keys) {
  await keys.enter('link', 'Skip to content');
  await keys.page.locator('main:focus').waitFor();
  await keys.tab();
  await keys.page.locator('main :focus').waitFor();
}

/** @param {Keyboard} keys */
async function opensTheMenu(keys) {
  const { page } = keys;
  const size = page.viewportSize() ?? { width: 0, height: 0 };
  await page.setViewportSize({ width: 390, height: 844 });
  await keys.enter('button', 'Menu');
  await keys.to('link', 'Streams');
  await keys.press('Escape');
  await keys.holds('button', 'Menu');
  await keys.press('Enter');
  await keys.enter('link', 'API keys');
  await keys.arrives('API keys');
  await keys.around('API keys on a phone');
  await page.setViewportSize(size);
}

/** @param {Keyboard} keys */
async function makesAKey(keys) {
  const { page } = keys;
  await keys.fill('textbox', 'Name', 'laptop');
  await keys.to('radio', /^Artist/);
  await keys.press('ArrowDown', 'ArrowDown');
  await page.getByRole('radio', { name: 'Enrol', checked: true }).waitFor();
  await keys.enter('button', 'Make the key');
  await keys.holds('button', 'Make the key');
  await page.getByText('It is shown this once').waitFor();
  assert.match(await keys.copy('the key'), /^enrol-/);
  await keys.around('API keys with one');
  await keys.confirms('Remove laptop', 'Remove laptop?', 'Remove the key');
  await page.getByText('No keys yet').waitFor();
  // The button is gone with its row.
  await keys.arrives('API keys');
}

/** @param {Keyboard} keys */
async function makesAStream(keys) {
  const { page } = keys;
  await keys.enter('link', 'Streams');
  await keys.arrives('Streams');
  await keys.enter('link', 'New stream');
  await keys.arrives('New stream');
  await keys.around('New stream');
  await keys.fill('textbox', 'Name', 'Evening show');
  await keys.to('radio', /^Standard For sources/);
  await keys.press('ArrowDown', 'ArrowDown');
  await page.getByRole('radio', { name: /^Mobile/, checked: true }).waitFor();
  await keys.enter('button', 'Remove 480p');
  await keys.holds('spinbutton', 'Height of rendition 1');
  await keys.press('ArrowUp');
  await page.getByRole('rowheader', { name: '362p' }).waitFor();
  await keys.to('combobox', 'Codec of rendition 1');
  await keys.press('ArrowDown');
  await page.getByRole('rowheader', { name: '362p-h265' }).waitFor();
  await keys.enter('button', 'Add a rendition');
  await page.getByRole('rowheader', { name: '120p' }).waitFor();
  await keys.to('radio', /^Standard Segments/);
  await keys.press('ArrowRight');
  await page.getByRole('radio', { name: /^Short/, checked: true }).waitFor();
  await keys.to('checkbox', 'Keep a recording of each session');
  await keys.press('Space');
  await keys.enter('button', 'Make the stream');
  await keys.arrives('Evening show');
  await getsAnotherKey(keys);
  await keys.enter('link', 'Recordings');
  await page.getByText('No recordings yet').waitFor();
  await keys.holds('link', 'Recordings');
  await keys.confirms('End for good', 'End Evening show?', 'End the stream');
  await page.getByText('Ended', { exact: true }).waitFor();
  await keys.arrives('Evening show');
}

/** @param {Keyboard} keys */
async function getsAnotherKey(keys) {
  const { page } = keys;
  const key = page.getByLabel('Stream key', { exact: true });
  const before = (await key.textContent()) ?? '';
  await keys.around('a stream');
  await keys.confirms('New key', 'Make a new key?', 'Make a new key');
  await key.filter({ hasNotText: before }).waitFor();
  await keys.holds('button', 'New key');
  assert.equal(await keys.copy('the key'), await key.textContent());
}

/** @param {Keyboard} keys */
async function sendsAScene(keys) {
  const { page } = keys;
  await keys.enter('link', 'New job');
  await keys.arrives('New job');
  await choosesAScene(keys, 'Enter');
  await turnsTheScene(keys);
  await keys.enter('button', 'Another scene');
  await keys.arrives('New job');
  await choosesAScene(keys, 'Space');
  await keys.to('button', '1920 × 1080');
  await keys.press('Space');
  await page.getByRole('button', { name: '1920 × 1080', pressed: true }).waitFor();
  await keys.to('button', /^Light from outside/);
  await keys.choose('Enter', join(folder, 'sky.hdr'));
  await page.getByText('On the farm').nth(1).waitFor();
  await keys.enter('DisclosureTriangle', 'More settings');
  for (const [label, value] of Object.entries({ ...MORE_SETTINGS, ...SETTINGS })) {
    await keys.fill(label === 'Frames' ? 'textbox' : 'spinbutton', label, value);
  }
  await page.getByText('2 frames of 6 tiles, 12 units').waitFor();
  await keys.around('New job with a scene');
  await keys.enter('button', 'Start the job');
  await keys.arrives('scene');
}

/**
 * @param {Keyboard} keys
 * @param {'Enter' | 'Space'} key
 */
async function choosesAScene(keys, key) {
  await keys.to('button', 'Choose files');
  await keys.choose(key, join(folder, 'scene.glb'));
  await keys.holds('heading', 'scene.glb');
  await keys.page.getByText('On the farm').first().waitFor();
}

/** @param {Keyboard} keys */
async function turnsTheScene(keys) {
  const { page } = keys;
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  await keys.enter('button', 'Pause');
  await page.getByRole('button', { name: 'Play' }).waitFor();
  await keys.to('application', /^3-D preview of scene\.glb/, 'Shift+Tab');
  const canvas = page.getByRole('application', { name: /^3-D preview/ });
  for (const key of ['ArrowLeft', 'ArrowUp', '+']) {
    const before = await stands(canvas);
    await keys.press(key);
    await differs(canvas, before);
  }
}

/**
 * What is seen once nothing moves there.
 * @param {Locator} picture
 */
async function stands(picture) {
  const begun = performance.now();
  let before = await picture.screenshot();
  while (performance.now() - begun < PATIENCE_MS) {
    const now = await picture.screenshot();
    if (now.equals(before)) return now;
    before = now;
  }
  throw new Error('the picture never stands');
}

/**
 * Waits until something else is seen.
 * @param {Locator} picture
 * @param {Buffer} before
 */
async function differs(picture, before) {
  const begun = performance.now();
  while ((await picture.screenshot()).equals(before)) {
    if (performance.now() - begun > PATIENCE_MS) throw new Error('the picture stays as it is');
  }
}

/** @param {Keyboard} keys */
async function looksAtTheJob(keys) {
  const { page } = keys;
  await page
    .getByText(/no node/i)
    .first()
    .waitFor();
  await keys.around('a job');
  await keys.to('application', /^0 of 6 tiles of frame 0/);
  /** @param {string} tile */
  const tells = (tile) => page.getByRole('heading', { name: tile, exact: true }).waitFor();
  await tells('Tile 0, 0');
  await keys.press('ArrowRight');
  await tells('Tile 32, 0');
  await keys.press('ArrowDown');
  await tells('Tile 32, 32');
  await keys.press('End');
  await tells('Tile 64, 32');
  await looksAtFrames(keys);
  for (const tab of ['Frames', 'Film', 'Nodes', 'Receipts', 'Cost', 'Preview']) {
    await keys.enter('link', tab);
    await page.getByRole('link', { name: tab, exact: true }).and(page.locator(CURRENT)).waitFor();
    await keys.holds('link', tab);
  }
}

const CURRENT = '[aria-current=page]';

/** @param {Keyboard} keys */
async function looksAtFrames(keys) {
  const { page } = keys;
  /** @param {number} frame */
  const shows = (frame) =>
    page.getByRole('application', { name: `0 of 6 tiles of frame ${frame}` }).waitFor();
  await keys.to('slider', 'Frame');
  await keys.press('ArrowRight');
  await shows(1);
  await keys.enter('button', 'Frame before');
  await shows(0);
  await keys.holds('button', 'Frame before');
  await keys.fill('spinbutton', 'Frame', '1');
  await keys.press('Enter');
  await shows(1);
  await keys.enter('button', 'Follow the work');
  await shows(0);
  await keys.holds('spinbutton', 'Frame');
}

/** @param {Keyboard} keys */
async function changesTheJob(keys) {
  const { page } = keys;
  await keys.enter('button', 'Pause');
  await keys.holds('button', 'Resume');
  await page.getByText('Paused', { exact: true }).waitFor();
  await keys.press('Enter');
  await keys.holds('button', 'Pause');
  await keys.confirms('Cancel', 'Cancel scene?', 'Cancel the job');
  await page.getByText('Cancelled', { exact: true }).waitFor();
  await keys.arrives('scene');
  await keys.enter('link', 'Use again');
  await keys.arrives('New job');
  await page.getByText('On the farm').nth(1).waitFor();
  await keys.enter('button', 'Start the job');
  await keys.arrives('scene');
}

/** @param {Keyboard} keys */
async function choosesJobs(keys) {
  const { page } = keys;
  await keys.enter('link', 'Jobs');
  await keys.arrives('Jobs');
  await keys.around('jobs');
  await keys.to('checkbox', 'Choose scene');
  await keys.press('Space');
  await page.getByText('1 job chosen').waitFor();
  await keys.enter('button', 'Choose none', 'Shift+Tab');
  await keys.arrives('Jobs');
  await keys.press('/');
  await keys.holds('searchbox', 'Search by name or id');
  await keys.page.keyboard.type('nothing like it');
  await page.getByText('None of the 2 jobs').waitFor();
  await keys.press('Control+A', 'Delete');
  await page.locator('[data-row]').first().waitFor();
}

/** @param {Keyboard} keys */
async function addsANode(keys) {
  const { page } = keys;
  await keys.enter('link', 'Add a node');
  await keys.arrives('Add a node');
  await keys.fill('textbox', 'What to call the key', 'workshop');
  await keys.press('Enter');
  await page.getByText('Waiting for your machine').waitFor();
  // The form is gone.
  await keys.arrives('Add a node');
  await keys.enter('DisclosureTriangle', /^With render-node there already/);
  const node = new Terminal(join(folder, 'node')).start(await keys.copy('the command'));
  await page.getByText('has joined').first().waitFor();
  await keys.enter('link', 'Open its page');
  await page.getByRole('heading', { name: 'The machine' }).waitFor();
  await keys.arrives(/./);
  await keys.around('a node');
  return node;
}

/**
 * Opens what is first in a list.
 * @param {Keyboard} keys
 * @param {string} place where the list is
 */
async function opensFirst(keys, place) {
  await keys.enter('link', place);
  await keys.arrives(place);
  await keys.press('j');
  await keys.page.locator('[data-row]:focus').waitFor();
  await keys.press('Enter');
}

/** @param {Keyboard} keys */
async function takesTheFilm(keys) {
  const { page } = keys;
  await opensFirst(keys, 'Jobs');
  await keys.arrives('scene');
  await page.getByText('Done', { exact: true }).waitFor();
  await keys.enter('link', 'Frames');
  await page.getByRole('img', { name: 'Frame 1', exact: true }).waitFor();
  await keys.around('frames that are done');
  await keys.to('button', 'PNG of frame 0');
  const [file] = await Promise.all([page.waitForEvent('download'), keys.press('Enter')]);
  assert.equal(file.suggestedFilename(), 'scene-0000.png');
  await keys.enter('link', 'Receipts');
  await keys.to('button', /^[0-9a-f]{8}$/);
  await keys.press('Enter');
  const receipt = page.getByRole('dialog', { name: 'Receipt' });
  await receipt.locator(':focus').waitFor();
  await keys.around('a receipt');
  await keys.press('Escape');
  await page.locator('[data-row]:focus').waitFor();
  await playsTheFilm(keys);
}

/** @param {Keyboard} keys */
async function playsTheFilm(keys) {
  const { page } = keys;
  await keys.enter('link', 'Film');
  await page.waitForFunction(() => (document.querySelector('video')?.duration ?? 0) > 0);
  await keys.around('a film');
  await keys.to('Video', 'The film');
  await keys.press('Space');
  await page.waitForFunction(() => document.querySelector('video')?.paused === false);
  await keys.press('Space');
  await page.waitForFunction(() => document.querySelector('video')?.paused === true);
}

/** @param {Keyboard} keys */
async function pausesTheNode(keys) {
  const { page } = keys;
  await opensFirst(keys, 'My nodes');
  await page.getByRole('heading', { name: 'The machine' }).waitFor();
  for (const order of ['Pause', 'Start']) {
    await keys.enter('button', order);
    await page.getByRole('button', { name: order, pressed: true }).waitFor();
    await keys.holds('button', order);
  }
}

/** @param {Keyboard} keys */
async function leavesAndComes(keys) {
  await keys.enter('button', 'Sign out');
  await keys.holds('heading', /^Rendered by many/);
  await keys.fill('textbox', 'Name', 'ada');
  await keys.fill('textbox', 'Password', PASSWORD);
  await keys.enter('button', 'Sign in');
  await keys.arrives('Hello, ada');
}

await walk();
