/**
 * What units are made of. Symbols are those of UCUM, by which SenML goes, and what people write instead.
 *
 * @see RFC 8428 section 12.1, RFC 8798, https://ucum.org/ucum
 */

/** Powers of what a unit is made of in the end. `var`, `VA`, `Bq` and so on are not told apart by physics, but by people. */
export type Dimensions = Readonly<Record<string, number>>;

export interface Atom {
  /** So many of the base units of its dimensions. */
  factor: number;
  dimensions: Dimensions;
  /** In base units, at zero of this one. Only where it stands alone: a kelvin each minute is a degree each minute. */
  offset?: number;
  /** Whether it may have a prefix, as k in kPa. */
  prefixed?: true;
}

const atom = (factor: number, dimensions: Dimensions): Atom => ({ factor, dimensions });
const si = (factor: number, dimensions: Dimensions): Atom => ({ factor, dimensions, prefixed: true });

const LENGTH = { m: 1 };
const AREA = { m: 2 };
const VOLUME = { m: 3 };
const MASS = { kg: 1 };
const TIME = { s: 1 };
const SPEED = { m: 1, s: -1 };
const FLOW = { m: 3, s: -1 };
const RATE = { s: -1 };
const CHARGE = { A: 1, s: 1 };
const FORCE = { kg: 1, m: 1, s: -2 };
const PRESSURE = { kg: 1, m: -1, s: -2 };
const ENERGY = { kg: 1, m: 2, s: -2 };
const POWER = { kg: 1, m: 2, s: -3 };
const VOLTAGE = { kg: 1, m: 2, s: -3, A: -1 };
const RATIO = {};
const HOUR = 3600;
/** Of a litre, an inch, a pound, a gallon in the United States, gravity: by definition. */
const LITRE = 1e-3;
const INCH = 0.0254;
const POUND = 0.453_592_37;
const GALLON = 231 * INCH ** 3;
const GRAVITY = 9.806_65;
const FAHRENHEIT = 5 / 9;

export const ATOMS: Readonly<Record<string, Atom>> = {
  m: si(1, LENGTH),
  in: atom(INCH, LENGTH),
  ft: atom(12 * INCH, LENGTH),
  yd: atom(36 * INCH, LENGTH),
  mi: atom(63_360 * INCH, LENGTH),
  ha: atom(1e4, AREA),
  l: si(LITRE, VOLUME),
  L: si(LITRE, VOLUME),
  gal: atom(GALLON, VOLUME),
  g: si(1e-3, MASS),
  t: si(1e3, MASS),
  lb: atom(POUND, MASS),
  oz: atom(POUND / 16, MASS),
  s: si(1, TIME),
  min: atom(60, TIME),
  h: atom(HOUR, TIME),
  d: atom(24 * HOUR, TIME),
  kn: atom(1852 / HOUR, SPEED),
  mph: atom((63_360 * INCH) / HOUR, SPEED),
  gpm: atom(GALLON / 60, FLOW),
  cfm: atom((12 * INCH) ** 3 / 60, FLOW),
  Hz: si(1, RATE),
  rpm: atom(1 / 60, RATE),
  K: { ...si(1, { K: 1 }), offset: 0 },
  Cel: { ...atom(1, { K: 1 }), offset: 273.15 },
  degF: { ...atom(FAHRENHEIT, { K: 1 }), offset: 459.67 * FAHRENHEIT },
  A: si(1, { A: 1 }),
  C: si(1, CHARGE),
  Ah: si(HOUR, CHARGE),
  V: si(1, VOLTAGE),
  Ohm: si(1, { ...VOLTAGE, A: -2 }),
  S: si(1, { kg: -1, m: -2, s: 3, A: 2 }),
  F: si(1, { kg: -1, m: -2, s: 4, A: 2 }),
  H: si(1, { kg: 1, m: 2, s: -2, A: -2 }),
  Wb: si(1, { kg: 1, m: 2, s: -2, A: -1 }),
  T: si(1, { kg: 1, s: -2, A: -1 }),
  G: si(1e-4, { kg: 1, s: -2, A: -1 }),
  N: si(1, FORCE),
  Nm: atom(1, ENERGY),
  lbf: atom(POUND * GRAVITY, FORCE),
  gn: atom(GRAVITY, { m: 1, s: -2 }),
  Pa: si(1, PRESSURE),
  bar: si(1e5, PRESSURE),
  atm: atom(101_325, PRESSURE),
  psi: atom((POUND * GRAVITY) / INCH ** 2, PRESSURE),
  mmHg: atom(133.322_387_415, PRESSURE),
  inHg: atom(3_386.388_640_341, PRESSURE),
  J: si(1, ENERGY),
  cal: si(4.184, ENERGY),
  Wh: si(HOUR, ENERGY),
  eV: si(1.602_176_634e-19, ENERGY),
  W: si(1, POWER),
  hp: atom(745.699_871_582_270_2, POWER),
  VA: si(1, { VA: 1 }),
  VAs: si(1, { VA: 1, s: 1 }),
  VAh: si(HOUR, { VA: 1, s: 1 }),
  var: si(1, { var: 1 }),
  vars: si(1, { var: 1, s: 1 }),
  varh: si(HOUR, { var: 1, s: 1 }),
  cd: si(1, { cd: 1 }),
  lm: si(1, { lm: 1 }),
  lx: si(1, { lm: 1, m: -2 }),
  mol: si(1, { mol: 1 }),
  kat: si(1, { mol: 1, s: -1 }),
  Bq: si(1, { Bq: 1 }),
  Gy: si(1, { Gy: 1 }),
  Sv: si(1, { Sv: 1 }),
  rad: si(1, { rad: 1 }),
  deg: atom(Math.PI / 180, { rad: 1 }),
  sr: atom(1, { sr: 1 }),
  bit: si(1, { bit: 1 }),
  B: si(8, { bit: 1 }),
  pH: atom(1, { pH: 1 }),
  NTU: atom(1, { NTU: 1 }),
  lat: atom(1, { lat: 1 }),
  lon: atom(1, { lon: 1 }),
  dB: atom(1, { dB: 1 }),
  Bspl: atom(10, { dBspl: 1 }),
  dBW: { ...atom(1, { dBW: 1 }), offset: 0 },
  dBm: { ...atom(1, { dBW: 1 }), offset: -30 },
  count: atom(1, { count: 1 }),
  beat: atom(1, { count: 1 }),
  beats: atom(1, { count: 1 }),
  1: atom(1, RATIO),
  '%': atom(1e-2, RATIO),
  ppm: atom(1e-6, RATIO),
  ppb: atom(1e-9, RATIO),
  ppt: atom(1e-12, RATIO),
};

