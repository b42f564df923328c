import { constants } from 'node:fs'
import { dirname } from 'node:path'
import { isFileError } from './read-file.ts'

/** Where chunks are written. A write may be too short. */
export interface ChunkWriter {
  writev(buffers: Uint8Array[]): Promise<{ readonly bytesWritten: number }>
}

/** The part of a `FileHandle` that writing needs. */
export interface WritableFile extends ChunkWriter {
  datasync(): Promise<void>
  close(): Promise<void>
}

/** The part of `node:fs/promises` that writing needs. */
export interface WritableFileSystem {
  open(path: string, flags: number): Promise<WritableFile>
  mkdir(path: string, options?: { recursive: true }): Promise<unknown>
  unlink(path: string): Promise<void>
}

/** How safely a file is written. */
export interface WriteFileOptions {
  readonly signal?: AbortSignal | undefined
  /** Waits until the bytes are on the disk, for a file whose loss could not be noticed. @default false */
  readonly sync?: boolean | undefined
}

/**
 * Writes bytes to a new file, which must not exist, and has `place` move it to where it belongs. If anything fails,
 * the content or `place` included, the file is gone again. Missing folders on the way to it are made.
 * Errors: whatever the content, the file system or `place` throws, unchanged.
 */
export async function writeFile<T>(
  path: string,
  content: AsyncIterable<Uint8Array>,
  place: () => Promise<T>,
  { fs, signal, sync = false }: WriteFileOptions & { readonly fs: WritableFileSystem },
): Promise<T> {
  signal?.throwIfAborted()
  const file = await createFile(path, fs)
  try {
    await fillFile(file, content, { signal, sync })
    return await place()
  } catch (error) {
    // What went wrong first is what the caller must hear of.
    await removeFile(path, fs).catch(() => {})
    throw error
  }
}

/**
 * Writes all of the content to an open file, and closes it, also when anything fails.
 * Errors: whatever the content or the file system throws, unchanged.
 */
export async function fillFile(
  file: WritableFile,
  content: AsyncIterable<Uint8Array>,
  { signal, sync = false }: WriteFileOptions = {},
): Promise<void> {
  try {
    await writeBatches(file, content, signal)
    signal?.throwIfAborted()
    if (sync) await file.datasync()
  } catch (error) {
    // On a disk that fails, closing may fail too: what went wrong first is what counts.
    await file.close().catch(() => {})
    throw error
  }
  await file.close()
}

/** Makes a folder, and those above it that are missing. Errors: those of the file system. */
export async function makeFolder(path: string, fs: Pick<WritableFileSystem, 'mkdir'>): Promise<void> {
  try {
    await fs.mkdir(path, { recursive: true })
  } catch (error) {
    if (!isFileError(error, 'ENOENT')) throw error
    await makeUppermost(path, fs)
    await fs.mkdir(path, { recursive: true })
  }
}

/** Node says ENOENT for the whole way where the disk is read-only; the first missing folder alone tells the truth. */
async function makeUppermost(path: string, fs: Pick<WritableFileSystem, 'mkdir'>): Promise<void> {
  try {
    await fs.mkdir(path)
  } catch (error) {
    if (isFileError(error, 'EEXIST')) return
    if (!isFileError(error, 'ENOENT') || dirname(path) === path) throw error
    await makeUppermost(dirname(path), fs)
  }
}

/** Removes a file, if it is there. */
export async function removeFile(path: string, fs: Pick<WritableFileSystem, 'unlink'>): Promise<void> {
  try {
    await fs.unlink(path)
  } catch (error) {
    if (!isFileError(error, 'ENOENT')) throw error
  }
}

/** True if these chunks, with so many bytes, are worth a write: large enough, or as many as one writev of Linux takes. */
export function isFullBatch(chunks: readonly Uint8Array[], bytes: number): boolean {
  return bytes >= 1024 * 1024 || chunks.length >= 1024
}

/** Writes chunks to their last byte. A full disk shows as a write that was too short, and only the next one fails. */
export async function writeChunks(file: ChunkWriter, chunks: Uint8Array[]): Promise<void> {
  let rest = chunks
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest)
    rest = skipBytes(rest, bytesWritten)
  }
}

/** How often another process may remove the folder before a file is in it. */
const createAttempts = 20

async function createFile(path: string, fs: WritableFileSystem): Promise<WritableFile> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (attempt > 1) await makeFolder(dirname(path), fs)
      return await fs.open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL)
    } catch (error) {
      if (!isFileError(error, 'ENOENT') || attempt === createAttempts) throw error
    }
  }
}

/**
 * One batch is written while the next one is collected; never two, as their order would not be certain. A write that
 * fails ends the reading at once, also of content that stands still.
 */
async function writeBatches(
  file: WritableFile,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const chunks = content[Symbol.asyncIterator]()
  let batch: Uint8Array[] = []
  let bytes = 0
  let writing = Promise.resolve()
  let failure: { readonly error: unknown } | undefined
  try {
    for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) {
      signal?.throwIfAborted()
      if (chunk.length > 0) batch.push(chunk)
      bytes += chunk.length
      if (!isFullBatch(batch, bytes)) continue
      await writing
      writing = writeChunks(file, batch)
      writing.catch((error: unknown) => {
        failure = { error }
        chunks.return?.().catch(() => {})
      })
      batch = []
      bytes = 0
    }
    await writing
    await writeChunks(file, batch)
  } catch (error) {
    await writing.catch(() => {})
    // Reading may have failed because it was ended.
    throw failure === undefined ? error : failure.error
  }
}

function skipBytes(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let skipped = 0
  const rest: Uint8Array[] = []
  for (const chunk of chunks) {
    const start = Math.min(chunk.length, count - skipped)
    skipped += start
    if (start < chunk.length) rest.push(chunk.subarray(start))
  }
  return rest
}
