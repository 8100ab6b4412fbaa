import axeCore from 'axe-core';
import { mkdirSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';

/** Where the portal answers, who signs in, and where pictures go. */
export const PORTAL = process.env['TESSERA_PORTAL'] ?? 'http://127.0.0.1:5173';
const SHOTS = new URL('./shots/', import.meta.url).pathname;
const WIDTHS = [1360, 390] as const;

/** A browser on the portal, and everything that went wrong in it. */
export class Visitor {
  readonly complaints: string[] = [];
  readonly page: Page;
  readonly #browser: Browser;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(`error: ${error.message}`));
    page.on('console', (message) => {
      const isRefusal = message.text().startsWith('Failed to load resource');
      if (message.type() === 'error' && !isRefusal) this.complaints.push(message.text());
    });
    mkdirSync(SHOTS, { recursive: true });
  }

  static async arrive(): Promise<Visitor> {
    const browser = await chromium.launch({
      executablePath: process.env['TESSERA_CHROMIUM'] ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--use-gl=angle',
        '--use-angle=swiftshader',
        '--enable-unsafe-swiftshader',
      ],
    });
    const context = await browser.newContext({
      viewport: { width: WIDTHS[0], height: 900 },
      colorScheme: 'light',
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(PORTAL);
    return new Visitor(browser, page);
  }

  /** Arrives and signs in with the key of an operator. */
  static async signedIn(): Promise<Visitor> {
    const visitor = await Visitor.arrive();
    await visitor.signIn();
    return visitor;
  }

  async signIn(): Promise<void> {
    const token = process.env['TESSERA_TOKEN'];
    if (!token) throw new Error('Set TESSERA_TOKEN to the operator token of the farm.');
    await this.page.getByRole('button', { name: 'API key' }).click();
    await this.page.getByLabel('API key').fill(token);
    await this.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await this.page.getByRole('navigation', { name: 'Portal' }).waitFor();
    await this.settle();
  }

  async leave(): Promise<void> {
    await this.#browser.close();
  }

  /** Goes to a path without loading the page anew, as a link of the portal does. */
  async go(path: string): Promise<void> {
    await this.page.evaluate((to) => {
      history.pushState(null, '', to);
      dispatchEvent(new PopStateEvent('popstate'));
    }, path);
    await this.page.locator('h1').first().waitFor();
    await this.settle();
  }

  /** Waits until nothing is loading. */
  async settle(): Promise<void> {
    await this.page.waitForFunction(() => document.querySelector('.skeleton') === null);
    await this.page.waitForTimeout(400);
  }

  /** Looks at the page in both themes and widths: pictures, what sticks out, and what axe finds. */
  async look(name: string): Promise<void> {
    for (const theme of ['light', 'dark'] as const) {
      await this.#wear(theme);
      for (const width of WIDTHS) {
        await this.page.setViewportSize({ width, height: width < 500 ? 844 : 900 });
        await this.page.waitForTimeout(250);
        await this.page.screenshot({
          path: `${SHOTS}${name}-${theme}-${width}.png`,
          fullPage: true,
        });
        await this.#measure(`${name} at ${width}`);
        await this.#judge(`${name}, ${theme}, ${width}`);
      }
    }
    await this.#wear('light');
    await this.page.setViewportSize({ width: WIDTHS[0], height: 900 });
  }

  async #wear(theme: 'light' | 'dark'): Promise<void> {
    await this.page.evaluate(
      (chosen) => (document.documentElement.dataset['theme'] = chosen),
      theme,
    );
    await this.page.waitForTimeout(150);
  }

  async #measure(where: string): Promise<void> {
    const over = await this.page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    if (over > 0) this.complaints.push(`${where}: ${over} pixels too wide`);
  }

  async #judge(where: string): Promise<void> {
    if (!(await this.page.evaluate(() => 'axe' in window)))
      await this.page.evaluate(axeCore.source);
    const found = await this.page.evaluate(async () => {
      const axe = (window as unknown as { axe: typeof axeCore }).axe;
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
      const { violations } = await axe.run({ runOnly: { type: 'tag', values: tags } });
      return violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`,
      );
    });
    for (const each of found) this.complaints.push(`${where}: ${each.slice(0, 400)}`);
  }
}
