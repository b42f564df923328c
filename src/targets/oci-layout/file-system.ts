import type { LockFile, LockFileSystem } from '../lock.ts'
import type { WritableFileSystem } from '../write-file.ts'

/** The part of a `FileHandle` that a layout needs. */
export interface LayoutFile extends LockFile {
  writev(buffers: Uint8Array[], position?: number): Promise<{ readonly bytesWritten: number }>
}

/** The part of `node:fs/promises` that a layout needs; `fs.promises` of memfs has it too. */
export interface LayoutFileSystem extends LockFileSystem, WritableFileSystem {
  open(path: string, flags: number): Promise<LayoutFile>
  rmdir(path: string): Promise<void>
  readdir(path: string): Promise<readonly unknown[]>
}
