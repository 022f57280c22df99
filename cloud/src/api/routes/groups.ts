/** Groups, and who is in them. */
import { durationBetween, SELECTOR_CHARS_MAX } from '@weir/protocols';
import { z } from 'zod';
import { FleetError, type GroupSettings } from '../../fleet/fleet.ts';
import { GROUP_PRIORITY_MAX } from '../../fleet/groups.ts';
import * as schemas from '../schemas.ts';
import { given, type OperatorApiOptions, page, type Routes } from './route.ts';

const ALERT_AFTER_MS_MIN = 1_000;
const ALERT_AFTER_MS_MAX = 30 * 86_400_000;

const groupParams = z.object({ group: schemas.name });
const memberParams = z.object({ group: schemas.name, device: schemas.deviceId });
const done = z.object({ done: z.literal(true) });
const DONE = { done: true } as const;

const priority = z
  .int()
  .min(-GROUP_PRIORITY_MAX)
  .max(GROUP_PRIORITY_MAX)
  .optional()
  .describe('of groups that want the same name the highest goes first; 0 unless set');
// One character more than there can be: what is too long is told as any other error in it.
const selector = z
  .string()
  .max(SELECTOR_CHARS_MAX + 1)
  .describe('by the tags of devices, in the grammar of Kubernetes: site=oslo, model!=v1, tag, !tag, in (…), notin (…)');
const alertAfter = z
  .union([z.literal('off'), z.literal('default'), durationBetween(ALERT_AFTER_MS_MIN, ALERT_AFTER_MS_MAX)])
  .optional()
  .describe('how long a device may be away before somebody is told, such as "10m"; "off": nobody is');

export function groupRoutes(app: Routes, options: OperatorApiOptions): void {
  settingRoutes(app, options);
  memberRoutes(app, options);
}

function settingRoutes(app: Routes, { fleet }: OperatorApiOptions): void {
  app.post(
    '/groups',
    {
      schema: {
        summary: 'Make a group, by list or by the tags of devices',
        body: z.strictObject({ name: schemas.name, selector: selector.optional(), priority, alertAfter }),
        response: { 201: done },
      },
    },
    async ({ body: { name, ...settings } }, reply) => {
      await fleet.createGroup(name, settingsOf(settings));
      return reply.code(201).send(DONE);
    },
  );

  app.patch(
    '/groups/:group',
    {
      schema: {
        summary: 'Change what is set of a group; its devices follow within seconds',
        params: groupParams,
        body: z.strictObject({ selector: selector.nullable().optional(), priority, alertAfter }),
        response: { 200: done },
      },
    },
    async ({ params, body }) => {
      await fleet.setGroup(params.group, settingsOf(body));
      return DONE;
    },
  );

  app.delete(
    '/groups/:group',
    {
      schema: {
        summary: 'Remove a group; refused while something is deployed to it',
        params: groupParams,
        querystring: z.object({ force: z.stringbool().optional().describe('with all that is deployed to it') }),
        response: { 200: done },
      },
    },
    async ({ params, query }) => {
      await fleet.removeGroup(params.group, query.force ?? false);
      return DONE;
    },
  );

  app.get(
    '/groups',
    {
      schema: {
        summary: 'Groups, in order of name',
        querystring: schemas.pageQuery,
        response: { 200: schemas.pageOf(schemas.groupSummary) },
      },
    },
    (request) => fleet.groups(page(request.query)),
  );

  app.get(
    '/groups/:group',
    { schema: { summary: 'One group', params: groupParams, response: { 200: schemas.group } } },
    async ({ params }) => {
      const group = await fleet.group(params.group);
      if (group !== undefined) return group;
      throw new FleetError(
        'group-unknown',
        `there is no group "${params.group}"`,
        'see which there are: weir group list',
      );
    },
  );
}

function memberRoutes(app: Routes, { fleet }: OperatorApiOptions): void {
  const answer = { 200: done };

  app.get(
    '/groups/:group/devices',
    {
      schema: {
        summary: 'Who is in a group, and whether by list or by tags; in order of device',
        params: groupParams,
        querystring: schemas.pageQuery,
        response: { 200: schemas.pageOf(schemas.groupMember) },
      },
    },
    ({ params, query }) => fleet.members(params.group, page(query)),
  );

  app.put(
    '/groups/:group/devices/:device',
    { schema: { summary: 'Put a device into a group', params: memberParams, response: answer } },
    async ({ params }) => {
      await fleet.addToGroup(params.group, params.device);
      return DONE;
    },
  );

  app.delete(
    '/groups/:group/devices/:device',
    { schema: { summary: 'Take a device out of a group', params: memberParams, response: answer } },
    async ({ params }) => {
      await fleet.removeFromGroup(params.group, params.device);
      return DONE;
    },
  );

  app.put(
    '/groups/:group/exclusions/:device',
    {
      schema: {
        summary: 'Leave a device out of a group, whatever its tags are',
        params: memberParams,
        response: answer,
      },
    },
    async ({ params }) => {
      await fleet.exclude(params.group, params.device, true);
      return DONE;
    },
  );

  app.delete(
    '/groups/:group/exclusions/:device',
    { schema: { summary: 'Leave a device out of a group no longer', params: memberParams, response: answer } },
    async ({ params }) => {
      await fleet.exclude(params.group, params.device, false);
      return DONE;
    },
  );
}

function settingsOf({
  alertAfter: after,
  ...rest
}: {
  selector?: string | null | undefined;
  priority?: number | undefined;
  alertAfter?: number | 'off' | 'default' | undefined;
}): GroupSettings {
  return { ...given(rest), ...(after !== undefined && { alertAfterMs: after === 'off' ? null : after }) };
}
