import type { Problem } from './types';

/** A refusal of the API, or a request that never reached it. */
export class ApiProblem extends Error {
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly status: number;
  readonly retryAfterS: number | undefined;

  constructor(problem: Problem, retryAfterS?: number) {
    super(`${problem.title}: ${problem.detail}`);
    this.code = problem.type.replace(/^.*\//, '');
    this.title = problem.title;
    this.detail = problem.detail;
    this.status = problem.status;
    this.retryAfterS = retryAfterS;
  }
}

const UNREACHABLE = {
  type: '/problems/unreachable',
  title: 'The farm does not answer',
  detail: 'The connection broke, or the farm is not running.',
  status: 0,
};

/** What a refused answer says. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  return problemFrom(
    await response.json().catch(() => undefined),
    response.status,
    response.headers.get('Retry-After'),
  );
}

export function problemFrom(body: unknown, status: number, retryAfter: string | null): ApiProblem {
  const seconds = Number(retryAfter ?? Number.NaN);
  return new ApiProblem(
    isProblem(body)
      ? body
      : {
          type: '/problems/unreadable',
          title: 'The answer cannot be read',
          detail: `The farm answered ${status} and nothing that explains it.`,
          status,
        },
    Number.isFinite(seconds) ? seconds : undefined,
  );
}

/** Whatever was thrown, as a problem. */
export function asProblem(error: unknown): ApiProblem {
  return error instanceof ApiProblem ? error : new ApiProblem(UNREACHABLE);
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'title' in body && 'detail' in body;
}

/** What a person can do about a problem, where the API's own words do not say it. */
export function advice(problem: ApiProblem): string | undefined {
  if (problem.retryAfterS !== undefined) return `Try again in ${problem.retryAfterS} s.`;
  return ADVICE[problem.code] ?? (problem.status >= 500 ? 'Try again in a moment.' : undefined);
}

const ADVICE: Record<string, string> = {
  unreachable: 'Check the connection. This page goes on by itself once the farm answers.',
  'token-missing': 'Sign in again.',
  'token-unknown': 'Sign in again, or use another key.',
  'scope-too-small': 'Sign in with an account or key that may do this.',
  'upload-missing': 'Upload the file again.',
  'scene-refused': 'Change the scene in your 3-D program and upload it again.',
  'quote-over': 'Ask for a new quote. Prices may have changed.',
  'deposit-missing': 'Pay the ceiling into the escrow first, then start the job.',
  'nobody-pays': 'Ask for a quote and pay its ceiling into the escrow, or give the stream a price.',
  'name-taken': 'Choose another name, or sign in if it is yours.',
  'sign-up-closed': 'Ask the operator of this farm for a key.',
  'csrf-missing': 'Reload the page and try again.',
};
