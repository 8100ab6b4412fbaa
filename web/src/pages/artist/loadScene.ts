import { LoadingManager } from 'three';
import { type GLTF, GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import type { Scene } from '../../lib/openScene';
import { fileOfUri } from '../../lib/sceneNames';

/** Reads a scene with the files that it names, which have addresses of this page while it does. */
export async function loadScene({ main, files }: Scene): Promise<GLTF> {
  const addresses = new Map<string, string>();
  try {
    for (const [name, part] of files) {
      addresses.set(name, URL.createObjectURL(await part.open()));
    }
    const manager = new LoadingManager().setURLModifier((url) => addressOf(url, addresses));
    return await new GLTFLoader(manager).parseAsync(await main.arrayBuffer(), '');
  } finally {
    for (const address of addresses.values()) URL.revokeObjectURL(address);
  }
}

/** Leads nowhere where there is no such file: the page's server is not asked for it. */
const NOWHERE = 'blob:';

function addressOf(url: string, addresses: Map<string, string>): string {
  if (/^blob:/i.test(url)) return url;
  try {
    const name = fileOfUri(url);
    if (name !== undefined) return addresses.get(name) ?? NOWHERE;
    const known = addresses.get(url) ?? URL.createObjectURL(heldBy(url));
    addresses.set(url, known);
    return known;
  } catch {
    return NOWHERE;
  }
}

/** What a `data:` URI holds: the portal's policy lets pages fetch blobs and not these. */
function heldBy(uri: string): Blob {
  const base64 = uri.slice(uri.indexOf(',') + 1);
  return new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))]);
}
