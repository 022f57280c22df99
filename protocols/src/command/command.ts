/**
 * What a device is told to do, once. The hub sends a command again until the device has reported what became of it, so
 * a device knows by the id what it has done already.
 */
import { z } from 'zod';
import { nestsDeeper } from '../nesting.ts';
import { byteLength, NAME_PATTERN } from '../reading.ts';
import type { Json } from '../shadow/document.ts';

/** Of the message; a command is an order, not a file. */
export const COMMAND_BYTES_MAX = 65_536;
/** Of the message: its payload may be two levels less. */
export const COMMAND_DEPTH_MAX = 16;
/** A device that was away for longer is told anew by whoever still wants it. */
export const COMMAND_EXPIRY_MS_MAX = 7 * 86_400_000;

/** Names beginning so are for the agent itself, unless a function is named. */
export const AGENT_COMMAND_PREFIX = 'weir.';

/** What became of a command; a closed list. */
export const COMMAND_OUTCOMES = ['done', 'failed', 'unknown-function', 'expired'] as const;
export type CommandOutcome = (typeof COMMAND_OUTCOMES)[number];

/** The hub's own word, or that of the function that sent it; unique for each device. */
export const commandIdSchema = z.string().min(1).max(256);
export const commandNameSchema = z
  .string()
  .regex(NAME_PATTERN, 'letters, digits and . _ : - ; at most 64, a letter or digit first');

const messageSchema = z.object({
  id: commandIdSchema,
  name: commandNameSchema,
  payload: z.json().default(null),
  /** Undefined: every function that handles commands. */
  function: z.string().regex(NAME_PATTERN).optional(),
  after: commandIdSchema.optional(),
  /** ms from its sending; a span, for the device's clock may be another. */
  expiresIn: z.int().min(1).max(COMMAND_EXPIRY_MS_MAX),
});

export interface CommandMessage {
  id: string;
  name: string;
  payload: Json;
  function?: string;
  /** The one that was sent just before it and had not ended: a device that does not know it takes this one later. */
  after?: string;
  expiresIn: number;
}

/** @throws {CommandError} */
export function encodeCommand(message: CommandMessage): string {
  const text = JSON.stringify(message);
  verifySize(text);
  return text;
}

export class CommandError extends Error {
  /** Of the command, where that much can be read: it can be answered. */
  readonly id: string | undefined;

  constructor(message: string, id?: string) {
    super(message);
    this.name = 'CommandError';
    this.id = id;
  }
}

/** @throws {CommandError} with what is wrong */
export function decodeCommand(payload: Uint8Array): CommandMessage {
  if (payload.length > COMMAND_BYTES_MAX) throw tooLarge(payload.length);
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(payload);
    verifySize(text);
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`a command is JSON: ${(error as Error).message.slice(0, 100)}`);
  }
  const parsed = messageSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const id = commandIdSchema.safeParse((value as { id?: unknown } | null)?.id);
    throw new CommandError(`${issue.path.join('.') || 'command'}: ${issue.message}`, id.data);
  }
  const { function: fn, after, ...message } = parsed.data;
  return { ...message, ...(fn !== undefined && { function: fn }), ...(after !== undefined && { after }) };
}

function verifySize(text: string): void {
  const bytes = byteLength(text);
  if (bytes > COMMAND_BYTES_MAX) throw tooLarge(bytes);
  if (nestsDeeper(text, COMMAND_DEPTH_MAX)) throw new CommandError(`JSON nested deeper than ${COMMAND_DEPTH_MAX}`);
}

function tooLarge(bytes: number): CommandError {
  return new CommandError(`${bytes} bytes, over ${COMMAND_BYTES_MAX}`);
}
