// A small scene as a .glb: cubes that turn, a floor, a camera and a lamp.

const FLOAT = 5126;
const USHORT = 5123;

const CORNERS = [
  [-1, -1],
  [1, -1],
  [1, 1],
  [-1, 1],
] as const;

/** Six faces of a cube, four corners each. */
function cube() {
  const positions: number[] = [];
  const normals: number[] = [];
  const indices: number[] = [];
  for (const axis of [0, 1, 2]) {
    for (const side of [-1, 1]) {
      const first = positions.length / 3;
      for (const [u, v] of CORNERS) {
        const corner = [0, 0, 0];
        corner[axis] = side;
        corner[(axis + 1) % 3] = u * side;
        corner[(axis + 2) % 3] = v;
        positions.push(...corner);
        const normal = [0, 0, 0];
        normal[axis] = side;
        normals.push(...normal);
      }
      indices.push(first, first + 1, first + 2, first, first + 2, first + 3);
    }
  }
  return { positions, normals, indices };
}

/** The bytes of the scene. */
export function sampleScene(): Buffer {
  const { positions, normals, indices } = cube();
  const turn = (degrees: number) => {
    const half = (degrees * Math.PI) / 360;
    return [0, Math.sin(half), 0, Math.cos(half)];
  };
  const times = [0, 0.5, 1];
  const turns = [0, 60, 120].flatMap(turn);
  const views: { buffer: number; byteOffset: number; byteLength: number }[] = [];
  const bytes: number[] = [];
  const add = (array: Float32Array | Uint16Array) => {
    const raw = new Uint8Array(array.buffer);
    views.push({ buffer: 0, byteOffset: bytes.length, byteLength: raw.length });
    bytes.push(...raw);
    while (bytes.length % 4 !== 0) bytes.push(0);
    return views.length - 1;
  };
  const accessors = [
    {
      bufferView: add(new Float32Array(positions)),
      componentType: FLOAT,
      count: positions.length / 3,
      type: 'VEC3',
      min: [-1, -1, -1],
      max: [1, 1, 1],
    },
    {
      bufferView: add(new Float32Array(normals)),
      componentType: FLOAT,
      count: normals.length / 3,
      type: 'VEC3',
    },
    {
      bufferView: add(new Uint16Array(indices)),
      componentType: USHORT,
      count: indices.length,
      type: 'SCALAR',
    },
    {
      bufferView: add(new Float32Array(times)),
      componentType: FLOAT,
      count: 3,
      type: 'SCALAR',
      min: [0],
      max: [1],
    },
    { bufferView: add(new Float32Array(turns)), componentType: FLOAT, count: 3, type: 'VEC4' },
  ];
  const colours = [
    [0.54, 0.13, 0.05, 1],
    [0.01, 0.14, 0.14, 1],
    [0.68, 0.37, 0.05, 1],
    [0.8, 0.78, 0.74, 1],
  ];
  const attributes = { POSITION: 0, NORMAL: 1 };
  const gltf = {
    asset: { version: '2.0', generator: 'Tessera' },
    scene: 0,
    scenes: [{ nodes: [0, 1, 2, 3, 4, 5] }],
    extensionsUsed: ['KHR_lights_punctual'],
    extensions: {
      KHR_lights_punctual: {
        lights: [{ type: 'point', name: 'Lamp', intensity: 260, color: [1, 0.95, 0.88] }],
      },
    },
    nodes: [
      { name: 'Left', mesh: 0, translation: [-2.6, 0, 0] },
      { name: 'Middle', mesh: 1, translation: [0, 0, 0] },
      { name: 'Right', mesh: 2, translation: [2.6, 0, 0] },
      { name: 'Floor', mesh: 3, translation: [0, -2, 0], scale: [12, 0.3, 12] },
      { name: 'Front', camera: 0, translation: [0, 2.6, 9], rotation: [-0.13, 0, 0, 0.99151] },
      { name: 'Lamp', translation: [3, 6, 5], extensions: { KHR_lights_punctual: { light: 0 } } },
    ],
    cameras: [{ type: 'perspective', perspective: { yfov: 0.7, znear: 0.1, zfar: 100 } }],
    materials: colours.map((baseColorFactor) => ({
      pbrMetallicRoughness: { baseColorFactor, metallicFactor: 0, roughnessFactor: 0.6 },
    })),
    meshes: colours.map((_, material) => ({ primitives: [{ attributes, indices: 2, material }] })),
    animations: [
      {
        name: 'Turn',
        samplers: [{ input: 3, output: 4 }],
        channels: [0, 1, 2].map((node) => ({ sampler: 0, target: { node, path: 'rotation' } })),
      },
    ],
    accessors,
    bufferViews: views,
    buffers: [{ byteLength: bytes.length }],
  };
  return glb(gltf, Uint8Array.from(bytes));
}

function glb(gltf: unknown, binary: Uint8Array): Buffer {
  let json = JSON.stringify(gltf);
  while (json.length % 4 !== 0) json += ' ';
  const out = Buffer.alloc(12 + 8 + json.length + 8 + binary.length);
  out.writeUInt32LE(0x46546c67, 0);
  out.writeUInt32LE(2, 4);
  out.writeUInt32LE(out.length, 8);
  out.writeUInt32LE(json.length, 12);
  out.writeUInt32LE(0x4e4f534a, 16);
  out.write(json, 20);
  out.writeUInt32LE(binary.length, 20 + json.length);
  out.writeUInt32LE(0x004e4942, 24 + json.length);
  Buffer.from(binary).copy(out, 28 + json.length);
  return out;
}
