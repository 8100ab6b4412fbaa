// Three people and one farm: each signs up on the portal and does what they came for, in one browser, against
// real programs. `tests/tests/portal.rs` starts the farm and runs this; it ends with 0 if all went well.
//
//   TESSERA_PORTAL    where the farm answers: one with a chain of its own, a gateway, a worker, and no node
//   TESSERA_PROGRAMS  the folder of `farm` and `render-node`
//   TESSERA_FOLDER    where scene.glb and sky.hdr lie, and whatever is made here

import { startBrowser } from '../browser.js';
import { Visitor } from '../visitor.js';
import { Artist } from './artist.js';
import { Broadcaster } from './broadcaster.js';
import { Owner } from './owner.js';
import { step } from './step.js';
import { stop } from './terminal.js';

const folder = process.env['TESSERA_FOLDER'] ?? '';

async function journeys() {
  const browser = await startBrowser();
  /** @type {Visitor[]} */
  const people = [];
  /** @param {string} name */
  const come = async (name) => {
    const visitor = await Visitor.arrive(browser);
    if (people.length === 0) await visitor.look('sign-in');
    people.push(visitor);
    await visitor.signUp(name);
    await visitor.look(`home-${name}`);
    return visitor;
  };
  try {
    await rendering(come);
    await streaming(come);
    const complaints = people.flatMap((visitor) => visitor.complaints);
    if (complaints.length > 0) throw new Error(`complaints:\n  ${complaints.join('\n  ')}`);
  } catch (error) {
    for (const { page } of people) {
      const shown = page.locator('body').innerText({ timeout: 10_000 });
      console.error(`${page.url()} shows:\n${await shown.catch(String)}\n`);
    }
    throw error;
  } finally {
    await browser.close();
  }
}

/** @param {(name: string) => Promise<Visitor>} come */
async function rendering(come) {
  const ada = await step('an artist signs up', come('ada'));
  await step('a password is changed and a webhook made', looksAfter(ada));
  const artist = new Artist(ada, folder);
  await step('a scene is dropped, quoted, paid for and sent', artist.sendsAScene());
  const owner = new Owner(await step('a node owner signs up', come('otto')), folder);
  const node = await step('a pasted line adds a node', owner.addsANode());
  await step('the mosaic fills', artist.seesTheMosaicFill());
  await step('its hours end, and begin', owner.setsItsHours());
  await step('the node is seen to work', owner.seesItWork());
  const cost = await step('the film is approved and fetched', artist.takesTheFilm());
  await step('the node is paid what the job cost', owner.seesItPaid(cost));
  await stop(node);
}

/** @param {Visitor} visitor */
async function looksAfter(visitor) {
  const { page } = visitor;
  await visitor.choose('Account');
  await page.getByLabel('Present password').fill('four random words of ada');
  await page.getByLabel('New password').fill('four other words of ada');
  await page.getByRole('button', { name: 'Change it' }).click();
  await page.getByText('The password is changed').first().waitFor();
  await visitor.look('account');
  await visitor.choose('Webhooks');
  await page.getByLabel('Address').fill('http://127.0.0.1:9/hook');
  await page.getByRole('button', { name: 'Add it' }).click();
  await page.getByText('Each message is signed').waitFor();
  await page.getByText('jobs, streams').waitFor();
  await visitor.look('webhooks');
}

/** @param {(name: string) => Promise<Visitor>} come */
async function streaming(come) {
  const broadcaster = new Broadcaster(await step('a broadcaster signs up', come('bea')), folder);
  const address = await step('a stream is made', broadcaster.makesAStream());
  await step('what is sent to it plays', broadcaster.goesLive(address));
}

await journeys();
