/** `weir rule test`: the table tests of rules. Asks no hub. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { BuiltBundle, CaseOutcome, FunctionSandbox, RuleCase } from '@weir/runtime';
import type { Command } from 'commander';
import { Failure, Misuse } from '../failure.ts';
import { examples, type Session } from '../session.ts';
import { withSandboxOnDemand } from './rule-sandbox.ts';
import { isColourful, terminalWidth } from './rule-terminal.ts';
import { watching } from './watching.ts';

interface TestOptions {
  name?: string;
  watch?: boolean;
  json?: boolean;
}

const TESTS = /\.test\.ya?ml$/;
const IGNORED = /^\.|~$/;
/** Nobody keeps rules in there. */
const SKIPPED = new Set(['node_modules', '.git', '.weir']);
const HELP = `
A test, oven-hot.test.yaml beside oven-hot.yaml:
  interval: 10s                     # between two values
  tests:
    - name: fires over 80, ends under 75
      input:
        temperature: 79 81 78 74    # also 70+5x3, 70x5, _ for none, 85@20s for late
      expect:
        - firing critical at 10s
        - resolved at 30s
All there is to write: docs/guides/alert-on-a-threshold.md
`;

export function ruleTestCommand(session: Session, command: Command): void {
  command
    .description('run the table tests of rules, in the engine that devices have; asks no hub')
    .argument('[files...]', 'tests (*.test.yaml), rules that have some beside them, or folders; else this folder')
    .option('--name <text>', 'only tests whose name has this in it')
    .option('--watch', 'run them again whenever a file beside them changes, until Ctrl-C')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `${examples(
        'weir rule test                            all under this folder; exit code 1 when one fails',
        'weir rule test rules/oven-hot.yaml',
        "weir rule test rules --name 'late' --watch",
      )}${HELP}`,
    )
    .action((files: string[], options: TestOptions) => test(session, files, options));
}

async function test(session: Session, files: readonly string[], options: TestOptions): Promise<void> {
  const given = files.length === 0 ? ['.'] : files;
  await withSandboxOnDemand(async (sandbox) => {
    if (!options.watch) return runAll(session, given, options, sandbox);
    const ended = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());
    const folders = testFiles(given).map((file) => dirname(resolve(file)));
    const once = () => runAll(session, given, options, sandbox);
    await watching(session, { folders, ignored: IGNORED, ended: ended.signal }, once);
  });
}

interface Tested {
  file: string;
  ruleCase: RuleCase;
  outcome: CaseOutcome;
  ms: number;
}

/** @throws {Failure} when a test failed @throws {Misuse} when there is none */
async function runAll(
  session: Session,
  given: readonly string[],
  options: TestOptions,
  sandbox: FunctionSandbox,
): Promise<void> {
  const tested: Tested[] = [];
  for (const file of testFiles(given)) tested.push(...(await runFile(session, file, options, sandbox)));
  if (tested.length === 0) throw new Misuse(`no test has "${options.name}" in its name`);
  if (options.json) session.out(`${JSON.stringify(tested.map(jsonOf), null, 2)}\n`);
  const failed = tested.filter(isFailed);
  const count = tested.length === 1 ? '1 test' : `${tested.length} tests`;
  if (failed.length > 0) throw new Failure(`${failed.length} of ${count} failed`);
  session.note(`${count} passed\n`);
}

