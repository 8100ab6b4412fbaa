import { ApiProblem, asProblem } from '../api/problem';
import { keepFresh } from './resource.svelte';

export interface Page<Item> {
  data: Item[];
  next_cursor?: string | null;
}

type LoadPage<Item> = (cursor: string | undefined) => Promise<Page<Item>>;

/** A list that is loaded page by page, newest first. */
export class Pages<Item> {
  items = $state.raw<Item[] | undefined>(undefined);
  next = $state.raw<string | undefined>(undefined);
  problem = $state.raw<ApiProblem | undefined>(undefined);
  readonly #load: LoadPage<Item>;
  readonly #id: (item: Item) => unknown;

  constructor(load: LoadPage<Item>, id: (item: Item) => unknown) {
    this.#load = load;
    this.#id = id;
  }

  get isLoading(): boolean {
    return this.items === undefined && this.problem === undefined;
  }

  /** Loads the first page again and keeps what further pages brought. */
  refresh = async (): Promise<void> => {
    await this.#try(async () => {
      const page = await this.#load(undefined);
      const fresh = new Set(page.data.map(this.#id));
      const older = (this.items ?? []).filter((item) => !fresh.has(this.#id(item)));
      const isOnlyPage = older.length === 0;
      if (isOnlyPage || this.items === undefined) this.next = page.next_cursor ?? undefined;
      this.items = page.next_cursor ? [...page.data, ...older] : page.data;
    });
  };

  more = async (): Promise<void> => {
    const cursor = this.next;
    if (cursor === undefined) return;
    await this.#try(async () => {
      const page = await this.#load(cursor);
      this.items = [...(this.items ?? []), ...page.data];
      this.next = page.next_cursor ?? undefined;
    });
  };

  /** Loads pages until there are no more, or `most` items are here. */
  all = async (most: number): Promise<void> => {
    await this.refresh();
    while (
      this.next !== undefined &&
      this.problem === undefined &&
      (this.items?.length ?? 0) < most
    ) {
      await this.more();
    }
  };

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.problem = undefined;
    } catch (error) {
      this.problem = asProblem(error);
    }
  }
}

/** As `resource`, for lists. */
export function pages<Item>(
  load: LoadPage<Item>,
  id: (item: Item) => unknown,
  everyMs?: number,
): Pages<Item> {
  const made = new Pages(load, id);
  keepFresh(made.refresh, everyMs);
  return made;
}
