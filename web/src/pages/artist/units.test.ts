import { expect, it } from 'vitest';
import { unitsOf, withVerified } from './units';

const units = { free: 10, leased: 4, submitted: 3, verified: 1 };

it('what is verified leaves where it was, and the whole stays the same', () => {
  expect(withVerified(units, 3)).toEqual({ free: 10, leased: 4, submitted: 1, verified: 3 });
  expect(withVerified(units, 9)).toEqual({ free: 9, leased: 0, submitted: 0, verified: 9 });
  for (let verified = 0; verified <= 18; verified += 1) {
    expect(unitsOf(withVerified(units, verified))).toBe(18);
  }
});

it('an event from before changes nothing', () => {
  expect(withVerified(units, 0)).toEqual(units);
});
