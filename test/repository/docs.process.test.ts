import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildFunctionBundle, buildRuleBundle } from '@weir/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import { repositoryFile, trackedFiles } from './files.ts';

const read = (path: string) => readFileSync(repositoryFile(path), 'utf8');
const documents = trackedFiles().filter((path) => path.endsWith('.md') && existsSync(repositoryFile(path)));

const PROGRAMS: Record<string, string> = {
  weir: 'cloud/bin/weir.js',
  'weir-agent': 'edge-agent/bin/weir-agent.js',
  'weir-devices': 'devices/bin/weir-devices.js',
};

const helpTexts = new Map<string, Promise<string>>();

function helpOf(program: string, words: readonly string[]): Promise<string> {
  const key = [program, ...words].join(' ');
  let text = helpTexts.get(key);
  if (text === undefined) {
    text = new Promise((resolve) => {
      const args = [repositoryFile(PROGRAMS[program]!), ...words, '--help'];
      execFile(process.execPath, args, (_error, stdout, stderr) => resolve(stdout + stderr));
    });
    helpTexts.set(key, text);
  }
  return text;
}

/** What a document tells a reader to type: in code blocks and code spans. */
function commandsIn(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, block]) => block!);
  const spans = [...markdown.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!);
  return [...blocks.flatMap((block) => block.replaceAll(/\\\n\s*/g, '').split('\n')), ...spans]
    .map((line) => line.trim().replace(/^[$>] /, ''))
    .filter((line) => /^(?:sudo )?(?:npx )?weir(?:-agent|-devices)? [a-z]|^npm (?:start|test|run)\b/.test(line))
    .map((line) => line.replace(/^sudo /, '').replace(/^npx /, ''));
}

/** What is wrong with a command; undefined: nothing. */
async function faultOf(command: string): Promise<string | undefined> {
  const [program = '', ...rest] = command
    .split(/\s+(?:#|\|)/)[0]!
    .split(/\s{2,}/)[0]!
    .split(/\s+/);
  if (program === 'npm') return npmFault(rest);
  const words: string[] = [];
  for (const word of rest) {
    if (!(await hasSubcommand(program, words, word))) break;
    words.push(word);
  }
  if (words.length === 0) return `${program} has no command ${rest[0]}`;
  const help = await helpOf(program, words);
  const next = rest[words.length];
  const isCommandNeeded = /^Commands:/m.test(help) && !/^Usage: .*\[command\] [[<]/m.test(help);
  if (isCommandNeeded && next !== undefined && !next.startsWith('-')) return `${words.join(' ')} has no ${next}`;
  const unknown = rest.filter((word) => /^--[a-z]/.test(word) && !help.includes(word.split('=')[0]!));
  return unknown.length > 0 ? `${words.join(' ')} has no ${unknown.join(' ')}` : undefined;
}

async function hasSubcommand(program: string, words: readonly string[], word: string): Promise<boolean> {
  if (!/^[a-z-]+$/.test(word)) return false;
  const commands = /^Commands:\n([\s\S]*?)(?:\n\n|$(?![\s\S]))/m.exec(await helpOf(program, words))?.[1] ?? '';
  return new RegExp(`^ {2}${word}\\b`, 'm').test(commands);
}

function npmFault([verb, name]: string[]): string | undefined {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const script = verb === 'run' ? name : verb;
  return script !== undefined && Object.hasOwn(scripts, script) ? undefined : `npm has no script ${script}`;
}

describe('documents mention only commands and options that exist', () => {
  const mentions = documents
    .map((path) => ({ path, commands: [...new Set(commandsIn(read(path)))] }))
    .filter(({ commands }) => commands.length > 0);

  test.each(mentions)('$path', async ({ commands }) => {
    const faults = await Promise.all(commands.map(async (command) => ({ command, fault: await faultOf(command) })));
    expect(faults.filter(({ fault }) => fault !== undefined)).toEqual([]);
  });

  test('the reader of commands itself sees what does not exist', async () => {
    const markdown =
      '```\nweir token create --group a\nnpx weir tokn create\nweir token create --forever\nnpm run nothing\n```\n`weir-agent fly`';
    const faults = await Promise.all(commandsIn(markdown).map(faultOf));
    expect(faults).toEqual([
      undefined,
      'weir has no command tokn',
      'token create has no --forever',
      'npm has no script nothing',
      'weir-agent has no command fly',
    ]);
  });
});

test('links between documents lead somewhere', () => {
  const broken = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !existsSync(new URL(target, `file://${repositoryFile(path)}`)))
      .map((target) => `${path}: ${target}`),
  );
  expect(broken).toEqual([]);
});

describe('the code map of ARCHITECTURE.md', () => {
  const rows = [
    ...read('ARCHITECTURE.md')
      .split('## Doors')[0]!
      .matchAll(/^\| ([^|]*`[^|]*) \| [^|]+ \|$/gm),
  ].map(([, cell]) => cell!);
  const map: string[] = [];
  let workspace = '';
  for (const cell of rows) {
    const names = [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
    if (!cell.startsWith('·')) workspace = names[0]!;
    map.push(...names.map((name) => (cell.startsWith('·') ? workspace + name : name)));
  }

  test('names only what is there', () => {
    expect(map.filter((path) => !existsSync(repositoryFile(path)))).toEqual([]);
  });

  test('names every folder of the second level', () => {
    const folders = ['protocols', 'runtime', 'edge-agent', 'cloud', 'devices'].flatMap((each) =>
      readdirSync(repositoryFile(`${each}/src`), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `${each}/src/${entry.name}/`),
    );
    expect(folders.filter((folder) => !map.includes(folder))).toEqual([]);
  });
});

describe('what README.md shows can be used as it is', () => {
  // Within node_modules, so that the function finds what it imports.
  const cache = repositoryFile('node_modules/.cache/weir');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'readme-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  function shown(language: string): string {
    const block = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(read('README.md'))?.[1];
    const file = join(folder, `shown.${language}`);
    writeFileSync(file, block ?? '');
    return file;
  }

  test('the function', async () => {
    expect((await buildFunctionBundle(shown('ts'))).bundle).toMatchObject({ manifest: { name: 'door-watch' } });
  });

  test('the rule', async () => {
    expect((await buildRuleBundle(shown('yaml'))).bundle).toMatchObject({ rule: { name: 'oven-too-hot', clear: 75 } });
  });
});
