import { expect, test } from 'vitest';
import { transition } from '../api/control.fixture.ts';
import { alertLabels } from './labels.ts';
import { aloneMessage, messageAlert } from './message.ts';

test('labels are those of the alert, of its device and of its rule, which cannot pass itself off as another', () => {
  const labels = { team: 'bakers', device: 'somebody-else' };
  const facts = { groups: ['ovens', 'hall-2'], tags: { site: 'Bergen', 'max-temp': '80' } };
  expect(alertLabels(transition({ labels }), 'edge', facts)).toEqual({
    ...{ alertname: 'oven-hot', device: 'gw1', sensor: 'oven1', metric: 'temperature' },
    ...{ severity: 'warning', origin: 'edge', group: 'hall-2,ovens' },
    ...{ tag_site: 'Bergen', tag_max_temp: '80', team: 'bakers' },
  });
});

test('a fingerprint stays the same over the ladder, and is another for another device', () => {
  const of = (over: object) => {
    const each = transition(over);
    return messageAlert(each, 'edge', alertLabels(each, 'edge'));
  };
  const warning = of({});
  expect(of({ severity: 'critical', seq: 2 }).fingerprint).toBe(warning.fingerprint);
  expect(of({ device: 'gw2' }).fingerprint).not.toBe(warning.fingerprint);
  const end = of({ seq: 3, state: 'resolved', ts: 1_795_000_060_000 });
  expect(end).toMatchObject({ status: 'resolved', endsAt: 1_795_000_060_000 });
  expect(aloneMessage(end, 'c1', 'resolved', 7)).toMatchObject({
    ...{ id: 'episode0001-3', status: 'resolved', counts: { firing: 0, resolved: 1 }, episodes: ['episode0001'] },
    groupLabels: { alertname: 'oven-hot', device: 'gw1', sensor: 'oven1', metric: 'temperature' },
  });
});
