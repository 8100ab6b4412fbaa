import type { Delivery, Job, JobState, Node, Payout, StreamState, Tile } from '../api/types';

/** How a state is shown: never by colour alone. */
export interface Shown {
  tone: 'good' | 'busy' | 'wait' | 'bad' | 'held' | 'calm';
  icon: IconName;
  text: string;
}

export type IconName =
  | 'alert'
  | 'back'
  | 'bolt'
  | 'book'
  | 'cast'
  | 'check'
  | 'chevron'
  | 'clock'
  | 'close'
  | 'coins'
  | 'copy'
  | 'cpu'
  | 'download'
  | 'film'
  | 'gate'
  | 'grid'
  | 'help'
  | 'home'
  | 'hook'
  | 'info'
  | 'key'
  | 'list'
  | 'menu'
  | 'moon'
  | 'off'
  | 'out'
  | 'pause'
  | 'play'
  | 'plus'
  | 'scale'
  | 'search'
  | 'stop'
  | 'sun'
  | 'trash'
  | 'turn'
  | 'upload'
  | 'user';

export const JOB_STATES: Record<JobState, Shown> = {
  active: { tone: 'busy', icon: 'play', text: 'Rendering' },
  paused: { tone: 'held', icon: 'pause', text: 'Paused' },
  completed: { tone: 'good', icon: 'check', text: 'Done' },
  cancelled: { tone: 'calm', icon: 'stop', text: 'Cancelled' },
  failed: { tone: 'bad', icon: 'alert', text: 'Failed' },
};

/** Whether nothing happens to a job any more. One that failed waits for its owner. */
export function isOver(job: Job): boolean {
  return job.state === 'completed' || job.state === 'cancelled';
}

/** A job's state; one that is paid for and has all its frames waits for its owner. */
export function jobState(job: Job): Shown {
  const isMade = job.frames_done === job.frames_total;
  if (job.state === 'active' && job.money && isMade) {
    return { tone: 'wait', icon: 'user', text: 'To approve' };
  }
  return JOB_STATES[job.state];
}

export const STREAM_STATES: Record<StreamState, Shown> = {
  idle: { tone: 'calm', icon: 'clock', text: 'Idle' },
  live: { tone: 'good', icon: 'cast', text: 'Live' },
  ended: { tone: 'calm', icon: 'stop', text: 'Ended' },
};

export const PAYOUT_STATES: Record<Payout['state'], Shown> = {
  pending: { tone: 'wait', icon: 'clock', text: 'On its way' },
  paid: { tone: 'good', icon: 'check', text: 'Paid' },
  claimable: { tone: 'held', icon: 'alert', text: 'To be claimed' },
};

export const DELIVERY_STATES: Record<Delivery['state'], Shown> = {
  pending: { tone: 'wait', icon: 'clock', text: 'Pending' },
  delivered: { tone: 'good', icon: 'check', text: 'Received' },
  failed: { tone: 'bad', icon: 'alert', text: 'Failed' },
};

/** Silence after which a node counts as offline. */
const OFFLINE_AFTER_MS = 90_000;

export function isOffline(lastSeenMs: number, nowMs: number): boolean {
  return nowMs - lastSeenMs > OFFLINE_AFTER_MS;
}

/** What a node does, from what was last heard of it. */
export function nodeState(node: Node, nowMs: number): Shown {
  if (isOffline(node.last_seen_ms, nowMs)) return { tone: 'bad', icon: 'off', text: 'Offline' };
  if (node.wish === 'pause') return { tone: 'held', icon: 'pause', text: 'Paused' };
  if (node.wish === 'drain') {
    return node.units_leased > 0
      ? { tone: 'wait', icon: 'clock', text: 'Finishing' }
      : { tone: 'held', icon: 'pause', text: 'Finished' };
  }
  if (node.report?.rests) return { tone: 'held', icon: 'pause', text: 'Resting' };
  if (node.units_leased > 0) return { tone: 'busy', icon: 'play', text: 'Rendering' };
  return { tone: 'calm', icon: 'clock', text: 'Idle' };
}

export type TileState = 'verified' | 'submitted' | 'leased' | 'free';

export const TILE_STATES: Record<TileState, Shown> = {
  verified: { tone: 'good', icon: 'check', text: 'Verified' },
  submitted: { tone: 'wait', icon: 'scale', text: 'Being checked' },
  leased: { tone: 'busy', icon: 'play', text: 'Being rendered' },
  free: { tone: 'calm', icon: 'clock', text: 'Waiting' },
};

/** Where a tile stands: done as a whole, or what is going on with it. */
export function tileState({ units, verified, submitted, leased }: Tile): TileState {
  if (verified >= units) return 'verified';
  if (leased > 0) return 'leased';
  if (submitted > 0) return 'submitted';
  return 'free';
}
