/** What is deployed in simulations; built once for each process that runs some. */
import { fileURLToPath } from 'node:url';
import { buildFunctionBundle, hashBundle } from '@weir/runtime';

export interface BuiltBundle {
  name: string;
  bytes: Uint8Array;
  hash: string;
}

export interface Bundles {
  tally: BuiltBundle;
  fragile: BuiltBundle;
  hourly: BuiltBundle;
  obey: BuiltBundle;
  /** Rules, on the device and in the hub. */
  high: BuiltBundle;
  pressed: BuiltBundle;
  /** A forwarding policy, and one that is not the one that is checked. */
  thin: BuiltBundle;
  thinner: BuiltBundle;
}

/** What `flow` must differ by to be forwarded. */
export const BAND = 3;
/** ms, of the windows in which `temperature` is forwarded. */
export const WINDOW_MS = 5_000;

/** Beyond it the alerts of simulated rules begin. */
export const LEVEL = 1_000_000;

export async function buildBundles(): Promise<Bundles> {
  const functions = await Promise.all(['tally', 'fragile', 'hourly', 'obey'].map(functionBundle));
  const [tally, fragile, hourly, obey] = functions;
  return {
    tally: tally!,
    fragile: fragile!,
    hourly: hourly!,
    obey: obey!,
    high: ruleBundle('high', 'level'),
    pressed: ruleBundle('pressed', 'pressure'),
    thin: policyBundle(BAND),
    thinner: policyBundle(10 * BAND),
  };
}

async function functionBundle(name: string): Promise<BuiltBundle> {
  const file = fileURLToPath(new URL(`./functions/${name}.ts`, import.meta.url));
  const { bytes, hash } = await buildFunctionBundle(file);
  return { name, bytes, hash };
}

function ruleBundle(name: string, metric: string): BuiltBundle {
  return sealed(name, { kind: 'rule', rule: { name, metric, above: LEVEL, severity: 'warning' } });
}

function policyBundle(onChange: number): BuiltBundle {
  const forward = [
    { metric: 'flow', onChange },
    { metric: 'temperature', every: `${WINDOW_MS}ms`, values: ['min', 'max', 'count'] },
    { metric: 'vibration', mode: 'none' },
  ];
  return sealed('thin', { kind: 'forwarding', forwarding: { name: 'thin', forward } });
}

function sealed(name: string, bundle: object): BuiltBundle {
  const bytes = new TextEncoder().encode(JSON.stringify({ weir: 1, ...bundle }));
  return { name, bytes, hash: hashBundle(bytes) };
}
