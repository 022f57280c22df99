import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const START = Date.UTC(2026, 0, 15, 8);
const EVERY_MS = 60_000;
/** What authors import, and what that imports. */
const AUTHOR_FILES = ['author.ts', 'threshold.ts'];

/**
 * What `fn new` makes, by path within its folder.
 *
 * @param typesAtHand without it the types that authors import are put beside the function
 */
export function templateFiles(name: string, { typesAtHand }: { typesAtHand: boolean }): Record<string, string> {
  const files: Record<string, string> = {
    [`${name}.ts`]: source(name),
    [`${name}.trace.csv`]: trace(),
    'README.md': readme(name),
  };
  if (typesAtHand) return files;
  const author = import.meta.resolve('@weir/runtime/author');
  for (const file of AUTHOR_FILES) {
    const text = readFileSync(fileURLToPath(new URL(file, author)), 'utf8');
    files[`types/weir/${file}`] = `// Types of the Weir that made this folder; a copy.\n${text}`;
  }
  files['tsconfig.json'] = `${JSON.stringify(TSCONFIG, null, 2)}\n`;
  return files;
}

/** As the sandbox sees the world: the language, and nothing of a browser or of Node. */
const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2023'],
    types: [],
    module: 'esnext',
    moduleResolution: 'bundler',
    strict: true,
    noUncheckedIndexedAccess: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
    paths: { '@weir/runtime/author': ['./types/weir/author.ts'] },
  },
};

function source(name: string): string {
  return `import { defineFunction } from '@weir/runtime/author';

/** What it remembers from one reading to the next: plain JSON, kept durably together with what it puts out. */
interface State {
  /** Of each sensor: the mean so far, and of how many readings. */
  means: { [sensor: string]: { mean: number; count: number } };
}

/** What a deployment may set: weir fn deploy … --config limit=80 */
interface Config {
  /** In the unit of the readings. */
  limit?: number;
}

export default defineFunction<State, Config>({
  name: '${name}',
  version: '1.0.0',
  // Which readings it gets; * stands for any characters.
  inputs: [{ metric: 'temperature' }],
  state: () => ({ means: {} }),
  reading(reading, ctx) {
    if (typeof reading.value !== 'number') return;
    const before = ctx.state.means[reading.sensor] ?? { mean: 0, count: 0 };
    const count = before.count + 1;
    const mean = before.mean + (reading.value - before.mean) / count;
    ctx.state.means[reading.sensor] = { mean, count };
    ctx.emit({
      metric: 'temperature_mean',
      value: Math.round(mean * 100) / 100,
      ...(reading.unit === undefined ? {} : { unit: reading.unit }),
    });

    const limit = ctx.config.limit ?? 80;
    // Said at every reading: an alert begins when it turns active, and ends when it no longer is.
    ctx.alert({
      name: reading.sensor,
      active: reading.value > limit,
      severity: 'warning',
      sensor: reading.sensor,
      metric: reading.metric,
      value: reading.value,
      summary: \`\${reading.sensor} is at \${reading.value}, the limit is \${limit}\`,
    });
  },
});
`;
}

/** Half an hour of two ovens; one passes the limit for a while, the other is silent for some minutes. */
function trace(): string {
  const rows: string[] = ['ts,sensor,metric,value,unit'];
  const row = (minute: number, sensor: string, value: number) =>
    rows.push(`${new Date(START + minute * EVERY_MS).toISOString()},${sensor},temperature,${value.toFixed(1)},Cel`);
  for (let minute = 0; minute < 30; minute++) {
    row(minute, 'oven1', 70 + 14 * Math.sin(minute / 5));
    if (minute < 12 || minute > 17) row(minute, 'oven2', 62 + (minute % 4) / 2);
  }
  return `${rows.join('\n')}\n`;
}

function readme(name: string): string {
  return `# ${name}

\`\`\`
weir fn run ${name}.ts --watch --readings ${name}.trace.csv
weir fn test ${name}.ts --readings ${name}.trace.csv --golden ${name}.golden.jsonl
weir fn test ${name}.ts --readings ${name}.trace.csv --golden ${name}.golden.jsonl --update
weir fn deploy ${name}.ts --group GROUP
\`\`\`

The first runs it whenever you save. The second, for CI, fails when the outcome is not that of the golden file, and shows what
differs; the third writes that file. The last runs it on the devices of a group; each change needs a new \`version\`.
`;
}
