import { SceneFault } from './gltf';
import type { Chosen } from './openScene';

/** Somebody's whole disk is no scene, and would be listed for long. */
const MOST_FILES = 10_000;

/** Files of an input: below the folder that was chosen, or side by side. */
export function chosenFrom(files: Iterable<File>): Chosen[] {
  return limited([...files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

/** Files that were dropped, and those in folders that were. */
export async function droppedFrom(transfer: DataTransfer): Promise<Chosen[]> {
  // All is asked for at once: after the first wait the browser hands out nothing more.
  const dropped = [...transfer.items]
    .filter(({ kind }) => kind === 'file')
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const found: Chosen[] = [];
  for (const { entry, file } of dropped) {
    if (entry) await gather(entry, found);
    else if (file) found.push({ path: file.name, file });
  }
  return limited(found);
}

async function gather(entry: FileSystemEntry, found: Chosen[]): Promise<void> {
  if (isFile(entry)) {
    const file = await asked<File>((resolve, reject) => entry.file(resolve, reject), entry);
    found.push({ path: entry.fullPath.replace(/^\//, ''), file });
  } else if (isFolder(entry)) {
    for (const inside of await entriesOf(entry)) await gather(inside, limited(found));
  }
}

/** A folder is listed by pieces, of which the last is empty. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await asked<FileSystemEntry[]>(
      (resolve, reject) => reader.readEntries(resolve, reject),
      folder,
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function asked<T>(
  ask: (resolve: (answer: T) => void, reject: () => void) => void,
  { fullPath }: FileSystemEntry,
): Promise<T> {
  return new Promise((resolve, reject) =>
    ask(resolve, () => reject(new SceneFault(`${fullPath} cannot be read.`))),
  );
}

function limited(found: Chosen[]): Chosen[] {
  if (found.length <= MOST_FILES) return found;
  throw new SceneFault(
    `There are more than ${MOST_FILES.toLocaleString('en')} files. Take the folder of the scene alone.`,
  );
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
