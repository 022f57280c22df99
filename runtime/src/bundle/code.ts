/**
 * One self-contained script from a module and what it imports. Whatever lies outside the language itself (a Node
 * builtin, a native addon) is left as an import by esbuild, and refused here with the chain that led to it.
 */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BuildFailure, Message, Metafile, Plugin } from 'esbuild';
import { UsageError } from '../errors.ts';

export interface BundledCode {
  code: string;
  /** JSON of a source map, version 3; sources are paths relative to the folder of the module. */
  sourceMap: string;
}

/** What errors call the script; the sandbox evaluates it under this name. */
const SCRIPT = 'function.js';
const ENTRY = 'weir:entry';
const AUTHOR = '@weir/runtime/author';
const BUILTINS = new Set(builtinModules);

/** @throws {UsageError} `bundle-failed` with file, line and cause; `import-refused` with the chain of imports */
export async function bundleCode(path: string): Promise<BundledCode> {
  // Loaded only here: a gateway that runs bundles has no use for a bundler's memory.
  const { build } = await import('esbuild');
  try {
    const { outputFiles, metafile } = await build({
      stdin: {
        contents: `import definition from ${JSON.stringify(`./${basename(path)}`)};\nglobalThis.__weirDefinition = definition;`,
        resolveDir: dirname(path),
        sourcefile: ENTRY,
      },
      plugins: [author, outside],
      bundle: true,
      write: false,
      metafile: true,
      outfile: SCRIPT,
      sourcemap: 'external',
      sourcesContent: false,
      format: 'iife',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      target: 'es2023',
      logLevel: 'silent',
      // So that the bytes, and with them the hash, do not depend on where the project lies.
      absWorkingDir: dirname(path),
    });
    refuseOutside(metafile);
    const text = (name: string) => outputFiles.find((file) => file.path.endsWith(name))!.text;
    return { code: text(SCRIPT), sourceMap: text(`${SCRIPT}.map`) };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const flaws = (error as BuildFailure).errors ?? [];
    const detail = flaws.length > 0 ? flaws.map(describeFlaw).join('\n') : (error as Error).message;
    throw new UsageError('bundle-failed', `${basename(path)} cannot be bundled:\n${detail}`, remedyFor(path, detail), {
      cause: error,
    });
  }
}

/** The same module for everybody, wherever the project and Weir lie: a function outside the clone needs no package. */
const author: Plugin = {
  name: 'weir-author',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@weir\/runtime\/author$/ }, () => ({ path: AUTHOR, namespace: 'weir' }));
    onResolve({ filter: /^\.\/[a-z-]+\.ts$/, namespace: 'weir' }, ({ path }) => ({
      path: `${AUTHOR}/${basename(path)}`,
      namespace: 'weir',
    }));
    onLoad({ filter: /.*/, namespace: 'weir' }, ({ path }) => {
      const file = path === AUTHOR ? 'author.ts' : basename(path);
      const contents = readFileSync(fileURLToPath(new URL(`../author/${file}`, import.meta.url)), 'utf8');
      return { contents, loader: 'ts' };
    });
  },
};

/** What a function cannot have stays an import, so that what is dropped as unused hurts nobody. */
const outside: Plugin = {
  name: 'weir-outside',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^node:/ }, ({ path }) => ({ path, external: true }));
    onResolve({ filter: /\.node$/ }, ({ path }) => ({ path, external: true }));
    onResolve({ filter: /^[a-z_][\w/]*$/ }, async ({ path, pluginData, importer, resolveDir, kind }) => {
      if (pluginData === ASKED || !BUILTINS.has(path)) return undefined;
      // A package of that name, e.g. `events`, is as good as any other.
      const found = await resolve(path, { pluginData: ASKED, importer, resolveDir, kind });
      return found.errors.length === 0 ? found : { path: `node:${path}`, external: true };
    });
  },
};

const ASKED = Symbol('resolved by esbuild itself');

/** @throws {UsageError} `import-refused` */
function refuseOutside({ inputs, outputs }: Metafile): void {
  const script = outputs[SCRIPT]!;
  const wanted = script.imports.find(({ external }) => external);
  if (wanted === undefined) return;
  const chain = [...chainTo(inputs, wanted.path), wanted.path].join(' -> ');
  const isAddon = wanted.path.endsWith('.node');
  throw new UsageError(
    'import-refused',
    isAddon ? `a native addon is imported: ${chain}` : `a module of Node is imported: ${chain}`,
    isAddon
      ? 'Functions run everywhere as they are: take a package that is pure JavaScript.'
      : 'Functions run without Node: no files, network or clock. Compute on readings, and use ctx for effects.',
  );
}

/** The shortest way from the module to whoever imports `outsider`, as a reader knows the files. */
function chainTo(inputs: Metafile['inputs'], outsider: string): string[] {
  const ways: string[][] = [[ENTRY]];
  const seen = new Set([ENTRY]);
  for (const way of ways) {
    for (const { path, external } of inputs[way.at(-1)!]?.imports ?? []) {
      if (external && path === outsider) return shortened(way.slice(1));
      if (seen.has(path)) continue;
      seen.add(path);
      ways.push([...way, path]);
    }
  }
  return [];
}

/** A package is named once, whatever files of it are on the way. */
function shortened(way: readonly string[]): string[] {
  const names = way.map((path) => /^.*\/?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? basename(path));
  return names.filter((name, at) => name !== names[at - 1]);
}

function describeFlaw({ location, text }: Message): string {
  const [, file] = /^No matching export in "(.*)" for import "default"$/.exec(text) ?? [];
  if (location?.file === ENTRY && file !== undefined) return `  ${file}: there is no export default`;
  return location ? `  ${location.file}:${location.line}:${location.column + 1}: ${text}` : `  ${text}`;
}

function remedyFor(path: string, detail: string): string | undefined {
  const missing = /Could not resolve "([^."/][^"]*)"/.exec(detail)?.[1];
  if (missing !== undefined) return `Is the package installed? npm install ${missing}`;
  return ['.ts', '.js', '.mjs', '.mts'].includes(extname(path)) ? undefined : 'Give a .ts or .js file.';
}
