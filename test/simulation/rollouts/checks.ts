/** What must hold of rollouts, seen from outside: by what is written, and by what devices run. */
import { type Change, type DeploymentRecord, limitOf, type Rollout } from '@weir/cloud';
import { isHopeless, type Version } from './version.ts';

export class RolloutChecks {
  readonly violations: string[] = [];
  readonly #versionOf: (hash: string) => Version;
  /** By order: what a rollout may have reached at most. */
  readonly #seen = new Map<number, Rollout>();
  /** By hash: the devices that ever began to run it. */
  readonly #installed = new Map<string, Set<string>>();
  #mostOver = 0;

  readonly #onTold: (line: string) => void;

  constructor(versionOf: (hash: string) => Version, onTold: (line: string) => void) {
    this.#versionOf = versionOf;
    this.#onTold = onTold;
  }

  get rollouts(): readonly Rollout[] {
    return [...this.#seen.values()];
  }

  wrote(changes: readonly Change[]): void {
    for (const change of changes) {
      if ('remove' in change || !change.put.sort.startsWith('deployment-rollout/')) continue;
      const rollout = change.json as Rollout;
      const before = this.#seen.get(rollout.order);
      this.#seen.set(rollout.order, rollout);
      const { group, name, version } = rollout.target;
      for (const { text } of rollout.told.slice(before?.told.length ?? 0)) {
        this.#onTold(`    ${group}/${name}@${version} (${rollout.phase}): ${text}`);
      }
      if (!rollout.atOnce) this.#verify(rollout, before, changes);
    }
  }

  #verify(rollout: Rollout, before: Rollout | undefined, changes: readonly Change[]): void {
    const { order, target, admitted, wave, phase, options, members } = rollout;
    const what = `${target.group}/${target.name}@${target.version}`;
    const limit = limitOf(options.waves, wave, members);
    if (admitted > limit) this.#fail(`${what}: ${admitted} let in, and wave ${wave + 1} allows ${limit}`);
    if (before !== undefined && wave < before.wave) this.#fail(`${what}: it went back to wave ${wave + 1}`);
    const letIn = changes.filter((change) => 'put' in change && change.put.sort.startsWith(`admitted/${target.name}/`));
    if (admitted - (before?.admitted ?? 0) !== letIn.length) {
      this.#fail(`${what}: it counts ${admitted - (before?.admitted ?? 0)} more, and ${letIn.length} were let in`);
    }
    if (letIn.length > 0 && phase !== 'admitting' && phase !== 'soaking') {
      this.#fail(`${what}: ${letIn.length} were let in while ${phase}`);
    }
    if (phase === 'done' && isHopeless(this.#versionOf(target.hash)))
      this.#fail(`${what} fails everywhere, and is done`);
    if (before !== undefined && ['aborted', 'done', 'superseded'].includes(before.phase) && phase !== before.phase) {
      this.#fail(`${what}: it was ${before.phase}, and is ${phase} (${order})`);
    }
  }

  /** A device begins to run a version. */
  installed(device: string, { hash, version, name }: Version): void {
    const devices = this.#installed.get(hash) ?? new Set();
    this.#installed.set(hash, devices.add(device));
    const own = this.rollouts.filter(({ target }) => target.hash === hash);
    if (own.some(({ atOnce, phase }) => atOnce || phase === 'done')) return;
    const allowed = own.reduce(
      (sum, each) => sum + Math.min(each.admitted, limitOf(each.options.waves, each.wave, each.members)),
      0,
    );
    if (devices.size <= allowed) return;
    this.#mostOver = Math.max(this.#mostOver, devices.size - allowed);
    this.#fail(`${name}@${version} is on ${devices.size} devices, and ${allowed} may have it`);
  }

  #fail(text: string): void {
    if (this.violations.length < 20) this.violations.push(text);
  }

  /** @param standing of the groups of the device, under one name */
  verifyDevice(
    device: string,
    standing: readonly DeploymentRecord[],
    running: { hash: string } | undefined,
    failed: string | undefined,
  ): boolean {
    const winner = [...standing].sort((a, b) => b.order - a.order)[0];
    if (winner?.hash === running?.hash || (winner !== undefined && failed === winner.hash)) return true;
    this.#fail(
      `${device} runs ${running === undefined ? 'nothing' : this.#versionOf(running.hash).version}, and should run ${winner?.version ?? 'nothing'}`,
    );
    return false;
  }
}
