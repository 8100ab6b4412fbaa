export interface FrameSpan {
  first: number;
  last: number;
}

const LAST_FRAME = 4_294_967_295;

/** `12` or `0-47`; `undefined` where that is no span of frames. */
export function parseFrames(text: string): FrameSpan | undefined {
  const match = /^\s*(\d{1,10})\s*(?:[-–]\s*(\d{1,10})\s*)?$/.exec(text);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first <= last && last <= LAST_FRAME ? { first, last } : undefined;
}

export function writeFrames({ first, last }: FrameSpan): string {
  return first === last ? `${first}` : `${first}–${last}`;
}

/** The frames that show a clip of so many seconds once. */
export function framesOfClip(seconds: number, fps: number): FrameSpan {
  return { first: 0, last: Math.max(0, Math.round(seconds * fps) - 1) };
}
