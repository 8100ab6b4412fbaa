import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loose } from './loose.js';
import { Visitor } from './visitor.js';
import { sampleScene } from './scene';

let visitor: Visitor;
let job: string;

beforeAll(async () => {
  visitor = await Visitor.signedIn();
});

afterAll(() => visitor.leave());

async function chooseScene(): Promise<void> {
  await visitor.go('/jobs/new');
  await visitor.page.locator('input[type=file]').first().setInputFiles({
    name: 'cubes.glb',
    mimeType: 'model/gltf-binary',
    buffer: sampleScene(),
  });
  await visitor.page.getByText('On the farm').waitFor();
}

it('says what a file is that is no scene', async () => {
  await visitor.go('/jobs/new');
  await visitor.look('new-job-empty');
  const input = visitor.page.locator('input[type=file]').first();
  await input.setInputFiles({ name: 'a.glb', mimeType: '', buffer: Buffer.from('no scene') });
  await visitor.page.getByText('This is not a glTF scene').waitFor();
});

it('names what a .gltf lacks, and takes it from its folder', async () => {
  const { page } = visitor;
  const folder = mkdtempSync(join(tmpdir(), 'walk-'));
  for (const { name, bytes } of loose(sampleScene(), 'cubes')) {
    writeFileSync(join(folder, name), bytes);
  }
  await visitor.go('/jobs/new');
  const inputs = page.locator('input[type=file]');
  await inputs.first().setInputFiles(join(folder, 'cubes.gltf'));
  await page.getByText('cubes.gltf names what is not here: cubes – data.bin.').waitFor();
  await visitor.look('new-job-lacks');
  await inputs.nth(1).setInputFiles(folder);
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  await page.getByText('On the farm').waitFor();
  rmSync(folder, { recursive: true });
});

it('shows how a large upload gets on, and stops it', async () => {
  const { page } = visitor;
  const folder = mkdtempSync(join(tmpdir(), 'walk-'));
  const file = join(folder, 'large.glb');
  writeFileSync(file, sampleScene());
  truncateSync(file, 900_000_000);
  await visitor.go('/jobs/new');
  await page.locator('input[type=file]').first().setInputFiles(file);
  await page.getByText(/of 900 MB · .*\/s · .* left/).waitFor();
  await page.getByText('larger than 200 MB').waitFor();
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page.getByRole('heading', { name: 'Drop a scene' }).waitFor();
  rmSync(folder, { recursive: true });
});

it('shows a scene that was dropped, and what is wrong with its settings', async () => {
  const { page } = visitor;
  await chooseScene();
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  await page.getByLabel('Frames', { exact: true }).fill('9-1');
  await page.getByText('One number, or first–last').waitFor();
  await visitor.look('new-job-fault');
  await page.getByLabel('Frames', { exact: true }).fill('0-5');
  await page.getByLabel('Width').fill('480');
  await page.getByLabel('Height').fill('270');
  await page.getByLabel('Samples of each pixel').fill('64');
  await page.getByText('More settings').click();
  await page.getByLabel('Tile').fill('64');
  await page.getByLabel('Samples of a unit').fill('16');
  await page.getByRole('button', { name: 'Look through the camera' }).click();
  await visitor.look('new-job');
});

it('gets a quote, which a changed setting makes stale', async () => {
  const { page } = visitor;
  await page.getByRole('button', { name: 'Get a quote' }).click();
  await page.getByText('At most').waitFor();
  await page.getByLabel('Seed').fill('7');
  await page.getByText('The settings changed since the quote').waitFor();
  await page.getByRole('button', { name: 'Get a quote' }).click();
  await page.getByText('At most').waitFor();
  await visitor.look('new-job-quoted');
});

it('starts the job, and the mosaic fills while it is watched', async () => {
  const { page } = visitor;
  await page.getByRole('button', { name: 'Start for nothing, as operator' }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f]{32}$/);
  job = new URL(page.url()).pathname;
  await page.waitForFunction(
    () => Number(document.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')) > 8,
    undefined,
    { timeout: 120_000 },
  );
  await visitor.look('job-preview');
});

it('pauses, resumes, and finishes', async () => {
  const { page } = visitor;
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  await visitor.look('job-paused');
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('Done', { exact: true }).waitFor({ timeout: 240_000 });
  await visitor.settle();
  await visitor.look('job-done');
});

it('shows frames, film, nodes, receipts and cost of a job', async () => {
  const { page } = visitor;
  await visitor.go(`${job}/frames`);
  await page.getByRole('img', { name: 'Frame 5' }).waitFor();
  const [exr] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'EXR of frame 0' }).click(),
  ]);
  expect(exr.suggestedFilename()).toBe('cubes-0000.exr');
  await visitor.look('job-frames');
  await visitor.go(`${job}/film`);
  await page.waitForFunction(() => (document.querySelector('video')?.duration ?? 0) > 0.2);
  await visitor.look('job-film');
  await visitor.go(`${job}/nodes`);
  await page.getByRole('columnheader', { name: 'Share' }).waitFor();
  await visitor.look('job-nodes');
  await visitor.go(`${job}/receipts`);
  await page.locator('[data-row]').first().click();
  await page.getByRole('dialog', { name: 'Receipt' }).waitFor();
  await visitor.look('job-receipt');
  await page.keyboard.press('Escape');
  await visitor.look('job-receipts');
  await visitor.go(`${job}/cost`);
  await visitor.look('job-cost');
});

it('cancels a job after asking', async () => {
  const { page } = visitor;
  await chooseScene();
  await page.getByLabel('Samples of each pixel').fill('4096');
  await page.getByRole('button', { name: 'Start for nothing, as operator' }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f]{32}$/);
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await visitor.look('job-cancel');
  await page.getByRole('button', { name: 'Cancel the job' }).click();
  await page.getByText('Cancelled', { exact: true }).waitFor();
});

it('begins anew with the files and settings of a job', async () => {
  const { page } = visitor;
  await visitor.go(job);
  await page.getByRole('link', { name: 'Use again' }).click();
  await page.getByText('On the farm').waitFor();
  expect(await page.getByLabel('Frames', { exact: true }).inputValue()).toBe('0–5');
  expect(await page.getByLabel('Width').inputValue()).toBe('480');
});

it('says so while live updates are down', async () => {
  const { page } = visitor;
  await visitor.go(job);
  await page.context().setOffline(true);
  await page.getByText('Live updates are down').waitFor();
  await visitor.look('offline');
  await page.context().setOffline(false);
  await page.getByText('Live updates are down').waitFor({ state: 'detached', timeout: 40_000 });
});

it('lists jobs, and is walked by keyboard', async () => {
  const { page } = visitor;
  await visitor.go('/jobs');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('cubes');
  await page.keyboard.press('x');
  await page.getByText('1 job chosen').waitFor();
  await visitor.look('jobs-chosen');
  await page.getByRole('button', { name: 'Choose none' }).click();
  await page.keyboard.press('/');
  await page.keyboard.type('nothing like it');
  await page.getByText('None of the').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await visitor.look('keys');
  await page.keyboard.press('Escape');
  await page.getByRole('searchbox').fill('');
  await visitor.look('jobs');
  const before = await page.evaluate(() => document.documentElement.dataset['theme']);
  await page.locator('h1').click();
  await page.keyboard.press('t');
  expect(await page.evaluate(() => document.documentElement.dataset['theme'])).not.toBe(before);
});

it('leaves nothing to complain of', () => expect(visitor.complaints).toEqual([]));
