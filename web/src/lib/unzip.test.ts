import { type Zippable, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { isZip, partsOfZip } from './unzip';

const text = (words: string) => new TextEncoder().encode(words);
const zip = (files: Zippable) => zipSync(files, { mtime: new Date(2000, 0, 1) });
const LINE = 0x02014b50;

/** The same archive, its directory's first line changed. */
function changed(packed: Uint8Array<ArrayBuffer>, change: (line: DataView) => void): Blob {
  const copy = packed.slice();
  const start = new DataView(copy.buffer, copy.length - 22).getUint32(16, true);
  const line = new DataView(copy.buffer, start);
  expect(line.getUint32(0, true)).toBe(LINE);
  change(line);
  return new Blob([copy]);
}

describe('a .zip', () => {
  it('is known by its first bytes', async () => {
    expect(await isZip(new Blob([zip({ a: text('a') })]))).toBe(true);
    expect(await isZip(new Blob([zip({})]))).toBe(true);
    expect(await isZip(new Blob(['PK']))).toBe(false);
    expect(await isZip(new Blob(['glTF']))).toBe(false);
  });

  it('is listed without its folders, and unpacked file by file', async () => {
    const words = 'again and '.repeat(1000);
    const parts = await partsOfZip(
      new Blob([
        zip({ 'a/': new Uint8Array(), 'a/b.txt': text(words), 'c\\d': [text('x'), { level: 0 }] }),
      ]),
    );
    expect(parts.map(({ path, size }) => [path, size])).toEqual([
      ['a/b.txt', words.length],
      ['c/d', 1],
    ]);
    const files = await Promise.all(parts.map((part) => part.open()));
    expect(files.map((file) => file.name)).toEqual(['b.txt', 'd']);
    expect(await files[0]?.text()).toBe(words);
    expect(await files[1]?.text()).toBe('x');
  });

  it('may have sizes of 64 bits and a comment', async () => {
    const plain = zip({ a: [text('abc'), { level: 0, extra: { 1: new Uint8Array(16) } }] });
    const wide = changed(plain, (line) => {
      line.setUint32(20, 0xffffffff, true);
      line.setUint32(24, 0xffffffff, true);
      line.setBigUint64(46 + 1 + 4, 3n, true);
      line.setBigUint64(46 + 1 + 12, 3n, true);
    });
    const [part] = await partsOfZip(new Blob([wide, 'a comment']));
    expect(await (await part?.open())?.text()).toBe('abc');
  });

  it.each<[string, (line: DataView) => void]>([
    ['encrypted', (line) => line.setUint16(8, 1, true)],
    ['rare way', (line) => line.setUint16(10, 12, true)],
    ['cut short or damaged', (line) => line.setUint32(0, 0, true)],
    ['cut short or damaged', (line) => line.setUint16(28, 60_000, true)],
    ['cut short or damaged', (line) => line.setUint32(24, 0xffffffff, true)],
    ['at most', (line) => line.setUint32(24, 0xfffffffe, true)],
    ['not UTF-8', (line) => line.setUint8(46, 0xff)],
    ['absolute', (line) => line.setUint8(46, 0x2f)],
  ])('is refused where it is wrong: %s', async (why, change) => {
    const packed = changed(zip({ aaa: text('abc') }), change);
    await expect(partsOfZip(packed)).rejects.toThrow(why);
  });

  it('is refused where its end is missing', async () => {
    const packed = zip({ a: text('abc') });
    await expect(partsOfZip(new Blob([packed.slice(0, -1)]))).rejects.toThrow('cut short');
    await expect(partsOfZip(new Blob([]))).rejects.toThrow('cut short');
  });

  it('names a file that does not unpack', async () => {
    const packed = changed(zip({ a: text('abc'.repeat(99)) }), (line) =>
      line.setUint32(24, 5, true),
    );
    const [part] = await partsOfZip(packed);
    await expect(part?.open()).rejects.toThrow('a in the .zip is damaged');
  });
});
