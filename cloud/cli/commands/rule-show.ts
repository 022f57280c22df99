/** `weir rule show`: the rule as it is, and on each device the levels that hold there. */
import type { JsonObject } from '@weir/protocols';
import type { Command } from 'commander';
import type { Deployment, DeploymentStatus, Device, Group } from '../answers.ts';
import type { HubClient } from '../client.ts';
import { Misuse } from '../failure.ts';
import { bundleOf } from '../rule-source.ts';
import { examples, path, type Session } from '../session.ts';
import { plain, table } from '../table.ts';
import { writtenRule } from './rule-words.ts';

interface ShowOptions {
  group: string;
  json?: boolean;
}

/** Where a level comes from. */
interface LevelOnDevice {
  tag: string;
  value?: unknown;
  from: 'tag' | 'config' | 'default' | 'nowhere';
}

interface OnDevice {
  device: string;
  state: string;
  levels: LevelOnDevice[];
}

export function ruleShowCommand(session: Session, command: Command): void {
  command
    .description('a deployed rule as it is, and on each device the levels that hold there')
    .argument('<name>')
    .requiredOption('--group <group>', 'group it is deployed to')
    .option('--json', 'print JSON; what is under "rule" is a file for weir rule apply')
    .addHelpText(
      'after',
      examples(
        'weir rule show oven-hot --group ovens',
        'weir rule show oven-hot --group ovens --json | jq .rule > oven-hot.json      to change it and apply it again',
      ),
    )
    .action((name: string, options: ShowOptions) => show(session, name, options));
}

async function show(session: Session, name: string, { group, json }: ShowOptions): Promise<void> {
  const hub = session.hub();
  const { deployments } = await hub.get<Group>(path`/groups/${group}`);
  const deployment = deployments.find((each) => each.name === name);
  if (deployment === undefined) {
    throw new Misuse(
      `there is no rule "${name}" on group ${group}`,
      `see which there are: weir rule list --group ${group}`,
    );
  }
  const { ruleIn, rulePlan } = await import('@weir/protocols');
  const { bundle } = await bundleOf(hub, deployment.hash);
  const rule = ruleIn(bundle);
  if (rule === undefined) {
    throw new Misuse(
      `"${name}" is no rule but a ${deployment.kind}`,
      `see it with: weir deploy status ${name} --group ${group}`,
    );
  }
  const defaults = levelDefaults(rulePlan(rule));
  const devices = await onDevices(hub, deployment, defaults);
  const { where, version, hash, config } = deployment;
  const written = writtenRule(rule);
  if (json) {
    const shown = { name, group, version, hash, kind: bundle.kind, where, config, rule: written, devices };
    return session.out(`${JSON.stringify(shown)}\n`);
  }
  const { stringify } = await import('yaml');
  const place = where === 'cloud' ? 'in the hub' : 'on the devices';
  session.out(`${name}@${version} on group ${group}, ${place}\n\n${stringify(written)}`);
  if (bundle.kind === 'function') session.out('Its condition is a function, which says what is compared above.\n');
  session.out(`\n${table(heading(defaults), devices.map(rowOf))}`);
}

function levelDefaults(plan: import('@weir/protocols').RulePlan): Map<string, number | undefined> {
  const found = new Map<string, number | undefined>();
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('tag' in value && typeof value.tag === 'string') found.set(value.tag, (value as { default?: number }).default);
    else for (const inner of Object.values(value)) walk(inner);
  };
  walk(plan.ladder);
  return found;
}

async function onDevices(
  hub: HubClient,
  deployment: Deployment,
  defaults: ReadonlyMap<string, number | undefined>,
): Promise<OnDevice[]> {
  const { name, group, config } = deployment;
  const statuses = await hub.all<DeploymentStatus>('/deployments', { name, group });
  const tags = new Map((await hub.all<Device>('/devices', { group })).map((device) => [device.id, device.tags]));
  return statuses.map(({ device, state }) => ({
    device,
    state,
    levels: [...defaults].map(([tag, otherwise]) =>
      levelOn(tag, tags.get(device) ?? {}, config as JsonObject, otherwise),
    ),
  }));
}

function levelOn(
  tag: string,
  tags: Readonly<Record<string, string>>,
  config: JsonObject,
  otherwise: number | undefined,
): LevelOnDevice {
  if (Object.hasOwn(tags, tag)) return { tag, value: tags[tag], from: 'tag' };
  if (Object.hasOwn(config, tag)) return { tag, value: config[tag], from: 'config' };
  return otherwise === undefined ? { tag, from: 'nowhere' } : { tag, value: otherwise, from: 'default' };
}

function heading(defaults: ReadonlyMap<string, unknown>): string[] {
  return ['DEVICE', 'STATE', ...[...defaults.keys()].map((tag) => tag.toUpperCase())];
}

function rowOf({ device, state, levels }: OnDevice): string[] {
  const words = levels.map(({ value, from }) => (from === 'nowhere' ? 'none' : plain(`${String(value)} (${from})`)));
  return [device, state, ...words];
}
