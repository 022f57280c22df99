import type { Json } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import type { Judgement, Sample } from './condition.ts';
import type { Instances } from './instances.ts';
import type { Node, SeriesName, Turn } from './node.ts';

/** What follows from one condition many times over: it takes what they take, and keeps what they keep. */
export abstract class OverInstances implements Node {
  protected readonly instances: Instances;

  constructor(instances: Instances) {
    this.instances = instances;
  }

  takes(series: SeriesName): boolean {
    return this.instances.takes(series);
  }

  take(sample: Sample): boolean {
    return this.instances.take(sample);
  }

  judge(now: number): Judgement {
    this.instances.judge(now);
    const judgement = this.summed();
    const due = this.instances.dueAt;
    if (due !== undefined) judgement.dueAt = due;
    return judgement;
  }

  /** Of all of them, once each was judged; when it may change is for them to say. */
  protected abstract summed(): Judgement;

  get state(): Json {
    return this.instances.state;
  }

  partOf(device: string | undefined): Json {
    return this.instances.partOf(device);
  }

  turn(device: string, turn: Turn): void {
    this.instances.turn(device, turn);
  }

  moveTime(move: TimeMove): void {
    this.instances.moveTime(move);
  }

  rearm(at: number): void {
    this.instances.rearm(at);
  }
}
