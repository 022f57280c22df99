import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AT, alertOf, EVIL, OVER, sampleMessage } from '../message.fixture.ts';
import type { AlertMessage } from '../message.ts';
import { checkSettings } from '../settings.ts';
import type { Mail, Parcel } from './kind.ts';
import { KIND_NAMES, KINDS, type KindName } from './kinds.ts';

const SETTINGS: Record<KindName, Record<string, unknown>> = {
  webhook: { url: 'https://example.com/hook' },
  alertmanager: { url: 'https://alerts.example.com/am/' },
  email: { to: ['ops@example.com'], from: 'weir@example.com', smtp: 'smtp://mail.example.com' },
  slack: { url: 'https://hooks.slack.com/services/T0/B0/XX' },
  teams: { url: 'https://prod-1.logic.azure.com/workflows/x?sig=y' },
  mattermost: { url: 'https://chat.example.com/hooks/abc' },
  pagerduty: { routingKey: 'R0123456789ABCDEF0123456789ABCDE' },
  ntfy: { url: 'https://ntfy.sh/my-plant' },
  mqtt: { url: 'mqtt://broker.example.com' },
  command: { topic: 'cmd/siren' },
  terminal: {},
};

function compose(kind: KindName, message: AlertMessage, given: object = {}, more: { text?: string } = {}): Parcel[] {
  const definition = KINDS[kind];
  const checked = checkSettings(kind, { ...SETTINGS[kind], ...given });
  const { settings } = definition.complete?.(checked, randomBytes) ?? { settings: checked };
  return definition.compose(message, { settings, name: 'on-call', id: 'c0ffee', now: AT, ...more });
}

function bodyOf(kind: KindName, message: AlertMessage, given: object = {}) {
  const [parcel] = compose(kind, message, given);
  if (parcel?.by !== 'http') throw new Error(`a channel of kind ${kind} sends ${parcel?.by}`);
  return { ...parcel, json: JSON.parse(parcel.body) };
}

const resolved = alertOf(OVER);
/** What is told to people of an episode, and its end. */
const [firing, over] = [sampleMessage(), sampleMessage([resolved])];

