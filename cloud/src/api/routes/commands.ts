import { COMMAND_EXPIRY_MS_MAX, commandIdSchema, commandNameSchema, durationBetween } from '@weir/protocols';
import { z } from 'zod';
import { EXPIRY_MS } from '../../commands/commands.ts';
import * as schemas from '../schemas.ts';
import { given, type OperatorApiOptions, type Routes } from './route.ts';

/** What a device cannot even hear of in time. */
const EXPIRY_MS_MIN = 1_000;

export function commandRoutes(app: Routes, { commands }: OperatorApiOptions): void {
  const params = z.object({ device: schemas.deviceId });

  const body = z.strictObject({
    name: commandNameSchema.describe('what the functions know it by; weir.… is for the agent itself'),
    payload: z.json().default(null),
    function: schemas.name.optional().describe('for this function alone'),
    expires: durationBetween(EXPIRY_MS_MIN, COMMAND_EXPIRY_MS_MAX)
      .default(EXPIRY_MS)
      .describe('a duration such as "1h", or milliseconds; then it is not run any more'),
  });
  app.post(
    '/devices/:device/commands',
    { schema: { summary: 'Tell a device to do something, once', params, body, response: { 201: schemas.command } } },
    async (request, reply) => {
      const { expires: expiryMs, ...command } = given(request.body);
      return reply.code(201).send(await commands.make(request.params.device, { ...command, expiryMs }));
    },
  );

  app.get(
    '/devices/:device/commands',
    {
      schema: {
        summary: 'Commands that wait for a device, and those that ended last, in the order in which they were made',
        params,
        response: { 200: schemas.pageOf(schemas.command) },
      },
    },
    async ({ params: { device } }) => ({ items: await commands.list(device) }),
  );

  app.get(
    '/devices/:device/commands/:id',
    {
      schema: {
        summary: 'One command, with its payload',
        params: params.extend({ id: commandIdSchema }),
        response: { 200: schemas.commandDetail },
      },
    },
    ({ params: { device, id } }) => commands.get(device, id),
  );
}
