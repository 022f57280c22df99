/**
 * Runs a program on the Node that the project pins, under whatever Node it was started with. Plain JavaScript on
 * purpose: an older Node must be able to read it.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The first major that runs our TypeScript as it is. */
const MAJOR_MIN = 24;
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/**
 * Calls `main` when this Node is new enough. Otherwise starts the same script on the pinned one, with the same
 * arguments and terminal, and ends as that ends.
 *
 * @param {string} script `import.meta.url` of the caller
 * @param {() => Promise<unknown>} main
 */
export async function onPinnedNode(script, main) {
  if (Number.parseInt(process.versions.node, 10) >= MAJOR_MIN) {
    await main();
    return;
  }
  const node = findPinnedNode();
  if (node === undefined) {
    process.stderr.write(
      `Node ${MAJOR_MIN} or newer is needed, this is ${process.versions.node}, and the pinned one is not installed.\n` +
        '  Run "npm ci" in the folder of the project; it installs it there.\n',
    );
    process.exitCode = 1;
    return;
  }
  const child = spawn(node, [fileURLToPath(script), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`${node} cannot be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    // 128 + n is how a shell tells that signal n ended it.
    process.exit(code ?? 128 + constants.signals[signal]);
  });
}

/** In `node_modules/.bin` of this folder or of one above it, where npm puts it. */
function findPinnedNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const node = join(folder, 'node_modules', '.bin', name);
    if (existsSync(node)) return node;
    if (folder === dirname(folder)) return undefined;
  }
}
