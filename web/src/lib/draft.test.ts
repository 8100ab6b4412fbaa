import { describe, expect, it } from 'vitest';
import { type Draft, draftOf, faultsOf, newDraft, quoteRequestOf, specOf } from './draft';

const scene = 'ab'.repeat(32);

function draft(changes: Partial<Draft> = {}): Draft {
  return { ...newDraft(), name: 'night', ...changes };
}

describe('a draft', () => {
  it('of defaults can be sent', () => {
    expect(faultsOf(draft())).toEqual({});
    expect(specOf(draft(), scene, undefined)).toEqual({
      name: 'night',
      scene,
      settings: {
        width: 1280,
        height: 720,
        spp: 64,
        seed: 0,
        max_bounces: 7,
        camera: null,
        environment: null,
        background: 'environment',
      },
      frames: { first: 0, last: 0 },
      fps: 24,
      tile: 128,
      samples_per_unit: 64,
      class: 'exact',
    });
  });

  it.each<[keyof Draft, Partial<Draft>]>([
    ['name', { name: ' ' }],
    ['frames', { frames: '5-2' }],
    ['frames', { frames: '0-1000000' }],
    ['width', { width: 0 }],
    ['height', { height: 720.5 }],
    ['spp', { spp: Number.NaN, samplesPerUnit: 1 }],
    ['maxBounces', { maxBounces: 65 }],
    ['tile', { tile: 4 }],
    ['samplesPerUnit', { samplesPerUnit: 65 }],
    ['environmentStrength', { environmentStrength: Number.NaN }],
    ['environmentRotation', { environmentRotation: 361 }],
    ['maxPrice', { maxPrice: 'cheap' }],
  ])('names what is wrong with its %s', (field, changes) => {
    expect(Object.keys(faultsOf(draft(changes)))).toContain(field);
  });

  it('takes light from outside only where there is a file', () => {
    const light = specOf(draft({ environmentRotation: 90 }), scene, 'cd'.repeat(32)).settings
      .environment;
    expect(light).toEqual({ blob: 'cd'.repeat(32), strength: 1, rotation_deg: 90 });
  });

  it('asks for a quote at its own price, or at the farm’s', () => {
    const spec = specOf(draft(), scene, undefined);
    expect(quoteRequestOf(draft({ maxPrice: '0.08', tier: 'economy' }), spec)).toEqual({
      spec,
      tier: 'economy',
      max_price: 80_000,
    });
    expect(quoteRequestOf(draft(), spec).max_price).toBeNull();
  });

  it('is found again from its job', () => {
    const changed = draft({
      frames: '3–9',
      camera: 1,
      seed: 5,
      tolerant: true,
      background: 'black',
      environmentRotation: 45,
    });
    expect(draftOf(specOf(changed, scene, 'cd'.repeat(32)))).toEqual(changed);
  });
});
