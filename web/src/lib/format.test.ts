import { describe, expect, it } from 'vitest';
import {
  ago,
  amount,
  bitrate,
  bytes,
  duration,
  parseAmount,
  percent,
  plural,
  rayPrice,
  shortId,
} from './format';

describe('amounts', () => {
  it('are tokens without decimals that say nothing', () => {
    expect(amount(0)).toBe('0');
    expect(amount(1)).toBe('0.000001');
    expect(amount(1_500_000)).toBe('1.5');
    expect(amount(1_234_000_000)).toBe('1,234');
    expect(amount(-12_345_678)).toBe('−12.345678');
  });

  it('of prices say what a ray counts as, unless it counts once', () => {
    expect(rayPrice(80_000, 1370)).toBe('0.08 for 10⁹ rays, each counted 1.37 times');
    expect(rayPrice(80_000, 1000)).toBe('0.08 for 10⁹ rays');
  });

  it('are read as people write them', () => {
    expect(parseAmount('12.5')).toBe(12_500_000);
    expect(parseAmount(' 0.000001 ')).toBe(1);
    expect(parseAmount('3')).toBe(3_000_000);
    for (const text of ['', '.5', '1.', '1,5', '0.0000001', '-1', '1e3']) {
      expect(parseAmount(text), text).toBeUndefined();
    }
  });
});

describe('shares', () => {
  it('never hide a beginning or claim an end', () => {
    expect(percent(0, 1000)).toBe('0 %');
    expect(percent(1, 1000)).toBe('<1 %');
    expect(percent(999, 1000)).toBe('99 %');
    expect(percent(1000, 1000)).toBe('100 %');
    expect(percent(0, 0)).toBe('0 %');
  });
});

describe('times', () => {
  it('are told in their largest units', () => {
    expect(duration(42_000)).toBe('42 s');
    expect(duration(125_000)).toBe('2 min 5 s');
    expect(duration(3_700_000)).toBe('1 h 1 min');
    expect(duration(90_000_000)).toBe('1 d 1 h');
    expect(ago(0, 4000)).toBe('now');
    expect(ago(0, 59_000)).toBe('59 s ago');
    expect(ago(0, 7_300_000)).toBe('2 h ago');
    expect(ago(590_000, 0)).toBe('in 9 min');
  });
});

it('sizes and rates keep three digits', () => {
  expect(bytes(999)).toBe('999 B');
  expect(bytes(1_250_000)).toBe('1.3 MB');
  expect(bytes(250_000_000)).toBe('250 MB');
  expect(bitrate(2_800_000)).toBe('2.8 Mbit/s');
  expect(bitrate(400_000)).toBe('400 kbit/s');
});

it('words follow their number, and ids are cut in the middle', () => {
  expect(plural(1, 'tile')).toBe('1 tile');
  expect(plural(1200, 'tile')).toBe('1,200 tiles');
  expect(shortId('0123456789abcdef0123')).toBe('01234567…0123');
  expect(shortId('0123456789abcd')).toBe('0123456789abcd');
});
