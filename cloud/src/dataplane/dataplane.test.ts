import { createHash, createHmac } from 'node:crypto';
import {
  ConflictException,
  GetThingShadowCommand,
  IoTDataPlaneClient,
  RequestEntityTooLargeException,
  ResourceNotFoundException,
  UnauthorizedException,
  UpdateThingShadowCommand,
} from '@aws-sdk/client-iot-data-plane';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CREDENTIALS, startDataPlane } from './dataplane.fixture.ts';

let plane: Awaited<ReturnType<typeof startDataPlane>>;
beforeAll(async () => {
  plane = await startDataPlane();
});
afterAll(() => plane.close());

function client(credentials = CREDENTIALS): IoTDataPlaneClient {
  return new IoTDataPlaneClient({ endpoint: plane.url, region: 'local', credentials, maxAttempts: 1 });
}

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

interface Signing {
  path: string;
  query?: string;
  method?: string;
  body?: string;
  at?: number;
  service?: string;
  headers?: Record<string, string>;
}

type Signed = Record<string, string> & { authorization: string };

/** Signature Version 4 by hand, after its description, so that the hub is not judged by the library it uses. */
function signed({ path, query = '', method = 'POST', body = '', at = Date.now(), ...more }: Signing): Signed {
  const service = more.service ?? 'iotdata';
  const date = new Date(at).toISOString().replace(/[-:]|\.\d+/g, '');
  const headers: Record<string, string> = { host: plane.host, 'x-amz-date': date, ...more.headers };
  const names = Object.keys(headers).sort();
  const canonicalPath = path.split('/').map(encodeURIComponent).join('/');
  const canonical = [
    method,
    canonicalPath,
    query,
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    sha256(body),
  ].join('\n');
  const scope = `${date.slice(0, 8)}/eu-west-1/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
  const key = [date.slice(0, 8), 'eu-west-1', service, 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${CREDENTIALS.secretAccessKey}`,
  );
  const signature = createHmac('sha256', key).update(text).digest('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${CREDENTIALS.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { ...headers, authorization };
}

async function post(
  path: string,
  headers: Record<string, string>,
  body = '',
): Promise<[number, string | null, string]> {
  const { host: _, ...rest } = headers;
  const response = await fetch(`${plane.url}${path}`, { method: 'POST', headers: rest, body });
  const { message } = (await response.json()) as { message: string };
  return [response.status, response.headers.get('x-amzn-errortype'), message];
}

describe('the AWS SDK as judge', () => {
  test('its errors are those of AWS', async () => {
    const get = client().send(new GetThingShadowCommand({ thingName: 'nobody', shadowName: 'weir' }));
    await expect(get).rejects.toBeInstanceOf(ResourceNotFoundException);
    const update = (state: object) =>
      client().send(new UpdateThingShadowCommand({ thingName: 'gw1', payload: Buffer.from(JSON.stringify(state)) }));
    await update({ state: { desired: { x: 1 } }, version: 1 });
    await expect(update({ state: {}, version: 9 })).rejects.toBeInstanceOf(ConflictException);
    await expect(update({ state: { desired: { x: 'x'.repeat(9000) } } })).rejects.toBeInstanceOf(
      RequestEntityTooLargeException,
    );
  });

  test('a wrong secret or key id is refused', async () => {
    for (const wrong of [{ secretAccessKey: 'wrong' }, { accessKeyId: 'WEIRFFFFFFFFFFFFFFFF' }]) {
      const get = client({ ...CREDENTIALS, ...wrong }).send(new GetThingShadowCommand({ thingName: 'gw1' }));
      await expect(get).rejects.toBeInstanceOf(UnauthorizedException);
    }
  });
});

describe('signatures made by hand', () => {
  const path = '/topics/plant%2Foven1%2Fset';

  test('a good one is taken, with either service name, and with slashes encoded or not', async () => {
    for (const service of ['iotdata', 'iotdevicegateway']) {
      expect((await post(path, signed({ path, service, body: 'on' }), 'on'))[0]).toBe(200);
    }
    const plain = '/topics/plant/oven1/set';
    expect((await post(`${plain}?qos=1`, signed({ path: plain, query: 'qos=1', body: 'off' }), 'off'))[0]).toBe(200);
    expect(plane.published.map(({ payload, qos }) => [payload, qos])).toEqual([
      ['on', 0],
      ['on', 0],
      ['off', 1],
    ]);
    expect(new Set(plane.published.map(({ topic }) => topic))).toEqual(new Set(['plant/oven1/set']));
  });

  test('anything changed after signing is refused', async () => {
    const good = signed({ path, body: 'on' });
    const refused: [string, Record<string, string>, string][] = [
      [path, good, 'off'],
      ['/topics/other', good, 'on'],
      [`${path}?qos=1`, good, 'on'],
      [path, { ...good, 'x-amz-date': good['x-amz-date']!.replace(/.Z$/, 'xZ') }, 'on'],
      [path, { ...good, authorization: good.authorization.replace('iotdata', 's3') }, 'on'],
      [path, { 'x-amz-date': good['x-amz-date']! }, 'on'],
      [path, signed({ path, body: 'on', headers: { 'x-amz-content-sha256': sha256('on') } }), 'off'],
    ];
    for (const [where, headers, body] of refused) {
      expect((await post(where, headers, body)).slice(0, 2)).toEqual([401, 'UnauthorizedException']);
    }
  });

  test('one that is older or newer than five minutes is refused', async () => {
    for (const minutes of [-6, 6]) {
      const headers = signed({ path, at: Date.now() + minutes * 60_000 });
      expect(await post(path, headers)).toEqual([401, 'UnauthorizedException', expect.stringContaining('expired')]);
    }
  });
});

test('a shadow request published by HTTP is answered as one by MQTT', async () => {
  const path = '/topics/%24aws%2Fthings%2Fgw7%2Fshadow%2Fupdate';
  const body = '{"state":{"desired":{"a":1}}}';
  expect((await post(path, signed({ path, body }), body))[0]).toBe(200);
  expect(plane.answers.map(({ topic }) => topic)).toContain('$aws/things/gw7/shadow/update/accepted');
});

test.each([
  ['a wildcard', '/topics/a%2F%23', ''],
  ['too many levels', '/topics/a%2Fa%2Fa%2Fa%2Fa%2Fa%2Fa%2Fa%2Fa', ''],
  ['a topic over 256 bytes', `/topics/${'x'.repeat(257)}`, ''],
  ['QoS 2', '/topics/a', 'qos=2'],
  ['a retained message on a reserved topic', '/topics/%24aws%2Fthings%2Fgw1%2Fx', 'retain=true'],
  ['a flag that is neither', '/topics/a', 'retain=yes'],
  ['an expiry that is none', '/topics/a', 'messageExpiry=-1'],
  ['a response topic with a wildcard', '/topics/a', 'responseTopic=b%2F%23'],
])('%s is refused as an invalid request', async (_, path, query) => {
  const headers = signed({ path, query });
  const [status, type] = await post(query === '' ? path : `${path}?${query}`, headers);
  expect([status, type]).toEqual([400, 'InvalidRequestException']);
});
