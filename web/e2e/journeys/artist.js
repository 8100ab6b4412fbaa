import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loose } from '../loose.js';
import { openWallet } from './wallet.js';

/** @import { Visitor } from '../visitor.js' */

/** What is rendered: little, but more than one node's first lease. */
const SETTINGS = {
  Width: '160',
  Height: '90',
  'Samples of each pixel': '4',
  Tile: '20',
  'Samples of a unit': '4',
  Bounces: '4',
};
const TILES = 40;
const FRAMES = 3;

/** An artist, from the scene that is dropped to the film that is fetched. */
export class Artist {
  /**
   * @param {Visitor} visitor
   * @param {string} folder where `scene.glb` and `sky.hdr` lie
   */
  constructor(visitor, folder) {
    this.visitor = visitor;
    this.page = visitor.page;
    this.folder = folder;
  }

  async #dropScene() {
    const { page, visitor } = this;
    await visitor.choose('New job');
    await drop(this, loose(readFileSync(join(this.folder, 'scene.glb')), 'scene'));
    await page.getByRole('heading', { name: 'scene.gltf' }).waitFor();
    await page.getByText('On the farm').waitFor();
    await page.getByLabel('Light from outside').setInputFiles(join(this.folder, 'sky.hdr'));
    await page.getByText('On the farm').nth(1).waitFor();
    await page.getByText('More settings').click();
    await page.getByLabel('Frames', { exact: true }).fill(`0-${FRAMES - 1}`);
    for (const [label, value] of Object.entries(SETTINGS)) {
      await page.getByLabel(label, { exact: true }).fill(value);
    }
    await page.getByText(`${FRAMES} frames of ${TILES} tiles`).waitFor();
  }

  /** Drops a scene, looks what it costs at most, pays that, and sees that nobody is there to render it. */
  async sendsAScene() {
    const { page, visitor } = this;
    const terminal = await openWallet(visitor, join(this.folder, 'artist'), 'Artist');
    await this.#dropScene();
    await page.getByRole('button', { name: 'Get a quote' }).click();
    await page.getByText('At most').waitFor();
    await visitor.look('new-job');
    await page.getByRole('link', { name: 'Go on to payment' }).click();
    const line = await visitor.copy('the command');
    await visitor.look('quote');
    await terminal.run(line);
    // The page sees by itself that the job was started.
    await page.getByRole('link', { name: 'Go to the job' }).click();
    await page.waitForURL(/\/jobs\/[0-9a-f]{32}$/);
    await this.#verified(/^0 of/);
    await page
      .getByText(/no node/i)
      .first()
      .waitFor();
    await visitor.look('job-waits-for-nodes');
  }

  /** @param {RegExp} how the words that say how many tiles of the frame are verified */
  async #verified(how) {
    await this.page.locator('aside .unseen', { hasText: how }).waitFor({ state: 'attached' });
  }

  /** Watches tiles come until all frames are there. */
  async seesTheMosaicFill() {
    const { page, visitor } = this;
    await this.#verified(/^[1-9]\d* of/);
    await page.getByRole('img', { name: /What is verified of frame/ }).waitFor();
    await visitor.look('job-fills');
    await page.getByRole('link', { name: 'Look at the frames and approve' }).click();
    await page.getByText(`${FRAMES} frames wait for your approval`).waitFor();
    await page.getByRole('img', { name: `Frame ${FRAMES - 1}` }).waitFor();
    await visitor.look('frames-to-approve');
  }

  /** Approves the frames, and fetches a picture and the film. */
  async takesTheFilm() {
    const { page, visitor } = this;
    await page.getByRole('button', { name: 'Approve all' }).click();
    await begins(visitor, 'EXR of frame 0', 0, '762f3101');
    await begins(visitor, 'PNG of frame 0', 0, '89504e47');
    await page.getByText('Done', { exact: true }).waitFor();
    await visitor.look('frames');
    await page.getByRole('link', { name: 'Film', exact: true }).click();
    await page.waitForFunction(() => (document.querySelector('video')?.duration ?? 0) > 0.05);
    await begins(visitor, 'Download the MP4', 4, Buffer.from('ftyp').toString('hex'));
    await visitor.look('film');
    await page.getByRole('link', { name: 'Preview', exact: true }).click();
    await this.#verified(new RegExp(`^${TILES} of ${TILES}`));
    await visitor.look('job-done');
    await page.getByRole('link', { name: 'Cost', exact: true }).click();
    await page.getByText('All is paid, and the rest has returned.').waitFor();
    await visitor.look('job-cost');
    return page.locator('.figure').first().innerText();
  }
}

/**
 * Drops files onto the page as a file manager does.
 * @param {Artist} artist
 * @param {import('../loose.js').Loose[]} files
 */
async function drop({ page }, files) {
  const texts = files.map(({ name, bytes }) => ({ name, base64: bytes.toString('base64') }));
  const dataTransfer = await page.evaluateHandle((all) => {
    const transfer = new DataTransfer();
    for (const { name, base64 } of all) {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], name));
    }
    return transfer;
  }, texts);
  const zone = page.getByRole('group', { name: 'Scene file' });
  await zone.dispatchEvent('dragover', { dataTransfer });
  await zone.dispatchEvent('drop', { dataTransfer });
}

/**
 * Downloads what a button gives, and checks by its first bytes that it is what it should be.
 * @param {Visitor} visitor
 * @param {string} button
 * @param {number} at where these bytes are
 * @param {string} bytes in hexadecimal
 */
async function begins(visitor, button, at, bytes) {
  const { name, path } = await visitor.download(button);
  const found = readFileSync(path).toString('hex', at, at + bytes.length / 2);
  assert.equal(found, bytes, `${name} is another kind of file`);
}
