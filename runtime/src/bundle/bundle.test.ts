import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUNDLE_BYTES_MAX } from '@weir/protocols';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildFunctionBundle, buildRuleBundle, hashBundle, parseBundle } from './bundle.ts';
import { placesOf } from './places.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-bundle-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const good = `
import { defineFunction } from '@weir/runtime/author';
import { twice } from './twice.ts';
export default defineFunction({
  name: 'double', version: '1.2.0', inputs: [{ metric: 'temperature' }],
  reading(r, ctx) { ctx.emit({ metric: 'double', value: twice(r.value as number) }); },
  schedule: [{ name: 'beat', every: '10s', run() {} }],
});`;

describe('a function bundle', () => {
  test('holds the manifest that the module declares, and only what it needs', async () => {
    file('twice.ts', 'export const twice = (n: number): number => n * 2;');
    const { bundle, bytes, hash } = await buildFunctionBundle(file('double.ts', good));
    expect(bundle).toMatchObject({
      kind: 'function',
      manifest: {
        name: 'double',
        version: '1.2.0',
        api: 1,
        inputs: [{ sensor: '*', metric: 'temperature' }],
        handlers: ['reading', 'schedule'],
        schedules: [{ name: 'beat', every: 10_000 }],
        timeoutMs: 250,
        memoryMb: 64,
      },
    });
    expect(parseBundle(bytes)).toEqual(bundle);
    expect(hashBundle(bytes)).toBe(hash);
  });

  test('has the same hash wherever the source lies', async () => {
    file('twice.ts', 'export const twice = (n: number): number => n * 2;');
    const here = await buildFunctionBundle(file('double.ts', good));
    const before = folder;
    folder = mkdtempSync(join(tmpdir(), 'weir-elsewhere-'));
    file('twice.ts', 'export const twice = (n: number): number => n * 2;');
    const there = await buildFunctionBundle(file('double.ts', good));
    rmSync(before, { recursive: true });
    expect(there.hash).toBe(here.hash);
  });

  const refuses = (title: string, source: string, code: string, message: RegExp) =>
    test(title, async () => {
      const building = buildFunctionBundle(file('f.ts', source));
      await expect(building).rejects.toMatchObject({
        name: 'UsageError',
        code,
        message: expect.stringMatching(message),
      });
    });
  refuses(
    'a syntax error is told with file and line',
    'export default {\n  name: ,\n}',
    'bundle-failed',
    /f\.ts:2:\d+/,
  );
  refuses(
    'an import of a Node module is refused',
    "import 'node:fs'; export default {}",
    'import-refused',
    /f\.ts -> node:fs$/,
  );
  refuses(
    'a package that is not there is named',
    "import 'not-there'; export default {}",
    'bundle-failed',
    /not-there/,
  );
  refuses('no default export', 'export const x = 1;', 'bundle-failed', /default/);
  refuses('no handler', "export default { name: 'a', version: '1' }", 'definition-invalid', /handles nothing/);
  refuses('a bad name', "export default { name: 'a b', version: '1', reading() {} }", 'definition-invalid', /name/);
  refuses(
    'both reading and readings',
    "export default { name: 'a', version: '1', reading() {}, readings() {} }",
    'definition-invalid',
    /exclude/,
  );
  const handlers = [
    ['async reading() {}', /reading is async/],
    ['async readings() {}', /readings is async/],
    ['*readings() {}', /readings is a generator/],
    ['reading() {}, async *state() {}', /state is an async generator/],
    ["schedule: [{ name: 'beat', every: '10s', run: async () => {} }]", /run of schedule "beat" is async/],
  ] as const;
  for (const [handler, message] of handlers) {
    refuses(
      `a handler that could never run is refused before it is deployed: ${handler}`,
      `export default { name: 'a', version: '1', ${handler} }`,
      'definition-invalid',
      message,
    );
  }
  test('a file that is not there is named as it was given', async () => {
    const path = join(folder, 'nope.ts');
    await expect(buildFunctionBundle(path)).rejects.toMatchObject({
      code: 'bundle-failed',
      message: `there is no file ${path}`,
    });
    await expect(buildFunctionBundle(folder)).rejects.toMatchObject({ message: `${folder} is no file` });
  });
  refuses('a top level that loops', 'for (;;); export default {}', 'definition-invalid', /timed-out/);
});

describe('what a package brings', () => {
  function pack(name: string, files: Record<string, string>): void {
    const at = join(folder, 'node_modules', name);
    mkdirSync(at, { recursive: true });
    file(join('node_modules', name, 'package.json'), JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    for (const [path, text] of Object.entries(files)) file(join('node_modules', name, path), text);
  }
  const using = (name: string) =>
    file(
      'my-fn.ts',
      `import { twice } from '${name}';
       export default { name: 'f', version: '1', reading(r, ctx) { ctx.log(twice(r.value)); } };`,
    );

  test('is taken in when it is pure JavaScript, CommonJS too', async () => {
    pack('doubling', {
      'index.js': "exports.twice = require('./twice.js');",
      'twice.js': 'module.exports = n => 2 * n;',
    });
    const { bundle } = await buildFunctionBundle(using('doubling'));
    expect(bundle).toMatchObject({ code: expect.stringContaining('2 * n') });
  });

  test('is taken in when it bears the name of a module of Node', async () => {
    pack('events', { 'index.js': 'exports.twice = n => 2 * n;' });
    await expect(buildFunctionBundle(using('events'))).resolves.toBeDefined();
  });

  const refusesPackage = (title: string, files: Record<string, string>, chain: string) =>
    test(title, async () => {
      pack('inner', files);
      pack('lodash-like', { 'index.js': "exports.twice = require('inner');" });
      await expect(buildFunctionBundle(using('lodash-like'))).rejects.toMatchObject({
        code: 'import-refused',
        message: expect.stringContaining(chain),
      });
    });
  refusesPackage(
    'is refused for a module of Node, with the chain that led there',
    { 'index.js': "module.exports = require('./deep.js');", 'deep.js': "module.exports = require('fs');" },
    'my-fn.ts -> lodash-like -> inner -> node:fs',
  );
  refusesPackage(
    'is refused for a native addon, with the chain that led there',
    { 'index.js': "module.exports = require('./build/Release/inner.node');" },
    'my-fn.ts -> lodash-like -> inner -> ./build/Release/inner.node',
  );
});

describe('the source map of a function', () => {
  const source = (filling: string) => `
