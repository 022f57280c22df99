/** Settings of a channel: checked by the schema of its kind, and kept in two parts, of which one is sealed. */
import type { Json } from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import type { AtRest } from '../secrets/at-rest.ts';
import type { ChannelStored } from './channels.ts';
import type { ChannelKind } from './kinds/kind.ts';
import { KINDS, type KindName } from './kinds/kinds.ts';
import { parseTemplate, type Template } from './template.ts';

export type Settings = Record<string, Json>;

/** A channel as its delivery has it. */
export interface OpenChannel {
  name: string;
  stored: ChannelStored;
  // biome-ignore lint/suspicious/noExplicitAny: no one type is that of all settings
  kind: ChannelKind<any>;
  /** Undefined: what is sealed cannot be opened. */
  settings: Settings | undefined;
  template: Template | undefined;
}

/** @throws {UsageError} `channel-settings-invalid`, `channel-url-invalid` */
export function checkSettings(kind: KindName, given: object): Settings {
  const result = KINDS[kind].settings.safeParse(given);
  if (result.success) return result.data as Settings;
  const wrong = result.error.issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.') || 'settings'}: ${message}`);
  throw new UsageError(
    'channel-settings-invalid',
    `a channel of kind ${kind} cannot be like this: ${wrong.join('; ')}`,
    'see which settings it has: weir channel add --help',
  );
}

export function sealSettings(
  { id, kind }: Pick<ChannelStored, 'id' | 'kind'>,
  settings: Settings,
  atRest: AtRest,
): Pick<ChannelStored, 'settings' | 'sealed'> {
  const { secrets } = KINDS[kind];
  const parts = Object.entries(settings).filter(([, value]) => value !== undefined);
  const hidden = parts.filter(([name]) => secrets.includes(name));
  const shown = Object.fromEntries(parts.filter(([name]) => !secrets.includes(name)));
  if (hidden.length === 0) return { settings: shown };
  return { settings: shown, sealed: atRest.seal(JSON.stringify(Object.fromEntries(hidden)), bindingOf(id)) };
}

/** @returns undefined when what is sealed cannot be opened with the key of this hub */
function openSettings(stored: ChannelStored, atRest: AtRest): Settings | undefined {
  const { id, kind, settings, sealed, url, secret } = stored;
  if (settings === undefined) {
    return kind === 'webhook'
      ? checkSettings(kind, { url, signed: secret !== undefined, signingSecrets: secret ? [secret] : [] })
      : {};
  }
  try {
    const hidden = sealed === undefined ? {} : (JSON.parse(atRest.open(sealed, bindingOf(id))) as Settings);
    return checkSettings(kind, { ...settings, ...hidden });
  } catch {
    return undefined;
  }
}

export function openChannel(name: string, stored: ChannelStored, atRest: AtRest): OpenChannel {
  const template = stored.template === undefined ? undefined : parseTemplate(stored.template);
  return { name, stored, kind: KINDS[stored.kind], settings: openSettings(stored, atRest), template };
}

/** @throws {UsageError} `channel-damaged` */
export function requireSettings({ name, settings }: OpenChannel): Settings {
  if (settings !== undefined) return settings;
  throw new UsageError(
    'channel-damaged',
    `the settings of channel "${name}" cannot be opened with the key of this hub`,
    'restore secrets.key from the backup of the store, or remove the channel and add it again',
  );
}

/** Bound to its channel: nobody who can write to the store puts the address of one in the place of another. */
const bindingOf = (id: string) => ['channel', id];
