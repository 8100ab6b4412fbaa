import { api, take } from '../../api/client';
import type { Node } from '../../api/types';
import { pages, type Pages } from '../../lib/pages.svelte';

/** The nodes of whoever is signed in; all of them for an operator. Call it while a component is set up. */
export function nodePages(everyMs: number): Pages<Node> {
  return pages<Node>(
    (cursor) => take(api.GET('/v1/nodes', { params: { query: cursor ? { cursor } : {} } })),
    (node) => node.id,
    everyMs,
  );
}
