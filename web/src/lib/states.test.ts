import { describe, expect, it } from 'vitest';
import type { Job, JobState, Node } from '../api/types';
import { isOver, nodeState, tileState } from './states';

const node: Node = {
  id: 'ab'.repeat(32),
  name: 'attic',
  device: { backend: 'cpu', device: 'a processor', kernel: '00', conformance: [] },
  class: 'exact',
  last_seen_ms: 1_000_000,
  units_verified: 0,
  rays_verified: 0,
  units_leased: 0,
  record: { verified_since: 0, proven: false, rejections: 0, abandoned: 0 },
};
const soon = node.last_seen_ms + 1000;

describe('a node', () => {
  it('is what it was last heard to do', () => {
    expect(nodeState(node, soon).text).toBe('Idle');
    expect(nodeState({ ...node, units_leased: 3 }, soon).text).toBe('Rendering');
    const report = { rests: { code: 'too_hot' as const, celsius: 91, at_most: 80 } };
    expect(nodeState({ ...node, report, units_leased: 3 }, soon).text).toBe('Resting');
    expect(nodeState({ ...node, report: { rests: null } }, soon).text).toBe('Idle');
    expect(nodeState({ ...node, wish: 'drain', units_leased: 3 }, soon).text).toBe('Finishing');
    expect(nodeState({ ...node, wish: 'drain' }, soon).text).toBe('Finished');
    expect(nodeState({ ...node, wish: 'pause' }, soon).text).toBe('Paused');
  });

  it('is offline after a silence, whatever it did before', () => {
    const late = node.last_seen_ms + 91_000;
    expect(nodeState({ ...node, units_leased: 3 }, late).text).toBe('Offline');
  });
});

it('a job that failed is not over', () => {
  const states: JobState[] = ['active', 'paused', 'failed', 'completed', 'cancelled'];
  const over = states.filter((state) => isOver({ state } as Job));
  expect(over).toEqual(['completed', 'cancelled']);
});

it('a tile is verified only as a whole', () => {
  const tile = {
    x: 0,
    y: 0,
    width: 1,
    height: 1,
    units: 4,
    verified: 0,
    leased: 0,
    submitted: 0,
    nodes: [],
  };
  expect(tileState(tile)).toBe('free');
  expect(tileState({ ...tile, verified: 3 })).toBe('free');
  expect(tileState({ ...tile, verified: 2, submitted: 1 })).toBe('submitted');
  expect(tileState({ ...tile, verified: 2, submitted: 1, leased: 1 })).toBe('leased');
  expect(tileState({ ...tile, verified: 4 })).toBe('verified');
});
