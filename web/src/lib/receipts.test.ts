import { expect, it } from 'vitest';
import type { Receipt } from '../api/types';
import { sharesOf, verdictShown, verdictText } from './receipts';

function receipt(node: string, rays: number[], verdict: Receipt['verdict'], pay: number): Receipt {
  const results = rays.map((each, unit) => ({ unit, root: '', rays: each }));
  return { commit: { node, results }, verdict, pay } as Receipt;
}

const verified = { verdict: 'verified', pixels: 1200 } as const;
const rejected = { verdict: 'rejected', wrong: 'scene', signed: '', found: '' } as const;

it('adds up who did what, and pays nothing for what was rejected', () => {
  const shares = sharesOf([
    receipt('b', [1], verified, 1),
    receipt('a', [5, 6], verified, 11),
    receipt('a', [7], rejected, 0),
  ]);
  expect(shares).toEqual([
    { node: 'a', leases: 2, rejected: 1, units: 2, rays: 11, pay: 11 },
    { node: 'b', leases: 1, rejected: 0, units: 1, rays: 1, pay: 1 },
  ]);
});

it('says in words what an audit found', () => {
  expect(verdictText(verified)).toBe('1,200 pixels were computed again, all the same');
  expect(verdictText(rejected)).toBe('Another scene was rendered');
  expect(verdictShown(rejected).text).toBe('Rejected');
});
