/** What a .glb file says about itself, read from its JSON chunk alone. */
export interface GlbSummary {
  cameras: GlbCamera[];
  clips: GlbClip[];
  meshes: number;
  triangles: number;
  materials: number;
  textures: number;
  lights: number;
  extensionsRequired: string[];
}

export interface GlbCamera {
  /** Which node of the file carries it. */
  node: number;
  name: string;
}

export interface GlbClip {
  name: string;
  seconds: number;
}

/** Why a file is not a .glb, in a sentence for the person who chose it. */
export class NotGlb extends Error {}

interface Gltf {
  asset?: { version?: string };
  nodes?: { name?: string; camera?: number; extensions?: Record<string, unknown> }[];
  cameras?: { name?: string }[];
  animations?: { name?: string; samplers?: { input: number }[] }[];
  accessors?: { count: number; max?: number[] }[];
  meshes?: {
    primitives?: { mode?: number; indices?: number; attributes?: { POSITION?: number } }[];
  }[];
  materials?: unknown[];
  textures?: unknown[];
  extensionsRequired?: string[];
}

const MAGIC = 0x46546c67;
const JSON_CHUNK = 0x4e4f534a;
const HEADER_BYTES = 20;
const TRIANGLES = 4;

/** Reads the summary of a .glb; only as much of the file as its JSON takes. */
export async function summarize(file: Blob): Promise<GlbSummary> {
  const header = new DataView(await file.slice(0, HEADER_BYTES).arrayBuffer());
  if (header.byteLength < HEADER_BYTES || header.getUint32(0, true) !== MAGIC) {
    throw new NotGlb('This is not a .glb file. Export the scene as glTF binary (.glb).');
  }
  if (header.getUint32(4, true) !== 2) {
    throw new NotGlb('This is glTF version 1. Export the scene as glTF 2.0.');
  }
  const length = header.getUint32(12, true);
  if (header.getUint32(16, true) !== JSON_CHUNK || HEADER_BYTES + length > file.size) {
    throw new NotGlb('The file is cut short or damaged. Export it again.');
  }
  const text = await file.slice(HEADER_BYTES, HEADER_BYTES + length).text();
  try {
    return summaryOf(JSON.parse(text) as Gltf);
  } catch {
    throw new NotGlb('The description inside the file cannot be read. Export it again.');
  }
}

function summaryOf(gltf: Gltf): GlbSummary {
  const nodes = gltf.nodes ?? [];
  return {
    cameras: nodes.flatMap((node, index) =>
      node.camera === undefined
        ? []
        : [{ node: index, name: node.name ?? gltf.cameras?.[node.camera]?.name ?? '' }],
    ),
    clips: (gltf.animations ?? []).map((animation, index) => ({
      name: animation.name ?? `Clip ${index + 1}`,
      seconds: Math.max(
        0,
        ...(animation.samplers ?? []).map(({ input }) => gltf.accessors?.[input]?.max?.[0] ?? 0),
      ),
    })),
    meshes: gltf.meshes?.length ?? 0,
    triangles: trianglesOf(gltf),
    materials: gltf.materials?.length ?? 0,
    textures: gltf.textures?.length ?? 0,
    lights: nodes.filter((node) => node.extensions?.['KHR_lights_punctual']).length,
    extensionsRequired: gltf.extensionsRequired ?? [],
  };
}

function trianglesOf(gltf: Gltf): number {
  const primitives = (gltf.meshes ?? []).flatMap((mesh) => mesh.primitives ?? []);
  return primitives.reduce((sum, primitive) => {
    const accessor = primitive.indices ?? primitive.attributes?.POSITION;
    const corners = accessor === undefined ? 0 : (gltf.accessors?.[accessor]?.count ?? 0);
    return (primitive.mode ?? TRIANGLES) === TRIANGLES ? sum + Math.floor(corners / 3) : sum;
  }, 0);
}
