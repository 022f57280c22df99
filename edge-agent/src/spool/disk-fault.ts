import { SqliteError } from '@weir/runtime';

/** Undefined: it is no failure of the disk. */
export function diskFault(error: Error): 'full' | 'readonly' | 'io' | 'corrupt' | undefined {
  if (error instanceof SqliteError) {
    const { code } = error;
    return code === 'full' || code === 'readonly' || code === 'io' || code === 'corrupt' ? code : undefined;
  }
  const { errcode = 0, code } = error as NodeJS.ErrnoException & { errcode?: number };
  if (code === 'ENOSPC' || code === 'EDQUOT' || (errcode & 0xff) === 13) return 'full';
  if (code === 'EROFS' || (errcode & 0xff) === 8) return 'readonly';
  return code === 'EIO' || [10, 14].includes(errcode & 0xff) ? 'io' : undefined;
}
