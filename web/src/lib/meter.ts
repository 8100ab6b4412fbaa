/** How fast something goes, and how long it will take. */
export interface Pace {
  perS: number | undefined;
  leftMs: number | undefined;
}

/** Measures something that goes on, over its last seconds. */
export class Meter {
  #marks: { atMs: number; done: number }[] = [];
  readonly #windowMs: number;

  /** `windowMs` is how far back the speed looks. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  at(atMs: number, done: number, total: number): Pace {
    this.#marks.push({ atMs, done });
    while (this.#marks.length > 2 && atMs - (this.#marks[1]?.atMs ?? atMs) >= this.#windowMs) {
      this.#marks.shift();
    }
    const first = this.#marks[0];
    if (!first || atMs - first.atMs < 250) return { perS: undefined, leftMs: undefined };
    const perS = ((done - first.done) * 1000) / (atMs - first.atMs);
    return { perS, leftMs: perS > 0 ? ((total - done) / perS) * 1000 : undefined };
  }
}
