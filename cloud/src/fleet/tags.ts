import { NAME_PATTERN, TAG_CHARS_MAX } from '@weir/protocols';
import { FleetError } from './error.ts';
import type { TagChange } from './fleet.ts';

/** Tags say where a device is and what it is for; what is more belongs into a register. */
const TAGS_MAX = 50;

/** @throws {FleetError} `tag-invalid`, `limit-exceeded` */
export function withTags(
  tags: Readonly<Record<string, string>>,
  { set = {}, remove = [] }: TagChange,
): Record<string, string> {
  const next = new Map(Object.entries(tags));
  for (const key of remove) {
    if (Object.hasOwn(set, key)) throw tagInvalid(`the tag "${key}" is set and taken off at once`, 'do one of them');
    next.delete(key);
  }
  for (const [key, value] of Object.entries(set)) {
    verifyTag(key, value);
    next.set(key, value);
  }
  if (next.size > TAGS_MAX) {
    const message = `the device would have ${next.size} tags; ${TAGS_MAX} is the limit`;
    throw new FleetError('limit-exceeded', message, 'take one off: weir device tag DEVICE key-');
  }
  return Object.fromEntries([...next].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function verifyTag(key: string, value: string): void {
  // As an attribute of an object it is none of ours.
  if (!NAME_PATTERN.test(key)) {
    throw tagInvalid(
      `"${key}" is no name of a tag`,
      'letters, digits and . _ : - ; at most 64, a letter or digit first',
    );
  }
  if (value.length <= TAG_CHARS_MAX) return;
  throw tagInvalid(`the tag "${key}" has ${value.length} characters`, `${TAG_CHARS_MAX} is the limit`);
}

function tagInvalid(message: string, remedy: string): FleetError {
  return new FleetError('tag-invalid', message, remedy);
}
