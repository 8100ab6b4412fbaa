import { expect, it } from 'vitest';
import { Resource } from './resource.svelte';

it('ends with the newest answer, whichever was asked for', async () => {
  const answers: ((answer: number) => void)[] = [];
  const made = new Resource(() => new Promise<number>((answer) => answers.push(answer)));
  const [first, second] = [made.refresh(), made.refresh()];
  let isOver = false;
  void first.then(() => (isOver = true));
  answers[0]?.(1);
  await new Promise((done) => setTimeout(done));
  expect([isOver, made.data]).toEqual([false, undefined]);
  answers[1]?.(2);
  await Promise.all([first, second]);
  expect(made.data).toBe(2);
});
