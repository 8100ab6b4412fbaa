import type { Gltf } from './gltf';

/** What a scene says about itself, by its JSON alone. */
export interface SceneSummary {
  cameras: SceneCamera[];
  clips: SceneClip[];
  meshes: number;
  triangles: number;
  materials: number;
  textures: number;
  lights: number;
  extensionsRequired: string[];
}

export interface SceneCamera {
  /** Which node of the file carries it. */
  node: number;
  name: string;
}

export interface SceneClip {
  name: string;
  seconds: number;
}

const TRIANGLES = 4;

export function summaryOf(gltf: Gltf): SceneSummary {
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
