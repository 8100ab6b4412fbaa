import { describe, expect, it } from 'vitest';
import { NotGlb, summarize } from './glb';

function glb(gltf: unknown, version = 2): Blob {
  const json = new TextEncoder().encode(JSON.stringify(gltf));
  const header = new DataView(new ArrayBuffer(20));
  header.setUint32(0, 0x46546c67, true);
  header.setUint32(4, version, true);
  header.setUint32(8, 20 + json.length, true);
  header.setUint32(12, json.length, true);
  header.setUint32(16, 0x4e4f534a, true);
  return new Blob([header.buffer, json]);
}

describe('a .glb', () => {
  it('is summed up from its JSON', async () => {
    const summary = await summarize(
      glb({
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
      }),
    );
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

  it('that is none is named so', async () => {
    await expect(summarize(new Blob(['hello']))).rejects.toThrow(NotGlb);
    await expect(summarize(glb({}, 1))).rejects.toThrow('version 1');
    const whole = glb({ asset: { version: '2.0' } });
    await expect(summarize(whole.slice(0, whole.size - 1))).rejects.toThrow('cut short');
    const broken = new Blob([await glb('x').slice(0, 20).arrayBuffer(), 'oh{']);
    await expect(summarize(broken)).rejects.toThrow('cannot be read');
  });
});
