import fastify from 'fastify';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { mayActAs, ROLES, type Role } from '../access/role.ts';
import { type DataPlanePorts, registerDataPlane } from '../dataplane/dataplane.ts';
import { bySignature, type DataPlaneGuardPorts } from '../dataplane/guard.ts';
import { type Control, createControl } from './control.fixture.ts';
import { leastRoleOf, ROUTE_ROLES } from './route-roles.ts';

interface Route {
  method: string;
  url: string;
}

/** Whatever is asked with another method changes something. */
const READS = ['GET', 'HEAD'];

let control: Control;
const keys = new Map<Role, string>();
beforeEach(async () => {
  control = await createControl();
  for (const role of ROLES) {
    keys.set(role, (await control.access.create({ name: `of-${role}`, role, by: 'test' })).key);
  }
});
afterEach(() => control.close());

async function dataPlaneRoutes(): Promise<Route[]> {
  const app = fastify();
  const routes: Route[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    routes.push(...[method].flat().map((each) => ({ method: each, url })));
  });
  // Nothing is asked of them here.
  const ports: unknown = { logger: pino({ level: 'silent' }) };
  await registerDataPlane(app, ports as DataPlanePorts, bySignature({} as DataPlaneGuardPorts));
  await app.close();
  return routes;
}

async function allRoutes(): Promise<Route[]> {
  return [...control.routes, ...(await dataPlaneRoutes())];
}

test('every route has its least role, and no role is for a route that is not there', async () => {
  const routes = (await allRoutes())
    .filter(({ method }) => method !== 'HEAD' && method !== 'OPTIONS')
    .map(({ method, url }) => `${method} ${url}`);
  expect(routes.length).toBeGreaterThan(40);
  expect(Object.keys(ROUTE_ROLES).toSorted()).toEqual([...new Set(routes)].toSorted());
});

test('who may only look has no route that changes something', async () => {
  const changes = Object.entries(ROUTE_ROLES).filter(([route]) => !READS.includes(route.split(' ', 1)[0]!));
  expect(changes.length).toBeGreaterThan(10);
  for (const [route, least] of changes) expect([route, ['operator', 'admin'].includes(least)]).toEqual([route, true]);
  for (const [route, least] of Object.entries(ROUTE_ROLES)) {
    if (least === 'open') expect(route).toMatch(/^GET \/api\/v1\/(health|openapi\.json)$/);
    if (least === 'metrics') expect(route).toMatch(/^GET (\/metrics|\/api\/v1\/whoami)$/);
  }
});

test('a route without a line is for admins alone', () => {
  expect(leastRoleOf('PUT', '/api/v1/new')).toBe('admin');
});

test('each role gets at each route what the table says: 401 without a key, 403 with a lesser one', async () => {
  const wrong: unknown[] = [];
  for (const { method, url } of control.routes) {
    const least = leastRoleOf(method, url);
    const path = url.replaceAll(/:\w+/g, 'x');
    for (const role of ROLES) {
      // What a stream would do next is not asked for.
      if (/\/(events|follow|watch)$/.test(url) && mayActAs(role, least)) continue;
      const headers = { authorization: `Bearer ${keys.get(role)}` };
      const { statusCode, body } = await control.app.inject({ method: method as 'GET', url: path, headers });
      if ((statusCode === 403) === mayActAs(role, least)) wrong.push([method, url, role, statusCode]);
      if (statusCode === 401) wrong.push([method, url, role, statusCode]);
      if (statusCode === 403 && method !== 'HEAD') {
        expect(JSON.parse(body).error).toMatchObject({ code: 'role-too-low', remedy: expect.stringContaining(least) });
      }
    }
    const { statusCode } = await control.app.inject({ method: method as 'GET', url: path });
    if ((statusCode === 401) === (least === 'open')) wrong.push([method, url, 'nobody', statusCode]);
  }
  expect(wrong).toEqual([]);
});
