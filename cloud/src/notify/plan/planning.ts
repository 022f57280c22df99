/** What operators do with the plan: silences, the policy, and asking why. */
import { UsageError } from '@weir/runtime';
import type { Store } from '../../store/store.ts';
import { removedChannel } from '../channels.ts';
import { alertLabels, type Labels } from '../labels.ts';
import { alertHold, channelHold } from './holds.ts';
import { intakeChange } from './intake.ts';
import { Plan } from './plan.ts';
import type { Planner } from './planner.ts';
import { type Policy, policySchema } from './policy.ts';
import { parsePolicy } from './policy-document.ts';
import { channelsOf, routed } from './routes.ts';
import {
  findSilence,
  readSilences,
  type SilenceInput,
  type SilenceRecord,
  shownSilence,
  silenceChanges,
  silenceKey,
} from './silence.ts';
import type { LogEntry, PlanChannel, PlannedAlert } from './state.ts';
import { type PolicyStored, policyKey, readPlanChannels, readPlanLog, readPolicy, readPolicyText } from './stored.ts';

export interface PlanningPorts {
  store: Store;
  now: () => number;
  random: (bytes: number) => Uint8Array;
  planner: Planner;
}

/** Whether a channel would be told of an alert with such labels now, and why not. */
export interface Tried {
  channel: string;
  told: boolean;
  why: string;
}

const ID_BYTES = 8;

export class Planning {
  readonly #ports: PlanningPorts;

  constructor(ports: PlanningPorts) {
    this.#ports = ports;
  }

