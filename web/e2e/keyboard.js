import { drawn } from './look.js';

/** @import { CDPSession, Page } from 'playwright-core' */
/** @import { Visitor } from './visitor.js' */
/** @typedef {Parameters<Page['getByRole']>[0]} Role */
/**
 * @typedef {object} Stop where the focus is
 * @property {number} number the element's, the same for as long as it is there; 0 where nothing has the focus
 * @property {string} role
 * @property {string} name
 */

/** How many stops the controls of a player have at most, which the browser makes. */
const IN_A_PLAYER = 16;
/** Stops over which it is still nobody's fault: the page itself, and what came meanwhile. */
const SLACK = 8;

/**
 * The hands of somebody who has a keyboard and no pointer. Each place where Tab stops is judged: it has a name,
 * it is to be seen, and that it has the focus is to be seen, too. What is not so becomes a complaint.
 */
export class Keyboard {
  #session;
  #visitor;

  /**
   * @param {Visitor} visitor
   * @param {CDPSession} session
   */
  constructor(visitor, session) {
    this.#visitor = visitor;
    this.#session = session;
    this.page = visitor.page;
  }

  /** @param {Visitor} visitor */
  static async of(visitor) {
    // Else each file would race with the browser's being told to hand it over.
    visitor.page.on('filechooser', () => undefined);
    return new Keyboard(visitor, await visitor.page.context().newCDPSession(visitor.page));
  }

  /**
   * Goes one stop on, or back.
   * @param {'Tab' | 'Shift+Tab'} [key]
   * @returns {Promise<Stop>}
   */
  async tab(key = 'Tab') {
    // How everything looks without the focus is noted before.
    await this.page.evaluate(survey);
    return this.#next(key);
  }

