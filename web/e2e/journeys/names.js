// Names are what people type, and one of them types markup. `tests/tests/portal.rs` starts the farm, a node of
// such a name, and this.
//
//   TESSERA_PORTAL    where the farm answers
//   TESSERA_TOKEN     the operator's
//   TESSERA_NAME      what everything is called
//   TESSERA_JOB       a job that is
//   TESSERA_STREAM    and a stream

import assert from 'node:assert/strict';
import { PORTAL, Visitor } from '../visitor.js';

const name = process.env['TESSERA_NAME'] ?? '';
const headers = { Authorization: `Bearer ${process.env['TESSERA_TOKEN']}` };

const nodes = await fetch(`${PORTAL}/v1/nodes`, { headers }).then((answer) => answer.json());

const visitor = await Visitor.signedIn();
try {
  const { page } = visitor;
  page.on('dialog', () => visitor.complaints.push('a name opened a dialog'));
  for (const path of [
    '/jobs',
    `/jobs/${process.env['TESSERA_JOB']}`,
    '/streams',
    `/streams/${process.env['TESSERA_STREAM']}`,
    '/nodes',
    `/nodes/${nodes.data[0].id}`,
    '/operate/queue',
    '/operate/nodes',
  ]) {
    await visitor.go(path);
    await page.getByText(name).first().waitFor();
    const taken = await page.evaluate(() => document.body.id);
    assert.equal(taken, '', `${path} ran what a name says`);
    assert.equal(await page.locator('img[src="x"]').count(), 0, `${path} has an element of a name`);
  }
  assert.deepEqual(visitor.complaints, []);
} finally {
  await visitor.leave();
}
