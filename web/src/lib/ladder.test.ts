import { expect, it } from 'vitest';
import { faults, PRESETS, renditions, type Rung, rungName } from './ladder';

const good: Rung = { height: 720, kbitPerS: 2800, codec: 'h264', maxFps: undefined };

it('presets can be sent as they are', () => {
  for (const preset of PRESETS) expect(faults(preset.rungs)).toEqual([]);
});

it('renditions are named as the command line names them', () => {
  expect(rungName(good)).toBe('720p');
  expect(rungName({ ...good, maxFps: 30 })).toBe('720p30');
  expect(rungName({ ...good, codec: 'av1' })).toBe('720p-av1');
  expect(renditions([good])).toEqual([
    { name: '720p', height: 720, bits_per_s: 2_800_000, codec: 'h264', max_fps: null },
  ]);
});

it('what the farm would refuse is named before', () => {
  expect(faults([])).toHaveLength(1);
  expect(faults([good, good])).toEqual(['720p is there twice.']);
  expect(faults([{ ...good, height: 721 }])).toHaveLength(1);
  expect(faults([{ ...good, kbitPerS: 49 }])).toHaveLength(1);
  expect(faults([{ ...good, maxFps: 0 }])).toHaveLength(1);
  expect(faults([{ ...good, height: Number.NaN }])).toHaveLength(1);
});
