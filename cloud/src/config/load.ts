import { readIfThere, UsageError } from '@weir/runtime';
import { parseDocument } from 'yaml';
import { configSchema, type HubConfig } from './config.ts';

/**
 * @param name of the file, for messages
 * @throws {UsageError} `config-invalid`: every fault with its place
 */
export function parseConfig(text: string, name: string): HubConfig {
  const document = parseDocument(text, { uniqueKeys: true });
  const faults = document.errors.map(({ message }) => `${name}: ${message.split('\n')[0]}`);
  if (faults.length > 0) throw invalid(faults);
  const parsed = configSchema.safeParse(document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  throw invalid(
    parsed.error.issues.map(({ path, message }) => `${name}: ${path.join('.') || 'as a whole'}: ${message}`),
  );
}

/** @param file undefined: the defaults */
export async function loadConfig(file: string | undefined): Promise<HubConfig> {
  if (file === undefined) return parseConfig('', 'defaults');
  const text = await readIfThere(file);
  if (text !== undefined) return parseConfig(text, file);
  throw new UsageError('config-missing', `there is no file ${file}`, 'give --config the path of a YAML file');
}

function invalid(faults: string[]): UsageError {
  return new UsageError('config-invalid', faults.join('\n'), 'correct what is named above');
}