describe('every kind', () => {
  test.each(KIND_NAMES)('%s says the same of a message at each attempt, whenever that is', (kind) => {
    const definition = KINDS[kind];
    const settings = checkSettings(kind, SETTINGS[kind]);
    const at = (now: number) => definition.compose(firing, { settings, name: 'c', id: 'c0ffee', now });
    const stable = (parcels: Parcel[]) =>
      parcels.map((parcel) =>
        parcel.by === 'http' ? { url: parcel.url, body: parcel.body.replace(/"endsAt":"[^"]*"/, '') } : parcel,
      );
    expect(stable(at(AT + 3_600_000))).toEqual(stable(at(AT)));
  });

  test.each(KIND_NAMES)('%s shows no secret in where it goes', (kind) => {
    const given = { ...SETTINGS[kind], ...(kind === 'mqtt' && { password: 'hunter2', user: 'u' }) };
    const where = KINDS[kind].where(checkSettings(kind, given));
    for (const secret of ['hook', 'services', 'workflows', 'sig=', 'R0123', 'my-plant', 'hunter2']) {
      if (kind !== 'slack' || secret !== 'hook') expect(where).not.toContain(`/${secret}`);
    }
  });

  test.each(KIND_NAMES)('%s refuses a setting that it does not have', (kind) => {
    expect(() => checkSettings(kind, { ...SETTINGS[kind], colour: 'red' })).toThrow('colour');
  });

  test.each(KIND_NAMES.filter((kind) => kind !== 'terminal'))(
    '%s keeps all that is told of a storm within bounds',
    (kind) => {
      const many = Array.from({ length: 300 }, (_, n) =>
        alertOf({ episode: `episode${n}`.padEnd(12, '0'), summary: 'x'.repeat(500) }),
      );
      const message = sampleMessage(many, { leftOut: 4_000 });
      for (const parcel of compose(kind, message)) {
        const { length } = JSON.stringify(parcel);
        expect(length, kind).toBeLessThan(kind === 'webhook' ? 600_000 : kind === 'email' ? 800_000 : 100_000);
      }
    },
  );
});

describe('a sensor that calls itself something evil', () => {
  const alert = alertOf({
    summary: EVIL,
    description: EVIL,
    labels: { site: EVIL.slice(0, 100) },
    runbook: 'javascript:alert(1)',
  });
  const message = sampleMessage([alert]);

  test('mentions nobody in Slack, and makes no link there', () => {
    const { json, body } = bodyOf('slack', message);
    expect(body).not.toMatch(/"(?:text|type)":"mrkdwn"[^}]*evil/);
    const texts: { type: string; text: string }[] = [];
    JSON.stringify(json, (_key, value) => {
      if (typeof value?.text === 'string' && typeof value?.type === 'string') texts.push(value);
      return value;
    });
    expect(texts.length).toBeGreaterThan(2);
    for (const { type, text } of texts) if (text.includes('channel')) expect(type, text).toBe('plain_text');
    expect(json.text).toContain('&lt;!channel&gt;');
    expect(json.text).not.toContain('<');
  });

  test('is plain runs of text in Teams, where nothing is markdown', () => {
    const { json } = bodyOf('teams', message);
    const types = new Set<string>();
    JSON.stringify(json, (_key, value) => {
      if (typeof value?.text === 'string') types.add(value.type);
      return value;
    });
    expect([...types]).toEqual(['TextRun']);
    expect(json.attachments[0].content.actions).toBeUndefined();
  });

  test('mentions nobody in Mattermost, and is no markdown there', () => {
    const { json } = bodyOf('mattermost', message);
    const text = `${json.text}\n${json.attachments[0].text}`;
    expect(text).not.toMatch(/@(here|all|U123)/);
    expect(text).not.toMatch(/(?<!\\)\[click\]\(/);
    expect(text).not.toMatch(/(?<!\\)</);
    expect(text).not.toContain('https://evil');
  });

  test('is text in the HTML of a mail, and adds no header to it', () => {
    const [parcel] = compose('email', message) as [Extract<Parcel, { by: 'smtp' }>];
    expect(parcel.mail.html).not.toContain('<b onload');
    expect(parcel.mail.html).toContain('&lt;b onload=&quot;x()&quot;&gt;');
    expect(parcel.mail.html).not.toContain('javascript:');
    for (const char of '\r\n\u001b') expect(parcel.mail.subject).not.toContain(char);
  });

  test('is one line of a terminal, and moves no cursor', () => {
    const [parcel] = compose('terminal', message) as [Extract<Parcel, { by: 'print' }>];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there is none
    expect(parcel.text).not.toMatch(/[\u0000-\u001f]/);
  });

  test('stays one level of an MQTT topic', () => {
    const gathered = alertOf({ device: 'hall/#fn', sensor: 'a' });
    const [parcel] = compose('mqtt', sampleMessage([gathered])) as [Extract<Parcel, { by: 'mqtt' }>];
    expect(parcel.topic).toBe('weir/alerts/hall__fn/oven-hot');
  });
});

test('PagerDuty gets one incident for each episode, which its end resolves, and none for what was over before', () => {
  const fired = bodyOf('pagerduty', sampleMessage([alertOf({ severity: 'critical' })]));
  expect(fired.url).toBe('https://events.pagerduty.com/v2/enqueue');
  expect(fired.json).toMatchObject({
    routing_key: 'R0123456789ABCDEF0123456789ABCDE',
    dedup_key: 'episode0001',
    event_action: 'trigger',
    payload: { severity: 'critical', source: 'gw1', component: 'oven1', class: 'temperature', group: 'oven-hot' },
    links: [{ href: 'https://wiki.example.com/oven' }],
  });
  expect(bodyOf('pagerduty', over).json).toEqual({
    routing_key: 'R0123456789ABCDEF0123456789ABCDE',
    dedup_key: 'episode0001',
    event_action: 'resolve',
  });
  expect(bodyOf('pagerduty', { ...firing, why: 'acknowledged' }).json).toEqual({
    routing_key: 'R0123456789ABCDEF0123456789ABCDE',
    dedup_key: 'episode0001',
    event_action: 'acknowledge',
  });
  expect(compose('pagerduty', sampleMessage([resolved], { why: 'historical', kind: 'digest' }))).toEqual([]);
  expect(compose('pagerduty', sampleMessage([alertOf(), alertOf({ episode: 'episode0002' })]))).toHaveLength(2);
});

test('ntfy gets title, priority and tags by severity, at the server, with the topic in the body', () => {
  const { url, json } = bodyOf('ntfy', sampleMessage([alertOf({ severity: 'critical' })]), {
    url: 'https://push.example.com/ntfy/my-plant',
  });
  expect(url).toBe('https://push.example.com/ntfy/');
  expect(json).toMatchObject({ topic: 'my-plant', priority: 5, tags: ['rotating_light'] });
  expect(json.title).toBe('[FIRING] critical: oven1 temperature 81.5 is over 80');
  expect(bodyOf('ntfy', over).json).toMatchObject({ priority: 3, tags: ['white_check_mark'] });
  expect(bodyOf('ntfy', firing, { token: 'tk_1' }).headers.authorization).toBe('Bearer tk_1');
});

test('the firing and the end of an episode are one thread of mail, each with a name that all attempts have', () => {
  const mailOf = (message: AlertMessage) => (compose('email', message)[0] as { mail: Mail }).mail;
  const [first, last] = [mailOf(firing), mailOf(over)];
  expect(first.messageId).toBe('<episode0001-1.c0ffee@example.com>');
  expect(last.messageId).toBe('<episode0001-2.c0ffee@example.com>');
  expect(last.references).toEqual(first.references);
  expect(mailOf(firing)).toEqual(first);
  expect(first.text).toContain('81.5 Cel');
  expect(last.subject).toBe('[RESOLVED] warning: oven1 temperature 81.5 is over 80');
});

test('a template of a mail may say its subject', () => {
  const [parcel] = compose('email', firing, {}, { text: 'Subject: oven is hot\n\nGo there.' });
  expect((parcel as { mail: Mail }).mail).toMatchObject({ subject: 'oven is hot', text: '\nGo there.' });
});

test('a siren hears that something fires as long as anything in the message does, and one command has one name', () => {
  const [parcel, ...none] = compose(
    'command',
    sampleMessage([alertOf(), alertOf({ ...OVER, episode: 'episode0002' })]),
  );
  expect(none).toEqual([]);
  expect(parcel).toMatchObject({
    by: 'command',
    id: 'c0ffee-group-1',
    device: 'gw1',
    name: 'weir.publish',
    payload: { topic: 'cmd/siren', payload: 'on', retain: false },
  });
  expect(compose('command', over)[0]).toMatchObject({ payload: { payload: 'off' } });
});

test.each<[KindName, object, string]>([
  ['email', { to: ['a@b.example\r\nBcc: x@y.example'] }, 'to'],
  ['email', { smtp: 'http://mail.example.com' }, 'smtp'],
  ['webhook', { headers: { 'Webhook-Id': '1' } }, 'headers'],
  ['webhook', { headers: { 'x-a': 'a\r\nb: c' } }, 'headers'],
  ['webhook', { url: 'http://user:pw@example.com' }, 'password'],
  ['pagerduty', { routingKey: 'short' }, 'routingKey'],
  ['ntfy', { url: 'https://ntfy.sh/' }, 'topic'],
  ['mqtt', { topic: 'a/+/b' }, 'topic'],
  ['mqtt', { topic: 'a/{colour}' }, 'colour'],
  ['mqtt', { url: 'mqtt://h/path' }, 'broker'],
  ['command', { topic: 'cmd/#' }, 'topic'],
  ['alertmanager', { resend: '1ms' }, 'resend'],
])('%s %j is refused with what is wrong', (kind, given, why) => {
  expect(() => checkSettings(kind, { ...SETTINGS[kind], ...given })).toThrow(why);
});
