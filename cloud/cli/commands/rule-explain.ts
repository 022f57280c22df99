/** `weir rule explain`: why a rule does, or does not, fire on a device now. */
import type { RulePlan, Severity } from '@weir/protocols';
import { Command } from 'commander';
import type { Episode } from '../alert-answers.ts';
import type { DeploymentStatus, DeviceDetail } from '../answers.ts';
import { spell } from '../backtest-report.ts';
import type { HubClient } from '../client.ts';
import { type Rerun, rerun, ruleLines, stepText } from '../explaining.ts';
import { Misuse } from '../failure.ts';
import { type RuleSource, ruleFrom } from '../rule-source.ts';
import { examples, path, type Session } from '../session.ts';
import { age, clockTime, plain } from '../table.ts';

interface ExplainOptions {
  device: string;
  json?: boolean;
}

/** What stands in the way, or may; `ok`: it does not. */
interface Finding {
  about: string;
  state: 'ok' | 'note' | 'stop';
  text: string;
}

interface Subject {
  subject: string;
  phase: string;
  text: string;
  readings?: { lastAt: number };
}

const SUBJECTS_MAX = 20;

export function ruleExplainCommand(session: Session): Command {
  return new Command('explain')
    .description('why a rule does, or does not, fire on a device now')
    .argument('<rule>', 'the name of a rule that is deployed; or a file, to see how it would be there')
    .requiredOption('--device <device>', 'the device')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir rule explain oven-hot --device gw1',
        'weir rule explain oven-hot.yaml --device gw1      before it is applied',
      ),
    )
    .action((rule: string, options: ExplainOptions) => explain(session, rule, options));
}

async function explain(session: Session, text: string, { device: id, json }: ExplainOptions): Promise<void> {
  const hub = session.hub();
  const source = await ruleFrom(text, hub);
  const device = await hub.get<DeviceDetail>(path`/devices/${id}`);
  const { factsOf } = await import('@weir/runtime');
  const facts = factsOf(source.built.bundle);
  const host = facts.gathers ? gathererOf(source, device) : id;
  const now = Date.now();
  const again = await rerun(hub, source, host, { from: now - 1, until: now });
  const findings = [
    ...deployedFindings(source, device, facts.gathers),
    ...(await signalFindings(facts.signals, facts.plan, device, now)),
    ...presenceFindings(device, source),
    ...(await timeFindings(facts.plan, again, now)),
    ...(await openFindings(hub, source, host)),
    ...(await toldFindings(hub, source, facts.plan, device)),
  ];
  const subjects = subjectsOf(again, facts.plan);
  if (json) {
    session.out(
      `${JSON.stringify({ rule: source.identity, device: id, findings, subjects, config: again.config }, null, 2)}\n`,
    );
    return;
  }
  const lines = [
    `${source.identity} on ${id}`,
    '',
    ...(await ruleLines(facts.plan, again.config, source)).map(indent),
    '',
  ];
  for (const { about, state, text: what } of findings) lines.push(`${MARKS[state]} ${about.padEnd(10)} ${plain(what)}`);
  lines.push('', `As the history of the hub has it (${again.readings.toLocaleString('en')} readings looked at):`);
  lines.push(...subjectLines(subjects, again, source).map(indent));
  session.out(`${lines.join('\n')}\n`);
}

const MARKS = { ok: '✓', note: '·', stop: '✗' } as const;
const indent = (line: string) => (line === '' ? '' : `  ${line}`);

function gathererOf({ rule, deployments }: RuleSource, { groups }: DeviceDetail): string {
  const group = deployments.find((each) => groups.includes(each.group))?.group ?? groups[0];
  if (group === undefined) throw new Misuse('the rule is over a group, and the device is in none');
  return `${group}/${rule.name}`;
}

function deployedFindings(
  { rule, identity, deployments }: RuleSource,
  device: DeviceDetail,
  gathers: boolean,
): Finding[] {
  const about = 'deployed';
  const here = deployments.filter(({ group }) => device.groups.includes(group));
  if (here.length === 0) {
    const where = deployments.length === 0 ? 'on no group' : `on ${deployments.map(({ group }) => group).join(', ')}`;
    const groups = device.groups.length === 0 ? 'no group' : device.groups.join(', ');
    return [{ about, state: 'stop', text: `no: it is ${where}, and the device is in ${groups}` }];
  }
  const [set] = here;
  const findings: Finding[] = [];
  const status = device.deployments.find((each) => each.name === rule.name && each.wanted !== undefined);
  if (gathers) findings.push({ about, state: 'ok', text: `in the hub, over all devices of ${set!.group}` });
  else if (status === undefined)
    findings.push({ about, state: 'stop', text: `to ${set!.group}, and has not come to the device yet` });
  else findings.push(runFinding(status, identity));
  return findings;
}

