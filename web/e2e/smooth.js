// Somebody watches a job of very many tiles come in; how smooth that was is said as one line of JSON.
//
//   TESSERA_PORTAL    where the farm answers
//   TESSERA_TOKEN     the operator's
//   TESSERA_JOB       the job, of ten frames
//   TESSERA_FOLDER    where a file `begins` is made once the page shows it: only then a node comes

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Visitor } from './visitor.js';

const job = process.env['TESSERA_JOB'] ?? '';
/** How often the person does something, and how long at most. */
const EVERY_MS = 250;
const MOST_MS = 10 * 60_000;

const visitor = await Visitor.signedIn();
try {
  const { page } = visitor;
  await page.evaluate(() => {
    /** @type {number[]} */
    const tasks = [];
    Object.assign(window, { longTasks: tasks });
    new PerformanceObserver((list) => {
      tasks.push(...list.getEntries().map((task) => task.duration));
    }).observe({ type: 'longtask' });
  });
  const units = async () => {
    const answer = await page.evaluate(
      (path) => fetch(path).then((response) => response.json()),
      `/v1/jobs/${job}`,
    );
    return answer.units;
  };
  await visitor.go(`/jobs/${job}`);
  await page.locator('aside .unseen').waitFor({ state: 'attached' });
  writeFileSync(join(process.env['TESSERA_FOLDER'] ?? '', 'begins'), '');
  const before = (await units()).verified;
  const begun = performance.now();
  let now = await units();
  const all = now.free + now.leased + now.submitted + now.verified;
  for (let time = 0; now.verified < all && performance.now() - begun < MOST_MS; time += 1) {
    await page.mouse.wheel(0, time % 8 < 4 ? 200 : -200);
    const next = page.getByRole('button', { name: 'Next frame' });
    if (time % 8 === 7 && (await next.isEnabled())) await next.click();
    await page.waitForTimeout(EVERY_MS);
    if (time % 8 === 0) now = await units();
  }
  const seconds = (performance.now() - begun) / 1000;
  const tiles = now.verified - before;
  const { tasks, memory } = await page.evaluate(() => ({
    tasks: /** @type {{ longTasks: number[] }} */ (/** @type {unknown} */ (window)).longTasks,
    memory: /** @type {{ memory: { usedJSHeapSize: number } }} */ (
      /** @type {unknown} */ (performance)
    ).memory.usedJSHeapSize,
  }));
  console.log(
    JSON.stringify({
      seconds,
      tiles,
      long_tasks: tasks.length,
      longest_ms: Math.max(0, ...tasks),
      memory_mb: memory / 1e6,
    }),
  );
} finally {
  await visitor.leave();
}
