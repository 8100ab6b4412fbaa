import { expect, it } from 'vitest';
import { advice, asProblem, problemFrom, problemOf } from './problem';

const refusal = {
  type: '/problems/scene-refused',
  title: 'The scene cannot be rendered',
  detail: 'It requires KHR_draco_mesh_compression.',
  status: 422,
};

it('keeps the words of the API, and its code', async () => {
  const problem = await problemOf(Response.json(refusal, { status: 422 }));
  expect(problem.code).toBe('scene-refused');
  expect(problem.title).toBe(refusal.title);
  expect(problem.detail).toBe(refusal.detail);
});

it('says so where an answer explains nothing', async () => {
  const problem = await problemOf(new Response('<html>', { status: 502 }));
  expect(problem.status).toBe(502);
  expect(advice(problem)).toBe('Try again in a moment.');
});

it('tells when to try again', () => {
  expect(advice(problemFrom(refusal, 429, '7'))).toBe('Try again in 7 s.');
});

it('takes a broken connection for a farm that does not answer', () => {
  expect(asProblem(new TypeError('fetch failed')).code).toBe('unreachable');
});
