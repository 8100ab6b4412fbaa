import { untrack } from 'svelte';
import { ApiProblem, asProblem } from '../api/problem';

/** Something that a page loads, shows, and loads again. */
export class Resource<Data> {
  data = $state.raw<Data | undefined>(undefined);
  problem = $state.raw<ApiProblem | undefined>(undefined);
  readonly #load: () => Promise<Data>;
  #asked = 0;
  #newest: Promise<void> | undefined;

  constructor(load: () => Promise<Data>) {
    this.#load = load;
  }

  get isLoading(): boolean {
    return this.data === undefined && this.problem === undefined;
  }

  /**
   * Loads once more; of several answers on their way the newest asked for counts. Ends once that is there.
   */
  refresh = (): Promise<void> => (this.#newest = this.#read());

  async #read(): Promise<void> {
    const turn = (this.#asked += 1);
    try {
      const data = await this.#load();
      if (turn !== this.#asked) return this.#newest;
      this.data = data;
      this.problem = undefined;
    } catch (error) {
      if (turn !== this.#asked) return this.#newest;
      this.problem = asProblem(error);
    }
  }
}

/**
 * Loads now, whenever what `load` reads changes, and every `everyMs` while the page is seen. Call it
 * while a component is set up.
 */
export function resource<Data>(load: () => Promise<Data>, everyMs?: number): Resource<Data> {
  const made = new Resource(load);
  keepFresh(made.refresh, everyMs);
  return made;
}

/** Runs `refresh` as `resource` does. */
export function keepFresh(refresh: () => unknown, everyMs?: number): void {
  $effect(() => {
    void refresh();
    if (everyMs === undefined) return;
    const timer = setInterval(() => {
      if (!document.hidden) untrack(() => void refresh());
    }, everyMs);
    return () => clearInterval(timer);
  });
}
