import type { Receipt, Verdict } from '../api/types';
import { count } from './format';
import type { Shown } from './states';

/** What an audit found, in words. */
export function verdictText(verdict: Verdict): string {
  switch (verdict.verdict) {
    case 'verified':
      return `${count(verdict.pixels)} pixels were computed again, all the same`;
    case 'alike':
      return verdict.enters ? 'Alike with another node’s, and used' : 'Alike with another node’s';
    case 'rejected':
      return wrongText(verdict);
  }
}

function wrongText(wrong: Extract<Verdict, { verdict: 'rejected' }>): string {
  switch (wrong.wrong) {
    case 'scene':
      return 'Another scene was rendered';
    case 'pixel':
      return `Pixel ${wrong.x}, ${wrong.y} of frame ${wrong.frame} is wrong`;
    case 'unlike':
      return `Only ${count(wrong.within)} of ${count(wrong.looked)} pixels are within tolerance`;
  }
}

export function verdictShown(verdict: Verdict): Shown {
  return verdict.verdict === 'rejected'
    ? { tone: 'bad', icon: 'alert', text: 'Rejected' }
    : { tone: 'good', icon: 'check', text: 'Verified' };
}

export function raysOf(receipt: Receipt): number {
  return receipt.commit.results.reduce((sum, result) => sum + result.rays, 0);
}

/** What one node did for a job. */
export interface Share {
  node: string;
  leases: number;
  rejected: number;
  units: number;
  rays: number;
  pay: number;
}

/** Who worked on a job, most work first. */
export function sharesOf(receipts: Receipt[]): Share[] {
  const shares = new Map<string, Share>();
  for (const receipt of receipts) {
    const { node, results } = receipt.commit;
    const share = shares.get(node) ?? { node, leases: 0, rejected: 0, units: 0, rays: 0, pay: 0 };
    const counts = receipt.verdict.verdict !== 'rejected';
    share.leases += 1;
    share.rejected += counts ? 0 : 1;
    share.units += counts ? results.length : 0;
    share.rays += counts ? raysOf(receipt) : 0;
    share.pay += receipt.pay;
    shares.set(node, share);
  }
  return [...shares.values()].sort((a, b) => b.rays - a.rays);
}
