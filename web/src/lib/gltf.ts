/** The JSON of a glTF file, as far as it is read here. */
export interface Gltf {
  asset?: { version?: string };
  nodes?: { name?: string; camera?: number; extensions?: Record<string, unknown> }[];
  cameras?: { name?: string }[];
  animations?: { name?: string; samplers?: { input: number }[] }[];
  accessors?: { count: number; max?: number[] }[];
  buffers?: { uri?: string }[];
  images?: { uri?: string }[];
  meshes?: {
    primitives?: { mode?: number; indices?: number; attributes?: { POSITION?: number } }[];
  }[];
  materials?: unknown[];
  textures?: unknown[];
  extensionsRequired?: string[];
}

/** Why a file is no scene, in a sentence for the person who chose it. */
export class SceneFault extends Error {}

export const UNREADABLE = 'The description inside the file cannot be read. Export it again.';

const MAGIC = 0x46546c67;
const JSON_CHUNK = 0x4e4f534a;
const HEADER_BYTES = 20;
/** Masters take no more, and a browser would be busy with it for long. */
const MOST_JSON_BYTES = 64 << 20;

/** Reads the JSON of a .glb or a .gltf; only as much of the file as it takes. */
export async function readGltf(file: Blob): Promise<Gltf> {
  const text = await (await jsonOf(file)).text();
  let gltf: unknown;
  try {
    gltf = JSON.parse(text);
  } catch {
    throw new SceneFault(UNREADABLE);
  }
  if (typeof gltf !== 'object' || gltf === null) throw new SceneFault(UNREADABLE);
  const version = String((gltf as Gltf).asset?.version ?? '2.0');
  if (!version.startsWith('2.')) throw new SceneFault(otherVersion(version));
  return gltf;
}

async function jsonOf(file: Blob): Promise<Blob> {
  const header = new DataView(await file.slice(0, HEADER_BYTES).arrayBuffer());
  if (header.byteLength === HEADER_BYTES && header.getUint32(0, true) === MAGIC) {
    return jsonOfGlb(header, file);
  }
  if (!/^\s*\{/.test(new TextDecoder().decode(header))) {
    throw new SceneFault(
      'This is not a glTF scene. Export it as a .glb, or as a .gltf with its files.',
    );
  }
  if (file.size > MOST_JSON_BYTES) {
    throw new SceneFault('The .gltf is larger than 64 MiB. Export it with its data in files.');
  }
  return file;
}

function jsonOfGlb(header: DataView, file: Blob): Blob {
  const version = header.getUint32(4, true);
  if (version !== 2) throw new SceneFault(otherVersion(version));
  const length = header.getUint32(12, true);
  if (header.getUint32(16, true) !== JSON_CHUNK || HEADER_BYTES + length > file.size) {
    throw new SceneFault('The file is cut short or damaged. Export it again.');
  }
  return file.slice(HEADER_BYTES, HEADER_BYTES + length);
}

function otherVersion(version: number | string): string {
  return `This is glTF version ${version}. Export the scene as glTF 2.0.`;
}