  /** @param by name of whoever asks. @throws {UsageError} `matcher-invalid`, `silence-invalid`, `limit-exceeded` */
  async addSilence(input: SilenceInput, by: string): Promise<SilenceRecord> {
    const { store, now } = this.#ports;
    const id = this.#id();
    const { silence, changes } = await silenceChanges(store, input, { id, by, now: now() });
    await store.write([...changes, this.#changed(id)]);
    this.#ports.planner.wake();
    return shownSilence(silence, now());
  }

  /** Those that end last come first; one that is over is shown for a week. */
  async silences(): Promise<SilenceRecord[]> {
    const known = await readSilences(this.#ports.store);
    const now = this.#ports.now();
    return known.sort((a, b) => b.endsAt - a.endsAt).map((silence) => shownSilence(silence, now));
  }

  /** What it has held back and still fires is told. @param begin of its id. @throws {UsageError} `silence-unknown`, `silence-ambiguous` */
  async endSilence(begin: string, by: string): Promise<SilenceRecord> {
    const { store } = this.#ports;
    const now = this.#ports.now();
    const silence = findSilence(await readSilences(store), begin);
    if (silence.endsAt <= now) return shownSilence(silence, now);
    const ended = { ...silence, startsAt: Math.min(silence.startsAt, now), endsAt: now, endedBy: by };
    await store.write([{ put: silenceKey(silence.id), json: ended }, this.#changed(`end-${silence.id}`)]);
    this.#ports.planner.wake();
    return shownSilence(ended, now);
  }

  /** As it was applied; undefined: never. */
  policy(): Promise<PolicyStored | undefined> {
    return readPolicyText(this.#ports.store);
  }

  /** @throws {UsageError} `alert-policy-invalid` with line and column; nothing has changed then */
  async applyPolicy(text: string, by: string): Promise<PolicyStored> {
    const { store, now } = this.#ports;
    parsePolicy(text, await this.#channelNames());
    const stored: PolicyStored = { text, at: now(), by };
    await store.write([{ put: policyKey, json: stored }, this.#changed(`policy-${this.#id()}`)]);
    this.#ports.planner.wake();
    return stored;
  }

  /** @param text a policy to try; absent: the one that is in force. @throws {UsageError} `alert-policy-invalid`, `labels-invalid` */
  async try(given: Labels, text?: string): Promise<Tried[]> {
    const { store, planner } = this.#ports;
    const now = this.#ports.now();
    const labels = checkLabels(given);
    const policy =
      text === undefined ? (await readPolicy(store)).policy : parsePolicy(text, await this.#channelNames());
    const channels = await readPlanChannels(store);
    const plan = trialOf(planner.plan, policy, channels);
    plan.settings = { ...plan.settings, silences: await readSilences(store) };
    const alert = alertWith(labels, now, [...channels.keys()]);
    const names = channelsOf(policy, labels);
    const all = [...channels.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return all.map((channel) => ({ channel: channel.name, ...tried(plan, alert, channel, names, now) }));
  }

  /** What became of an alert on its way to each channel. The log has the id of one that was removed; here it has its name. */
  async log(episode: string): Promise<LogEntry[]> {
    const { store } = this.#ports;
    const entries = await readPlanLog(store, episode);
    return Promise.all(entries.map(async (entry) => (entry.why === 'channel-gone' ? named(store, entry) : entry)));
  }

  #changed(id: string) {
    return intakeChange(`settings-${id}`, [{ settings: true }], this.#ports.now());
  }

  #id(): string {
    return Buffer.from(this.#ports.random(ID_BYTES)).toString('hex');
  }

  async #channelNames(): Promise<Set<string>> {
    const channels = await readPlanChannels(this.#ports.store);
    return new Set([...channels.values()].map(({ name }) => name));
  }
}

/** An id says nothing to anybody. */
async function named(store: Store, { detail: id = '', ...entry }: LogEntry): Promise<LogEntry> {
  const removed = await removedChannel(store, id);
  if (removed === undefined) return { ...entry, detail: `a channel that was removed (${id})` };
  return { ...entry, channel: removed.name, detail: 'the channel was removed' };
}

/** What fires now may inhibit it. */
function trialOf(plan: Plan | undefined, policy: Policy, channels: ReadonlyMap<string, PlanChannel>): Plan {
  const settings = { ...(plan?.settings ?? NO_SETTINGS), policy, channels };
  const trial = new Plan(settings);
  for (const alert of plan?.alerts.values() ?? []) trial.add({ ...alert, knows: {} });
  return trial;
}

const NO_SETTINGS = {
  silences: [],
  channels: new Map<string, PlanChannel>(),
  policy: policySchema.parse({}),
  isAway: () => false,
  zoneOf: () => undefined,
};

function alertWith(labels: Labels, now: number, channels: string[]): PlannedAlert {
  const { alertname = 'test', device = 'test', sensor, metric, severity = 'warning', origin = 'edge' } = labels;
  const transition: PlannedAlert['transition'] = {
    ...{
      episode: 'test0000',
      seq: 1,
      state: 'firing',
      reason: 'threshold',
      device,
      ts: now,
      startedAt: now,
      summary: '',
    },
    severity: severity as 'warning',
    source: { kind: 'rule', name: alertname, version: '1' },
    ...(sensor !== undefined && { sensor }),
    ...(metric !== undefined && { metric }),
  };
  const all = { ...alertLabels(transition, origin as 'edge'), ...labels };
  return { transition, origin: origin as 'edge', labels: all, isOver: false, channels, knows: {}, log: [] };
}

function tried(
  plan: Plan,
  alert: PlannedAlert,
  channel: PlanChannel,
  names: ReadonlySet<string> | undefined,
  now: number,
): Omit<Tried, 'channel'> {
  if (channel.isDisabled) return { told: false, why: 'its receiver has answered that it wants nothing more' };
  const route = routed(names, channel, alert.labels);
  if (!route.told) return { told: false, why: route.detail };
  const hold = alertHold(plan, alert, now) ?? channelHold(plan, alert, channel, undefined, now);
  if (hold !== undefined) {
    const until = hold.until === undefined ? '' : `, until ${new Date(hold.until).toISOString()}`;
    return { told: false, why: `${hold.by}${hold.detail === undefined ? '' : ` (${hold.detail})`}${until}` };
  }
  const { groupBy } = channel.policy;
  return {
    told: true,
    why: groupBy === undefined ? 'at once' : `with its group, by ${groupBy.join(', ') || 'nothing'}`,
  };
}

const SEVERITY_NAMES = ['info', 'warning', 'critical'];

function checkLabels(labels: Labels): Labels {
  const { severity = 'warning', origin = 'edge' } = labels;
  const invalid = (what: string, remedy: string) => new UsageError('labels-invalid', what, remedy);
  if (!SEVERITY_NAMES.includes(severity)) {
    throw invalid(`there is no severity "${severity}"`, `give one of ${SEVERITY_NAMES.join(', ')}`);
  }
  if (origin !== 'edge' && origin !== 'cloud') throw invalid(`there is no origin "${origin}"`, 'give edge or cloud');
  return { ...labels, severity };
}
