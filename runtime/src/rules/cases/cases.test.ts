import { type RuleInput, ruleSchema } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import type { BuiltBundle } from '../../bundle/bundle.ts';
import type { FunctionSandbox } from '../../sandbox/sandbox.ts';
import { caseReport } from './case-report.ts';
import { loadCases } from './load-cases.ts';
import { type CaseOutcome, runCase } from './run-case.ts';

const sandbox: FunctionSandbox = {
  load: async () => ({ kind: 'crashed', message: 'no function is in these rules' }),
  step: async () => ({ kind: 'crashed', message: 'no function is in these rules' }),
  drop: () => {},
};

function built(rule: Partial<RuleInput> = {}): BuiltBundle {
  const parsed = ruleSchema.parse({
    name: 'hot',
    sensor: 'oven*',
    metric: 'temperature',
    above: 80,
    clear: 75,
    ...rule,
  });
  return { bundle: { weir: 1, kind: 'rule', rule: parsed }, bytes: new Uint8Array(), hash: 'a'.repeat(64), notes: [] };
}

async function outcomes(text: string, rule: Partial<RuleInput> = {}): Promise<CaseOutcome[]> {
  const { built: made, cases, facts } = await loadCases('hot.test.yaml', text, async () => built(rule));
  return Promise.all(cases.map((each) => runCase(made, each, { sandbox, ...facts })));
}

/** Of the only test in it. */
async function failures(text: string, rule: Partial<RuleInput> = {}): Promise<string[]> {
  const indented = text.replaceAll('\n', '\n    ');
  const [outcome] = await outcomes(`tests:\n  - name: it\n    ${indented}`, rule);
  return outcome!.mismatches.flatMap(({ lines }) =>
    lines
      .filter(({ mark }) => mark !== ' ')
      .map(({ mark, text, line, why }) => `${mark} ${text}${why ? ` (${why})` : ''}${line ? `:${line}` : ''}`),
  );
}

describe('a test that is as expected has nothing to say', () => {
  test.each<[string, string, Partial<RuleInput>?]>([
    ['firing and its end', 'input: { temperature: 79 81 78 74 }\nexpect: [firing at 1s, resolved at 3s]'],
    ['nothing', 'input: { temperature: 70x5 }\nexpect: []'],
    ['episodes', 'input: { temperature: 81 90 70 }\nepisodes: [{ from: 0s, to: 2s, peak: 90 }]'],
    ['one that is still open', 'input: { temperature: 70 81 }\nepisodes: [1s on warning]'],
    [
      'the clock runs on to what is expected',
      'input: { temperature: 81 }\nexpect: [firing at 10s since 0s]',
      { for: '10s' },
    ],
    [
      'a crossing that ends before the time is up',
      'input: { temperature: 81x9 70 }\nuntil: 1m\nexpect: []',
      { for: '10s' },
    ],
    [
      'series of their own',
      'input: { oven1/temperature: 81, oven2/temperature: 81 }\nexpect: [firing at 0 of oven1/temperature, firing at 0 of oven2/temperature]',
    ],
    [
      'devices of their own',
      'input: { gw1/oven1/temperature: 81, gw2/oven1/temperature: 70 }\nexpect: [firing at 0 of gw1/oven1/temperature]',
    ],
    ['what is late changes nothing newer', 'interval: 10s\ninput: { temperature: 70 70 70 95@5s }\nexpect: []'],
    [
      'a restart in the middle of a crossing',
      'input: { temperature: 81x20 }\nevents: _x5 restart\nexpect: [firing at 10s]',
      { for: '10s' },
    ],
    ['readings by the clock', 'events:\n  - { at: 1m30s, readings: { temperature: 81 } }\nexpect: [firing at 1m30s]'],
  ])('%s', async (_, text, rule) => {
    expect(await failures(text, rule)).toEqual([]);
  });
});

