/**
 * Whether who answers is the hub, on a machine that may not know what time it is.
 *
 * TLS goes by the machine's clock, to which every certificate of today is one of the future in 1970, and long expired in
 * 2100. Where it is the time that TLS has against the hub, and that clock is wrong or nobody knows the time, the next
 * attempt looks at the certificate here, and by a better clock: chain, name and use as ever, and the time by the agent's.
 * As long as nobody knows the time, a certificate may be one of the future, for the present may be later than it seems; it
 * must not have expired before the last moment that is known to have been.
 */
import { X509Certificate } from 'node:crypto';
import { type ConnectionOptions, checkServerIdentity, type TLSSocket } from 'node:tls';

/** As the agent's clock has it. */
export interface TrustedTime {
  readonly isKnown: boolean;
  /** The machine's clock, by which TLS goes, is another. */
  readonly isWallWrong: boolean;
  /** ms since epoch; no true time is before it. */
  readonly earliest: number;
  now(): number;
}

const TIME_FAULTS = ['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED'];
/** AWS IoT Core has two between its certificate and the root. */
const CHAIN_MAX = 6;
/** @see RFC 5280 section 4.2.1.12 */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

export class HubTrust {
  #ca: string;
  #name: string;
  #time: TrustedTime | undefined;
  #hadTimeFault = false;

  /**
   * @param ca PEM; nobody else is believed
   * @param name in the hub's certificate
   * @param time undefined: the machine's clock is right
   */
  constructor(ca: string, name: string, time: TrustedTime | undefined) {
    this.#ca = ca;
    this.#name = name;
    this.#time = time;
  }

  /** For the next connection, which is to be handed to {@link guard} before it is up. */
  options(): Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized' | 'checkServerIdentity'> {
    // What was enrolled with is checked, a name or an address.
    const checkIdentity: ConnectionOptions['checkServerIdentity'] = (_host, peer) =>
      checkServerIdentity(this.#name, peer);
    return { ca: this.#ca, rejectUnauthorized: !this.#isByHand, checkServerIdentity: checkIdentity };
  }

  /** @param refuse ends the connection: nothing may have been said on it that is not for everybody */
  guard(socket: TLSSocket, refuse: (fault: Error) => void): void {
    socket.prependOnceListener('secureConnect', () => {
      const fault = socket.authorized ? undefined : this.#faultOf(socket.getPeerX509Certificate());
      if (fault !== undefined) refuse(fault);
    });
  }

  /** @returns whether another attempt may end otherwise */
  failed(error: Error): boolean {
    const isTimeFault = TIME_FAULTS.includes((error as NodeJS.ErrnoException).code ?? '');
    const wasByHand = this.#isByHand;
    this.#hadTimeFault ||= isTimeFault;
    return isTimeFault && !wasByHand && this.#isByHand;
  }

  get #isByHand(): boolean {
    if (this.#time === undefined || !this.#hadTimeFault) return false;
    return this.#time.isWallWrong || !this.#time.isKnown;
  }

  #faultOf(leaf: X509Certificate | undefined): Error | undefined {
    if (leaf === undefined) return fault('ERR_TLS_CERT_MISSING', 'the hub showed no certificate');
    const usages = leaf.keyUsage as readonly string[] | undefined;
    if (usages !== undefined && usages.length > 0 && !usages.includes(SERVER_AUTH)) {
      return fault('INVALID_PURPOSE', "the hub's certificate is not for a server");
    }
    return checkServerIdentity(this.#name, leaf.toLegacyObject()) ?? this.#chainFault(leaf);
  }

  #chainFault(leaf: X509Certificate): Error | undefined {
    const roots = certificatesIn(this.#ca);
    for (let at: X509Certificate | undefined = leaf, length = 1; at !== undefined && length <= CHAIN_MAX; length++) {
      const child: X509Certificate = at;
      const timeFault = this.#timeFault(child);
      if (timeFault !== undefined) return timeFault;
      const root = roots.find((each) => isIssuer(each, child));
      if (root !== undefined) return this.#timeFault(root);
      const { issuerCertificate: next }: X509Certificate = child;
      if (next === undefined || next.fingerprint256 === child.fingerprint256 || !isIssuer(next, child)) break;
      at = next;
    }
    return fault('UNABLE_TO_VERIFY_LEAF_SIGNATURE', "the hub's certificate is not from the CA of the enrolment");
  }

  #timeFault({ validFrom, validTo }: X509Certificate): Error | undefined {
    const { isKnown, earliest } = this.#time!;
    const now = isKnown ? this.#time!.now() : earliest;
    if (isKnown && Date.parse(validFrom) > now) return fault('CERT_NOT_YET_VALID', 'certificate is not yet valid');
    return Date.parse(validTo) < now ? fault('CERT_HAS_EXPIRED', 'certificate has expired') : undefined;
  }
}

function isIssuer(issuer: X509Certificate, of: X509Certificate): boolean {
  return issuer.ca && of.checkIssued(issuer) && of.verify(issuer.publicKey);
}

function certificatesIn(pem: string): X509Certificate[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return found.map((each) => new X509Certificate(each));
}

/** With codes as OpenSSL has them. */
function fault(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
