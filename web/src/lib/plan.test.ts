import { describe, expect, it } from 'vitest';
import { frameCount, type PlanSpec, unitOf, unitsPerFrame } from './plan';

function spec(frames: number): PlanSpec {
  return {
    frames: { first: 10, last: 9 + frames },
    tile: 64,
    samples_per_unit: 16,
    settings: { width: 100, height: 70, spp: 40 },
  };
}

describe('a plan', () => {
  it('shows the first frame, the last, then middles', () => {
    const one = spec(9);
    const order = Array.from(
      { length: 9 },
      (_, place) => unitOf(one, place * unitsPerFrame(one)).frame,
    );
    expect(order).toEqual([10, 18, 14, 12, 16, 11, 13, 15, 17]);
  });

  it('visits every frame once, whatever their number', () => {
    for (let frames = 1; frames <= 70; frames += 1) {
      const one = spec(frames);
      const seen = new Set<number>();
      for (let place = 0; place < frames; place += 1) {
        seen.add(unitOf(one, place * unitsPerFrame(one)).frame);
      }
      expect(seen.size).toBe(frameCount(one));
    }
  });

  it('goes tile by tile, and within a tile range by range', () => {
    const one = spec(1);
    expect(unitsPerFrame(one)).toBe(2 * 2 * 3);
    expect(unitOf(one, 0)).toMatchObject({ x: 0, y: 0, samples: { start: 0, end: 16 } });
    expect(unitOf(one, 2)).toMatchObject({ x: 0, y: 0, samples: { start: 32, end: 40 } });
    expect(unitOf(one, 3)).toMatchObject({ x: 64, y: 0 });
    expect(unitOf(one, 11)).toMatchObject({ x: 64, y: 64, samples: { start: 32, end: 40 } });
  });
});
