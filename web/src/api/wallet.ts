import { base58 } from '../lib/base58';

/** A Solana wallet of this browser that can sign a text. */
export interface Wallet {
  name: string;
  /** Asks the wallet's owner, and gives the address in base 58. */
  connect: () => Promise<string>;
  /** The signature over `text`, in base 58. */
  sign: (text: string) => Promise<string>;
}

interface InjectedWallet {
  isPhantom?: boolean;
  connect: () => Promise<{ publicKey?: { toString: () => string } } | void>;
  publicKey?: { toString: () => string } | null;
  signMessage?: (message: Uint8Array, display: 'utf8') => Promise<{ signature: Uint8Array }>;
}

interface StandardAccount {
  address: string;
}

interface StandardWallet {
  name: string;
  features: {
    'standard:connect'?: { connect: () => Promise<{ accounts: readonly StandardAccount[] }> };
    'solana:signMessage'?: {
      signMessage: (input: {
        account: StandardAccount;
        message: Uint8Array;
      }) => Promise<readonly { signature: Uint8Array }[]>;
    };
  };
}

declare global {
  interface Window {
    solana?: InjectedWallet;
  }
}

/** The wallets of this browser, those that announce themselves by the wallet standard first. */
export function wallets(): Wallet[] {
  const standard = announced().flatMap(fromStandard);
  const injected = window.solana?.signMessage ? [fromInjected(window.solana)] : [];
  return standard.length > 0 ? standard : injected;
}

function announced(): StandardWallet[] {
  const found: StandardWallet[] = [];
  const register = (...wallets: StandardWallet[]) => {
    found.push(...wallets);
    return () => undefined;
  };
  const onRegister = (event: Event) => {
    (event as CustomEvent<(api: { register: typeof register }) => void>).detail({ register });
  };
  window.addEventListener('wallet-standard:register-wallet', onRegister);
  window.dispatchEvent(new CustomEvent('wallet-standard:app-ready', { detail: { register } }));
  window.removeEventListener('wallet-standard:register-wallet', onRegister);
  return found;
}

function fromStandard({ name, features }: StandardWallet): Wallet[] {
  const connect = features['standard:connect'];
  const signer = features['solana:signMessage'];
  if (!connect || !signer) return [];
  let account: StandardAccount | undefined;
  return [
    {
      name,
      connect: async () => {
        account = (await connect.connect()).accounts[0];
        if (!account) throw new Error('The wallet shared no account.');
        return account.address;
      },
      sign: async (text) => {
        if (!account) throw new Error('The wallet is not connected.');
        const message = new TextEncoder().encode(text);
        const [signed] = await signer.signMessage({ account, message });
        if (!signed) throw new Error('The wallet signed nothing.');
        return base58(signed.signature);
      },
    },
  ];
}

function fromInjected(injected: InjectedWallet): Wallet {
  return {
    name: injected.isPhantom ? 'Phantom' : 'Solana wallet',
    connect: async () => {
      const answer = await injected.connect();
      const key = (answer ? answer.publicKey : undefined) ?? injected.publicKey;
      if (!key) throw new Error('The wallet shared no account.');
      return key.toString();
    },
    sign: async (text) => {
      if (!injected.signMessage) throw new Error('The wallet cannot sign a text.');
      const signed = await injected.signMessage(new TextEncoder().encode(text), 'utf8');
      return base58(signed.signature);
    },
  };
}
