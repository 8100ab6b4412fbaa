import { expect, it } from 'vitest';
import { summaryOf } from './summary';

it('sums a scene up from its JSON', () => {
  const summary = summaryOf({
    asset: { version: '2.0' },
    nodes: [
      { name: 'Lamp', extensions: { KHR_lights_punctual: { light: 0 } } },
      { name: 'Close', camera: 1 },
      { camera: 0 },
    ],
    cameras: [{ name: 'Wide' }, { name: 'Other' }],
    animations: [{ name: 'Walk', samplers: [{ input: 0 }, { input: 1 }] }, {}],
    accessors: [{ count: 2, max: [1.5] }, { count: 2, max: [2] }, { count: 36 }, { count: 9 }],
    meshes: [
      {
        primitives: [
          { indices: 2, attributes: { POSITION: 3 } },
          { attributes: { POSITION: 3 } },
          { mode: 1, indices: 2, attributes: { POSITION: 3 } },
        ],
      },
    ],
    extensionsRequired: ['KHR_draco_mesh_compression'],
  });
  expect(summary).toEqual({
    cameras: [
      { node: 1, name: 'Close' },
      { node: 2, name: 'Wide' },
    ],
    clips: [
      { name: 'Walk', seconds: 2 },
      { name: 'Clip 2', seconds: 0 },
    ],
    meshes: 1,
    triangles: 15,
    materials: 0,
    textures: 0,
    lights: 1,
    extensionsRequired: ['KHR_draco_mesh_compression'],
  });
});
