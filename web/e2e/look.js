import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { axeCore } from './browser.js';

/** @import { Page } from 'playwright-core' */
/** @typedef {{ theme: 'light' | 'dark', width: number }} Sight */

export const DESKTOP = { width: 1360, height: 900 };
const PHONE = { width: 390, height: 844 };

/** Where pictures go, if anybody wants them. */
const SHOTS = process.env['TESSERA_SHOTS'];

/**
 * How pages are looked at: each theme and each width once, and with pictures all four.
 * @type {Sight[]}
 */
const SIGHTS = [
  { theme: 'light', width: DESKTOP.width },
  { theme: 'dark', width: PHONE.width },
];
if (SHOTS) {
  SIGHTS.splice(
    1,
    0,
    { theme: 'light', width: PHONE.width },
    { theme: 'dark', width: DESKTOP.width },
  );
}

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/**
 * Looks at a page from everywhere: what sticks out, what axe finds, and a picture where one is wanted.
 * @param {Page} page
 * @param {string} name what the page is called in complaints and pictures
 * @returns {Promise<string[]>} complaints
 */
export async function look(page, name) {
  const complaints = [];
  for (const sight of SIGHTS) {
    await wear(page, sight);
    const seen = `${name}-${sight.theme}-${sight.width}`;
    if (SHOTS) {
      mkdirSync(SHOTS, { recursive: true });
      await page.screenshot({ path: join(SHOTS, `${seen}.png`), fullPage: true });
    }
    complaints.push(...(await measure(page, seen)), ...(await judgeTwice(page, sight, seen)));
  }
  await wear(page, { theme: 'light', width: DESKTOP.width });
  return complaints;
}

/**
 * @param {Page} page
 * @param {Sight} sight
 */
async function wear(page, { theme, width }) {
  // What the pointer rests on keeps, at times, the colours of the theme before.
  await page.mouse.move(0, 0);
  await page.setViewportSize(width === PHONE.width ? PHONE : DESKTOP);
  await drawn(page);
  await page.evaluate((chosen) => {
    document.documentElement.dataset['theme'] = chosen;
    // Else what sticks to the window would be pictured in the middle of the page.
    scrollTo(0, 0);
  }, theme);
  await drawn(page);
}

/**
 * Waits until the page was drawn as it is now: the frame after next has all of it.
 * @param {Page} page
 */
export async function drawn(page) {
  await page.evaluate(
    () =>
      new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null)))),
  );
}

/**
 * @param {Page} page
 * @param {string} seen
 */
async function measure(page, seen) {
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  return over > 0 ? [`${seen}: ${over} pixels too wide`] : [];
}

/**
 * What axe finds, and finds again once the page was dressed anew: Chromium leaves an element in the colours of
 * the theme before, at times, when a page is busy. What is wrong with the page itself is found both times.
 * @param {Page} page
 * @param {Sight} sight
 * @param {string} seen
 */
async function judgeTwice(page, sight, seen) {
  const first = await judge(page, seen);
  if (first.length === 0) return first;
  await wear(page, { ...sight, theme: sight.theme === 'light' ? 'dark' : 'light' });
  await wear(page, sight);
  const second = new Set(await judge(page, seen));
  return first.filter((complaint) => second.has(complaint));
}

/**
 * @param {Page} page
 * @param {string} seen
 */
async function judge(page, seen) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeCore.source);
  const found = await page.evaluate(async (values) => {
    const axe = /** @type {{ axe: typeof axeCore }} */ (/** @type {unknown} */ (window)).axe;
    const { violations } = await axe.run({ runOnly: { type: 'tag', values } });
    return violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map((node) => `${node.html} (${node.failureSummary})`).join(' | ')}`,
    );
  }, TAGS);
  return found.map((each) => `${seen}: ${each.slice(0, 400)}`);
}
