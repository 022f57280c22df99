/**
 * What this device shows to the hub. While its certificate is renewed that is two: the one in force, and the new one
 * until the hub has taken it. Both are in one file, so that a crash at any moment leaves one that works.
 *
 *     in force            renewed          in force, next           the hub takes next         in force (that was next)
 *     -------------------------------------------------------------------------------------------------------------->
 *                                          attempts take turns
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { OpenLink } from '../uplink/link.ts';
import { type Identity, type KeyAndCertificate, keysOf } from './identity.ts';

export interface CredentialsPorts {
  /** Durable when it resolves. */
  keep(identity: Identity): Promise<void>;
  log(level: 'info' | 'warn', message: string): void;
}

export class Credentials {
  #identity: Identity;
  readonly #ports: CredentialsPorts;
  /** The last attempt with the new one came to nothing; that may be the line's fault. */
  #wasNextRefused = false;

  constructor(identity: Identity, ports: CredentialsPorts) {
    this.#identity = identity;
    this.#ports = ports;
  }

  get inForce(): KeyAndCertificate {
    const { key, certificate } = this.#identity;
    return { key, certificate };
  }

  /** PEM, of what is in force and of what is next. */
  get keys(): string[] {
    return keysOf(this.#identity);
  }

  /** The hub has not taken the new one yet. */
  get isChanging(): boolean {
    return this.#identity.next !== undefined;
  }

  /** For the next connection. */
  toShow(): KeyAndCertificate {
    const { next } = this.#identity;
    return next !== undefined && !this.#wasNextRefused ? next : this.inForce;
  }

  /**
   * Resolves when it is kept: it may be shown from then on.
   * @throws when the certificate is not for this key and this device, or not from the hub's CA
   */
  async renewed(next: KeyAndCertificate): Promise<void> {
    requireOurs(next, this.#identity);
    const identity = { ...this.#identity, next };
    await this.#ports.keep(identity);
    this.#identity = identity;
    this.#wasNextRefused = false;
  }

  /** The hub has taken what was shown. */
  taken(shown: KeyAndCertificate): void {
    this.#wasNextRefused = false;
    const { next, ...rest } = this.#identity;
    if (next === undefined || shown.certificate !== next.certificate) return;
    this.#identity = { ...rest, ...next };
    const { log, keep } = this.#ports;
    log('info', "the device's certificate has been renewed");
    // Not kept: both are in the file still, and the new one is shown first.
    keep(this.#identity).catch((error: Error) =>
      log('warn', `the renewed identity could not be kept: ${error.message}`),
    );
  }

  notTaken(shown: KeyAndCertificate): void {
    this.#wasNextRefused = shown.certificate === this.#identity.next?.certificate;
  }
}

function requireOurs({ key, certificate }: KeyAndCertificate, { device, ca }: Identity): void {
  const found = new X509Certificate(certificate);
  const authority = new X509Certificate(ca);
  if (!found.checkPrivateKey(createPrivateKey(key))) throw new Error('the certificate is for another key');
  if (found.subject !== `CN=${device}`) throw new Error(`the certificate is for ${found.subject}, not for ${device}`);
  if (!found.verify(authority.publicKey)) throw new Error("the certificate is not from the hub's CA");
}

/** Links that show what there is to show when they are opened. */
export function linksWith(credentials: Credentials, linkWith: (shown: KeyAndCertificate) => OpenLink): OpenLink {
  return (subscriptions, events) => {
    const shown = credentials.toShow();
    let isOpen = false;
    return linkWith(shown)(subscriptions, {
      onOpen: () => {
        isOpen = true;
        credentials.taken(shown);
        events.onOpen();
      },
      onMessage: events.onMessage,
      onClosed: (reason) => {
        if (!isOpen) credentials.notTaken(shown);
        events.onClosed(reason);
      },
    });
  };
}