  /**
   * @param {'Tab' | 'Shift+Tab'} key
   * @returns {Promise<Stop>}
   */
  async #next(key) {
    await this.page.keyboard.press(key);
    let at = await this.page.evaluate(survey);
    if (at.faults.length > 0) {
      // A link that only appears with the focus may be on its way, which takes no time and still some frames.
      await this.page.evaluate(async () => {
        await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
      });
      await drawn(this.page);
      at = await this.page.evaluate(survey);
    }
    const { number, what, faults } = at;
    if (number === 0) return { number, role: '', name: '' };
    const stop = { number, ...(await this.#named()) };
    if (stop.name === '') faults.push('has no name');
    const where = new URL(this.page.url()).pathname;
    for (const fault of faults) this.#complain(`${where}: ${stop.role} ${what} ${fault}`);
    return stop;
  }

  /** @param {string} complaint */
  #complain(complaint) {
    if (!this.#visitor.complaints.includes(complaint)) this.#visitor.complaints.push(complaint);
  }

  /** What the browser tells a screen reader of what has the focus. */
  async #named() {
    const { result } = await this.#session.send('Runtime.evaluate', {
      expression: 'document.activeElement',
    });
    const { nodes } = await this.#session.send('Accessibility.getPartialAXTree', {
      objectId: result.objectId ?? '',
      fetchRelatives: false,
    });
    return { role: String(nodes[0]?.role?.value), name: String(nodes[0]?.name?.value ?? '') };
  }

  /**
   * Goes on until a control has the focus.
   * @param {string} role what the browser calls it, or begins to
   * @param {string | RegExp} name
   * @param {'Tab' | 'Shift+Tab'} [key]
   */
  async to(role, name, key = 'Tab') {
    const most = await this.#most();
    const met = [];
    for (let pressed = 0; pressed < 2 * most; pressed += 1) {
      const stop = await this.#next(key);
      met.push(`${stop.role} "${stop.name}"`);
      const isNamed = name instanceof RegExp ? name.test(stop.name) : name === stop.name;
      if (isNamed && stop.role.startsWith(role)) return;
    }
    throw new Error(`${key} does not lead to ${role} "${name}", only to:\n  ${met.join('\n  ')}`);
  }

  /** Within how many stops all of the page must be met. */
  async #most() {
    const { reach, players } = await this.page.evaluate(survey);
    return reach.length + players * IN_A_PLAYER + SLACK;
  }

  /**
   * Goes through all of the page, or of the dialog that is open, and back again: each control is met, and the
   * first comes again after the last.
   * @param {string} where what it is called in complaints
   */
  async around(where) {
    for (const key of /** @type {const} */ (['Tab', 'Shift+Tab'])) {
      const met = await this.#once(key, where);
      const before = new Set(met.before);
      const { reach } = await this.page.evaluate(survey);
      for (const { number, what } of reach) {
        // What came or went meanwhile is met the next time.
        if (before.has(number) && !met.stops.has(number))
          this.#complain(`${where}: ${key} does not lead to ${what}`);
      }
    }
  }

  /**
   * From the first stop once round to it.
   * @param {'Tab' | 'Shift+Tab'} key
   * @param {string} where
   */
  async #once(key, where) {
    const most = await this.#most();
    const { reach, number } = await this.page.evaluate(survey);
    const first = reach[0]?.number;
    if (number !== first) await this.#until(key, where, 2 * most, first);
    return {
      before: reach.map(({ number }) => number),
      stops: await this.#until(key, where, most, first),
    };
  }

  /**
   * Goes on until an element has the focus; where it stopped.
   * @param {'Tab' | 'Shift+Tab'} key
   * @param {string} where
   * @param {number} most
   * @param {number | undefined} wanted
   */
  async #until(key, where, most, wanted) {
    const stops = new Set();
    for (let pressed = 0; pressed < most; pressed += 1) {
      const { number } = await this.#next(key);
      stops.add(number);
      if (number === wanted) return stops;
    }
    throw new Error(`${where}: ${most} times ${key} never come back to the beginning`);
  }

  /** @param {string[]} keys */
  async press(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /**
   * Goes to a field, and types over what is in it.
   * @param {string} role
   * @param {string} name
   * @param {string} text
   */
  async fill(role, name, text) {
    await this.to(role, name);
    await this.press('Control+A');
    await this.page.keyboard.type(text);
  }

  /**
   * Goes to a button or link, and presses Enter.
   * @param {string} role
   * @param {string | RegExp} name
   * @param {'Tab' | 'Shift+Tab'} [key]
   */
  async enter(role, name, key = 'Tab') {
    await this.to(role, name, key);
    await this.press('Enter');
  }

  /**
   * Waits until a control has the focus by itself.
   * @param {Role} role
   * @param {string | RegExp} name
   */
  async holds(role, name) {
    const exact = typeof name === 'string';
    const control = this.page.getByRole(role, { name, exact });
    await control.and(this.page.locator(':focus')).waitFor();
  }

  /**
   * Waits until a page is there, with the focus on its heading.
   * @param {string | RegExp} title
   */
  async arrives(title) {
    await this.holds('heading', title);
    await this.#visitor.settle();
  }

  /**
   * Opens a file by the control that has the focus.
   * @param {'Enter' | 'Space'} key
   * @param {string} path
   */
  async choose(key, path) {
    const [chooser] = await Promise.all([this.page.waitForEvent('filechooser'), this.press(key)]);
    await chooser.setFiles(path);
  }

  /**
   * Presses a button that copies something, and says what is in the clipboard then.
   * @param {string} what as in "Copy the key"
   */
  async copy(what) {
    await this.enter('button', `Copy ${what}`);
    await this.page.getByText(`Copied ${what}`).first().waitFor({ state: 'attached' });
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  /**
   * Asks something that is only done after a question, leaves the question by Escape, and then says yes.
   * @param {string} button what opens it
   * @param {string | RegExp} question
   * @param {string} yes
   */
  async confirms(button, question, yes) {
    await this.enter('button', button);
    await this.#inDialog(question);
    await this.around(`the question ${question}`);
    await this.press('Escape');
    await this.holds('button', button);
    await this.press('Enter');
    await this.#inDialog(question);
    await this.enter('button', yes);
  }

  /** @param {string | RegExp} title */
  async #inDialog(title) {
    const dialog = this.page.getByRole('dialog', { name: title });
    await dialog.locator(':focus').waitFor();
  }
}

