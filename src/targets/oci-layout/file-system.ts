import type { FileStatus, ReadableFile, ReadableFileSystem } from '../read-file.ts'
import type { WritableFile, WritableFileSystem } from '../write-file.ts'

/** The part of a `FileHandle` that a layout needs. */
export interface LayoutFile extends ReadableFile, WritableFile {
  utimes(accessed: Date, modified: Date): Promise<void>
}

/** The part of `node:fs/promises` that a layout needs; `fs.promises` of memfs has it too. */
export interface LayoutFileSystem extends ReadableFileSystem, WritableFileSystem {
  open(path: string, flags: number): Promise<LayoutFile>
  lstat(path: string): Promise<FileStatus>
  rename(from: string, to: string): Promise<void>
  link(existing: string, path: string): Promise<void>
  rmdir(path: string): Promise<void>
  readdir(path: string): Promise<readonly unknown[]>
}
