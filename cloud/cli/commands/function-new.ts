import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { Misuse } from '../failure.ts';
import { examples, type Session } from '../session.ts';
import { templateFiles } from './function-template.ts';
import { runFile, withSandbox } from './function-test.ts';

export function newCommand(session: Session, command: Command): void {
  command
    .description('make a folder with a function to begin from, a trace, and what it makes of it')
    .argument('<name>', 'name of the function: letters, digits and . _ : -')
    .option('--dir <dir>', 'where the folder is made', '.')
    .addHelpText('after', examples('weir fn new oven-mean', 'weir fn new oven-mean --dir functions'))
    .action((name: string, options: { dir: string }) => make(session, name, options.dir));
}

async function make(session: Session, name: string, dir: string): Promise<void> {
  const { isName } = await import('@weir/protocols');
  if (!isName(name))
    throw new Misuse(`"${name}" is no name of a function`, 'letters, digits and . _ : - make one, 64 at most');
  const folder = resolve(dir, name);
  const files = templateFiles(name, { typesAtHand: typesAreAtHand(folder) });
  // Made by the function itself, below.
  const golden = `${name}.golden.jsonl`;
  const taken = [...Object.keys(files), golden].filter((file) => existsSync(join(folder, file)));
  if (taken.length > 0)
    throw new Misuse(`${join(folder, taken[0]!)} is there already`, 'give another name, or another --dir');
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text, { flag: 'wx' });
  }
  const source = join(folder, `${name}.ts`);
  const readings = join(folder, `${name}.trace.csv`);
  const { run } = await withSandbox((sandbox) => runFile(session, sandbox, source, { readings, limit: 0 }));
  const { goldenOf } = await import('@weir/runtime');
  writeFileSync(join(folder, golden), goldenOf(run), { flag: 'wx' });

  const shown = (file: string) => relative('.', join(folder, file)) || file;
  session.out([...Object.keys(files), golden].map((file) => `${shown(file)}\n`).join(''));
  session.note(`
Write it in ${shown(`${name}.ts`)}, and see what it does whenever you save:
  weir fn run ${shown(`${name}.ts`)} --watch --readings ${shown(`${name}.trace.csv`)}
Then look at the outcome, and keep it as what it should be:
  weir fn test ${shown(`${name}.ts`)} --readings ${shown(`${name}.trace.csv`)} --golden ${shown(golden)} --update
`);
}

/** Whether an editor finds `@weir/runtime/author` from there by itself, as in a clone of the project. */
function typesAreAtHand(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'node_modules/@weir/runtime/package.json'))) return true;
    if (at === dirname(at)) return false;
  }
}
