/** @typedef {{ name: string, bytes: Buffer }} Loose */

const HEADER_BYTES = 12;
const CHUNK_BYTES = 8;

/**
 * A .glb as a .gltf with its buffer in a file beside it, whose name needs escapes in a URI.
 * @param {Buffer} glb
 * @param {string} name without its ending
 * @returns {[Loose, Loose]}
 */
export function loose(glb, name) {
  const json = HEADER_BYTES + CHUNK_BYTES;
  const jsonEnd = json + glb.readUInt32LE(HEADER_BYTES);
  const gltf = JSON.parse(glb.toString('utf8', json, jsonEnd));
  const [buffer] = gltf.buffers;
  const start = jsonEnd + CHUNK_BYTES;
  const bin = `${name} – data.bin`;
  buffer.uri = encodeURIComponent(bin);
  return [
    { name: `${name}.gltf`, bytes: Buffer.from(JSON.stringify(gltf)) },
    { name: bin, bytes: glb.subarray(start, start + buffer.byteLength) },
  ];
}
