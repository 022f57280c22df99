/** From a message to what is sent, by the kind of the channel and its template. */
import { UsageError } from '@weir/runtime';
import type { Parcel, Setting } from './kinds/kind.ts';
import type { AlertMessage } from './message.ts';
import { type OpenChannel, requireSettings } from './settings.ts';
import { parseTemplate } from './template.ts';
import { templateFields } from './template-fields.ts';

export interface Composed {
  parcels: Parcel[];
  /** Why the template was passed over: people are told anyway. */
  fault?: string;
}

/**
 * @param standing what stands at the receiver: see {@link Setting}
 * @throws {UsageError} `channel-damaged`
 */
export function composed(
  channel: OpenChannel,
  message: AlertMessage,
  now: number,
  standing: Pick<Setting<object>, 'superseded' | 'others'> = {},
): Composed {
  const { name, stored, kind, template } = channel;
  const setting = { settings: requireSettings(channel), name, id: stored.id, now, ...standing };
  if (template === undefined || kind.template === undefined) return { parcels: kind.compose(message, setting) };
  try {
    const text = template.fill(templateFields(message, name), kind.template.escape);
    if (kind.template.fills === 'body') verifyJson(text);
    return { parcels: kind.compose(message, { ...setting, text }) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { parcels: kind.compose(message, setting), fault: error.message };
  }
}

/**
 * Whether a template can be used for a channel: it is filled with samples.
 *
 * @throws {UsageError} `template-invalid`, `template-unknown-field`, `template-too-large`
 */
export function checkTemplate(
  { name, kind }: Pick<OpenChannel, 'name' | 'kind'>,
  text: string,
  samples: readonly AlertMessage[],
): void {
  if (kind.template === undefined) {
    throw new UsageError('template-invalid', 'channels of this kind take no template', 'leave it out');
  }
  const template = parseTemplate(text);
  for (const sample of samples) {
    const fields = templateFields(sample, name);
    const known = new Set([
      ...Object.keys(fields),
      ...fields.alerts.flatMap((alert) => Object.keys(alert)),
      'firing',
      'resolved',
    ]);
    for (const group of [
      fields.groupLabels,
      fields.commonLabels,
      fields.commonAnnotations,
      ...fields.alerts.map((a) => a.labels),
    ]) {
      for (const label of Object.keys(group)) known.add(label);
    }
    const unknown = template.names.find((each) => !known.has(each));
    if (unknown !== undefined) {
      throw new UsageError(
        'template-unknown-field',
        `the template names "${unknown}", which no message has`,
        'fields are in docs/operations/alerts.md; labels are e.g. {{labels.device}}',
      );
    }
    const filled = template.fill(fields, kind.template.escape);
    if (kind.template.fills === 'body') verifyJson(filled);
  }
}

/** @throws {UsageError} `template-invalid` */
function verifyJson(text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new UsageError(
      'template-invalid',
      `what the template makes is no JSON: ${(error as Error).message}`,
      'put texts in quotation marks: "{{title}}", and write lists and numbers as {{&alerts}}',
    );
  }
}