export const PREFIXES: Readonly<Record<string, number>> = {
  Ti: 2 ** 40,
  Gi: 2 ** 30,
  Mi: 2 ** 20,
  Ki: 2 ** 10,
  da: 10,
  T: 1e12,
  G: 1e9,
  M: 1e6,
  k: 1e3,
  h: 1e2,
  d: 1e-1,
  c: 1e-2,
  m: 1e-3,
  u: 1e-6,
  n: 1e-9,
  p: 1e-12,
};

/** Other spellings, whole. Those without capitals are found however they are capitalised. */
export const SPELLINGS: Readonly<Record<string, string>> = {
  '°C': 'Cel',
  '℃': 'Cel',
  degC: 'Cel',
  celsius: 'Cel',
  'degrees celsius': 'Cel',
  'deg c': 'Cel',
  '°F': 'degF',
  '℉': 'degF',
  '[degF]': 'degF',
  fahrenheit: 'degF',
  'degrees fahrenheit': 'degF',
  'deg f': 'degF',
  kelvin: 'K',
  '°': 'deg',
  degree: 'deg',
  degrees: 'deg',
  '%RH': '%',
  '% RH': '%',
  '%EL': '%',
  EL: '1',
  percent: '%',
  pct: '%',
  '/': '1',
  '/100': '%',
  '/1000': '1/1000',
  '[ppm]': 'ppm',
  '[ppb]': 'ppb',
  '[psi]': 'psi',
  'mm[Hg]': 'mmHg',
  torr: 'mmHg',
  "[in_i'Hg]": 'inHg',
  '[in_i]': 'in',
  '[ft_i]': 'ft',
  '[mi_i]': 'mi',
  '[mi_i]/h': 'mph',
  '[kn_i]': 'kn',
  '[lb_av]': 'lb',
  '[lbf_av]': 'lbf',
  '[gal_us]': 'gal',
  '[g]': 'gn',
  '[pH]': 'pH',
  lbs: 'lb',
  kph: 'km/h',
  kmh: 'km/h',
  'km/hr': 'km/h',
  knots: 'kn',
  sec: 's',
  seconds: 's',
  minutes: 'min',
  hours: 'h',
  days: 'd',
  hertz: 'Hz',
  pascal: 'Pa',
  volt: 'V',
  volts: 'V',
  ampere: 'A',
  amps: 'A',
  watt: 'W',
  watts: 'W',
  ohm: 'Ohm',
  ohms: 'Ohm',
  Ω: 'Ohm',
  lux: 'lx',
  litre: 'l',
  litres: 'l',
  liter: 'l',
  liters: 'l',
  metre: 'm',
  metres: 'm',
  meter: 'm',
  meters: 'm',
};

/** What people call what is measured, by its dimensions as {@link Atom} has them. */
export const KINDS: readonly (readonly [string, Dimensions])[] = [
  ['temperature', { K: 1 }],
  ['pressure', PRESSURE],
  ['speed', SPEED],
  ['acceleration', { m: 1, s: -2 }],
  ['length', LENGTH],
  ['area', AREA],
  ['volume', VOLUME],
  ['flow', FLOW],
  ['mass', MASS],
  ['concentration', { kg: 1, m: -3 }],
  ['time', TIME],
  ['frequency', RATE],
  ['current', { A: 1 }],
  ['voltage', VOLTAGE],
  ['resistance', { ...VOLTAGE, A: -2 }],
  ['charge', CHARGE],
  ['energy', ENERGY],
  ['power', POWER],
  ['force', FORCE],
  ['a ratio', RATIO],
  ['an angle', { rad: 1 }],
  ['data', { bit: 1 }],
  ['data rate', { bit: 1, s: -1 }],
];
