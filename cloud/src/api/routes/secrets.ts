/** Secrets are set, listed by name and removed; no answer ever has a value. */
import { SECRET_CHARS_MAX, SECRET_CHARS_MIN, WEIR_SHADOW, type WeirReported } from '@weir/protocols';
import { z } from 'zod';
import { unknownDevice } from '../../fleet/unknown-device.ts';
import * as schemas from '../schemas.ts';
import type { OperatorApiOptions, Routes } from './route.ts';

const groupParams = z.object({ group: schemas.name });
const params = groupParams.extend({ name: schemas.name });
const info = z.object({
  group: z.string(),
  name: z.string(),
  version: z.int().describe('counts the settings of all secrets'),
  setAt: z.int(),
});

export function secretRoutes(app: Routes, { secrets, downlink }: OperatorApiOptions): void {
  const body = z.strictObject({
    value: z
      .string()
      .min(SECRET_CHARS_MIN)
      .max(SECRET_CHARS_MAX)
      .regex(/^[^\0]*$/),
  });
  app.put(
    '/groups/:group/secrets/:name',
    { schema: { summary: 'Set a secret of a group; its devices get it', params, body, response: { 200: info } } },
    ({ params: { group, name }, body: { value } }) => secrets.set(group, name, value),
  );

  app.delete(
    '/groups/:group/secrets/:name',
    { schema: { summary: 'Remove a secret', params, response: { 200: z.object({ done: z.literal(true) }) } } },
    async ({ params: { group, name } }) => {
      await secrets.remove(group, name);
      return { done: true as const };
    },
  );

  app.get(
    '/groups/:group/secrets',
    {
      schema: {
        summary: 'Secrets of a group, in order of name; without their values',
        params: groupParams,
        response: { 200: schemas.pageOf(info) },
      },
    },
    async ({ params: { group } }) => ({ items: await secrets.list(group) }),
  );

  app.get(
    '/devices/:device/secrets',
    {
      schema: {
        summary: 'Secrets that a device has, and from which of its groups; without their values',
        params: z.object({ device: schemas.deviceId }),
        response: {
          200: schemas.pageOf(
            info.extend({
              overridden: z.array(z.string()).describe('groups that have one of this name, and lose'),
              state: z.enum(['delivered', 'pending']).describe('whether the device has said that it has it'),
            }),
          ),
        },
      },
    },
    async ({ params: { device } }) => {
      const found = await secrets.ofDevice(device);
      if (found === undefined) throw unknownDevice(device);
      const [revision, document] = await Promise.all([
        secrets.revision(device),
        downlink.getShadow(device, WEIR_SHADOW),
      ]);
      const { reported } = (document?.state ?? {}) as { reported?: WeirReported };
      const state = reported?.secrets?.revision === revision ? 'delivered' : 'pending';
      return { items: found.map((each) => ({ ...each, state: state as 'delivered' | 'pending' })) };
    },
  );
}
