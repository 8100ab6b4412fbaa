import { describe, expect, it } from 'vitest';
import type { Node } from '../api/types';
import { hoursNote, hoursOf } from './hours';

const node: Node = {
  id: 'ab'.repeat(32),
  name: 'attic',
  device: { backend: 'cpu', device: 'a processor', kernel: '00', conformance: [] },
  class: 'exact',
  last_seen_ms: 1_000_000,
  units_verified: 0,
  rays_verified: 0,
  units_leased: 0,
};
const set = { hours: 'never', set_ms: 100 };
const kept = (hours: string, set_ms: number) => ({ hours: { hours, set_ms } });

describe('hours', () => {
  it('are those of the machine where none were set here', () => {
    const report = kept('sat-sun', 0);
    expect(hoursNote({ ...node, report })).toBeUndefined();
    expect(hoursOf({ ...node, report })).toBe('sat-sun');
    expect(hoursOf(node)).toBe('');
  });

  it('are on their way until the node keeps them', () => {
    const before = { ...node, hours: set, report: kept('always', 99) };
    expect(hoursNote(before)?.text).toBe('The node takes “never” over within ten seconds.');
    expect(hoursOf(before)).toBe('never');
    const after = { ...node, hours: set, report: kept('never', 100) };
    expect(hoursNote(after)).toBeUndefined();
  });

  it('are those of the machine where they were set there later', () => {
    const there = { ...node, hours: set, report: kept('tue', 101) };
    expect(hoursNote(there)).toBeUndefined();
    expect(hoursOf(there)).toBe('tue');
  });

  it('wait for a node that is away, and for one that can take them', () => {
    expect(hoursNote({ ...node, hours: set })?.text).toContain('not heard');
    expect(hoursNote({ ...node, hours: set, report: {} })?.tone).toBe('bad');
    const report = { ...kept('always', 0), cannot_set_hours: true };
    expect(hoursNote({ ...node, hours: set, report })?.text).toContain('its log says why');
  });
});