function runFinding(
  { state, where, wanted, reported, overridden, problem }: DeploymentStatus,
  identity: string,
): Finding {
  const version = reported?.version ?? wanted?.version ?? '';
  const place = where === 'cloud' ? 'in the hub' : 'on the device';
  const isRunning = state === 'running';
  const other = identity.endsWith(`@${version}`) ? '' : `; what is looked at here is ${identity}`;
  const lost = overridden.length > 0 ? `; ${overridden.join(', ')} would have another` : '';
  const why = problem ?? reported?.reason;
  const text = `${state} ${place}, version ${version}${why === undefined ? '' : `: ${why}`}${lost}${other}`;
  return { about: 'deployed', state: isRunning ? 'ok' : 'stop', text };
}

async function signalFindings(
  signals: readonly { sensor: string; metric: string }[],
  { unit }: RulePlan,
  { latest }: DeviceDetail,
  now: number,
): Promise<Finding[]> {
  const { converter, nearest } = await import('@weir/protocols');
  const { globMatches } = await import('@weir/runtime');
  return signals.map(({ sensor, metric }): Finding => {
    const about = 'signal';
    const found = latest.filter((each) => globMatches(sensor, each.sensor) && globMatches(metric, each.metric));
    if (found.length === 0) {
      const names = latest.map((each) => `${each.sensor}/${each.metric}`);
      const near =
        nearest(`${sensor}/${metric}`, names) ??
        names.find((name) => nearest(metric, [name.split('/')[1]!]) !== undefined);
      const hint = near === undefined ? '' : `; is ${near} meant?`;
      const all =
        names.length === 0
          ? 'the hub has nothing of it at all'
          : `it sends ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`;
      return { about, state: 'stop', text: `${sensor}/${metric} is not there: ${all}${hint}` };
    }
    const newest = found.reduce((a, b) => (b.ts > a.ts ? b : a));
    const series =
      found.length === 1 ? `${newest.sensor}/${newest.metric}` : `${found.length} series of ${sensor}/${metric}`;
    const of = newest.unit === undefined ? '' : ` ${newest.unit}`;
    const units = [...new Set(found.flatMap((each) => each.unit ?? []))].filter((each) => each !== unit);
    const foreign = unit === undefined ? undefined : units.find((each) => converter(each, unit) === undefined);
    if (foreign !== undefined) {
      return {
        about,
        state: 'stop',
        text: `${series} is in ${foreign}, which cannot be converted into ${unit} of the rule`,
      };
    }
    const other = unit !== undefined && units.length > 0 ? `, converted into ${unit} of the rule` : '';
    const quality = newest.quality === undefined ? '' : `, of quality ${newest.quality}`;
    const text = `${series}, last ${newest.value}${of}${quality}, ${age(newest.ts, now)}${other}`;
    return { about, state: now - newest.ts > STALE_MS ? 'note' : 'ok', text };
  });
}

/** What is older may matter to whoever wonders. */
const STALE_MS = 600_000;

function presenceFindings({ state, presence }: DeviceDetail, { deployments }: RuleSource): Finding[] {
  if (presence?.connected) return [];
  const since = presence === undefined ? '' : ` since ${clockTime(presence.since)}`;
  const isCloud = deployments.some(({ where }) => where === 'cloud');
  const what = isCloud
    ? 'what the hub judges stands still until it is back'
    : 'it goes on by itself, and tells the hub later';
  return [{ about: 'device', state: isCloud ? 'stop' : 'note', text: `${state}, away${since}: ${what}` }];
}

async function timeFindings(plan: RulePlan, { config }: Rerun, now: number): Promise<Finding[]> {
  const { changesAt, inTimes } = await import('@weir/protocols');
  const zone = typeof config.tz === 'string' ? config.tz : undefined;
  const findings: Finding[] = [];
  const next = (times: RulePlan['schedule']) => {
    const at = changesAt(times, now, zone);
    return Number.isFinite(at) ? ` until ${clockTime(at)}` : '';
  };
  if (plan.schedule.length > 0) {
    const isWatched = inTimes(plan.schedule, now, zone);
    const text = `${isWatched ? 'it is watched' : 'it is not watched at this time'}${next(plan.schedule)}`;
    findings.push({ about: 'schedule', state: isWatched ? 'ok' : 'stop', text });
  }
  if (plan.maintenance.length > 0 && inTimes(plan.maintenance, now, zone)) {
    findings.push({ about: 'maintained', state: 'note', text: `it fires and tells nobody${next(plan.maintenance)}` });
  }
  if (plan.dryRun)
    findings.push({ about: 'dry run', state: 'note', text: 'it is on trial: evaluated, told to nobody' });
  return findings;
}

