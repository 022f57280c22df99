import type { Root } from '@weir/protocols';
import { checkSignatures, openEnvelope } from './envelope.ts';
import { keyIdOf } from './keys.ts';
import { accepted, refused, type Verdict } from './verdict.ts';

/**
 * Whether a root file is to be trusted.
 *
 * @param previous undefined: it is the first one; it must come by a way that is trusted otherwise, and any version will do
 * @param envelope its text
 * @param now ms since epoch; undefined: its end does not matter yet, as on the way to one that follows
 */
export function verifyRoot(previous: Root | undefined, envelope: string, now: number | undefined): Verdict<Root> {
  const opened = openEnvelope('root', envelope);
  if (!opened.ok) return opened;
  const root = opened.value.statement;
  const misnamed = Object.entries(root.keys).find(([keyid, key]) => keyIdOf(key.public) !== keyid);
  if (misnamed !== undefined) return refused('malformed', `the key ${misnamed[0]} is another one`);
  if (previous !== undefined) {
    const { version } = previous;
    if (root.version <= version) return refused('root-older', `version ${root.version}; known is ${version}`);
    if (root.version > version + 1) {
      return refused('root-skipped', `version ${root.version}, after ${version} comes ${version + 1}`);
    }
    const approved = checkSignatures(opened.value, previous, 'root');
    if (!approved.ok) return approved.code === 'signature-invalid' ? approved : rename('root-unapproved', approved);
  }
  const proven = checkSignatures(opened.value, root, 'root');
  if (!proven.ok) return proven.code === 'signature-invalid' ? proven : rename('root-unproven', proven);
  const expired = now === undefined ? undefined : expiryOf(root, now);
  return expired ?? accepted(root);
}

/** @returns the refusal of all that leans on a root file whose time is over */
export function expiryOf({ version, expires }: Root, now: number): Verdict<never> | undefined {
  if (now < expires) return undefined;
  return refused('root-expired', `version ${version} of the root file ended at ${new Date(expires).toISOString()}`);
}

function rename(code: 'root-unapproved' | 'root-unproven', { reason }: { reason: string }): Verdict<never> {
  const whose = code === 'root-unapproved' ? 'of the version before' : 'of its own';
  return refused(code, `by the keys ${whose}: ${reason}`);
}
