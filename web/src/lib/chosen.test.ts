import { describe, expect, it } from 'vitest';
import { chosenFrom, droppedFrom } from './chosen';

const file = (name: string) => new File([name], name);

/** A file as a browser shows it within something that was dropped. */
function fileEntry(fullPath: string): FileSystemEntry {
  const give = (done: (file: File) => void) => done(file(fullPath.split('/').at(-1) ?? ''));
  return { isFile: true, isDirectory: false, fullPath, file: give } as never;
}

/** A folder that is listed two entries at a time. */
function folderEntry(fullPath: string, entries: FileSystemEntry[]): FileSystemEntry {
  const createReader = () => {
    const left = [...entries];
    return { readEntries: (done: (some: FileSystemEntry[]) => void) => done(left.splice(0, 2)) };
  };
  return { isFile: false, isDirectory: true, fullPath, createReader } as never;
}

function transfer(...entries: (FileSystemEntry | File)[]): DataTransfer {
  const items = entries.map((entry) => ({
    kind: 'file',
    webkitGetAsEntry: () => (entry instanceof File ? null : entry),
    getAsFile: () => (entry instanceof File ? entry : null),
  }));
  return { items: [{ kind: 'string' }, ...items] } as never;
}

describe('files', () => {
  it('of an input have their paths, or their names', () => {
    const within = Object.assign(file('a.bin'), { webkitRelativePath: 'chair/a.bin' });
    expect(chosenFrom([within, file('b.bin')]).map(({ path }) => path)).toEqual([
      'chair/a.bin',
      'b.bin',
    ]);
  });

  it('that were dropped are found in all folders', async () => {
    const textures = folderEntry('/chair/textures', [
      fileEntry('/chair/textures/a.png'),
      fileEntry('/chair/textures/b.png'),
      fileEntry('/chair/textures/c.png'),
    ]);
    const chair = folderEntry('/chair', [fileEntry('/chair/chair.gltf'), textures]);
    const found = await droppedFrom(transfer(chair, file('loose.bin')));
    expect(found.map(({ path }) => path)).toEqual([
      'chair/chair.gltf',
      'chair/textures/a.png',
      'chair/textures/b.png',
      'chair/textures/c.png',
      'loose.bin',
    ]);
    expect(found[1]?.file.name).toBe('a.png');
  });

  it('that cannot be read are named', async () => {
    const broken = {
      isFile: true,
      fullPath: '/a',
      file: (_: unknown, failed: () => void) => failed(),
    };
    await expect(droppedFrom(transfer(broken as never))).rejects.toThrow('/a cannot be read.');
  });

  it('are not a whole disk', () => {
    expect(() => chosenFrom(Array<File>(10_001).fill(file('a')))).toThrow('more than 10,000 files');
  });
});
