// An artist whose upload is interrupted five times. `tests/tests/uploads.rs` starts the farm and runs this.
//
//   TESSERA_PORTAL    where the farm answers
//   TESSERA_FOLDER    where large.glb lies; a file `kill-1` made there asks for the master's death, and while
//                     there is a file `net-down` nothing comes through

import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBrowser } from '../browser.js';
import { Visitor } from '../visitor.js';

const folder = process.env['TESSERA_FOLDER'] ?? '';
const browser = await startBrowser();
try {
  const visitor = await Visitor.arrive(browser);
  await visitor.signUp('ada');
  await visitor.choose('New job');
  await walk(visitor);
  if (visitor.complaints.length > 0) throw new Error(visitor.complaints.join('\n'));
} finally {
  await browser.close();
}

/** @param {Visitor} visitor */
async function walk({ page }) {
  const choose = () =>
    page.locator('input[type=file]').first().setInputFiles(join(folder, 'large.glb'));
  /** @param {number} percent */
  const reach = async (percent) => {
    await page.waitForFunction(
      (least) => parseInt(document.querySelector('.upload .number')?.textContent ?? '0') >= least,
      percent,
    );
    console.log(`${percent} % is sent`);
  };
  const reload = async () => {
    await page.reload();
    await page.getByText('Not all here yet: large.glb').waitFor();
    await choose();
  };
  await choose();
  await reach(10);
  await reload();
  await reach(25);
  writeFileSync(join(folder, 'kill-1'), '');
  await reach(40);
  writeFileSync(join(folder, 'net-down'), '');
  await page.getByText('the connection is lost').waitFor();
  unlinkSync(join(folder, 'net-down'));
  await reach(55);
  await reload();
  await reach(70);
  writeFileSync(join(folder, 'kill-2'), '');
  await page.getByText('On the farm').waitFor();
  const left = await page.evaluate(() =>
    Object.keys(localStorage).filter((key) => key.startsWith('tus::')),
  );
  if (left.length > 0) throw new Error('a whole upload is still kept as unfinished');
}