/**
 * Notes how everything that Tab may lead to looks, and judges what has the focus. It runs in the page, and so
 * has all it needs in itself.
 */
function survey() {
  const own =
    /** @type {{ walked?: { numbers: WeakMap<Element, number>, looks: WeakMap<Element, string>, count: number } }} */ (
      /** @type {unknown} */ (window)
    );
  own.walked ??= { numbers: new WeakMap(), looks: new WeakMap(), count: 0 };
  const { walked } = own;
  /** @param {Element} element */
  const numberOf = (element) => {
    if (!walked.numbers.has(element)) walked.numbers.set(element, (walked.count += 1));
    return walked.numbers.get(element) ?? 0;
  };
  /** @param {Element} element */
  const lookOf = (element) => {
    const { outlineStyle, outlineWidth, outlineColor, boxShadow } = getComputedStyle(element);
    return `${outlineStyle} ${outlineWidth} ${outlineColor} ${boxShadow}`;
  };
  /** @param {Element} element */
  const tagOf = (element) => /** @type {Element} */ (element.cloneNode()).outerHTML.slice(0, 160);

  /** @param {HTMLElement} element */
  const isStop = (element) => {
    const isPlayer = element.matches('video');
    if ((element.tabIndex < 0 && !isPlayer) || element.matches(':disabled')) return false;
    if (!element.checkVisibility({ visibilityProperty: true })) return false;
    if (!element.matches('input[type=radio]')) return true;
    // Of radio buttons that belong together one is a stop.
    const { name } = /** @type {HTMLInputElement} */ (element);
    /** @type {HTMLInputElement[]} */
    const group = Array.from(document.querySelectorAll(`input[type=radio][name="${name}"]`));
    return element === (group.find(({ checked }) => checked) ?? group[0]);
  };
  const kinds = 'a[href], button, input, select, textarea, summary, video[controls], [tabindex]';
  const scope = document.querySelector('dialog[open]') ?? document;
  /** @type {HTMLElement[]} */
  const stops = Array.from(scope.querySelectorAll(kinds));
  const reach = stops.filter(isStop);
  const at = document.activeElement;
  for (const each of reach) if (each !== at) walked.looks.set(each, lookOf(each));
  const found = {
    reach: reach.map((each) => ({ number: numberOf(each), what: tagOf(each) })),
    players: reach.filter((each) => each.matches('video')).length,
  };
  if (!at || at === document.body) return { ...found, number: 0, what: '', faults: [] };

  /** @type {string[]} */
  const faults = [];
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(at);
  const isOutlined = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
  const isMarked = isOutlined || boxShadow !== 'none';
  // What is inside a player the browser marks itself, where no style is to be read.
  const isInside = at.matches('video:not(:focus)');
  if (!isInside && (!isMarked || walked.looks.get(at) === lookOf(at)))
    faults.push('looks the same with the focus');
  const box = at.getClientRects()[0];
  if (!box || box.width < 1 || box.height < 1) {
    faults.push('has the focus and no size');
  } else {
    const [left, right] = [Math.max(0, box.left), Math.min(innerWidth, box.right)];
    const [top, bottom] = [Math.max(0, box.top), Math.min(innerHeight, box.bottom)];
    const seen = [0.5, 0.1, 0.9].flatMap((across) =>
      [0.5, 0.1, 0.9].map((down) => {
        const x = left + across * (right - left);
        const hit = document.elementFromPoint(x, top + down * (bottom - top));
        return hit !== null && (at.contains(hit) || hit.contains(at));
      }),
    );
    if (left >= right || top >= bottom) faults.push('has the focus outside the window');
    else if (!seen.includes(true)) faults.push('has the focus under something else');
  }
  return { ...found, number: numberOf(at), what: tagOf(at), faults };
}