async function openFindings(hub: HubClient, { rule }: RuleSource, device: string): Promise<Finding[]> {
  const query = { rule: rule.name, device, limit: 20, state: 'active' };
  const open = [
    ...(await hub.all<Episode>('/alerts', query)),
    ...(await hub.all<Episode>('/alerts', { ...query, dryRun: 'true' })),
  ];
  return open.map((each): Finding => {
    const { state, severity, startedAt, sensor, metric, ackedAt, shelvedUntil, dryRun, episode } = each;
    const notes = [
      ...(dryRun ? ['dry run'] : []),
      ...(ackedAt === undefined ? [] : ['acknowledged']),
      ...(shelvedUntil === undefined || shelvedUntil < Date.now() ? [] : [`shelved until ${clockTime(shelvedUntil)}`]),
    ];
    const of = sensor === undefined ? '' : ` of ${[sensor, metric].filter((part) => part !== undefined).join('/')}`;
    const text = `${state} ${severity}${of} since ${clockTime(startedAt)}${notes.map((note) => `, ${note}`).join('')}: weir alert explain ${episode.slice(0, 8)}`;
    return { about: 'open', state: 'note', text };
  });
}

/** Whether anybody would be told of it, by the hub's policy as it is now. */
async function toldFindings(
  hub: HubClient,
  { rule }: RuleSource,
  plan: RulePlan,
  { id, tags }: DeviceDetail,
): Promise<Finding[]> {
  const severity: Severity = plan.ladder.at(-1)!.severity;
  const origin = plan.by === 'group' ? 'cloud' : 'edge';
  const byTag = Object.fromEntries(
    Object.entries(tags).map(([tag, value]) => [`tag_${tag.replace(/\W/g, '_')}`, value]),
  );
  const labels = { ...byTag, ...plan.labels, alertname: rule.name, device: id, severity, origin };
  let items: { channel: string; told: boolean; why: string }[];
  try {
    ({ items } = await hub.send<{ items: typeof items }>('POST', '/alert-policy/try', { labels }));
  } catch (error) {
    // Whoever may only look is not told whom it goes to.
    if (error instanceof Misuse) return [];
    throw error;
  }
  if (items.length === 0) return [{ about: 'told', state: 'note', text: 'there is no channel: nobody would be told' }];
  return items.map(
    ({ channel, told, why }): Finding => ({
      about: 'told',
      state: told ? 'ok' : 'note',
      text: `${channel} would ${told ? '' : 'not '}be told of a ${severity} one${why === '' ? '' : `: ${why}`}`,
    }),
  );
}

function subjectsOf({ run }: Rerun, { unit }: RulePlan): Subject[] {
  return [...run.logs].flatMap(([subject, { last }]): Subject[] => {
    if (last === undefined) return [];
    const rung = last.rungs.findLast(({ since }) => since !== undefined);
    const since =
      rung?.since === undefined
        ? ''
        : `; true since ${clockTime(rung.since)}, for ${spell(Math.max(0, Date.now() - rung.since))}`;
    return [
      { subject: subject === '.' ? 'all of it' : subject, phase: last.phase, text: `${stepText(last, unit)}${since}` },
    ];
  });
}

function subjectLines(
  subjects: readonly Subject[],
  { facts, firstAt, run }: Rerun,
  { deployments }: RuleSource,
): string[] {
  const lines: string[] = [];
  for (const fault of [...new Set(run.faults)].slice(0, 3)) lines.push(`the condition failed: ${plain(fault)}`);
  if (firstAt === undefined) return [...lines, 'there are no readings of it within the time that matters to the rule'];
  if (subjects.length === 0) lines.push('nothing of it was ever judged');
  const shown = [...subjects].sort((a, b) => RANK[b.phase]! - RANK[a.phase]! || (a.subject < b.subject ? -1 : 1));
  for (const { subject, phase, text } of shown.slice(0, SUBJECTS_MAX))
    lines.push(`${subject}  ${phase}: ${plain(text)}`);
  if (subjects.length > SUBJECTS_MAX) lines.push(`… and ${subjects.length - SUBJECTS_MAX} more`);
  if (!facts.gathers && deployments.some(({ where }) => where === 'edge')) {
    lines.push('', 'It runs on the device, which may know more than has come to the hub.');
  }
  return lines;
}

const RANK: Record<string, number> = { firing: 3, recovering: 2, pending: 1, quiet: 0 };
