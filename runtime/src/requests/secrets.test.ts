import { describe, expect, test } from 'vitest';
import type { HttpRequest } from '../fold/fold.ts';
import { AllowList, type Destination } from './allow-list.ts';
import { RequestCarrier } from './carrier.ts';
import { type Answer, type HttpAnswer, type HttpCall, RequestFailure, type WaitingRequest } from './requests.ts';
import { type DeclaredSecrets, fillSecrets, type SecretSource, secretsRefusal } from './secrets.ts';

const VALUE = 's3cr3t/with+all %2e&?#';
const source: SecretSource = async (_waiting, name) =>
  ({ token: VALUE, plain: 'abcdefgh', lines: 'one\ntwo-two', up: '../../../etc' })[name];
const reference = (name: string) => `\${secret:${name}}`;
const allow = new AllowList(['https://api.example.com/*', 'https://other.example.com/*']);

function ask(url: string, headers: Record<string, string> = {}): HttpRequest {
  return {
    ...{ id: 'f:1:0', fold: 'f', key: '', name: 'ask', method: 'GET', url, headers },
    ...{ timeoutMs: 1_000, retries: 0 },
  };
}

describe('a function names only the secrets that it declares, and only where it said', () => {
  const declared: DeclaredSecrets = { token: ['https://api.example.com/v1/*'] };
  test.each([
    ['https://api.example.com/v1/x', { authorization: `Bearer ${reference('token')}` }, undefined],
    [`https://api.example.com/v1/${reference('token')}/send`, {}, undefined],
    ['https://api.example.com/v1/x', {}, undefined],
    ['https://api.example.com/v2/x', { a: reference('token') }, 'may not go to https://api.example.com'],
    ['https://other.example.com/v1/x', { a: reference('token') }, 'may not go to https://other.example.com'],
    ['https://api.example.com/v1/x', { a: reference('else') }, 'does not declare the secret "else"'],
    ['https://api.example.com/v1/x', { a: reference('toString') }, 'does not declare the secret "toString"'],
    ['https://api.example.com/v1/x', { a: reference('a/b') }, 'is no name of a secret'],
    ['https://api.example.com/v1/x', { a: reference('') }, 'is no name of a secret'],
    ['https://api.example.com/v1/x', { a: '${'.concat('secret') }, 'a secret is named as'],
  ])('%s %j', (url, headers, expected) => {
    const refusal = secretsRefusal(ask(url, headers as Record<string, string>), new URL(url), declared);
    if (expected === undefined) expect(refusal).toBeUndefined();
    else expect(refusal).toContain(expected);
  });
});

describe('a secret is put in where it was named, and leads nowhere else', () => {
  async function fill(url: string, headers: Record<string, string> = {}) {
    const request = ask(url, headers);
    return fillSecrets({ owner: 'gw1', request }, allow.destination(request) as Destination, source);
  }

  test('as it is in a header, as one piece in path or query', async () => {
    const filled = await fill(`https://api.example.com/v1?key=${reference('token')}`, {
      authorization: `Bearer ${reference('token')}`,
      'x-both': `${reference('plain')}:${reference('plain')}`,
    });
    expect(filled).toMatchObject({ headers: { authorization: `Bearer ${VALUE}`, 'x-both': 'abcdefgh:abcdefgh' } });
    if (typeof filled === 'string') throw new Error(filled);
    expect(filled.url.searchParams.get('key')).toBe(VALUE);
    expect(filled.url.pathname).toBe('/v1');
  });

  test.each([
    [`https://api.example.com/v1/${reference('up')}/x`, {}, 'another place, or nowhere'],
    [`https://api.example.com/v1/${reference('token')}`, {}, 'another place, or nowhere'],
    ['https://api.example.com/v1', { a: reference('lines') }, 'something else than visible ASCII'],
    [
      'https://api.example.com/v1',
      { a: reference('gone') },
      'there is no secret "gone" here: weir secret set GROUP gone',
    ],
  ])('%s %j', async (url, headers, expected) => {
    expect(await fill(url, headers as Record<string, string>)).toContain(expected);
  });
});

describe('carried', () => {
  async function carry(request: HttpRequest, reply: (call: HttpCall) => HttpAnswer | RequestFailure) {
    const calls: HttpCall[] = [];
    const said: string[] = [];
    const settled = Promise.withResolvers<Answer>();
    const waiting: WaitingRequest = { owner: 'gw1', request };
    const carrier = new RequestCarrier(
      {
        ...{ allow, secrets: source, now: () => 1_000, after: () => () => {}, random: () => 0.5 },
        send: async (call) => {
          calls.push(call);
          const answer = reply(call);
          if (answer instanceof RequestFailure) throw answer;
          return answer;
        },
        onFailure: (what, error) => said.push(`${what} ${error.message}`),
      },
      { concurrency: 1, concurrencyPerDestination: 1, perSecond: 1_000, giveUpMs: 60_000 },
      'any',
    );
    carrier.add({ settle: async (_waiting, answer) => settled.resolve(answer) }, [waiting]);
    const answer = await settled.promise;
    await carrier.stop();
    return { calls, told: JSON.stringify([answer, waiting, said, carrier.openCircuits()]), answer };
  }

  test('a server that says everything back does not tell the function', async () => {
    const { calls, told, answer } = await carry(
      ask('https://api.example.com/v1', { authorization: reference('token') }),
      ({ headers }) => ({
        status: 200,
        headers: { location: `https://api.example.com/?k=${encodeURIComponent(headers.authorization!)}` },
        body: `you said ${headers.authorization}`,
      }),
    );
    expect(calls[0]!.headers.authorization).toBe(VALUE);
    expect(answer.response.body).toBe(`you said ${reference('token')}`);
    expect(told).not.toContain(VALUE);
    expect(told).not.toContain(encodeURIComponent(VALUE));
  });

  test('a fault that names the URL does not tell it either', async () => {
    const { told, answer } = await carry(
      ask(`https://api.example.com/v1/${reference('plain')}`),
      ({ url }) => new RequestFailure(`${url.href} is not there`, true),
    );
    expect(answer.response.error).toContain(reference('plain'));
    expect(told).not.toContain('abcdefgh');
  });

  test('a secret that is not there fails the request at once, and nothing is sent', async () => {
    const { calls, answer } = await carry(ask('https://api.example.com/v1', { a: reference('gone') }), () => {
      throw new Error('unreached');
    });
    expect(calls).toEqual([]);
    expect(answer).toMatchObject({ isDead: false, response: { error: expect.stringContaining('no secret "gone"') } });
  });
});
