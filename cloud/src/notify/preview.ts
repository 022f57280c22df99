import type { Json } from '@weir/protocols';
import type { Parcel } from './kinds/kind.ts';
import type { OpenChannel } from './settings.ts';

/** What would be sent, without what is secret. */
export interface Preview {
  status: 'firing' | 'resolved';
  parcels: Record<string, Json>[];
  /** Why the template is passed over. */
  fault?: string;
}

const HIDDEN = '(secret)';

/** What is shown in a preview of what is sent: addresses without their path, headers and keys that are ours, bodies as they are. */
export function withoutSecrets(parcel: Parcel, { kind, settings }: OpenChannel): Record<string, Json> {
  const shown = JSON.parse(JSON.stringify(parcel)) as Record<string, Json>;
  const hidden = kind.secrets.flatMap((key) => textsOf(settings?.[key]));
  const isHidden = (text: string) => hidden.some((secret) => text.includes(secret));
  const clean = (value: Json): Json => {
    if (typeof value === 'string') {
      return hidden.reduce((text, secret) => text.replaceAll(secret, HIDDEN), value);
    }
    if (Array.isArray(value)) return value.map(clean);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, clean(each as Json)]));
  };
  const made = clean(shown) as Record<string, Json>;
  const { headers } = made;
  if (typeof headers === 'object' && headers !== null && 'authorization' in headers) {
    made.headers = { ...(headers as Record<string, Json>), authorization: HIDDEN };
  }
  if (parcel.by === 'http' && isHidden(parcel.url)) made.url = kind.where(settings);
  return made;
}

function textsOf(value: Json | undefined): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((each) => textsOf(each as Json));
}
