import { bytes } from './format';
import { SceneFault } from './gltf';
import { NameFault, plainPath } from './sceneNames';

/** A file of a scene that is not read before it is wanted. */
export interface Part {
  /** From the folder that was chosen, or in its archive. */
  path: string;
  size: number;
  open: () => Promise<File>;
}

/** What a farm unpacks, and the most bytes of a scene. */
export const MOST_BYTES = 2 ** 30;

const FIRST_ENTRY = 0x04034b50;
const LISTED = 0x02014b50;
const END = 0x06054b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;
const LOCAL_BYTES = 30;
const LISTED_BYTES = 46;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;
const WIDE_SIZES = 1;
/** Where a number needs 64 bits, this stands in its place. */
const WIDE = 0xffffffff;

/** Whether a file is a .zip, by its first bytes. */
export async function isZip(file: Blob): Promise<boolean> {
  const view = await viewOf(file.slice(0, 4));
  return view.byteLength === 4 && [FIRST_ENTRY, END].includes(view.getUint32(0, true));
}

/** Lists the files of a .zip, and reads no more of it than its directory. */
export async function partsOfZip(zip: Blob): Promise<Part[]> {
  const parts: Part[] = [];
  try {
    const directory = await directoryOf(zip);
    for (let at = 0; at < directory.byteLength;) {
      const entry = entryAt(directory, at);
      if (!entry.isFolder) parts.push(partOf(zip, entry));
      at += entry.length;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SceneFault('The .zip is cut short or damaged. Pack it again.');
  }
  const unpacked = parts.reduce((sum, part) => sum + part.size, 0);
  if (unpacked > MOST_BYTES) {
    throw new SceneFault(
      `The .zip holds ${bytes(unpacked)}; a farm takes at most ${bytes(MOST_BYTES)}.`,
    );
  }
  return parts;
}

async function directoryOf(zip: Blob): Promise<DataView> {
  const tail = await viewOf(zip.slice(-END_BYTES - LONGEST_COMMENT));
  for (let at = tail.byteLength - END_BYTES; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== END) continue;
    const [length, start] = [tail.getUint32(at + 12, true), tail.getUint32(at + 16, true)];
    return viewOf(zip.slice(start, start + length));
  }
  throw new RangeError('no end of the directory');
}

interface Entry {
  path: string;
  isFolder: boolean;
  method: number;
  packed: number;
  size: number;
  start: number;
  /** Of its line in the directory. */
  length: number;
}

function entryAt(directory: DataView, at: number): Entry {
  if (directory.getUint32(at, true) !== LISTED) throw new RangeError('no entry');
  const short = (offset: number) => directory.getUint16(at + offset, true);
  const long = (offset: number) => directory.getUint32(at + offset, true);
  const [named, more] = [short(28), short(30)];
  const raw = new Uint8Array(directory.buffer, directory.byteOffset + at + LISTED_BYTES, named);
  const path = nameOf(raw);
  if (short(8) & ENCRYPTED) {
    throw new SceneFault(`${path} in the .zip is encrypted. Pack it without a password.`);
  }
  const method = short(10);
  if (method !== STORED && method !== DEFLATED) {
    throw new SceneFault(
      `${path} in the .zip is packed in a rare way. Pack it by deflate or store.`,
    );
  }
  const extra = new DataView(directory.buffer, raw.byteOffset + named, more);
  const [size = 0, packed = 0, start = 0] = widened([long(24), long(20), long(42)], extra);
  const length = LISTED_BYTES + named + more + short(32);
  return { path, isFolder: raw.at(-1) === SLASH, method, packed, size, start, length };
}

const SLASH = 0x2f;

function nameOf(raw: Uint8Array): string {
  const shown = new TextDecoder().decode(raw);
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(raw);
    return plainPath(shown);
  } catch (error) {
    const why = error instanceof NameFault ? error.message : 'is not UTF-8';
    throw new SceneFault(`The name ${JSON.stringify(shown)} in the .zip ${why}.`);
  }
}

/** Some programs write the sizes of every entry as if it were larger than 4 GB. */
function widened(numbers: number[], extra: DataView): number[] {
  if (!numbers.includes(WIDE)) return numbers;
  for (let at = 0; at < extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== WIDE_SIZES) continue;
    let next = at + 4;
    return numbers.map((number) => {
      if (number !== WIDE) return number;
      next += 8;
      return Number(extra.getBigUint64(next - 8, true));
    });
  }
  throw new RangeError('no sizes');
}

function partOf(zip: Blob, entry: Entry): Part {
  const { path, size } = entry;
  const open = async () => {
    const file = await unpacked(zip, entry).catch(() => undefined);
    if (file?.size === size) return new File([file], path.split('/').at(-1) ?? path);
    throw new SceneFault(`${path} in the .zip is damaged. Pack it again.`);
  };
  return { path, size, open };
}

async function unpacked(zip: Blob, { start, packed, method }: Entry): Promise<Blob> {
  const local = await viewOf(zip.slice(start, start + LOCAL_BYTES));
  const begin = start + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  const bytes = zip.slice(begin, begin + packed);
  if (method === STORED) return bytes;
  const stream = bytes.stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Response(stream).blob();
}

async function viewOf(blob: Blob): Promise<DataView> {
  return new DataView(await blob.arrayBuffer());
}
