import type { Node } from '../api/types';

/** What is to be said of hours that were set here and that the node does not keep yet. */
export interface HoursNote {
  tone: 'calm' | 'wait' | 'bad';
  text: string;
}

/** Nothing where the node knows what was set here, whatever was set on its machine since. */
export function hoursNote({ hours: set, report }: Node): HoursNote | undefined {
  if (!set) return undefined;
  if (!report) {
    return {
      tone: 'wait',
      text: `The node is not heard: it takes “${set.hours}” over when it is.`,
    };
  }
  if (!report.hours) {
    const text =
      'The program of this node is too old to take hours from here: `render-node update`.';
    return { tone: 'bad', text };
  }
  if (report.hours.set_ms >= set.set_ms) return undefined;
  if (report.cannot_set_hours) {
    const text =
      'The node cannot write its hours down, and its log says why. On its machine ' +
      '`render-node schedule` sets them.';
    return { tone: 'bad', text };
  }
  return { tone: 'calm', text: `The node takes “${set.hours}” over within ten seconds.` };
}

/** The hours that count: those that were set here, until the node says that it keeps others. */
export function hoursOf(node: Node): string {
  const { hours: set, report } = node;
  const isOnItsWay = hoursNote(node) !== undefined;
  return (isOnItsWay ? set?.hours : report?.hours?.hours) ?? set?.hours ?? '';
}
