import { SvelteMap } from 'svelte/reactivity';
import type { StreamKey } from '../../api/types';

/** Keys that were just made, by stream: the farm never shows them again, so this tab keeps them while it is open. */
export const shownKeys = new SvelteMap<string, StreamKey>();
