import type { ReportedDeployment } from '@weir/protocols';
import type { Deployed, FoldStatus } from '@weir/runtime';
import { parseBundle } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import { getBundle } from './bundles.ts';
import { deviceKey } from './keys.ts';
import type { Winner } from './winners.ts';

interface CloudStored {
  at: number;
  folds: Record<string, ReportedDeployment>;
}

export async function cloudReported(store: Store, device: string): Promise<CloudStored> {
  const item = await store.get(deviceKey(device, 'cloud'));
  return (item?.json as CloudStored | undefined) ?? { at: 0, folds: {} };
}

export async function setCloudReported(
  store: Store,
  device: string,
  status: readonly FoldStatus[],
  now: number,
): Promise<void> {
  const folds: CloudStored['folds'] = {};
  for (const { name, kind, version, hash, state, reason, errors } of status) {
    folds[name] = { kind, version, hash, state, errors };
    if (reason !== undefined) folds[name].reason = reason.slice(0, 300);
  }
  await store.write([{ put: deviceKey(device, 'cloud'), json: { at: now, folds } satisfies CloudStored }]);
}

/** Parsed bundles are shared by all devices; this many at most are kept. */
const BUNDLES_KEPT = 256;
/** Answers kept; a fleet that is larger asks the store now and then. */
const DEVICES_KEPT = 20_000;

interface Answer {
  revision: number;
  deployed: Deployed[];
}

/** What runs in the cloud for each device, kept until something about it changes. */
export class CloudDeployments {
  #store: Store;
  #wanted: (device: string) => Promise<Map<string, Winner>>;
  #answers = new Map<string, Promise<Answer>>();
  #bundles = new Map<string, Deployed['bundle']>();
  #revision = 0;

  constructor(store: Store, wanted: (device: string) => Promise<Map<string, Winner>>) {
    this.#store = store;
    this.#wanted = wanted;
  }

  forDevice(device: string): Promise<Answer> {
    const known = this.#answers.get(device);
    if (known !== undefined) return known;
    if (this.#answers.size >= DEVICES_KEPT) this.#answers.clear();
    const answer = this.#ask(device);
    this.#answers.set(device, answer);
    // A failed answer is not kept. One that was invalidated meanwhile is another entry by now.
    answer.catch(() => this.#answers.get(device) === answer && this.#answers.delete(device));
    return answer;
  }

  invalidate(device: string): void {
    this.#answers.delete(device);
  }

  async #ask(device: string): Promise<Answer> {
    const revision = ++this.#revision;
    const wanted = await this.#wanted(device);
    const reported = await cloudReported(this.#store, device);
    const deployed: Deployed[] = [];
    for (const { deployment } of wanted.values()) {
      if (deployment.where !== 'cloud') continue;
      const { name, hash, config } = deployment;
      const bundle = await this.#bundle(hash);
      if (bundle === undefined) continue;
      const fold: Deployed = { name, bundle, hash, config };
      const last = Object.hasOwn(reported.folds, name) ? reported.folds[name] : undefined;
      // To deploy the same again is to give it another chance.
      const sinceSet = reported.at >= deployment.setAt;
      if (sinceSet && last?.state === 'quarantined' && last.hash === hash)
        fold.quarantined = last.reason ?? 'quarantined before';
      deployed.push(fold);
    }
    return { revision, deployed };
  }

  async #bundle(hash: string): Promise<Deployed['bundle'] | undefined> {
    const known = this.#bundles.get(hash);
    if (known !== undefined) return known;
    const bytes = await getBundle(this.#store, hash);
    if (bytes === undefined) return undefined;
    if (this.#bundles.size >= BUNDLES_KEPT) this.#bundles.clear();
    const bundle = parseBundle(bytes);
    this.#bundles.set(hash, bundle);
    return bundle;
  }
}
