/** The hub has something to say to an actuator of this device: a channel of it, for a siren or a lamp. */
import { topicMatches } from '@weir/protocols';
import { z } from 'zod';
import type { LocalPublish } from '../intake/broker.ts';
import type { AgentCommand } from './agent-commands.ts';

const payloadSchema = z.object({
  topic: z.string().min(1).max(256),
  payload: z.string().max(4_096),
  retain: z.boolean().default(false),
});

export interface LocalPublishPorts {
  publish: (message: LocalPublish) => Promise<void>;
  /** Topic filters of what actuators listen to. Anything else is for sensors, and a message there could be taken for a reading. */
  passthrough: readonly string[];
}

export function localPublish({ publish, passthrough }: LocalPublishPorts): AgentCommand {
  return async (given) => {
    const { data, error } = payloadSchema.safeParse(given);
    if (error !== undefined) return { outcome: 'failed', detail: z.prettifyError(error) };
    const { topic, payload, retain } = data;
    if (/[#+]/.test(topic) || !passthrough.some((filter) => topicMatches(filter, topic))) {
      return {
        outcome: 'failed',
        detail: `${topic} is no topic of actuators here: see intake.passthrough of the agent`,
      };
    }
    try {
      await publish({ topic, payload, qos: 1, retain });
      return { outcome: 'done' };
    } catch (failure) {
      return { outcome: 'failed', detail: `the local broker refused it: ${(failure as Error).message}` };
    }
  };
}