async function runFile(
  session: Session,
  file: string,
  { name, json }: TestOptions,
  sandbox: FunctionSandbox,
): Promise<Tested[]> {
  const { caseReport, loadCases, runCase } = await import('@weir/runtime');
  const { built, cases, facts, levelsOf } = await loadCases(file, readFileSync(file, 'utf8'), (rule) =>
    buildRule(ruleFileOf(file, rule)),
  );
  const wanted = cases.filter((each) => name === undefined || each.name.includes(name));
  if (!json && wanted.length > 0) session.out(`${file}  ${identityOf(built)}\n`);
  if (wanted.length > 0) await tellDoubts(session, built);
  const tested: Tested[] = [];
  for (const ruleCase of wanted) {
    const began = performance.now();
    const outcome = await runCase(built, ruleCase, { sandbox, ...facts });
    const each = { file, ruleCase, outcome, ms: performance.now() - began };
    tested.push(each);
    if (json) continue;
    session.out(`  ${isFailed(each) ? 'FAIL' : 'ok  '}  ${ruleCase.name}\n`);
    if (!isFailed(each)) continue;
    const width = terminalWidth() - 4;
    const shown = { file: basename(file), width, colours: isColourful(), levels: levelsOf(ruleCase) };
    for (const line of caseReport(ruleCase, outcome, shown)) session.out(`${line === '' ? '' : `    ${line}`}\n`);
  }
  return tested;
}

/** What may be tried, and is hardly meant. */
async function tellDoubts(session: Session, { bundle, notes }: BuiltBundle): Promise<void> {
  const { ruleIn, rulePlan, unitDoubts } = await import('@weir/protocols');
  const rule = ruleIn(bundle);
  // Of a unit the hub tells whoever applies the rule: it knows what readings come in.
  for (const note of [...notes, ...(rule ? unitDoubts(rulePlan(rule)) : [])]) session.note(`note: ${note}\n`);
}

function isFailed({ outcome }: Tested): boolean {
  return outcome.mismatches.length > 0 || outcome.faults.length > 0;
}

function jsonOf(tested: Tested): object {
  const { file, ruleCase, outcome, ms } = tested;
  const { name, line, startAt } = ruleCase;
  const { transitions, episodes, mismatches, faults } = outcome;
  const spans = episodes.map(({ transitions: _, ...span }) => span);
  const state = isFailed(tested) ? 'failed' : 'passed';
  return { file, line, name, state, ms: Math.round(ms), startAt, mismatches, faults, transitions, episodes: spans };
}

async function buildRule(file: string): Promise<BuiltBundle> {
  return (await import('@weir/runtime')).buildRuleBundle(file);
}

function identityOf({ bundle, hash }: BuiltBundle): string {
  return bundle.kind === 'rule'
    ? `${bundle.rule.name}@${bundle.rule.version ?? hash.slice(0, 12)}`
    : `${bundle.kind === 'function' ? `${bundle.manifest.name}@${bundle.manifest.version}` : ''}`;
}

/** @param written path as the tests have it, from their own folder */
function ruleFileOf(file: string, written: string | undefined): string {
  if (written !== undefined) return join(dirname(file), written);
  const stem = file.replace(TESTS, '');
  const candidates = ['yaml', 'yml', 'json', 'ts'].map((extension) => `${stem}.${extension}`);
  const found = candidates.find((each) => statSync(each, { throwIfNoEntry: false })?.isFile());
  if (found !== undefined) return found;
  throw new Misuse(`${file} is of which rule?`, `put it beside ${basename(stem)}.yaml, or say rule: FILE in it`);
}

/** In order of their names. @throws {Misuse} when one given has none */
function testFiles(given: readonly string[]): string[] {
  return [...new Set(given.flatMap(filesOf))];
}

function filesOf(path: string): string[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new Misuse(`there is no file ${path}`);
  if (found.isDirectory()) {
    const files = [...filesBelow(path)].sort();
    if (files.length > 0) return files;
    throw new Misuse(
      `there are no tests in ${path}`,
      'tests of a rule oven-hot.yaml stand in oven-hot.test.yaml beside it',
    );
  }
  if (TESTS.test(path)) return [path];
  const stem = path.replace(/\.\w+$/, '');
  const tests = [`${stem}.test.yaml`, `${stem}.test.yml`].filter((each) => statSync(each, { throwIfNoEntry: false }));
  if (tests.length > 0) return tests;
  throw new Misuse(`${path} has no tests`, `write some in ${stem}.test.yaml`);
}

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* filesBelow(path);
    else if (entry.isFile() && TESTS.test(entry.name)) yield path;
  }
}
