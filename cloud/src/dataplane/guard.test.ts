import { createHash, createHmac, randomBytes } from 'node:crypto';
import fastify, { type FastifyInstance } from 'fastify';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Access, IotCredentials } from '../access/access.ts';
import { RequestLimits } from '../access/request-limits.ts';
import { mayActAs, ROLES, type Role } from '../access/role.ts';
import { openAccess } from '../access/stored-access.ts';
import { ROUTE_ROLES } from '../api/route-roles.ts';
import type { Audit } from '../audit/audit.ts';
import { openAudit } from '../audit/stored-audit.ts';
import { createMemoryStore } from '../store/memory.ts';
import { dataPlanePorts } from './dataplane.fixture.ts';
import { registerDataPlane } from './dataplane.ts';
import { bySignature } from './guard.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const AMZ_DATE = '20260102T030405Z';
const RATE = { burst: 60, perMinute: 60 };

let app: FastifyInstance;
let access: Access;
let audit: Audit;
beforeEach(async () => {
  const ports = { store: createMemoryStore(), now: () => NOW, logger: pino({ level: 'silent' }) };
  access = await openAccess({ ...ports, random: randomBytes }, { masterKey: randomBytes(32) });
  audit = await openAudit(ports, { keepMs: 86_400_000, changesMax: 1_000, othersMax: 1_000 });
  const failures = { burst: 5, perMinute: 6 };
  const perAddress = { burst: 500, perMinute: 60 };
  const limits = new RequestLimits({ perAddress, perKey: RATE, failures }, () => NOW);
  app = fastify();
  await registerDataPlane(app, dataPlanePorts(() => NOW).ports, bySignature({ access, limits, audit, now: () => NOW }));
});
afterEach(() => app.close());

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function ask({ accessKeyId, secretAccessKey }: IotCredentials, method: string, url: string, payload = '') {
  const [path = '', query = ''] = url.split('?');
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  const scope = '20260102/local/iotdata/aws4_request';
  const canonical = `${method}\n${encoded}\n${query}\nhost:hub\nx-amz-date:${AMZ_DATE}\n\nhost;x-amz-date\n${sha256(payload)}`;
  const text = `AWS4-HMAC-SHA256\n${AMZ_DATE}\n${scope}\n${sha256(canonical)}`;
  const key = ['20260102', 'local', 'iotdata', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, text).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=host;x-amz-date, Signature=${signature}`;
  const headers = { host: 'hub', 'x-amz-date': AMZ_DATE, authorization };
  return app.inject({ method: method as 'GET', url, headers, ...(payload !== '' && { payload }) });
}

const keyOf = async (name: string, role: Role) => (await access.create({ name, role, by: 'test' })).credentials;

test('each role gets at each operation what the table says', async () => {
  const routes = Object.entries(ROUTE_ROLES).filter(([route]) => !/ \/(api\/v1|metrics)/.test(route));
  expect(routes.length).toBe(11);
  const wrong: unknown[] = [];
  for (const role of ROLES) {
    const credentials = await keyOf(`of-${role}`, role);
    for (const [route, least] of routes) {
      const [method, url] = route.split(' ') as [string, string];
      const { statusCode, headers } = await ask(credentials, method, url.replaceAll(/:\w+|\*/g, 'x'));
      const isDenied = statusCode === 403 && headers['x-amzn-errortype'] === 'ForbiddenException';
      if (statusCode === 401 || isDenied === mayActAs(role, least)) wrong.push([route, role, statusCode]);
    }
  }
  expect(wrong).toEqual([]);
  const denied = (await audit.list({ limit: 100, kind: 'denied' })).items;
  expect(denied.length).toBe(11 + 5);
  const messages = (await audit.list({ limit: 100, kind: 'message' })).items;
  expect(messages.every(({ by }) => ['of-operator', 'of-admin'].includes(by!.name))).toBe(true);
  expect(messages.length).toBe(2 * 5);
});

test('a key that is revoked signs nothing more', async () => {
  const credentials = await keyOf('ci', 'operator');
  const publish = () => ask(credentials, 'POST', '/topics/a', 'on');
  expect((await publish()).statusCode).toBe(200);
  await access.revoke('ci');
  const refused = await publish();
  expect([refused.statusCode, refused.headers['x-amzn-errortype']]).toEqual([401, 'UnauthorizedException']);
});

test('who asks too often is throttled, in AWS’s words; the hub itself is neither limited nor in the audit log', async () => {
  const credentials = await keyOf('ci', 'viewer');
  const statuses: number[] = [];
  for (let n = 0; n < 62; n++) statuses.push((await ask(credentials, 'GET', '/retainedMessage')).statusCode);
  expect([statuses.indexOf(429), statuses.filter((status) => status === 200).length]).toEqual([60, 60]);
  for (let n = 0; n < 600; n++) {
    expect((await ask(access.own, 'POST', '/topics/a', 'on')).statusCode).toBe(200);
  }
  expect((await audit.list({ limit: 100 })).items).toEqual([]);
});

test('wrong signatures are slowed down, counted and never more than looked at', async () => {
  const credentials = await keyOf('ci', 'operator');
  const wrong = { ...credentials, secretAccessKey: 'x'.repeat(40) };
  const statuses: number[] = [];
  for (let n = 0; n < 8; n++) statuses.push((await ask(wrong, 'POST', '/topics/a', 'on')).statusCode);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
  expect((await ask(credentials, 'POST', '/topics/a', 'on')).statusCode).toBe(200);
  expect((await audit.list({ limit: 100, kind: 'denied' })).items).toMatchObject([
    { code: 'too-many-requests', count: 3 },
    { code: 'signature-wrong', count: 5 },
  ]);
  expect(audit.deniedCounts().get('signature-wrong')).toBe(5);
});
