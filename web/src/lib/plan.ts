/** What a job is cut into; the same formula as the farm's. */
export interface PlanSpec {
  frames: { first: number; last: number };
  tile: number;
  samples_per_unit: number;
  settings: { width: number; height: number; spp: number };
}

/** One unit of work: a tile of a frame, and a range of its samples. */
export interface PlannedUnit {
  frame: number;
  x: number;
  y: number;
  samples: { start: number; end: number };
}

export function frameCount(spec: PlanSpec): number {
  return Math.max(0, spec.frames.last - spec.frames.first + 1);
}

export function tilesPerFrame(spec: PlanSpec): number {
  const { width, height } = spec.settings;
  return Math.ceil(width / spec.tile) * Math.ceil(height / spec.tile);
}

export function unitsPerFrame(spec: PlanSpec): number {
  return tilesPerFrame(spec) * Math.ceil(spec.settings.spp / spec.samples_per_unit);
}

/** What unit `index` is. */
export function unitOf(spec: PlanSpec, index: number): PlannedUnit {
  const perFrame = unitsPerFrame(spec);
  const ranges = Math.ceil(spec.settings.spp / spec.samples_per_unit);
  const columns = Math.ceil(spec.settings.width / spec.tile);
  const inFrame = index % perFrame;
  const tile = Math.floor(inFrame / ranges);
  const start = (inFrame % ranges) * spec.samples_per_unit;
  return {
    frame: spec.frames.first + nthFrame(frameCount(spec), Math.floor(index / perFrame)),
    x: (tile % columns) * spec.tile,
    y: Math.floor(tile / columns) * spec.tile,
    samples: { start, end: Math.min(spec.settings.spp, start + spec.samples_per_unit) },
  };
}

/** Frames in the order in which they are worked on: first, last, then middles. */
function nthFrame(frames: number, place: number): number {
  if (place === 0) return 0;
  if (place === 1) return frames - 1;
  return 1 + nthMidpoint(frames - 2, place - 2);
}

function nthMidpoint(size: number, place: number): number {
  const level = Math.floor(Math.log2(place + 1));
  let rank = place + 1 - 2 ** level;
  let [low, high] = [0, size];
  for (let below = level - 1; below >= 0; below -= 1) {
    const middle = low + Math.floor((high - low) / 2);
    const left = onLevel(middle - low, below);
    if (rank < left) {
      high = middle;
    } else {
      rank -= left;
      low = middle + 1;
    }
  }
  return low + Math.floor((high - low) / 2);
}

/** How many midpoints `0..size` has on a level of halving. */
function onLevel(size: number, level: number): number {
  const above = 2 ** level - 1;
  return Math.max(0, Math.min(size - above, 2 ** level));
}
