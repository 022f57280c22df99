import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);

/** @param path relative to the repository's root, with `/` */
export function repositoryFile(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}

let tracked: string[] | undefined;

/** Paths of all files that git knows or would take, relative to the root, with `/`. */
export function trackedFiles(): string[] {
  tracked ??= execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'], {
    cwd: fileURLToPath(ROOT),
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  })
    .split('\0')
    .filter((path) => path !== '');
  return tracked;
}

/** Code that users run: no tests, no fixtures. */
export function productionFiles(): string[] {
  return trackedFiles().filter(
    (path) => /^[^/.]+\/.*\.[jt]s$/.test(path) && !/\.(test|contract|fixture)\.ts$|\.config\.ts$/.test(path),
  );
}

/** Blank where comments were, so that line numbers stay. */
export function withoutComments(code: string): string {
  return code
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ' '))
    .replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}
