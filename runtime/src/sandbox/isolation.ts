/**
 * What keeps the sandbox process off the machine, besides V8: layers that are put on where the platform has them and
 * left out where it has not. They are tried out once, and looked at from outside by `inspectIsolation`.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Launch {
  command: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  /** What the process reads from its standard input and runs. */
  program: string;
}

const TOOL_FOLDERS = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];
const NOBODY = 65_534;
/** Each layer: the ways to put it on, the strongest first. A way is a program that runs the rest of the line. */
const LAYERS: readonly (readonly string[][])[] = [
  // A network of its own has no interface. Who is not root needs a user namespace to get one.
  [
    ['unshare', '--net', '--'],
    ['unshare', '--user', '--net', '--'],
  ],
  // No byte goes to a file; a core would hold the memory of functions.
  [['prlimit', '--fsize=0', '--core=0', '--nofile=256', '--']],
  [
    [
      'setpriv',
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      '--clear-groups',
      '--no-new-privs',
      '--bounding-set=-all',
      '--inh-caps=-all',
      '--',
    ],
    ['setpriv', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--'],
    ['setpriv', '--no-new-privs', '--'],
  ],
];
/** Of the process's program, in their order. */
const PARTS = ['./channel.ts', './child.ts'];
const PROBE_TIMEOUT_MS = 2_000;

const HERE = dirname(fileURLToPath(import.meta.url));
const ADDON = createRequire(import.meta.url).resolve('isolated-vm');
/** One time zone, so that local time is the same everywhere; nothing of the host's environment. */
const ENVIRONMENT = { TZ: 'UTC', LANG: 'en_US.UTF-8' };

let layers: Promise<string[]> | undefined;
let program: string | undefined;

export async function launchSandbox(bare: boolean): Promise<Launch> {
  layers ??= process.platform === 'linux' ? tryLayers() : Promise.resolve([]);
  const node = [
    process.execPath,
    '--no-node-snapshot',
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    ...(bare ? [] : permissions()),
    '--input-type=module',
    '-',
  ];
  const [command, ...args] = bare ? node : [...(await layers), ...node];
  program ??= programText();
  return { command: command!, args, cwd: HERE, env: ENVIRONMENT, program };
}

/** Node's own seat belt: costs nothing, and covers a platform without the tools above. */
function permissions(): string[] {
  const modules = ADDON.slice(0, ADDON.lastIndexOf(`${sep}isolated-vm${sep}`) + 1);
  // node-gyp-build looks there to tell musl from glibc.
  return [
    '--permission',
    '--allow-addons',
    ...[modules, HERE, '/etc/alpine-release'].map((path) => `--allow-fs-read=${path}`),
  ];
}

function programText(): string {
  const plain = (path: string) => stripTypes(readFileSync(new URL(path, import.meta.url), 'utf8'));
  const bootstrap = `'use strict';${plain('../inside/bootstrap.ts')}`;
  return [`const BOOTSTRAP = ${JSON.stringify(bootstrap)};`, ...PARTS.map((path) => joined(plain(path)))].join('\n');
}

/** The process has no other file to import from: what its parts import from one another is there by its name. */
function joined(part: string): string {
  return part.replace(/^import .* from '\.\/.*';$/gm, '').replace(/^export (?=const|class)/gm, '');
}

/** Node warns that this is experimental, which is no news to whoever sits at the terminal. */
function stripTypes(text: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(text);
  } finally {
    process.emitWarning = emitWarning;
  }
}

async function tryLayers(): Promise<string[]> {
  const chosen: string[] = [];
  const test = toolPath('test');
  if (test === undefined) return chosen;
  // What runs must be able to read its own program under the layers, too.
  const check = [test, '-x', process.execPath, '-a', '-r', ADDON];
  for (const ways of LAYERS) {
    for (const [tool, ...args] of ways) {
      const path = toolPath(tool!);
      if (path === undefined) continue;
      if (!(await succeeds([...chosen, path, ...args, ...check]))) continue;
      chosen.push(path, ...args);
      break;
    }
  }
  return chosen;
}

function toolPath(name: string): string | undefined {
  return TOOL_FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function succeeds([command, ...args]: string[]): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(command!, args, { timeout: PROBE_TIMEOUT_MS, env: {} }, (error) => resolve(error === null));
  });
}

/** One thing that keeps the sandbox process off the machine. */
export interface IsolationLayer {
  name: 'environment' | 'network' | 'user' | 'privileges' | 'files' | 'descriptors';
  inForce: boolean;
  /** What was seen. */
  detail: string;
}

/** What the system says about the process, whatever we asked for; undefined where there is no /proc to ask. */
export function inspectIsolation(pid: number): IsolationLayer[] | undefined {
  try {
    const status = statusOf(pid);
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
    const names = environment.map((each) => each.split('=')[0]!);
    const ownNetwork = readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync('/proc/self/ns/net');
    const user = Number(status.get('Uid')?.split('\t')[0]);
    const otherUser = user !== process.getuid?.();
    const powerless = Number.parseInt(status.get('CapEff') ?? '', 16) === 0 && status.get('NoNewPrivs') === '1';
    const fileLimit = /^Max file size\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];
    const open = openFiles(pid);
    return [
      {
        name: 'environment',
        inForce: names.every((name) => name in ENVIRONMENT),
        detail: names.join(', '),
      },
      {
        name: 'network',
        inForce: ownNetwork,
        detail: ownNetwork ? 'a network without interfaces' : "the agent's network",
      },
      { name: 'user', inForce: otherUser && user !== 0, detail: `user id ${user}` },
      {
        name: 'privileges',
        inForce: powerless,
        detail: `capabilities ${status.get('CapEff')}, no new privileges: ${status.get('NoNewPrivs') === '1' ? 'yes' : 'no'}`,
      },
      { name: 'files', inForce: fileLimit === '0', detail: `may write ${fileLimit} bytes to a file` },
      {
        name: 'descriptors',
        inForce: open.length === 0,
        detail: open.length === 0 ? 'none but its channel to the agent' : open.join(', '),
      },
    ];
  } catch {
    return undefined;
  }
}

function statusOf(pid: number): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  return new Map(lines.map((line) => [line.split(':')[0]!, line.slice(line.indexOf(':') + 1).trim()]));
}

/** Files behind open descriptors, without what Node needs for itself. */
function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
    .filter((target) => target.startsWith('/') && target !== '/dev/null');
}
