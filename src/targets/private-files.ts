import * as fs from 'node:fs/promises'
import type { LockFileSystem } from './lock.ts'
import type { WritableFileSystem } from './write-file.ts'

/** The disk, for what others must not see: makes files that only their owner may read, in folders that only he may enter. */
export const privateFiles: LockFileSystem & WritableFileSystem & Pick<typeof fs, 'readdir'> = {
  ...fs,
  open: (path, flags) => fs.open(path, flags, 0o600),
  mkdir: (path, options) => fs.mkdir(path, { ...options, mode: 0o700 }),
}
