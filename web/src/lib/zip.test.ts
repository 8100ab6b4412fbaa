import { unzipSync } from 'fflate';
import { describe, expect, it, vi } from 'vitest';
import { partsOfZip } from './unzip';
import { zipOf } from './zip';

const bytesOf = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());

describe('a .zip that is packed here', () => {
  it('holds its files, stored, under the right checksums', async () => {
    const large = new Blob([new Uint8Array(9 << 20).fill(7)]);
    const packed = await zipOf(
      new Map([
        ['textures/grün.png', large],
        ['empty.bin', new Blob([])],
        ['a.bin', new Blob(['123456789'])],
      ]),
    );
    const bytes = await bytesOf(packed);
    const files = unzipSync(bytes);
    expect(Object.keys(files)).toEqual(['a.bin', 'empty.bin', 'textures/grün.png']);
    expect(new TextDecoder().decode(files['a.bin'])).toBe('123456789');
    expect(files['empty.bin']).toHaveLength(0);
    expect(files['textures/grün.png']).toHaveLength(9 << 20);
    // The check value of CRC-32, in the directory's line of the first file.
    const directory = new DataView(bytes.buffer, directoryStart(bytes));
    expect(directory.getUint16(10, true)).toBe(0);
    expect(directory.getUint32(16, true)).toBe(0xcbf43926);
  });

  it('is the same whatever the order, the time and the place', async () => {
    const files = [
      ['a', new Blob(['1'])],
      ['b', new Blob(['2'])],
    ] as const;
    vi.stubEnv('TZ', 'Pacific/Auckland');
    const first = await bytesOf(await zipOf(new Map(files)));
    vi.stubEnv('TZ', 'America/Lima');
    const second = await bytesOf(await zipOf(new Map(files.toReversed())));
    vi.unstubAllEnvs();
    expect(second).toEqual(first);
  });

  it('is listed and read again', async () => {
    const packed = await zipOf(new Map([['b/c.bin', new Blob(['abc'])]]));
    const [part] = await partsOfZip(packed);
    expect(part).toMatchObject({ path: 'b/c.bin', size: 3 });
    expect(await (await part?.open())?.text()).toBe('abc');
  });
});

function directoryStart(zip: Uint8Array): number {
  return new DataView(zip.buffer, zip.length - 22).getUint32(16, true);
}
