import type { Job } from '../../api/types';
import type { Part } from '../../ui/ProgressBar.svelte';

type Units = Job['units'];

export function unitsOf({ free, leased, submitted, verified }: Units): number {
  return free + leased + submitted + verified;
}

/** The parts of a job's progress bar, what is done first. */
export function unitParts({ verified, submitted, leased }: Units): Part[] {
  return [
    { name: 'verified', value: verified, tone: 'good' },
    { name: 'being checked', value: submitted, tone: 'wait' },
    { name: 'being rendered', value: leased, tone: 'busy' },
  ];
}

/** The units once so many are verified: those were being checked, or rendered, or waited before. */
export function withVerified(units: Units, verified: number): Units {
  let moved = Math.max(0, verified - units.verified);
  const takeFrom = (count: number) => {
    const taken = Math.min(count, moved);
    moved -= taken;
    return count - taken;
  };
  return {
    submitted: takeFrom(units.submitted),
    leased: takeFrom(units.leased),
    free: takeFrom(units.free),
    verified: Math.max(units.verified, verified),
  };
}
