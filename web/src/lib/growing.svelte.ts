import { ApiProblem, asProblem } from '../api/problem';
import type { Page } from './pages.svelte';

/** A list that grows at its end. Each refresh reads on from its last page. */
export class GrowingList<Item> {
  items = $state.raw<Item[] | undefined>(undefined);
  problem = $state.raw<ApiProblem | undefined>(undefined);
  readonly #load: (cursor: string | undefined) => Promise<Page<Item>>;
  /** What asks for the last page, and how many items lie before it. */
  #last: { cursor: string | undefined; before: number } = { cursor: undefined, before: 0 };
  #isReading = false;

  constructor(load: (cursor: string | undefined) => Promise<Page<Item>>) {
    this.#load = load;
  }

  get isLoading(): boolean {
    return this.items === undefined && this.problem === undefined;
  }

  refresh = async (): Promise<void> => {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (await this.#readPage());
      this.problem = undefined;
    } catch (error) {
      this.problem = asProblem(error);
    } finally {
      this.#isReading = false;
    }
  };

  /** Reads the last page once more; whether another follows it. */
  async #readPage(): Promise<boolean> {
    const { cursor, before } = this.#last;
    const page = await this.#load(cursor);
    this.items = [...(this.items ?? []).slice(0, before), ...page.data];
    if (!page.next_cursor) return false;
    this.#last = { cursor: page.next_cursor, before: before + page.data.length };
    return true;
  }
}
