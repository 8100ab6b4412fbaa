// The same rules as the farm's: what is taken here and refused there would be sent for nothing.

const MOST_BYTES = 1024;
const MOST_PARTS = 32;

/** Why a name leads to no file of a scene, as the rest of a sentence. */
export class NameFault extends Error {}

/** A path below a folder in its plain form: parts joined by `/`, none of them empty, `.` or `..`. */
export function plainPath(path: string): string {
  // Some programs of Windows write their own separator.
  const slashed = path.replaceAll('\\', '/');
  if (new TextEncoder().encode(slashed).length > MOST_BYTES) {
    throw new NameFault(`is longer than ${MOST_BYTES} bytes`);
  }
  if (/\p{Cc}/u.test(slashed)) throw new NameFault('holds control characters');
  if (/^(\/|[a-z]:)/i.test(slashed)) {
    throw new NameFault('is absolute; put the file below the scene’s own folder');
  }
  const parts: string[] = [];
  for (const part of slashed.split('/')) {
    if (part === '..' && parts.pop() === undefined) {
      throw new NameFault('leads out of its folder; put the file below the scene’s own');
    }
    if (part !== '' && part !== '.' && part !== '..') parts.push(part);
  }
  if (parts.length === 0) throw new NameFault('is empty');
  if (parts.length > MOST_PARTS) {
    throw new NameFault(`leads through more than ${MOST_PARTS} folders`);
  }
  return parts.join('/');
}

/** The file that a URI names, below the scene's folder; `undefined` where the URI itself holds it. */
export function fileOfUri(uri: string): string | undefined {
  if (/^data:/i.test(uri)) return undefined;
  // A letter before a colon is a drive of Windows.
  const scheme = /^[^/?#%:]{2,}:/.exec(uri)?.[0];
  if (scheme)
    throw new NameFault(`begins with ${scheme}, and nothing is fetched; put the file beside`);
  return plainPath(uri.replace(/(%[0-9a-f]{2})+/gi, decoded));
}

/** Unlike `decodeURIComponent`, leaves alone what is no escape: a name may hold a `%`. */
function decoded(escapes: string): string {
  const bytes = escapes
    .split('%')
    .slice(1)
    .map((digits) => parseInt(digits, 16));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(bytes),
    );
  } catch {
    throw new NameFault('is not UTF-8');
  }
}
