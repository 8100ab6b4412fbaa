/** Pieces of a file that are in memory at a time. */
const PIECE_BYTES = 8 << 20;

/** A .zip of these files, stored as they are: the same files give the same bytes. */
export async function zipOf(files: ReadonlyMap<string, Blob>): Promise<Blob> {
  const { Zip, ZipPassThrough } = await import('fflate');
  // The oldest that the format knows, which writes local times.
  const fixedTime = new Date(1980, 0, 1);
  const pieces: Blob[] = [];
  let fault: Error | undefined;
  const zip = new Zip((error, bytes) => {
    // As a blob it may lie on the disk; a scene's bytes would be too many for some memories.
    if (error) fault = error;
    else pieces.push(new Blob([bytes]));
  });
  for (const [name, file] of [...files].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const entry = new ZipPassThrough(name);
    entry.mtime = fixedTime;
    zip.add(entry);
    let at = 0;
    do {
      const piece = file.slice(at, at + PIECE_BYTES);
      at += PIECE_BYTES;
      entry.push(new Uint8Array(await piece.arrayBuffer()), at >= file.size);
    } while (at < file.size);
  }
  zip.end();
  if (fault) throw fault;
  return new Blob(pieces);
}
