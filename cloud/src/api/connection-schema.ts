import { z } from 'zod';

const millis = z.int().describe('milliseconds since 1970-01-01T00:00:00Z');

const socketAddress = z.object({ address: z.string(), port: z.int() });
/** @see ConnectionInfo */
export const connection = z.object({
  connected: z.boolean(),
  keepAliveS: z.int(),
  connectedSince: millis,
  disconnectedSince: millis.optional(),
  disconnectReason: z.string().optional().describe('as AWS IoT Core names them'),
  source: socketAddress,
  flapping: z
    .object({ since: millis, takeovers: z.int(), addresses: z.array(z.string()) })
    .optional()
    .describe('its connection is taken over by another one of its own, again and again'),
});
