import { type AlertTransition, alertTransitionSchema, type Severity, type Value } from '@weir/protocols';
import { type EpisodeSource, episodeId, nextTransition, type OpenEpisode, type TransitionDetail } from './episodes.ts';
import { movedPast, type TimeMove } from './move-time.ts';

export interface AlertIntent {
  /** The function's own word for it; any text. */
  name: string;
  active: boolean;
  severity: Severity;
  summary: string;
  value?: Value | undefined;
  sensor?: string | undefined;
  metric?: string | undefined;
  ts: number;
}

export interface OpenAlertsState {
  /** Episodes opened so far. */
  opened: number;
  open: [name: string, OpenEpisode][];
  /** Only of a version that takes over with a state of its own: what it has open, whatever was told. */
  raised?: [name: string, OpenEpisode][];
}

const OPEN_MAX = 100;

/** The alerts of one function on one device: at most one episode for each name. Names come from user code: a Map. */
export class OpenAlerts {
  #device: string;
  #source: EpisodeSource;
  #opened: number;
  #open: Map<string, OpenEpisode>;
  #raised: OpenAlertsState['raised'];

  constructor(device: string, source: EpisodeSource, { opened, open, raised }: OpenAlertsState) {
    this.#device = device;
    this.#source = source;
    this.#opened = opened;
    this.#open = new Map(open);
    this.#raised = raised;
  }

  moveTime(move: TimeMove): void {
    for (const episode of this.#open.values()) episode.startedAt = movedPast(episode.startedAt, move);
  }

  get state(): OpenAlertsState {
    return { opened: this.#opened, open: [...this.#open] };
  }

  /** @returns undefined when that is how it is already, what is wrong with it, or `told` */
  say(intent: AlertIntent, alerts: AlertTransition[]): 'told' | { problem: string } | undefined {
    const { name, active, ts, summary, value } = intent;
    const open = this.#open.get(name);
    if (active === (open !== undefined)) return undefined;
    if (open !== undefined)
      return this.#tell({ ...open }, intent, { state: 'resolved', reason: 'function', ts, summary, value }, alerts);
    if (this.#open.size >= OPEN_MAX)
      return { problem: `more than ${OPEN_MAX} alerts are open; "${name}" was not raised` };
    return this.#tell(this.#begin(intent), intent, { state: 'firing', reason: 'function', ts, summary, value }, alerts);
  }

  /** Ends what is open and should not be, and raises what should be and is not. @returns whether there was any need */
  settle(ts: number, alerts: AlertTransition[]): boolean {
    const wanted = this.#raised;
    if (wanted === undefined) return false;
    this.#raised = undefined;
    const { name: function_, version } = this.#source;
    const say = (name: string, active: boolean, { severity, sensor, metric }: OpenEpisode) => {
      const summary = `${name}: so says ${function_}@${version}, which has taken over`;
      this.say({ name, active, severity, summary, sensor, metric, ts }, alerts);
    };
    const names = new Set(wanted.map(([name]) => name));
    for (const [name, episode] of [...this.#open]) if (!names.has(name)) say(name, false, episode);
    for (const [name, episode] of wanted) say(name, true, episode);
    return true;
  }

  /** Ends every open alert. @returns whether there were any */
  endAll(reason: 'removed' | 'quarantined', ts: number, alerts: AlertTransition[]): boolean {
    const why = reason === 'removed' ? 'was taken away' : 'was stopped';
    for (const [name, open] of this.#open) {
      const summary = `${name}: nobody watches this any more, ${this.#source.name} ${why}`;
      alerts.push(nextTransition(open, this.#device, this.#source, { state: 'resolved', reason, ts, summary }));
    }
    const any = this.#open.size > 0;
    this.#open.clear();
    return any;
  }

  /** @returns whether it was open */
  endByHand(episode: string, ts: number, alerts: AlertTransition[]): boolean {
    const found = [...this.#open].find(([, open]) => open.episode === episode);
    if (found === undefined) return false;
    const [name, open] = found;
    const detail: TransitionDetail = { state: 'resolved', reason: 'manual', ts, summary: `${name}: ended by hand` };
    alerts.push(nextTransition(open, this.#device, this.#source, detail));
    this.#open.delete(name);
    return true;
  }

  #begin({ name, severity, sensor, metric, ts }: AlertIntent): OpenEpisode {
    const episode = episodeId(this.#device, this.#source.name, name, ts, this.#opened);
    const begun: OpenEpisode = { episode, seq: 0, severity, startedAt: ts };
    if (sensor !== undefined) begun.sensor = sensor;
    if (metric !== undefined) begun.metric = metric;
    return begun;
  }

  /** One transition that the hub would refuse must never be numbered: it would take its neighbours with it. */
  #tell(
    episode: OpenEpisode,
    { name, active }: AlertIntent,
    detail: TransitionDetail,
    alerts: AlertTransition[],
  ): 'told' | { problem: string } {
    const transition = nextTransition(episode, this.#device, this.#source, detail);
    const checked = alertTransitionSchema.safeParse(transition);
    if (!checked.success) return { problem: checked.error.issues[0]!.message };
    alerts.push(transition);
    if (active) {
      this.#opened++;
      this.#open.set(name, episode);
    } else this.#open.delete(name);
    return 'told';
  }
}
