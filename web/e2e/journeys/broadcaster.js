import { join } from 'node:path';
import { stop } from './terminal.js';
import { openWallet } from './wallet.js';

/** @import { Terminal } from './terminal.js' */
/** @import { Visitor } from '../visitor.js' */

/** How much is to be played. */
const SECONDS = 4;

/** A broadcaster, from the new stream to its picture on the page. */
export class Broadcaster {
  /**
   * @param {Visitor} visitor
   * @param {string} folder
   */
  constructor(visitor, folder) {
    this.visitor = visitor;
    this.page = visitor.page;
    this.folder = join(folder, 'broadcaster');
    /** @type {Terminal | undefined} */
    this.terminal = undefined;
  }

  /** Makes a stream of two small sizes, and pays for it; what is to be entered in OBS. */
  async makesAStream() {
    const { page, visitor } = this;
    this.terminal = await openWallet(visitor, this.folder, 'Broadcaster');
    await visitor.choose('Streams');
    await visitor.look('streams-empty');
    await page.getByRole('link', { name: 'New stream' }).first().click();
    await page.getByLabel('Name', { exact: true }).fill('Evening show');
    await page.getByText('Small screens').click();
    await page.getByRole('button', { name: 'Remove 480p' }).click();
    await page.getByText('Segments of one second').click();
    await page.getByLabel('Highest price').fill('2');
    await visitor.look('stream-new');
    await page.getByRole('button', { name: 'Make the stream' }).click();
    await page.getByText('The key is shown this once').waitFor();
    await page.getByText('Nobody sends yet.').waitFor();
    await visitor.look('stream-key');
    await this.terminal.run(await visitor.copy('the command'));
    await page.locator('dt:text-is("Left") + dd', { hasText: '5' }).waitFor();
    return `${await visitor.copy('the server')}/${await visitor.copy('the key')}`;
  }

  /**
   * Sends to the stream, and sees it play and what the farm says of it.
   * @param {string} address
   */
  async goesLive(address) {
    const { page, visitor, terminal } = this;
    if (!terminal) throw new Error('nobody has made a stream');
    const source = terminal.start(send(address));
    await page.getByText('Live', { exact: true }).nth(1).waitFor();
    const moment = () => page.evaluate(() => document.querySelector('video')?.currentTime ?? 0);
    await page.waitForFunction(() => (document.querySelector('video')?.currentTime ?? 0) > 0);
    const begun = await moment();
    await page.waitForFunction(
      (until) => (document.querySelector('video')?.currentTime ?? 0) > until,
      begun + SECONDS,
    );
    const health = page.getByRole('region', { name: 'Health' });
    await health
      .getByText(/[a-z]+\.$/)
      .first()
      .waitFor();
    await page.getByText('On air').waitFor();
    await visitor.look('stream-live');
    await page.getByRole('link', { name: 'Segments', exact: true }).click();
    await page.getByRole('columnheader', { name: 'Transcoded by' }).waitFor();
    await visitor.settle();
    await visitor.look('stream-segments');
    await stop(source);
    await visitor.choose('Streams');
    await page.locator('[data-row]').first().waitFor();
    await visitor.look('streams');
  }
}

/**
 * The line that sends a test picture and a tone to an address, as fast as they are seen.
 * @param {string} address
 */
function send(address) {
  return [
    'ffmpeg -nostdin -loglevel warning',
    '-re -f lavfi -i testsrc2=size=640x360:rate=24',
    '-f lavfi -i sine=frequency=330:sample_rate=48000',
    '-c:v libx264 -preset ultrafast -tune zerolatency -g 24 -pix_fmt yuv420p',
    '-c:a aac -f flv',
    address,
  ].join(' ');
}
