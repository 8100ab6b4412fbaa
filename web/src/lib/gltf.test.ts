import { describe, expect, it } from 'vitest';
import { readGltf, SceneFault } from './gltf';

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

const asset = { version: '2.0' };

describe('a glTF file', () => {
  it('is read from a .glb and from a .gltf', async () => {
    expect(await readGltf(glb({ asset }))).toEqual({ asset });
    expect(await readGltf(new Blob(['\ufeff \n{"asset": {"version": "2.0"}}']))).toEqual({ asset });
    expect(await readGltf(new Blob(['{}']))).toEqual({});
  });

  it('that is none is named so', async () => {
    const refused = (file: Blob) => expect(readGltf(file)).rejects;
    await refused(new Blob(['hello'])).toThrow(SceneFault);
    await refused(new Blob([])).toThrow('not a glTF scene');
    await refused(glb({}, 1)).toThrow('version 1');
    await refused(new Blob(['{"asset": {"version": "1.0"}}'])).toThrow('version 1.0');
    const whole = glb({ asset });
    await refused(whole.slice(0, whole.size - 1)).toThrow('cut short');
    await refused(new Blob([await glb('x').slice(0, 20).arrayBuffer(), 'oh{'])).toThrow(
      'cannot be read',
    );
    await refused(glb('x')).toThrow('cannot be read');
    await refused(new Blob(['{"asset": '])).toThrow('cannot be read');
  });
});
