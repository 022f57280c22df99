/** `npm run crash -- [--rounds N] [--seed N] [--only NAME] [--full-for 1h] [--short] [--json]` */
import { parseArgs } from 'node:util';
import { parseDuration } from '@weir/protocols';
import { chance, type Outcome, type Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';

const USAGE = `Usage: npm run crash -- [--rounds N] [--seed N] [--only NAME] [--full-for 1h] [--short] [--json]

  A real hub and a real gateway with sensors that count, while the world fails them. Whatever happens: what was
  acknowledged is in the store once, or in a gap that was told; in order, and without anybody's help.

${Object.entries(SCENARIOS)
  .map(([name, { about }]) => `  ${name.padEnd(16)}${about}`)
  .join('\n')}

  --rounds N     of kills (default: 200)
  --seed N       from which moments and targets are drawn (default: by lot)
  --only NAME    one of the above; may be repeated
  --full-for D   how long the disk is full of agent-disk-full and hub-disk-full, e.g. 1h (default: 90s)
  --short        as long as the end-to-end tests have it, in seconds instead of minutes
  --json         only the verdict, as one line of JSON
`;
const ROUNDS_DEFAULT = 200;
const ENDED_BY_SIGINT = 130;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const options = read(args);
  if (typeof options === 'number') return options;
  const { seed, rounds, names, json, size, fullMs } = options;
  const say = json ? () => {} : (line: string) => console.log(line);
  say(`seed ${seed}`);
  const signal = interrupted();
  const verdicts: Record<string, Outcome | { skipped: string }> = {};
  for (const name of names) {
    const scenario: Scenario = SCENARIOS[name]!;
    const skipped = scenario.unavailable?.();
    if (skipped !== undefined) {
      verdicts[name] = { skipped };
      say(`${name}: left out, ${skipped}`);
      continue;
    }
    try {
      verdicts[name] = await scenario.run({ random: chance(seed), size, rounds, fullMs, say, signal });
    } catch (error) {
      if (signal.aborted) break;
      verdicts[name] = { figures: {}, faults: [(error as Error).message] };
    }
    say(told(name, verdicts[name]!));
  }
  const outcomes = Object.values(verdicts);
  const failed = outcomes.filter((each) => 'faults' in each && each.faults.length > 0).length;
  if (json) console.log(JSON.stringify({ crash: names, seed, interrupted: signal.aborted, verdicts }));
  if (signal.aborted) {
    say('interrupted; what was started is ended');
    return ENDED_BY_SIGINT;
  }
  say(`\n${outcomes.length - failed} of ${outcomes.length} hold${failed > 0 ? `; again: --seed ${seed}` : ''}`);
  return failed === 0 ? 0 : 1;
}

function told(name: string, verdict: Outcome | { skipped: string }): string {
  if ('skipped' in verdict) return `${name}: left out, ${verdict.skipped}`;
  const figures = Object.entries(verdict.figures).map(([what, count]) => `${what} ${count}`);
  const lines = [`${name}: ${verdict.faults.length === 0 ? 'holds' : 'DOES NOT HOLD'}`, `  ${figures.join(', ')}`];
  return [...lines, ...verdict.faults.map((fault) => `  ${fault}`)].join('\n');
}

/** Told once, it ends at the next step and cleans up; told twice, at once. */
function interrupted(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(ENDED_BY_SIGINT);
      controller.abort();
    });
  }
  return controller.signal;
}

interface Options {
  seed: number;
  rounds: number;
  names: string[];
  json: boolean;
  size: 'short' | 'full';
  fullMs: number | undefined;
}

/** @returns the exit code where there is nothing to run */
function read(args: string[]): Options | number {
  try {
    const { values } = parseArgs({
      args,
      options: {
        rounds: { type: 'string' },
        seed: { type: 'string' },
        only: { type: 'string', multiple: true },
        'full-for': { type: 'string' },
        json: { type: 'boolean', default: false },
        short: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    const names = values.only ?? Object.keys(SCENARIOS);
    for (const name of names) {
      if (!Object.hasOwn(SCENARIOS, name)) throw new Error(`--only: there is no scenario ${JSON.stringify(name)}`);
    }
    return {
      names,
      json: values.json,
      size: values.short ? 'short' : 'full',
      seed: number('seed', values.seed, Math.floor(Math.random() * 1_000_000)),
      rounds: number('rounds', values.rounds, ROUNDS_DEFAULT),
      fullMs: duration('full-for', values['full-for']),
    };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
}

function number(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    throw new Error(`--${name}: a whole number over 0 is wanted, not ${text}`);
  return Number(text);
}

function duration(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new Error(`--${name}: a time such as 10m is wanted, not ${text}`);
  return ms;
}