describe('what is not as expected is said with its line and with what came instead', () => {
  test('a transition at another time, and another severity', async () => {
    expect(
      await failures('input: { temperature: 79 81 74 }\nexpect:\n  - firing critical at 0s\n  - resolved at 2s'),
    ).toEqual([
      '- firing critical at 0s (at 1s, severity warning):5',
      '+ firing warning threshold at 1s of device1/oven1/temperature value=81',
    ]);
  });

  test('one that is missing, one that is too many', async () => {
    expect(await failures('input: { temperature: 79 }\nexpect: [firing at 0s]')).toEqual(['- firing at 0s:4']);
    expect(await failures('input: { temperature: 81 }\nexpect: []')).toEqual([
      '+ firing warning threshold at 0s of device1/oven1/temperature value=81',
    ]);
  });

  test('an episode that is still open', async () => {
    expect(await failures('input: { temperature: 81 }\nepisodes: [0s to 3s]')).toEqual([
      '- 0s to 3s (still open):4',
      '+ 0s on warning of device1/oven1/temperature peak=81',
    ]);
  });
});

test('the report draws what came in, what came of it and what was expected', async () => {
  const text =
    'tests:\n  - name: it\n    interval: 10s\n    input: { temperature: 70 85 85 70 }\n    expect: [firing at 20s]';
  const { built: made, cases, facts, levelsOf } = await loadCases('hot.test.yaml', text, async () => built());
  const outcome = await runCase(made, cases[0]!, { sandbox, ...facts });
  const options = { file: 'hot.test.yaml', width: 60, colours: false, levels: levelsOf(cases[0]!) };
  expect(`\n${caseReport(cases[0]!, outcome, options).join('\n')}\n`).toMatchInlineSnapshot(`
    "
      transitions: - expected  + came
      - firing at 20s   (it is: at 10s)   hot.test.yaml:5
      + firing warning threshold at 10s of device1/oven1/temperature value=85
      + resolved warning cleared at 30s of device1/oven1/temperature value=70

      device1/oven1/temperature
           85 │                ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀
              │
           80 ┤┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈
           75 ┤┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈
              │
           70 │▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄                               ▄
         came │                ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
     expected │                                ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
               0s      5s      10s     15s     20s     25s    30s
    "
  `);
});

describe('what cannot be read is told with its line', () => {
  test.each<[string, string]>([
    ['test: []', 'hot.test.yaml:1: '],
    ['tests:\n  - name: it\n    input: { temperature: 70 }', 'hot.test.yaml:2: what is expected?'],
    ['tests:\n  - name: it\n    expect: []\n    input:\n      temperature: 70 NaN', 'hot.test.yaml:5: NaN is refused'],
    ['tests:\n  - name: it\n    expect: []\n    input:\n      a/b/c/d: 70', 'hot.test.yaml:5: "a/b/c/d" is no series'],
    ['tests:\n  - name: it\n    expect:\n      - fired at 3s', 'hot.test.yaml:4: "fired at 3s": "fired" is no state'],
    ['tests:\n  - name: it\n    expect:\n      - firing', 'hot.test.yaml:4: "firing": when?'],
    ['tests:\n  - name: it\n    expect:\n      - firing at noon', 'hot.test.yaml:4: "noon" is no time'],
    [
      'tests:\n  - name: it\n    expect:\n      - { at: 3s, state: fired }',
      'hot.test.yaml:4: tests.0.expect.0.state: ',
    ],
    ['tests:\n  - name: it\n    expect: []\n    events: _ reboot', 'hot.test.yaml:4: "reboot" is no event'],
    ['tests:\n  - name: it\n    expect: []\n    events:\n      - at: 3s', 'hot.test.yaml:5: what happens?'],
    ['tests:\n  - name: it\n    expect: []\n    interval: 0s', 'hot.test.yaml:4: an interval is longer than nothing'],
    ['tests:\n  - name: it\n    expect: []\n    start: yesterday', 'hot.test.yaml:4: "yesterday" is no time'],
    ['tests:\n  - name: [it', 'hot.test.yaml:2: '],
  ])('%j', async (text, message) => {
    await expect(outcomes(text)).rejects.toMatchObject({
      code: 'cases-invalid',
      message: expect.stringContaining(message),
    });
  });
});
