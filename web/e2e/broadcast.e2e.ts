import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Visitor } from './visitor.js';

let visitor: Visitor;
let stream: string;
let source: ChildProcess | undefined;
let receiver: Server;
const received: string[] = [];

beforeAll(async () => {
  visitor = await Visitor.signedIn();
  receiver = createServer((request, response) => {
    received.push(String(request.headers['tessera-signature']));
    response.end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  source?.kill();
  receiver.close();
  await visitor.leave();
});

/** A test picture and a tone, sent as OBS would. */
function send(url: string): ChildProcess {
  const [picture, tone] = ['testsrc2=size=640x360:rate=30', 'sine=frequency=330:sample_rate=48000'];
  const inputs = ['-re', '-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', tone];
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '30', '-pix_fmt', 'yuv420p'];
  const out = ['-c:a', 'aac', '-f', 'flv', url];
  return spawn('ffmpeg', ['-loglevel', 'error', ...inputs, ...video, ...out], { stdio: 'inherit' });
}

it('adds a webhook, pings it, and shows what was sent', async () => {
  const { page } = visitor;
  await visitor.go('/webhooks');
  await visitor.look('webhooks-empty');
  const { port } = receiver.address() as AddressInfo;
  await page.getByLabel('Address').fill(`http://127.0.0.1:${port}/hook`);
  await page.getByRole('button', { name: 'Add it' }).click();
  await page.getByText('It is shown this once').waitFor();
  await visitor.look('webhooks');
  await page.locator('[data-row]').first().click();
  await page.getByRole('button', { name: 'Send a ping' }).click();
  await page.getByText('Received').waitFor({ timeout: 30_000 });
  expect(received[0]).toMatch(/^t=\d+,v1=[0-9a-f]{64}$/);
  await page.getByRole('button', { name: 'Send again' }).first().click();
  await page.locator('[data-row]').first().click();
  await page.getByRole('dialog', { name: 'Message' }).waitFor();
  await page.keyboard.press('Escape');
  await visitor.look('webhook');
});

it('makes a stream and shows its key once', async () => {
  const { page } = visitor;
  await visitor.go('/streams/new');
  await page.getByLabel('Name', { exact: true }).fill('Walk');
  await page.getByText('Small screens').click();
  await page.getByText('Parts of a third').click();
  await page.getByLabel('Keep a recording').check();
  await page.getByLabel('Height of rendition 1').fill('361');
  await page.getByText('an even number').waitFor();
  await page.getByLabel('Height of rendition 1').fill('360');
  await page.getByRole('button', { name: 'Remove 360p' }).last().click();
  await visitor.look('stream-new');
  await page.getByRole('button', { name: 'Make the stream' }).click();
  await page.getByText('The key is shown this once').waitFor();
  stream = new URL(page.url()).pathname;
  await visitor.look('stream-key');
});

it('plays what is sent to it', async () => {
  const { page } = visitor;
  const server = await page.getByLabel('Server', { exact: true }).textContent();
  const key = await page.getByLabel('Stream key', { exact: true }).textContent();
  source = send(`${server}/${key}`);
  await page.getByText('Live', { exact: true }).nth(1).waitFor({ timeout: 60_000 });
  await page.waitForFunction(
    () => (document.querySelector('video')?.currentTime ?? 0) > 3,
    undefined,
    {
      timeout: 90_000,
    },
  );
  await visitor.look('stream-live');
});

it('shows sessions, segments and who transcoded them', async () => {
  const { page } = visitor;
  await visitor.go(`${stream}/sessions`);
  await page.getByText('live now').waitFor();
  await visitor.look('stream-sessions');
  await visitor.go(`${stream}/segments`);
  await page.getByRole('columnheader', { name: 'Transcoded by' }).waitFor({ timeout: 30_000 });
  await visitor.look('stream-segments');
});

it('has a recording once the session is over', async () => {
  const { page } = visitor;
  source?.kill();
  await visitor.go(`${stream}/live`);
  await page.getByRole('button', { name: 'End for good' }).click();
  await page.getByRole('button', { name: 'End the stream' }).click();
  await page.getByText('Ended', { exact: true }).waitFor({ timeout: 30_000 });
  await visitor.go(`${stream}/recordings`);
  await page.getByRole('button', { name: 'Play' }).click({ timeout: 120_000 });
  await page.waitForFunction(
    () => (document.querySelector('video')?.currentTime ?? 0) > 0.5,
    undefined,
    {
      timeout: 60_000,
    },
  );
  await page.keyboard.press('Escape');
  await visitor.look('stream-recordings');
  await visitor.go('/streams');
  await visitor.look('streams');
});

it('leaves nothing to complain of', () => expect(visitor.complaints).toEqual([]));
