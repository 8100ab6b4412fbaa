import type { JobSpec, QuoteRequest, Tier } from '../api/types';
import { parseAmount } from './format';
import { parseFrames, writeFrames } from './frames';

/** What a job's page holds while it is filled in: what people type, before it is checked. */
export interface Draft {
  name: string;
  frames: string;
  fps: number;
  width: number;
  height: number;
  spp: number;
  seed: number;
  maxBounces: number;
  camera: number | undefined;
  background: 'environment' | 'black';
  environmentStrength: number;
  environmentRotation: number;
  tile: number;
  samplesPerUnit: number;
  tolerant: boolean;
  maxPrice: string;
  tier: Tier;
}

export type Faults = { [field in keyof Draft]?: string };

export function newDraft(): Draft {
  return {
    name: '',
    frames: '0',
    fps: 24,
    width: 1280,
    height: 720,
    spp: 64,
    seed: 0,
    maxBounces: 7,
    camera: undefined,
    background: 'environment',
    environmentStrength: 1,
    environmentRotation: 0,
    tile: 128,
    samplesPerUnit: 64,
    tolerant: false,
    maxPrice: '',
    tier: 'standard',
  };
}

const WHOLE_RANGES = {
  fps: [1, 240],
  width: [1, 16_384],
  height: [1, 16_384],
  spp: [1, 4_194_304],
  seed: [0, 4_294_967_295],
  maxBounces: [0, 64],
  tile: [8, 1024],
} as const satisfies Partial<Record<keyof Draft, readonly [number, number]>>;

const MOST_FRAMES = 1_000_000;

/** What is wrong with a draft, by field; empty where it can be sent. */
export function faultsOf(draft: Draft): Faults {
  const faults: { [field in keyof Draft]?: string | undefined } = {};
  for (const field of Object.keys(WHOLE_RANGES) as (keyof typeof WHOLE_RANGES)[]) {
    const [least, most] = WHOLE_RANGES[field];
    faults[field] = outside(draft[field], least, most);
  }
  faults.samplesPerUnit = outside(draft.samplesPerUnit, 1, Math.max(1, draft.spp));
  if (!within(draft.environmentStrength, 0, 1_000_000)) {
    faults.environmentStrength = 'A number from 0 to 1,000,000.';
  }
  if (!within(draft.environmentRotation, -360, 360)) {
    faults.environmentRotation = 'Degrees from −360 to 360.';
  }
  const length = [...draft.name.trim()].length;
  if (length < 1 || length > 200) faults.name = 'A name of 1 to 200 characters.';
  const frames = parseFrames(draft.frames);
  if (!frames) faults.frames = 'One number, or first–last, for example 0-47.';
  else if (frames.last - frames.first >= MOST_FRAMES) faults.frames = 'At most 1,000,000 frames.';
  if (draft.maxPrice.trim() !== '' && parseAmount(draft.maxPrice) === undefined) {
    faults.maxPrice =
      'Tokens with at most six decimals, for example 0.08. Empty takes the farm’s price.';
  }
  return Object.fromEntries(
    Object.entries(faults).filter(([, fault]) => fault !== undefined),
  ) as Faults;
}

/** The draft that gives a job once more. */
export function draftOf(spec: JobSpec): Draft {
  const { settings } = spec;
  const fresh = newDraft();
  return {
    ...fresh,
    name: spec.name,
    frames: writeFrames(spec.frames),
    fps: spec.fps,
    width: settings.width,
    height: settings.height,
    spp: settings.spp,
    seed: settings.seed ?? fresh.seed,
    maxBounces: settings.max_bounces ?? fresh.maxBounces,
    camera: settings.camera ?? undefined,
    background: settings.background ?? fresh.background,
    environmentStrength: settings.environment?.strength ?? fresh.environmentStrength,
    environmentRotation: settings.environment?.rotation_deg ?? fresh.environmentRotation,
    tile: spec.tile,
    samplesPerUnit: spec.samples_per_unit,
    tolerant: spec.class === 'tolerant',
  };
}

/** The job that a draft without faults asks for. */
export function specOf(draft: Draft, scene: string, environment: string | undefined): JobSpec {
  return {
    name: draft.name.trim(),
    scene,
    settings: {
      width: draft.width,
      height: draft.height,
      spp: draft.spp,
      seed: draft.seed,
      max_bounces: draft.maxBounces,
      camera: draft.camera ?? null,
      environment: environment
        ? {
            blob: environment,
            strength: draft.environmentStrength,
            rotation_deg: draft.environmentRotation,
          }
        : null,
      background: draft.background,
    },
    frames: parseFrames(draft.frames) ?? { first: 0, last: 0 },
    fps: draft.fps,
    tile: draft.tile,
    samples_per_unit: draft.samplesPerUnit,
    class: draft.tolerant ? 'tolerant' : 'exact',
  };
}

export function quoteRequestOf(draft: Draft, spec: JobSpec): QuoteRequest {
  return { spec, tier: draft.tier, max_price: parseAmount(draft.maxPrice) ?? null };
}

function within(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}

function outside(value: number, least: number, most: number): string | undefined {
  if (Number.isInteger(value) && within(value, least, most)) return undefined;
  return `A whole number from ${least.toLocaleString('en')} to ${most.toLocaleString('en')}.`;
}
