/**
 * Which certificate the operator API shows: the hub's own, or one from files, which are read again when they change.
 *
 * Whoever asks for a name that the one from files is for gets that one. All others get the hub's own: the hub itself and
 * commands on its machine, which ask for 127.0.0.1 or localhost, and trust the hub's CA alone.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type TlsOptions } from 'node:tls';
import { readIfThere, UsageError } from '@weir/runtime';
import type { Identity, ServerCredentials } from './identity.ts';

export interface CertificateFiles {
  /** PEM, the server's first, then those that it was signed with. */
  cert: string;
  key: string;
}

interface Served extends ServerCredentials {
  certificate: X509Certificate;
  context: SecureContext;
}

const MIN_VERSION = 'TLSv1.2';

export class ApiCertificate {
  readonly #identity: Pick<Identity, 'server'>;
  readonly #files: CertificateFiles | undefined;
  #own: Served | undefined;
  #theirs: Served | undefined;

  constructor(identity: Pick<Identity, 'server'>, files: CertificateFiles | undefined) {
    this.#identity = identity;
    this.#files = files;
  }

  /** @returns true when there is another to show. @throws {UsageError} `certificate-invalid`; what was shown stays */
  async load(): Promise<boolean> {
    const own = this.#identity.server();
    const theirs = this.#files && (await readFiles(this.#files));
    const isSame = (a: Served | undefined, b: ServerCredentials | undefined) =>
      a?.cert === b?.cert && a?.key === b?.key;
    if (isSame(this.#own, own) && isSame(this.#theirs, theirs)) return false;
    const served = theirs && serve(theirs, this.#files!);
    this.#own = serve(own);
    this.#theirs = served;
    return true;
  }

  /** After `load`. */
  options(): TlsOptions {
    const { key, cert } = this.#first();
    return {
      ...{ key, cert, minVersion: MIN_VERSION },
      SNICallback: (name, done) => done(null, this.#for(name).context),
    };
  }

  /** Without a name: who asks for an address sends none. */
  #first(): Served {
    const theirs = this.#theirs;
    return theirs?.certificate.subjectAltName?.includes('IP Address:') ? theirs : this.#own!;
  }

  #for(name: string): Served {
    const theirs = this.#theirs;
    if (name === 'localhost' || theirs === undefined) return this.#own!;
    return theirs.certificate.checkHost(name) === undefined ? this.#own! : theirs;
  }
}

async function readFiles(files: CertificateFiles): Promise<ServerCredentials> {
  const [cert, key] = await Promise.all([readIfThere(files.cert), readIfThere(files.key)]);
  if (cert !== undefined && key !== undefined) return { cert, key };
  throw invalid(`there is no file ${cert === undefined ? files.cert : files.key}`);
}

function serve({ key, cert }: ServerCredentials, files?: CertificateFiles): Served {
  try {
    const context = createSecureContext({ key, cert, minVersion: MIN_VERSION });
    return { key, cert, certificate: new X509Certificate(cert), context };
  } catch (error) {
    throw invalid(`${files?.cert} and ${files?.key}: ${(error as Error).message}`, { cause: error });
  }
}

function invalid(detail: string, options?: ErrorOptions): UsageError {
  return new UsageError(
    'certificate-invalid',
    `the certificate of the operator API is refused: ${detail}`,
    'listen.api.tls in the configuration names a certificate and its key, both PEM',
    options,
  );
}
