/**
 * The least role for each route of the operator API and of the IoT Data Plane. Whoever reads is a viewer, whoever
 * changes something an operator; admins also say who may do so, and what the fleet trusts. `route-roles.test.ts` fails
 * for a route that has no line here; until it has one, admins alone may ask for it.
 */
import type { Role } from '../access/role.ts';

export const ROUTE_ROLES: Readonly<Record<string, Role | 'open'>> = {
  'GET /metrics': 'metrics',

  'GET /api/v1/health': 'open',
  'GET /api/v1/openapi.json': 'open',

  'GET /api/v1/whoami': 'metrics',
  'POST /api/v1/api-keys': 'admin',
  'GET /api/v1/api-keys': 'admin',
  'DELETE /api/v1/api-keys/:key': 'admin',
  'GET /api/v1/audit': 'operator',

  'POST /api/v1/tokens': 'operator',
  'GET /api/v1/tokens': 'viewer',
  'DELETE /api/v1/tokens/:id': 'operator',

  'GET /api/v1/devices': 'viewer',
  'GET /api/v1/devices/:device': 'viewer',
  'POST /api/v1/devices/:device/revoke': 'operator',
  'DELETE /api/v1/devices/:device': 'operator',
  'GET /api/v1/devices/:device/latest': 'viewer',
  'GET /api/v1/devices/:device/history': 'viewer',
  'GET /api/v1/devices/:device/readings': 'viewer',
  'GET /api/v1/devices/:device/readings/count': 'viewer',
  'PATCH /api/v1/devices/:device/tags': 'operator',

  'POST /api/v1/devices/:device/commands': 'operator',
  'GET /api/v1/devices/:device/commands': 'viewer',
  'GET /api/v1/devices/:device/commands/:id': 'viewer',

  'POST /api/v1/groups': 'operator',
  'GET /api/v1/groups': 'viewer',
  'GET /api/v1/groups/:group': 'viewer',
  'PATCH /api/v1/groups/:group': 'operator',
  'DELETE /api/v1/groups/:group': 'operator',
  'GET /api/v1/groups/:group/devices': 'viewer',
  'PUT /api/v1/groups/:group/devices/:device': 'operator',
  'DELETE /api/v1/groups/:group/devices/:device': 'operator',
  'PUT /api/v1/groups/:group/exclusions/:device': 'operator',
  'DELETE /api/v1/groups/:group/exclusions/:device': 'operator',

  'GET /api/v1/root': 'viewer',
  'GET /api/v1/roots': 'viewer',
  'POST /api/v1/roots': 'admin',
  'GET /api/v1/functions/:name/releases': 'viewer',

  'POST /api/v1/bundles': 'operator',
  'GET /api/v1/bundles/:hash': 'viewer',
  'PUT /api/v1/groups/:group/deployments/:name': 'operator',
  'DELETE /api/v1/groups/:group/deployments/:name': 'operator',
  'POST /api/v1/groups/:group/deployments/:name/rollback': 'operator',
  'GET /api/v1/deployments': 'viewer',

  'PUT /api/v1/groups/:group/secrets/:name': 'operator',
  'DELETE /api/v1/groups/:group/secrets/:name': 'operator',
  'GET /api/v1/groups/:group/secrets': 'viewer',
  'GET /api/v1/devices/:device/secrets': 'viewer',

  'GET /api/v1/rollouts': 'viewer',
  'GET /api/v1/groups/:group/rollouts': 'viewer',
  'GET /api/v1/groups/:group/rollouts/:name': 'viewer',
  'POST /api/v1/groups/:group/rollouts/:name/pause': 'operator',
  'POST /api/v1/groups/:group/rollouts/:name/resume': 'operator',
  'POST /api/v1/groups/:group/rollouts/:name/abort': 'operator',
  'POST /api/v1/groups/:group/rollouts/:name/retry': 'operator',
  'POST /api/v1/groups/:group/rollouts/:name/switch': 'operator',

  'GET /api/v1/gaps': 'viewer',
  'GET /api/v1/devices/:device/gaps': 'viewer',

  'GET /api/v1/dead-letters': 'viewer',
  'GET /api/v1/dead-letters/:id': 'viewer',
  'POST /api/v1/dead-letters/replay': 'operator',
  'POST /api/v1/dead-letters/remove': 'operator',

  'GET /api/v1/events': 'viewer',
  'GET /api/v1/logs': 'viewer',
  'GET /api/v1/logs/follow': 'viewer',

  'GET /api/v1/alerts': 'viewer',
  'GET /api/v1/alerts/:episode': 'viewer',
  'GET /api/v1/alerts/export': 'viewer',
  'GET /api/v1/alerts/watch': 'viewer',
  'POST /api/v1/alerts/actions': 'operator',
  'GET /api/v1/alerts/:episode/notifications': 'viewer',

  'POST /api/v1/alert-silences': 'operator',
  'GET /api/v1/alert-silences': 'viewer',
  'DELETE /api/v1/alert-silences/:id': 'operator',
  'GET /api/v1/alert-policy': 'viewer',
  'PUT /api/v1/alert-policy': 'operator',
  'POST /api/v1/alert-policy/try': 'operator',

  'POST /api/v1/channels': 'operator',
  // Whoever knows the address of a webhook can often write there.
  'GET /api/v1/channels': 'operator',
  'GET /api/v1/channels/:name': 'operator',
  'PATCH /api/v1/channels/:name': 'operator',
  'DELETE /api/v1/channels/:name': 'operator',
  'POST /api/v1/channels/:name/enable': 'operator',
  'POST /api/v1/channels/:name/disable': 'operator',
  'GET /api/v1/channels/:name/preview': 'operator',
  'GET /api/v1/channels/:name/dead-letters': 'operator',
  'POST /api/v1/channels/:name/replay': 'operator',
  'POST /api/v1/channels/:name/test': 'operator',

  'GET /api/v1/usage': 'viewer',
  'GET /api/v1/usage/lambda-cost': 'viewer',

  // The IoT Data Plane.
  'POST /topics/*': 'operator',
  'GET /things/:thing/shadow': 'viewer',
  'POST /things/:thing/shadow': 'operator',
  'DELETE /things/:thing/shadow': 'operator',
  'GET /api/things/shadow/ListNamedShadowsForThing/:thing': 'viewer',
  'GET /retainedMessage': 'viewer',
  'GET /retainedMessage/*': 'viewer',
  'GET /connections/:client': 'viewer',
  'DELETE /connections/:client': 'operator',
  'GET /connections/:client/subscriptions': 'viewer',
  'POST /connections/:client/messages': 'operator',
};

/** @param url of the route, with its parameters by name; undefined: there is no such route */
export function leastRoleOf(method: string, url: string | undefined): Role | 'open' {
  // Everybody with a key may be told that there is no such thing.
  if (url === undefined) return 'metrics';
  return ROUTE_ROLES[`${method === 'HEAD' ? 'GET' : method} ${url}`] ?? 'admin';
}
