import { expect, it } from 'vitest';
import { Meter } from './meter';

it('says nothing before it has seen enough', () => {
  const meter = new Meter(5000);
  expect(meter.at(0, 0, 1000)).toEqual({ perS: undefined, leftMs: undefined });
  expect(meter.at(100, 50, 1000).perS).toBeUndefined();
});

it('tells speed and time left from the last seconds', () => {
  const meter = new Meter(5000);
  meter.at(0, 0, 100_000);
  for (let second = 1; second <= 20; second += 1) meter.at(second * 1000, second * 100, 100_000);
  for (let second = 21; second <= 30; second += 1) {
    meter.at(second * 1000, 2000 + (second - 20) * 1000, 100_000);
  }
  const pace = meter.at(31_000, 13_000, 100_000);
  expect(pace.perS).toBeCloseTo(1000);
  expect(pace.leftMs).toBeCloseTo(87_000);
});

it('promises no end while nothing moves', () => {
  const meter = new Meter(5000);
  meter.at(0, 10, 100);
  expect(meter.at(1000, 10, 100)).toEqual({ perS: 0, leftMs: undefined });
});
