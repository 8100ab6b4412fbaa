import createClient from 'openapi-fetch';
import { credentialHeaders } from './credentials';
import { asProblem, problemFrom } from './problem';
import type { paths } from './schema';

/** The farm's API. */
export const api = createClient<paths>({ credentials: 'same-origin' });

api.use({
  onRequest({ request }) {
    for (const [name, value] of Object.entries(credentialHeaders(request.method))) {
      request.headers.set(name, value);
    }
  },
});

interface Answered<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

/** The body of an answer; throws an `ApiProblem` for everything else. */
export async function take<Data>(call: Promise<Answered<Data>>): Promise<Data> {
  let answer: Answered<Data>;
  try {
    answer = await call;
  } catch (error) {
    throw asProblem(error);
  }
  const { data, error, response } = answer;
  if (!response.ok) throw problemFrom(error, response.status, response.headers.get('Retry-After'));
  return data as Data;
}
