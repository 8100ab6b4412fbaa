import { expect, it } from 'vitest';
import { framesOfClip, parseFrames, writeFrames } from './frames';

it('reads one frame or a span', () => {
  expect(parseFrames('7')).toEqual({ first: 7, last: 7 });
  expect(parseFrames(' 0 - 47 ')).toEqual({ first: 0, last: 47 });
  expect(parseFrames('0–47')).toEqual({ first: 0, last: 47 });
  for (const text of ['', '5-4', 'a', '1-2-3', '-1', '99999999999', '4294967296']) {
    expect(parseFrames(text), text).toBeUndefined();
  }
});

it('writes them the same way', () => {
  expect(writeFrames({ first: 3, last: 3 })).toBe('3');
  expect(writeFrames({ first: 0, last: 47 })).toBe('0–47');
});

it('cuts a clip into its frames', () => {
  expect(framesOfClip(2, 24)).toEqual({ first: 0, last: 47 });
  expect(framesOfClip(0, 24)).toEqual({ first: 0, last: 0 });
});
