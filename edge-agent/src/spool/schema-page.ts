/**
 * A first page by which tables can be read, whatever became of the one that was there: as much of a schema as reading takes,
 * so little that it needs no other page.
 *
 *     head             100 bytes
 *     head of a leaf   8 bytes: 0x0d, …, how many cells, where they begin
 *     pointers         2 bytes for each cell
 *     …
 *     cells            length, number, and a row of sqlite_schema: type, name, tbl_name, rootpage, sql
 *
 * @see https://sqlite.org/fileformat2.html
 */

export interface ReadTable {
  name: string;
  /** Its first page. */
  root: number;
  sql: string;
}

export const HEAD_BYTES = 100;
const LEAF_BYTES = 8;
const TABLE_LEAF = 0x0d;
/** Serial types of a record: an integer of four bytes, a text of n bytes. */
const INTEGER = 4;
const textType = (bytes: number) => 13 + 2 * bytes;
/** Of the two bytes of a varint. */
const VARINT_MAX = 16_383;

/** @param head of the database @returns undefined: it takes more than a page */
export function schemaPage(head: Uint8Array, pageBytes: number, tables: readonly ReadTable[]): Uint8Array | undefined {
  const cells = tables.map((table, at) => cellOf(table, at + 1));
  const start = pageBytes - cells.reduce((sum, { length }) => sum + length, 0);
  if (start < HEAD_BYTES + LEAF_BYTES + 2 * cells.length) return undefined;
  const page = Buffer.alloc(pageBytes);
  page.set(head.subarray(0, HEAD_BYTES));
  page[HEAD_BYTES] = TABLE_LEAF;
  page.writeUInt16BE(cells.length, HEAD_BYTES + 3);
  page.writeUInt16BE(start, HEAD_BYTES + 5);
  let to = start;
  for (const [at, cell] of cells.entries()) {
    page.writeUInt16BE(to, HEAD_BYTES + LEAF_BYTES + 2 * at);
    page.set(cell, to);
    to += cell.length;
  }
  return page;
}

function cellOf({ name, root, sql }: ReadTable, rowid: number): Uint8Array {
  const texts = { type: Buffer.from('table'), name: Buffer.from(name), sql: Buffer.from(sql) };
  const types = [
    ...varint(textType(texts.type.length)),
    ...varint(textType(texts.name.length)),
    ...varint(textType(texts.name.length)),
    INTEGER,
    ...varint(textType(texts.sql.length)),
  ];
  const page = Buffer.alloc(4);
  page.writeUInt32BE(root);
  const record = [types.length + 1, ...types, ...texts.type, ...texts.name, ...texts.name, ...page, ...texts.sql];
  return Uint8Array.from([...varint(record.length), ...varint(rowid), ...record]);
}

function varint(value: number): number[] {
  if (value > VARINT_MAX) throw new RangeError(`${value} takes more than two bytes`);
  return value < 128 ? [value] : [0x80 | (value >> 7), value & 0x7f];
}
