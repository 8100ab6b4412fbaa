import { startBrowser } from './browser.js';
import { DESKTOP, drawn, look } from './look.js';

/** @import { Browser, Page } from 'playwright-core' */

/** Where the portal answers. */
export const PORTAL = process.env['TESSERA_PORTAL'] ?? 'http://127.0.0.1:5173';

/** Long, since only what is broken is ever waited for so long. */
export const PATIENCE_MS = 300_000;

/** Somebody on the portal, with cookies of their own, and everything that went wrong for them. */
export class Visitor {
  /** @type {string[]} */
  complaints = [];
  #leave;

  /**
   * @param {Page} page
   * @param {() => Promise<void>} leave
   */
  constructor(page, leave) {
    this.page = page;
    this.#leave = leave;
    page.on('pageerror', (error) => this.complaints.push(`error: ${error.message}`));
    page.on('console', (message) => {
      const isRefusal = message.text().startsWith('Failed to load resource');
      if (message.type() === 'error' && !isRefusal) this.complaints.push(message.text());
    });
  }

  /**
   * Comes in a browser that is shared, or in one of their own.
   * @param {Browser} [shared]
   */
  static async arrive(shared) {
    const browser = shared ?? (await startBrowser());
    const context = await browser.newContext({
      viewport: DESKTOP,
      colorScheme: 'light',
      // What moves would be caught in the middle of it.
      reducedMotion: 'reduce',
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const visitor = new Visitor(page, () => (shared ? context.close() : browser.close()));
    await page.goto(PORTAL);
    return visitor;
  }

  /** Arrives in a browser of their own and signs in with the key of an operator. */
  static async signedIn() {
    const visitor = await Visitor.arrive();
    await visitor.signIn();
    return visitor;
  }

  async signIn() {
    const token = process.env['TESSERA_TOKEN'];
    if (!token) throw new Error('Set TESSERA_TOKEN to the operator token of the farm.');
    await this.page.getByRole('button', { name: 'API key' }).click();
    await this.page.getByLabel('API key').fill(token);
    await this.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await this.#enter();
  }

  /**
   * Makes an account, and comes back to it by the cookie alone.
   * @param {string} name
   */
  async signUp(name) {
    const { page } = this;
    await page.getByRole('button', { name: 'Password' }).click();
    await page.getByRole('button', { name: 'Make an account' }).click();
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByLabel('Password', { exact: true }).fill(`four random words of ${name}`);
    await page.locator('button[type=submit]', { hasText: 'Make an account' }).click();
    await this.#enter();
    await page.reload();
    await this.#enter();
    await page.getByRole('heading', { name: `Hello, ${name}`, level: 1 }).waitFor();
  }

  async #enter() {
    await this.page.getByRole('navigation', { name: 'Portal' }).waitFor();
    await this.settle();
  }

  async leave() {
    await this.#leave();
  }

  /**
   * Chooses a place in the menu.
   * @param {string} place its name there
   * @param {string} [title] what its page is called, if otherwise
   */
  async choose(place, title = place) {
    const menu = this.page.getByRole('navigation', { name: 'Portal' });
    await menu.getByRole('link', { name: place, exact: true }).click();
    await this.page.getByRole('heading', { name: title, level: 1 }).waitFor();
    await this.settle();
  }

  /**
   * Goes to a path without loading the page anew, as a link of the portal does.
   * @param {string} path
   */
  async go(path) {
    await this.page.evaluate((to) => {
      history.pushState(null, '', to);
      dispatchEvent(new PopStateEvent('popstate'));
    }, path);
    await this.page.locator('h1').first().waitFor();
    await this.settle();
  }

  /**
   * Presses a button that copies something, and says what is in the clipboard then.
   * @param {string} what as in "Copy the key"
   */
  async copy(what) {
    await this.page.getByRole('button', { name: `Copy ${what}`, exact: true }).click();
    // Screen readers are told, which lasts longer than the button's own word.
    await this.page.getByText(`Copied ${what}`).first().waitFor({ state: 'attached' });
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  /**
   * Saves what a button gives to download.
   * @param {string} button
   * @returns {Promise<{ name: string, path: string }>} what the browser calls it, and where it is
   */
  async download(button) {
    const [file] = await Promise.all([
      this.page.waitForEvent('download'),
      this.page.getByRole('button', { name: button, exact: true }).click(),
    ]);
    return { name: file.suggestedFilename(), path: await file.path() };
  }

  /** Waits until nothing is loading. */
  async settle() {
    await this.page.waitForFunction(() => document.querySelector('.skeleton') === null);
    await drawn(this.page);
  }

  /**
   * Looks at the page from everywhere; what is wrong with it becomes a complaint.
   * @param {string} name
   */
  async look(name) {
    this.complaints.push(...(await look(this.page, name)));
  }
}
