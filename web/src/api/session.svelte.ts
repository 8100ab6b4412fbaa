import { api, take } from './client';
import { forgetCredentials, useCookie } from './credentials';
import { asProblem } from './problem';
import type { AccountSession, Role, SignIn } from './types';
import type { Wallet } from './wallet';

/** Who is signed in: nobody yet asked (`undefined`), nobody (`null`), or an account. */
class Session {
  current = $state.raw<AccountSession | null | undefined>(undefined);

  can(role: Role): boolean {
    return this.current?.roles.includes(role) ?? false;
  }

  /** Takes up the session of the browser's cookie, where there is one. */
  async restore(): Promise<void> {
    try {
      this.#enter(await take(api.GET('/v1/session')));
    } catch (error) {
      const problem = asProblem(error);
      if (problem.status === 0 || problem.status >= 500) throw problem;
      this.current = null;
    }
  }

  async signUp(name: string, password: string): Promise<void> {
    this.#enter(await take(api.POST('/v1/accounts', { body: { name, password } })));
  }

  async signIn(body: SignIn): Promise<void> {
    this.#enter(await take(api.POST('/v1/session', { body })));
  }

  async signInByWallet(wallet: Wallet): Promise<void> {
    const address = await wallet.connect();
    const { challenge } = await take(api.POST('/v1/session/challenge', { body: { address } }));
    const signature = await wallet.sign(challenge);
    await this.signIn({ by: 'wallet', address, challenge, signature });
  }

  async signOut(): Promise<void> {
    await take(api.DELETE('/v1/session'));
    this.#leave();
  }

  /** The farm no longer knows who this is. */
  expire(): void {
    if (this.current) this.#leave();
  }

  #enter(session: AccountSession): void {
    useCookie(session.csrf);
    this.current = session;
  }

  #leave(): void {
    forgetCredentials();
    this.current = null;
  }
}

export const session = new Session();

api.use({
  onResponse({ response, schemaPath }) {
    if (response.status === 401 && schemaPath !== '/v1/session') session.expire();
  },
});
