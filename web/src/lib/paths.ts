/** What a pattern like `/jobs/:job` names in a path; `undefined` where it does not fit. */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const parts = path.replace(/(?<=.)\/$/, '').split('/');
  if (wanted.length !== parts.length) return undefined;
  const named: Record<string, string> = {};
  for (const [index, want] of wanted.entries()) {
    const part = parts[index] ?? '';
    if (want.startsWith(':') && part !== '') named[want.slice(1)] = decodeURIComponent(part);
    else if (want !== part) return undefined;
  }
  return named;
}
