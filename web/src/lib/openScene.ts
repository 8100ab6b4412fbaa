import { bytes } from './format';
import { type Gltf, readGltf, SceneFault, UNREADABLE } from './gltf';
import { fileOfUri, NameFault } from './sceneNames';
import { type SceneSummary, summaryOf } from './summary';
import { isZip, MOST_BYTES, type Part, partsOfZip } from './unzip';
import { zipOf } from './zip';

/** A file that somebody chose or dropped. */
export interface Chosen {
  /** From the folder it was chosen with; its name, where it was chosen alone. */
  path: string;
  file: File;
}

/** A scene, however many files it is in. */
export interface Scene {
  summary: SceneSummary;
  /** The .glb or .gltf itself. */
  main: File;
  /** What it names, by the names that it says. */
  files: ReadonlyMap<string, Part>;
  /** Names that lead nowhere, each in a sentence that says why. */
  astray: string[];
  /** Files that are named, and not there. */
  missing: string[];
  /** The one file that is all of it; `undefined` where its files are to be packed first. */
  whole: File | undefined;
  isZip: boolean;
}

const SCENE = /\.(gltf|glb)$/i;
const ARCHIVE = /\.zip$/i;

/** Finds the scene among files. Throws where there is none, or not one alone. */
export async function openScene(chosen: Chosen[]): Promise<Scene> {
  const parts = chosen.map(({ path, file }) => ({
    path,
    size: file.size,
    open: () => Promise.resolve(file),
  }));
  // A single file may be called anything: its bytes say what it is.
  const [first, second] = parts;
  const ending = parts.some(({ path }) => SCENE.test(path)) ? SCENE : ARCHIVE;
  const main = first && !second ? first : only(parts, ending, 'What you chose');
  const file = await main.open();
  if (!(await isZip(file))) {
    const scene = await read(main, parts, 'What you chose');
    return { ...scene, whole: scene.files.size === 0 ? file : undefined, isZip: false };
  }
  const packed = await partsOfZip(file);
  const scene = await read(only(packed, SCENE, 'The .zip'), packed, 'The .zip');
  return { ...scene, whole: file, isZip: true };
}

function only(parts: Part[], ending: RegExp, holder: string): Part {
  // macOS adds files to archives and foreign disks whose names begin so.
  const added = /(^|\/)\._[^/]*$/;
  const [scene, another] = parts.filter(({ path }) => ending.test(path) && !added.test(path));
  if (!scene) throw new SceneFault(`${holder} holds no .gltf or .glb.`);
  if (another) {
    throw new SceneFault(
      `${holder} holds several scenes, ${scene.path} and ${another.path}. Take one at a time.`,
    );
  }
  return scene;
}

type Opened = Omit<Scene, 'whole' | 'isZip'>;

async function read(scene: Part, parts: Part[], holder: string): Promise<Opened> {
  const main = await scene.open();
  const { summary, uris } = described(await readGltf(main));
  const byPath = new Map<string, Part>();
  for (const part of parts) {
    const path = composed(part.path);
    if (byPath.has(path)) throw new SceneFault(`${holder} holds ${path} twice. Leave one out.`);
    byPath.set(path, part);
  }
  const folder = scene.path.slice(0, scene.path.lastIndexOf('/') + 1);
  const files = new Map<string, Part>();
  const missing = new Set<string>();
  const astray = new Set<string>();
  for (const uri of uris) {
    try {
      const name = fileOfUri(uri);
      if (name === undefined) continue;
      const part = byPath.get(composed(folder + name));
      if (part) files.set(name, part);
      else missing.add(name);
    } catch (error) {
      if (!(error instanceof NameFault)) throw error;
      astray.add(`${main.name} names ${JSON.stringify(uri)}, which ${error.message}.`);
    }
  }
  return { summary, main, files, astray: [...astray], missing: [...missing] };
}

/** macOS may write a letter and its accent as two characters, where a scene has one. */
function composed(path: string): string {
  return path.normalize('NFC');
}

function described(gltf: Gltf): { summary: SceneSummary; uris: string[] } {
  try {
    const summary = summaryOf(gltf);
    const named = [...(gltf.buffers ?? []), ...(gltf.images ?? [])];
    return { summary, uris: named.flatMap(({ uri }) => (typeof uri === 'string' ? [uri] : [])) };
  } catch {
    throw new SceneFault(UNREADABLE);
  }
}

/** Says what of a scene is not there; nothing where all is. */
export function lackOf({ main, astray, missing }: Scene): string {
  const absent = `${main.name} names what is not here: ${missing.join(', ')}.`;
  return [...astray, ...(missing.length > 0 ? [absent] : [])].join(' ');
}

/** Says why a scene of loose files cannot be packed; nothing where it can. */
export function refusalOf(scene: Scene): string {
  // Of an archive the farm judges: it may do without a picture that nothing shows.
  if (scene.isZip) return '';
  const help = ' Choose all files of the scene at once, or their folder.';
  return lackOf(scene) + (scene.missing.length > 0 ? help : '');
}

/** Packs a scene and what it names: the same choice gives the same file. */
export async function packScene({ main, files }: Scene): Promise<File> {
  const opened = new Map<string, File>();
  for (const [name, part] of files) opened.set(name, await part.open());
  opened.set(SCENE_NAME + endingOf(main), main);
  const all = [...opened.values()];
  const total = all.reduce((sum, { size }) => sum + size, 0);
  if (total > MOST_BYTES) {
    throw new SceneFault(
      `${main.name} and its files are ${bytes(total)}; a farm takes at most ${bytes(MOST_BYTES)}.`,
    );
  }
  // An upload that stopped is found again by name, size and time: by the name that people know, and
  // not where one of the files has changed since.
  const lastModified = Math.max(...all.map((file) => file.lastModified));
  return new File([await zipOf(opened)], main.name, { type: 'application/zip', lastModified });
}

/** Not its own: the archive is the same whatever the scene was called. */
const SCENE_NAME = 'scene';

function endingOf(file: File): string {
  return SCENE.exec(file.name)?.[0].toLowerCase() ?? '.gltf';
}