interface Filling { text: string }
${filling}
export default {
  name: 'f', version: '1',
  reading(r, ctx) {
    ctx.log(filling.text.length);
    throw new Error('on line 8');
  },
};`;

  test('leads from the script to the line that the author wrote', async () => {
    const { bundle, notes } = await buildFunctionBundle(file('f.ts', source("const filling: Filling = { text: '' };")));
    expect(notes).toEqual([]);
    if (bundle.kind !== 'function') throw new Error(bundle.kind);
    const lines = bundle.code.split('\n');
    const line = lines.findIndex((text) => text.includes('on line 8'));
    const place = `function.js:${line + 1}:${lines[line]!.indexOf('new Error') + 1}`;
    const stack = `Error: on line 8\n    at reading (${place})\n    at step (weir:bootstrap:9:9)`;
    expect(placesOf(bundle.sourceMap).stack(stack)).toBe('Error: on line 8\n    at reading (f.ts:8:11)');
    expect(placesOf(bundle.sourceMap).first(stack)).toBe('f.ts:8:11');
    for (const damaged of [undefined, '{', '{}']) expect(placesOf(damaged).first(stack)).toBe(place);
  });

  test('is left out with a note when it would make the bundle too large', async () => {
    const text = 'x'.repeat(BUNDLE_BYTES_MAX - 750);
    const { bundle, notes } = await buildFunctionBundle(file('f.ts', source(`const filling = { text: '${text}' };`)));
    expect(bundle).not.toHaveProperty('sourceMap');
    expect(notes).toEqual([expect.stringContaining('source map is left out')]);
  });
});

describe('a rule bundle', () => {
  test.each([
    [
      'metric: temperature\nname: hot\nabove: 80\nclear: 75\nfor: 10s\n',
      'dfb678f0d637084bf97d43350e0b7a5b3e4ed70ca3baf744c4a5dbbcf5fce710',
    ],
    [
      "summary: '{sensor} {value}'\nseverity: info\nfor: 1.5s\nclear: [3, 7]\noutside: [2, 8]\nmetric: t*\nsensor: a\nversion: '7'\nname: all\n",
      '8d47c7531e69b6a31914016cef3304e54f4198cbb44da2508bbeb09bc4bb72f8',
    ],
  ])('of the first form has the bytes it always had: %j', async (text, hash) => {
    expect((await buildRuleBundle(file('rule.yaml', text))).hash).toBe(hash);
  });

  test('holds the rule with its defaults', async () => {
    const { bundle } = await buildRuleBundle(file('r.yaml', 'name: hot\nmetric: temperature\nabove: 80\nfor: 10s\n'));
    expect(bundle).toMatchObject({ kind: 'rule', rule: { sensor: '*', above: 80, for: 10_000, severity: 'warning' } });
  });

  const refuses = (title: string, source: string, message: RegExp) =>
    test(title, async () => {
      const building = buildRuleBundle(file('r.yaml', source));
      await expect(building).rejects.toMatchObject({ code: 'rule-invalid', message: expect.stringMatching(message) });
    });
  refuses('a wrong value is told with its line', 'name: hot\nmetric: t\nabove: eighty\n', /^r\.yaml:3:1: above: /);
  refuses('broken YAML is told with its line', 'name: hot\nmetric: [t\nabove: 1\n', /^r\.yaml:\d+:\d+: /);
  refuses('an unknown key is named', 'name: hot\nmetric: t\nabove: 1\nclaer: 0\n', /claer/);
  refuses(
    'a clear level on the wrong side is refused',
    'name: hot\nmetric: t\nabove: 80\nclear: 85\n',
    /^r\.yaml:4:1: clear: /,
  );
});

describe('what is wrong with a rule is told with line and column, its place in the tree, and the way out', () => {
  const check = (text: string, ...lines: string[]) =>
    test(text, async () => {
      const message = await buildRuleBundle(file('r.yaml', text)).then(
        () => 'nothing is',
        (error: Error) => error.message,
      );
      expect(message.split('\n')).toEqual(lines.map((line) => expect.stringContaining(line)));
    });
  const head = 'name: r\nmetric: t\n';

  const asRule = ['; write one rule as keys and values:', '  name: oven-hot', '  metric: temperature', '  above: 80'];
  check('', ...['r.yaml:1:1: there is nothing here; write one rule as keys and values:', ...asRule.slice(1)]);
  check('- name: r\n', ...['r.yaml:1:1: [{"name":"r"}] does not say it; write one rule', ...asRule.slice(1)]);
  check('hello', ...['r.yaml:1:1: "hello" does not say it; write one rule', ...asRule.slice(1)]);
  check('name: a\n---\nname: b\n', 'r.yaml:2:1: a file has one rule');
  check('name: a\nname: b\n', 'r.yaml:2:1: this key is there twice');
  check(`${head}above: *x\n`, 'r.yaml:3:8: *x stands for nothing');
  check('metric: t\nabove: 1\n', 'r.yaml:1:1: name: a name is needed, such as oven-hot');
  check('name: my rule\nmetric: t\nabove: 1\n', 'r.yaml:1:1: name: a name has letters');
  check(`${head}above: "80"\n`, 'r.yaml:3:1: above: "80" is no level: write 80, without quotes');
  check(`${head}above: 80,5\n`, 'r.yaml:3:1: above: "80,5" is no level: write 80.5, with a point');
  check(`${head}above: 80 °C\n`, 'r.yaml:3:1: above: "80 °C" is no level: write 80, and unit: "°C" beside it');
  check(`${head}above: 80C\n`, 'r.yaml:3:1: above: "80C" is no level: write 80, and unit: "Cel" beside it');
  check(`${head}above: 80\nclear: { below: 75 }\n`, 'r.yaml:4:1: clear: a level is a number');
  check(`${head}above: 80\nlatch: yes\n`, 'r.yaml:4:1: latch: "yes" is neither true nor false');
  check(
    `${head}above: 80\nmatches: 3 of 5\n`,
    'r.yaml:4:1: matches: "3 of 5" does not say it; write { times: 3, of: 5 }',
  );
  check(`${head}above: 80\nclearAfter: 3\n`, 'r.yaml:4:1: clearAfter: 3 does not say it; write { samples: 3 }');
  check(`${head}above: 80\nlimit: 0\n`, 'r.yaml:4:1: limit: 0 is too little: at least 1');
  check(`${head}above: 80\nlabels: { team: 5 }\n`, 'r.yaml:4:11: labels.team: 5 is no text: write it in quotes, "5"');
  check(`${head}above: 80\nsensor: [a, b]\n`, 'r.yaml:4:1: sensor: one name is needed');
  check(`${head}changesBy: 5\n`, 'r.yaml:3:1: changesBy: 5 does not say it; write { amount: 5, within: 10m }');
  check(`${head}above: 80\nschedule: Mon-Fri\n`, 'r.yaml:4:1: schedule: "Mon-Fri" does not say it; write { zone:');
  check(`${head}when: { and: [ { above: 1 } ] }\n`, 'r.yaml:3:9: when.and: there is no key "and"; here it is all');
  check(`${head}abov: 80\n`, 'r.yaml:3:1: abov: there is no key "abov"; did you mean "above"?');
  check(`${head}threshold: 80\n`, 'r.yaml:3:1: threshold: there is no key "threshold"; here it is above');
  check(
    `${head}above: 80\nseverity: warnign\n`,
    'r.yaml:4:1: severity: "warnign" is none of info, warning, critical; did',
  );
  check(`${head}above: 80\nvalue: { mean: 5m }\n`, 'r.yaml:4:1: value: "mean" is none of last, avg, min,');
  check(`${head}above: 80\nvalue: { avg: 5min }\n`, 'r.yaml:4:10: value.avg: "5min" is not a duration');
  check(`${head}above: 80\nfor: 30\n`, 'r.yaml:4:1: for: 30 has no unit: write 30s, or 30ms');
  check(`${head}above: 80\nfor: 30000\n`, 'r.yaml:4:1: for: 30000 has no unit: write 30s for as many milliseconds');
  check(`${head}above: 80\nwhen: &all { all: [*all] }\n`, 'r.yaml:4:1: when: a tree of more than');
  check(`${head}above: 80\nfor: -1\n`, 'r.yaml:4:1: for: -1 is too little: at least 0');
  check(`${head}above: 80\nvalue: { p95: { over: 300 } }\n`, 'r.yaml:4:17: value.p95.over: 300 has no unit');
  check(`${head}above: 80\nvalue: { rate: 5m, per: 60 }\n`, 'r.yaml:4:20: value.per: 60 has no unit');
  check(
    `${head}severities:\n  info: { silentFor: 60 }\n  critical: { when: { any: [{ value: { avg: 5 }, above: 1 }] } }\n`,
    'r.yaml:4:11: severities.info.silentFor: 60 has no unit: write 60s',
    'r.yaml:5:40: severities.critical.when.any.0.value.avg: 5 has no unit: write 5s',
  );
  check(`${head}above: 80\nvalue: { avg: 1ms }\n`, 'r.yaml:4:10: value.avg: shorter than 100ms');
  check(`${head}above: 80\nvalue: { avg: 1 samples }\n`, 'r.yaml:4:10: value.avg: a window has 2 to 1000 samples');
  check(
    `${head}when:\n  all:\n    - above: 80\n    - { metric: p, sevrity: 3, below: 2 }\n    - { sensor: door, metric: open }\n`,
    'r.yaml:6:20: when.all.1.sevrity: there is no key "sevrity"',
  );
  check(
    `${head}when:\n  any:\n    - above: 80\n    - all: [{ below: 2, above: 3 }, { outside: [8, 2] }]\n`,
    'r.yaml:6:15: when.any.1.all.0.below: exactly one comparison',
    'r.yaml:6:39: when.any.1.all.1.outside: the lower level comes first: 8 is not under 2',
  );
  check(
    `${head}severities:\n  warning: { above: 80, clear: 85 }\n  critical: { above: 75 }\nby: serie\n`,
    'r.yaml:6:1: by: "serie" is none of series, sensor, device, group; did you mean "series"?',
  );
  check(
    `${head}severities:\n  warning: { above: 80, clear: 85 }\n  critical: { above: 75 }\n`,
    'r.yaml:4:25: severities.warning.clear: must not be over the level `above`',
    'r.yaml:5:15: severities.critical.above: a ladder goes up: critical is reached no later than warning',
  );
  check(
    `${head}above: 80\nschedule: { zone: Europe/Osslo, times: "08:00-08:00" }\n`,
    'r.yaml:4:13: schedule.zone: there is no time zone "Europe/Osslo"',
    'r.yaml:4:33: schedule.times.0: "08:00-08:00" is empty',
  );
  check(`${head}above: 80\nmanual: true\nclear: 70\n`, 'r.yaml:5:1: clear: with manual only a person ends it');
  check(
    `${head}above: 80\nby: group\nactuate: { topic: fan }\n`,
    'r.yaml:5:1: actuate: a rule by group runs in the hub',
  );
  check(`${head}above: 80\nby: series\nacross: mean\n`, 'r.yaml:5:1: across: a series is alone');
  check(`${head}above: { tagg: max }\n`, 'r.yaml:3:1: above: a level is a number');
  check(
    `${head}above: { tag: max, defalt: 80 }\n`,
    'r.yaml:3:20: above.defalt: there is no key "defalt"; did you mean "default"?',
  );
  check(`${head}above: 80\nmatches: { times: 3, of: 2 }\n`, 'r.yaml:4:22: matches.of: 3 of 2 is more than there are');
  check(`${head}when: { atLeast: 3, of: [{ above: 1 }, { below: 0 }] }\n`, 'r.yaml:3:9: when.atLeast: 3 of 2 is more');
  check('name: r\nabove: 80\n', 'r.yaml:1:1: metric: a metric is needed');
  check(
    `${head}above: 80\nlabels: { a-b: x, severity: y }\n`,
    'labels.a-b: a label is named',
    'labels.severity: the hub says',
  );
  check(`${head}changesBy: { amount: 5 }\n`, 'r.yaml:3:1: changesBy.within: a duration is needed');
  check(
    `${head}when: ${'{ all: ['.repeat(6)}{ above: 1 }${'] }'.repeat(6)}\n`,
    'r.yaml:3:1: when: a tree of more than 6',
  );
  check(`${head}`, 'r.yaml:1:1: above: exactly one comparison (above, below, outside, …) is needed, found none');
});

test('bytes that are no bundle are refused', () => {
  for (const text of ['', '{', '{"weir":2}', '[]']) {
    expect(() => parseBundle(new TextEncoder().encode(text))).toThrowError(
      expect.objectContaining({ code: 'bundle-invalid' }),
    );
  }
});
