import { asProblem, problemOf } from './problem';

/** A picture that a page can show; `release` it when it is shown no more. */
export interface Media {
  url: string;
  release: () => void;
}

/** Fetches the picture at `path`. */
export async function loadMedia(path: string): Promise<Media> {
  const url = URL.createObjectURL(await loadBlob(path));
  return { url, release: () => URL.revokeObjectURL(url) };
}

/** Saves what lies at `path` under `name`. */
export function download(path: string, name: string): void {
  const link = document.createElement('a');
  link.href = path;
  link.download = name;
  link.click();
}

/** Saves text that the page has already. */
export function saveText(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  download(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The bytes that lie at `path`. */
export async function loadBlob(path: string): Promise<Blob> {
  let response: Response;
  try {
    response = await fetch(path);
  } catch (error) {
    throw asProblem(error);
  }
  if (!response.ok) throw await problemOf(response);
  return response.blob();
}
