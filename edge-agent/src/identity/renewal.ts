/**
 * Renews the device's certificate when two thirds of its time are over: a new key is made, the hub signs it, both are
 * kept, and the uplink changes over to them. A new key each time: one that leaked is of use for months at most.
 *
 * What fails is tried again within the hour or so; when the certificate has expired already, as after months without the
 * hub, within minutes: then nothing else goes.
 */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../clock/clock.ts';
import type { Credentials } from './credentials.ts';
import type { KeyAndRequest } from './csr.ts';

export interface RenewalPorts {
  clock: Clock;
  /** 0 to 1 */
  random: () => number;
  credentials: Credentials;
  makeKey(): Promise<KeyAndRequest>;
  /** Asks the hub. @returns the certificate, PEM */
  request(csr: string): Promise<string>;
  log(level: 'info' | 'warn', message: string): void;
}

export interface CertificateStatus {
  /** ms since epoch */
  validFrom: number;
  validTo: number;
  /** There is a new one that the hub has not taken yet. */
  isChanging: boolean;
}

/** What is left of its time when it is renewed: a third of 90 days, so that a month without the hub does no harm. */
const LEFT_PART = 1 / 3;
const LOOK_MS = 3_600_000;
const LOOK_EXPIRED_MS = 60_000;
/** A connection may have ended just when the new one was shown. */
const LOOK_CHANGING_MS = 10_000;
/** Then the hub does not know it, e.g. for it was restored from a backup, and another is asked for. */
const LOOKS_IN_VAIN_MAX = 30;

export class Renewal {
  readonly #ports: RenewalPorts;
  #onRenewed = () => {};
  #cancel = () => {};
  #stopped = false;
  #renewing: Promise<void> | undefined;
  /** Looks at which the hub had not taken the new one. */
  #looksInVain = 0;
  /** By the monotonic clock: a certificate that was just signed is out of its time, so the clock is wrong. */
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(ports: RenewalPorts) {
    this.#ports = ports;
  }

  /** @param onRenewed there are new credentials to connect with */
  start(onRenewed: () => void): void {
    this.#onRenewed = onRenewed;
    this.#wait(LOOK_EXPIRED_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  status(): CertificateStatus {
    const { certificate } = this.#ports.credentials.inForce;
    return { ...validityOf(certificate), isChanging: this.#ports.credentials.isChanging };
  }

  /** Now, whether it is due or not. @throws when the hub does not do it */
  renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renew(): Promise<void> {
    const { clock, credentials, makeKey, request, log } = this.#ports;
    const { key, csr } = await makeKey();
    const certificate = await request(csr);
    await credentials.renewed({ key, certificate });
    this.#looksInVain = 0;
    const { validFrom, validTo } = validityOf(certificate);
    const now = clock.now();
    if (now < validFrom || now > validTo) {
      this.#notBefore = clock.monotonic() + (validTo - validFrom) * (1 - LEFT_PART);
      log('warn', 'the hub signs certificates for another time than the clock of this device shows');
    }
    log('info', 'the hub has given a new certificate');
    this.#onRenewed();
    this.#wait(this.#lookMs);
  }

  /** Spread, for devices that were enrolled together. */
  #wait(ms: number): void {
    const { clock, random } = this.#ports;
    this.#cancel();
    if (this.#stopped) return;
    this.#cancel = clock.after(ms * (0.5 + random()), () => void this.#look().finally(() => this.#wait(this.#lookMs)));
  }

  async #look(): Promise<void> {
    try {
      if (this.#ports.credentials.isChanging && this.#looksInVain++ < LOOKS_IN_VAIN_MAX) this.#onRenewed();
      else if (this.#isDue) await this.renew();
    } catch (error) {
      this.#ports.log('warn', `the device's certificate could not be renewed: ${(error as Error).message}`);
    }
  }

  get #isDue(): boolean {
    const { clock, credentials } = this.#ports;
    const { validFrom, validTo } = validityOf(credentials.inForce.certificate);
    return clock.monotonic() >= this.#notBefore && clock.now() >= validTo - (validTo - validFrom) * LEFT_PART;
  }

  get #lookMs(): number {
    const { clock, credentials } = this.#ports;
    if (credentials.isChanging && this.#looksInVain <= LOOKS_IN_VAIN_MAX) return LOOK_CHANGING_MS;
    return clock.now() > validityOf(credentials.inForce.certificate).validTo ? LOOK_EXPIRED_MS : LOOK_MS;
  }
}

function validityOf(pem: string): { validFrom: number; validTo: number } {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  return { validFrom: validFromDate.getTime(), validTo: validToDate.getTime() };
}
