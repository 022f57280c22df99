/** What an author said of a bundle, and whether the bundle is that one. */
import {
  type Bundle,
  bundleIdentity,
  FUNCTION_API,
  type Release,
  type Root,
  type WantedDeployment,
} from '@weir/protocols';
import { hashBundle, parseBundle } from '../bundle/bundle.ts';
import { UsageError } from '../errors.ts';
import { checkSignatures, openEnvelope } from './envelope.ts';
import { expiryOf } from './root.ts';
import { accepted, refused, type Verdict } from './verdict.ts';

/** Who follows another one by the clock may be a little ahead of it; a day is more than clocks differ by. */
const AHEAD_MS_MAX = 86_400_000;

/** What is known where a release is looked at. */
export interface ReleaseContext {
  root: Root;
  /** ms since epoch */
  now: number;
  /** The highest floor that is known for the name; 0: none. */
  floor: number;
}

/** What is wanted; the version is only for people. */
export type WantedBundle = Pick<WantedDeployment, 'kind' | 'hash' | 'bytes'> & { name: string };

/** Whether the bundle that is wanted may run. @param envelope text of its release statement */
export function verifyRelease(envelope: string, context: ReleaseContext, wanted: WantedBundle): Verdict<Release> {
  const { root, now, floor } = context;
  const opened = openEnvelope('release', envelope);
  if (!opened.ok) return opened;
  const signed = checkSignatures(opened.value, root, 'release');
  if (!signed.ok) return signed;
  const expired = expiryOf(root, now);
  if (expired !== undefined) return expired;
  const release = opened.value.statement;
  if (release.name !== wanted.name) {
    return refused('wrong-bundle', `the release is of ${release.name}, wanted is ${wanted.name}`);
  }
  if (release.kind !== wanted.kind) {
    return refused('wrong-kind', `the release is of a ${release.kind}, wanted is a ${wanted.kind}`);
  }
  if (release.sha256 !== wanted.hash) {
    return refused('hash-mismatch', `the release is of ${release.sha256}, wanted is ${wanted.hash}`);
  }
  if (release.length !== wanted.bytes) {
    const what = `the release is of ${release.length} bytes, wanted are ${wanted.bytes}`;
    return refused(release.length < wanted.bytes ? 'too-long' : 'wrong-bundle', what);
  }
  if (release.release < floor) {
    return refused('release-below-floor', `release ${release.release} is below ${floor}, which a newer one has set`);
  }
  if (release.release > now + AHEAD_MS_MAX) {
    return refused('release-ahead', `release ${release.release} is of ${new Date(release.release).toISOString()}`);
  }
  if (release.api > FUNCTION_API) {
    return refused(
      'api-unsupported',
      `it needs version ${release.api} of the host's contract, here is ${FUNCTION_API}`,
    );
  }
  return accepted(release);
}

/** Whether these bytes are what was released. */
export function verifyBundle(bytes: Uint8Array, release: Release): Verdict<Bundle> {
  if (bytes.length > release.length) {
    return refused('too-long', `the bundle has ${bytes.length} bytes, released were ${release.length}`);
  }
  const hash = hashBundle(bytes);
  if (hash !== release.sha256) return refused('hash-mismatch', `the bundle's hash is ${hash}, not ${release.sha256}`);
  const bundle = readBundle(bytes);
  if (!bundle.ok) return bundle;
  const { kind, name } = bundleIdentity(bundle.value, hash);
  if (kind !== release.kind || name !== release.name) {
    return refused(
      'wrong-bundle',
      `the bundle is the ${kind} ${name}, released was the ${release.kind} ${release.name}`,
    );
  }
  const more = requestsOf(bundle.value).find((each) => !release.permissions.requests.includes(each));
  if (more !== undefined) return refused('permissions-exceeded', `requests to ${more} were not released`);
  return bundle;
}

/** What a release says of a bundle by itself; its author adds the rest. */
export function releaseFields(
  bytes: Uint8Array,
  bundle: Bundle,
): Pick<Release, 'name' | 'kind' | 'version' | 'sha256' | 'length' | 'api' | 'permissions'> {
  const sha256 = hashBundle(bytes);
  return {
    ...bundleIdentity(bundle, sha256),
    sha256,
    length: bytes.length,
    api: bundle.kind === 'function' ? bundle.manifest.api : FUNCTION_API,
    permissions: { requests: requestsOf(bundle) },
  };
}

function requestsOf(bundle: Bundle): string[] {
  return bundle.kind === 'function' ? bundle.manifest.requests : [];
}

function readBundle(bytes: Uint8Array): Verdict<Bundle> {
  try {
    return accepted(parseBundle(bytes));
  } catch (error) {
    if (error instanceof UsageError) return refused('malformed', error.message);
    throw error;
  }
}
