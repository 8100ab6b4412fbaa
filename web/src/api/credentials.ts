// How requests say who sends them: a session's cookie travels by itself and needs its csrf word beside it.

let csrf: string | undefined;

export function useCookie(word: string): void {
  csrf = word;
}

export function forgetCredentials(): void {
  csrf = undefined;
}

/** The headers that a request of this method needs. */
export function credentialHeaders(method: string): Record<string, string> {
  if (csrf !== undefined && method !== 'GET' && method !== 'HEAD') {
    return { 'X-Tessera-Csrf': csrf };
  }
  return {};
}
