import { unzipSync, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { type Chosen, lackOf, openScene, packScene, refusalOf } from './openScene';

function chosen(path: string, content: BlobPart = path, lastModified = 5): Chosen {
  return { path, file: new File([content], path.split('/').at(-1) ?? '', { lastModified }) };
}

function gltf(...uris: string[]): string {
  const [buffer = 'data:;base64,AA', ...images] = uris;
  return JSON.stringify({
    asset: { version: '2.0' },
    buffers: [{ uri: buffer, byteLength: 1 }],
    images: images.map((uri) => ({ uri })),
  });
}

const chair = chosen('chair/chair.gltf', gltf('chair.bin', 'my%20textures/w%C3%B6od.png'));
const files = [chair, chosen('chair/chair.bin'), chosen('chair/my textures/wöod.png')];

async function namesIn(file: File): Promise<string[]> {
  return Object.keys(unzipSync(new Uint8Array(await file.arrayBuffer())));
}

describe('loose files of a scene', () => {
  it('are packed below the folder of the .gltf, and others are left out', async () => {
    const scene = await openScene([chosen('chair/notes.txt'), ...files, chosen('chair.bin')]);
    expect(refusalOf(scene)).toBe('');
    expect(scene.whole).toBeUndefined();
    const packed = await packScene(scene);
    expect(packed.name).toBe('chair.gltf');
    expect(await namesIn(packed)).toEqual(['chair.bin', 'my textures/wöod.png', 'scene.gltf']);
  });

  it('give the same file in whatever order and folder they come', async () => {
    const one = await packScene(await openScene(files));
    const moved = files.map(({ path, file }) => ({ path: path.replace('chair/', ''), file }));
    const other = await packScene(await openScene(moved.reverse()));
    expect(await other.arrayBuffer()).toEqual(await one.arrayBuffer());
    expect([other.name, other.type, other.lastModified]).toEqual([one.name, one.type, 5]);
  });

  it('give another time where one has changed', async () => {
    const [, bin, ...rest] = files;
    const later = chosen(bin?.path ?? '', 'other', 9);
    expect((await packScene(await openScene([later, ...rest, chair]))).lastModified).toBe(9);
  });

  it('that are missing are named at once', async () => {
    const scene = await openScene([chair]);
    expect(refusalOf(scene)).toBe(
      'chair.gltf names what is not here: chair.bin, my textures/wöod.png. ' +
        'Choose all files of the scene at once, or their folder.',
    );
    const elsewhere = await openScene([chair, chosen('chair/my textures/chair.bin'), files[2]!]);
    expect(refusalOf(elsewhere)).toMatch('not here: chair.bin.');
  });

  it('are not looked for outside of the folder', async () => {
    const uris = ['../chair.bin', '/etc/passwd', 'https://example.org/a.png', '%2e%2e/b'];
    const scene = await openScene([chosen('a/chair.gltf', gltf(...uris)), chosen('chair.bin')]);
    for (const uri of uris) expect(refusalOf(scene)).toContain(`chair.gltf names "${uri}", which`);
    expect(scene.astray).toHaveLength(4);
    expect(refusalOf(scene)).not.toContain('Choose all');
  });

  it('are found however their accents are written', async () => {
    const scene = await openScene([
      chosen('a.gltf', gltf('wöod.bin'.normalize('NFC'))),
      chosen('wöod.bin'.normalize('NFD')),
    ]);
    expect(await namesIn(await packScene(scene))).toContain('wöod.bin'.normalize('NFC'));
  });

  it('are refused where two have one name', async () => {
    await expect(openScene([...files, chosen('chair/chair.bin')])).rejects.toThrow(
      'What you chose holds chair/chair.bin twice.',
    );
  });

  it('are refused without a scene, or with two', async () => {
    await expect(openScene([])).rejects.toThrow('holds no .gltf or .glb');
    await expect(openScene([chosen('a.bin'), chosen('b.png')])).rejects.toThrow('holds no .gltf');
    await expect(openScene([...files, chosen('b.glb')])).rejects.toThrow(
      'several scenes, chair/chair.gltf and b.glb',
    );
    const added = await openScene([...files, chosen('chair/._chair.gltf')]);
    expect(added.main.name).toBe('chair.gltf');
  });

  it('whose description makes no sense are refused', async () => {
    const broken = '{"asset": {"version": "2.0"}, "buffers": 5}';
    await expect(openScene([chosen('a.gltf', broken)])).rejects.toThrow('cannot be read');
  });
});

describe('one file', () => {
  it('that holds all it needs is sent as it is', async () => {
    const alone = chosen('alone.gltf', gltf('data:;base64,AA', 'data:image/png;base64,AA'));
    const scene = await openScene([alone]);
    expect(scene.whole).toBe(alone.file);
    expect(refusalOf(scene)).toBe('');
  });

  const zipped = (entries: Record<string, string>, name = 'chair.zip') => {
    const bytes = Object.entries(entries).map(
      ([path, text]) => [path, new TextEncoder().encode(text)] as const,
    );
    return chosen(name, zipSync(Object.fromEntries(bytes)));
  };

  it('may be a .zip, whatever it is called', async () => {
    const archive = zipped({ 'in/a.GLTF': gltf('b.bin'), 'in/b.bin': '1', 'in/._a.gltf': '' }, 'x');
    const scene = await openScene([archive]);
    expect([scene.whole, scene.isZip]).toEqual([archive.file, true]);
    expect(scene.main.name).toBe('a.GLTF');
    expect([...scene.files.keys()]).toEqual(['b.bin']);
    expect((await openScene([chosen('notes.txt'), zipped({ 'a.gltf': gltf() })])).isZip).toBe(true);
  });

  it('that is a .zip says what it lacks, and may be sent', async () => {
    const scene = await openScene([zipped({ 'a.gltf': gltf('b.bin', '../c.png') })]);
    expect(lackOf(scene)).toMatch(
      /^a\.gltf names "\.\.\/c\.png", which leads out of .* a\.gltf names what is not here: b\.bin\.$/,
    );
    expect(refusalOf(scene)).toBe('');
  });

  it('that is a .zip holds one scene', async () => {
    const two = zipped({ 'a.gltf': gltf(), 'b/c.gltf': gltf() });
    await expect(openScene([two])).rejects.toThrow('The .zip holds several scenes, a.gltf and');
    await expect(openScene([zipped({ 'a.zip': '' })])).rejects.toThrow('The .zip holds no .gltf');
    const twice = zipped({ 'a.gltf': gltf(), 'b.bin': '', 'x/../b.bin': '' });
    await expect(openScene([twice])).rejects.toThrow('The .zip holds b.bin twice');
  });
});
