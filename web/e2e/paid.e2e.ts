import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Visitor } from './visitor.js';
import { sampleScene } from './scene';

const [farm, state] = [process.env['TESSERA_FARM'], process.env['TESSERA_STATE']];
const run = promisify(execFile);

/** Needs `farm` itself, whose wallet pays: TESSERA_FARM is the program, TESSERA_STATE the folder of `farm up`. */
describe.skipIf(!farm || !state)('a job that is paid for', () => {
  let visitor: Visitor;
  let job: string;

  beforeAll(async () => {
    visitor = await Visitor.signedIn();
    await run(farm ?? '', ['--state', state ?? '', 'wallet', '--play-money', '100']);
  });

  afterAll(() => visitor.leave());

  it('is quoted, and the escrow is asked before it starts', async () => {
    const { page } = visitor;
    await visitor.go('/jobs/new');
    await page.locator('input[type=file]').first().setInputFiles({
      name: 'paid.glb',
      mimeType: 'model/gltf-binary',
      buffer: sampleScene(),
    });
    await page.getByText('On the farm').waitFor();
    await page.getByLabel('Frames', { exact: true }).fill('0-2');
    await page.getByLabel('Width').fill('320');
    await page.getByLabel('Height').fill('180');
    await page.getByRole('button', { name: 'Get a quote' }).click();
    await page.getByRole('link', { name: 'Go on to payment' }).click();
    await page.getByRole('button', { name: 'It is paid, start the job' }).click();
    await page.getByText('The ceiling does not lie in the escrow').waitFor();
    await visitor.look('quote');
  });

  it('starts once the command that the page shows has paid', async () => {
    const { page } = visitor;
    const line = await page.getByLabel('the command', { exact: true }).textContent();
    await run(farm ?? '', ['--state', state ?? '', ...(line ?? '').split(' ').slice(1)]);
    await page.getByRole('link', { name: 'Go to the job' }).click();
    await page.waitForURL(/\/jobs\/[0-9a-f]{32}$/);
    job = new URL(page.url()).pathname;
    await page
      .getByRole('link', { name: 'Look at the frames and approve' })
      .waitFor({ timeout: 120_000 });
    await visitor.look('job-waits-for-approval');
  });

  it('hands out its frames once they are approved', async () => {
    const { page } = visitor;
    await visitor.go(`${job}/frames`);
    await page.getByText('3 frames wait for your approval').waitFor({ timeout: 60_000 });
    await visitor.look('job-approval');
    await page.getByRole('button', { name: 'Object to frame 0' }).click();
    await page.getByLabel('What is wrong with it').fill('It is too dark.');
    await page.getByRole('button', { name: 'Object', exact: true }).click();
    await page.getByText('It is too dark.').waitFor();
    await visitor.look('job-objection');
    await page.getByRole('button', { name: 'Approve all' }).click();
    await page.getByRole('button', { name: 'EXR of frame 1' }).waitFor();
    await page.getByText('Done', { exact: true }).waitFor({ timeout: 120_000 });
    await visitor.go(`${job}/cost`);
    await page.getByText('Never more than').waitFor();
    await visitor.look('job-cost-paid');
  });

  it('pays its nodes', async () => {
    const { page } = visitor;
    await visitor.go('/operate/payouts');
    await page.locator('[data-row]').first().waitFor({ timeout: 120_000 });
    await visitor.look('payouts-paid');
  });

  it('leaves nothing to complain of', () => expect(visitor.complaints).toEqual([]));
});
