/** `npm run bench -- NAME [--json] [--seconds N] [--help]` */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Bench } from './bench.ts';

const BENCHES: Record<string, () => Promise<Bench>> = {
  'edge-throughput': async () => (await import('./edge-throughput.ts')).edgeThroughput,
  sandbox: async () => (await import('./sandbox.ts')).sandbox,
  hostile: async () => (await import('./hostile.ts')).hostile,
  restart: async () => (await import('./restart.ts')).restart,
  drain: async () => (await import('./drain.ts')).drain,
  'flash-wear': async () => (await import('./flash-wear.ts')).flashWear,
  wire: async () => (await import('./wire.ts')).wire,
  connections: async () => (await import('./connections.ts')).connections,
  deploy: async () => (await import('./deploy.ts')).deploy,
  shadow: async () => (await import('./shadow.ts')).shadow,
  adaptive: async () => (await import('./adaptive.ts')).adaptive,
  'alert-lists': async () => (await import('./alert-lists.ts')).alertLists,
  'alert-export': async () => (await import('./alert-export.ts')).alertExport,
  'alert-plan': async () => (await import('./alert-plan.ts')).alertPlan,
  'alert-rivals': async () => (await import('./alert-rivals.ts')).alertRivals,
  'alert-latency': async () => (await import('./alert-latency.ts')).alertLatency,
  backtest: async () => (await import('./backtest.ts')).backtestBench,
  rules: async () => (await import('./rules.ts')).rules,
};

const USAGE = `Usage: npm run bench -- NAME [--json] [--seconds N] [--help]

  NAME         ${Object.keys(BENCHES).join(' | ')}
  --json       only the result, as one line of JSON
  --seconds N  of load (default: what keeps the whole under a minute)
  --help       with a NAME: what that bench does and what its figures mean
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return misuse((error as Error).message);
  }
  const { values, positionals } = parsed;
  const [name, ...rest] = positionals;
  if (name === undefined && values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (name === undefined || rest.length > 0) return misuse('one NAME is wanted');
  if (!Object.hasOwn(BENCHES, name)) return misuse(`there is no bench ${JSON.stringify(name)}`);
  const bench = await BENCHES[name]!();
  if (values.help) {
    process.stdout.write(`${bench.help.trim()}\n`);
    return 0;
  }
  const seconds = values.seconds === undefined ? bench.secondsDefault : Number(values.seconds);
  if (!(seconds >= 1 && seconds <= 3600)) return misuse('--seconds: 1 to 3600 are wanted');
  const say = values.json ? () => {} : (line: string) => console.log(line);
  const metrics = await bench.run({ seconds, say });
  console.log(JSON.stringify({ bench: name, node: process.version, cpus: availableParallelism(), metrics }));
  return 0;
}

function parse(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
}

function misuse(message: string): number {
  process.stderr.write(`${message}\n\n${USAGE}`);
  return 2;
}
