import { expect, it } from 'vitest';
import { ApiProblem } from '../api/problem';
import { GrowingList } from './growing.svelte';

/** A list of the numbers below `length`, three to a page, whose cursor is the next number. */
function numbers(length: () => number) {
  const asked: (string | undefined)[] = [];
  const list = new GrowingList<number>((cursor) => {
    asked.push(cursor);
    const from = Number(cursor ?? 0);
    const to = Math.min(length(), from + 3);
    const data = Array.from({ length: to - from }, (_, index) => from + index);
    return Promise.resolve({ data, next_cursor: to < length() ? String(to) : null });
  });
  return { list, asked };
}

it('reads on from its last page', async () => {
  let length = 7;
  const { list, asked } = numbers(() => length);
  await list.refresh();
  expect(list.items).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(asked).toEqual([undefined, '3', '6']);
  length = 11;
  await list.refresh();
  expect(list.items).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(asked.slice(3)).toEqual(['6', '9']);
});

it('keeps what it has when a page cannot be had', async () => {
  let isDown = false;
  const list = new GrowingList<number>(() =>
    isDown ? Promise.reject(new TypeError()) : Promise.resolve({ data: [1] }),
  );
  await list.refresh();
  isDown = true;
  await list.refresh();
  expect(list.items).toEqual([1]);
  expect(list.problem).toBeInstanceOf(ApiProblem);
});
