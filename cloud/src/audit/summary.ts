/** A few words of what was sent with a change, for the audit log; never a secret. */
import { createHash } from 'node:crypto';

const CHARACTERS_MAX = 400;
const TEXT_MAX = 64;
const DEPTH_MAX = 4;
const ENTRIES_MAX = 20;

const HIDDEN = '(hidden)';
/** Members of these names are not told, whatever they are. */
const SECRET_NAME =
  /secret|passw|token|credential|authorization|private|(api|routing)-?key|signature|^key$|^value$|^pin$/i;
/** Of what users name as they like, numbers are told and words are not. */
const FREE_NAME = /^(config|params|payload|headers)$/i;
/** What looks drawn by lot: letters of both cases and digits, without a space. */
const SECRET_LOOK = /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w\-+/=.]{20,}$/;
/** Of an address its host is told: the path of a webhook is a secret with many services. */
const ADDRESS = /^(\w[\w+.-]*:\/\/)(?:[^/?#@]*@)?([^/?#]*)./;

/** @param target the path that was asked for: about secrets nothing is told of what was sent */
export function summaryOf(body: unknown, target: string): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (body instanceof Uint8Array) {
    if (body.length === 0) return undefined;
    return `${body.length} bytes, sha256 ${createHash('sha256').update(body).digest('hex')}`;
  }
  if (/secret/i.test(target)) return HIDDEN;
  const text = JSON.stringify(told(body, { depth: 0, isFree: false })) ?? '';
  return text.length <= CHARACTERS_MAX ? text : `${text.slice(0, CHARACTERS_MAX - 1)}…`;
}

interface Place {
  depth: number;
  isFree: boolean;
}

function told(value: unknown, { depth, isFree }: Place): unknown {
  if (typeof value === 'string') return isFree ? HIDDEN : toldText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '…';
  if (Array.isArray(value)) return value.slice(0, ENTRIES_MAX).map((each) => told(each, { depth: depth + 1, isFree }));
  const entries = Object.entries(value).slice(0, ENTRIES_MAX);
  return Object.fromEntries(
    entries.map(([name, each]) => {
      const place = { depth: depth + 1, isFree: isFree || FREE_NAME.test(name) };
      return [name, SECRET_NAME.test(name) ? HIDDEN : told(each, place)];
    }),
  );
}

function toldText(text: string): string {
  const address = ADDRESS.exec(text);
  if (address !== null) return `${address[1]}${address[2]}/…`;
  if (SECRET_LOOK.test(text)) return HIDDEN;
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;
}
