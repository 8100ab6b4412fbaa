import type { Latency, Rendition, VideoCodec } from '../api/types';

/** A rendition while it is edited: what people type, before it is checked. */
export interface Rung {
  height: number;
  kbitPerS: number;
  codec: VideoCodec;
  maxFps: number | undefined;
}

export const PRESETS: { id: string; name: string; says: string; rungs: Rung[] }[] = [
  {
    id: 'standard',
    name: 'Standard',
    says: 'For sources of 720 lines. Plays everywhere.',
    rungs: [rung(720, 2800), rung(480, 1400), rung(360, 800), rung(240, 400)],
  },
  {
    id: 'full-hd',
    name: 'Full HD',
    says: 'For sources of 1080 lines.',
    rungs: [rung(1080, 5000), rung(720, 2800), rung(480, 1400), rung(360, 800), rung(240, 400)],
  },
  {
    id: 'mobile',
    name: 'Mobile',
    says: 'Small screens and thin lines.',
    rungs: [rung(480, 1200), rung(360, 700), rung(240, 350)],
  },
];

export const LATENCIES: { id: Latency; name: string; says: string }[] = [
  {
    id: 'standard',
    name: 'Standard',
    says: 'Segments of two seconds. Viewers are about eight seconds behind.',
  },
  {
    id: 'short',
    name: 'Short',
    says: 'Segments of one second. Viewers are about four seconds behind.',
  },
  {
    id: 'low',
    name: 'Low',
    says: 'Parts of a third of a second. Viewers are about two seconds behind.',
  },
];

export const MAX_RUNGS = 8;

function rung(height: number, kbitPerS: number): Rung {
  return { height, kbitPerS, codec: 'h264', maxFps: undefined };
}

/** What the API calls a rung: its height, its frames a second where they are limited, its codec where it is not the usual. */
export function rungName({ height, maxFps, codec }: Rung): string {
  return `${height}p${maxFps ?? ''}${codec === 'h264' ? '' : `-${codec}`}`;
}

/** What is wrong with a ladder, a sentence each; empty where it can be sent. */
export function faults(rungs: Rung[]): string[] {
  const found: string[] = [];
  if (rungs.length === 0) found.push('A ladder needs at least one rendition.');
  if (rungs.length > MAX_RUNGS) found.push(`A ladder has at most ${MAX_RUNGS} renditions.`);
  const names = new Set<string>();
  for (const each of rungs) {
    const name = rungName(each);
    if (names.has(name)) found.push(`${name} is there twice.`);
    names.add(name);
    if (!(each.height >= 96 && each.height <= 2160 && each.height % 2 === 0)) {
      found.push(`${name}: the height is an even number from 96 to 2160.`);
    }
    if (!(each.kbitPerS >= 50 && each.kbitPerS <= 50_000)) {
      found.push(`${name}: the rate is 50 to 50,000 kbit/s.`);
    }
    if (each.maxFps !== undefined && !(each.maxFps >= 1 && each.maxFps <= 240)) {
      found.push(`${name}: the frames a second are 1 to 240, or empty to keep all.`);
    }
  }
  return found;
}

export function renditions(rungs: Rung[]): Rendition[] {
  return rungs.map((each) => ({
    name: rungName(each),
    height: each.height,
    bits_per_s: Math.round(each.kbitPerS * 1000),
    codec: each.codec,
    max_fps: each.maxFps ?? null,
  }));
}
