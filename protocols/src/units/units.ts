/**
 * Units, and from one to another. A unit is a product of atoms, each with a prefix and a power:
 *
 *     km/h      m/s2      ug/m3      kW.h      l/min      1/s
 *
 * Degrees stand on a scale with a zero of its own where they stand alone.
 */
import { ATOMS, type Atom, type Dimensions, KINDS, PREFIXES, SPELLINGS } from './atoms.ts';

export interface Unit {
  factor: number;
  offset: number;
  /** One text for all units that can be converted into one another. */
  kind: string;
}

/** Sensors send what they like as a unit; these many are remembered. */
const KNOWN_MAX = 1_000;
const KNOWN = new Map<string, Unit | undefined>();

/** @returns undefined for what is no unit that is known */
export function unitOf(text: string): Unit | undefined {
  if (KNOWN.has(text)) return KNOWN.get(text);
  if (KNOWN.size >= KNOWN_MAX) KNOWN.clear();
  const unit = parse(text.trim());
  KNOWN.set(text, unit);
  return unit;
}

/** What values in a unit are of, for people: `temperature`; the unit itself where there is no word. */
export function kindOf(text: string): string {
  const kind = unitOf(text)?.kind;
  return KINDS.find(([, dimensions]) => keyOf(dimensions) === kind)?.[0] ?? text;
}

/** @returns undefined when they are of different kinds, or one is not known and they are not the same text */
export function converter(from: string, to: string): ((value: number) => number) | undefined {
  if (from === to) return (value) => value;
  const [a, b] = [unitOf(from), unitOf(to)];
  if (a === undefined || b === undefined || a.kind !== b.kind) return undefined;
  if (a.factor === b.factor && a.offset === b.offset) return (value) => value;
  return (value) => tidy((value * a.factor + a.offset - b.offset) / b.factor);
}

/** @see converter */
export function convert(value: number, from: string, to: string): number | undefined {
  return converter(from, to)?.(value);
}

/** 26.85 and not 26.850000000000023: what is at a level must not be over it because it was sent in another unit. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

function parse(text: string): Unit | undefined {
  const name = spelled(text);
  const alone = atomOf(name);
  if (alone !== undefined) return { factor: alone.factor, offset: alone.offset ?? 0, kind: keyOf(alone.dimensions) };
  return product(name);
}

function spelled(text: string): string {
  const micro = text.replace(/[µμ]/g, 'u');
  if (Object.hasOwn(SPELLINGS, micro)) return SPELLINGS[micro]!;
  const small = micro.toLowerCase();
  return Object.hasOwn(SPELLINGS, small) ? SPELLINGS[small]! : micro;
}

const TERM = /^([^\d^]+|1)\^?(-?[1-9])?$/;
const POWERS: Readonly<Record<string, string>> = { '²': '2', '³': '3' };
/** Real ones have three or four. */
const TERMS_MAX = 8;

function product(text: string): Unit | undefined {
  const pieces = text.replace(/[²³]/g, (power) => POWERS[power]!).split(/([./·*])/);
  if (pieces.length > 2 * TERMS_MAX) return undefined;
  const dimensions: Record<string, number> = {};
  let factor = 1;
  for (let i = 0; i < pieces.length; i += 2) {
    const sign = pieces[i - 1] === '/' ? -1 : 1;
    const scale = /^10{1,9}$/.test(pieces[i]!) ? Number(pieces[i]) : undefined;
    if (scale !== undefined) {
      factor *= scale ** sign;
      continue;
    }
    const [, name, power = '1'] = TERM.exec(pieces[i]!) ?? [];
    const atom = name === undefined ? undefined : atomOf(spelled(name));
    if (atom === undefined) return undefined;
    const exponent = sign * Number(power);
    factor *= atom.factor ** exponent;
    for (const [base, of] of Object.entries(atom.dimensions))
      dimensions[base] = (dimensions[base] ?? 0) + of * exponent;
  }
  return { factor, offset: 0, kind: keyOf(dimensions) };
}

function atomOf(name: string): Atom | undefined {
  if (Object.hasOwn(ATOMS, name)) return ATOMS[name];
  for (const [prefix, by] of Object.entries(PREFIXES)) {
    const rest = name.slice(prefix.length);
    if (!name.startsWith(prefix) || !Object.hasOwn(ATOMS, rest)) continue;
    const atom = ATOMS[rest]!;
    if (atom.prefixed === true) return { ...atom, factor: atom.factor * by };
  }
  return undefined;
}

function keyOf(dimensions: Dimensions): string {
  const powers = Object.entries(dimensions).filter(([, power]) => power !== 0);
  return powers
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([base, power]) => `${base}${power}`)
    .join('.');
}
