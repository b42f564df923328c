import { constants } from 'node:fs'
import { SizeExceedsLimitError } from '../errors.ts'

/** What is asked of a file before it is read; memfs has bigints here. */
export interface FileStatus {
  isFile(): boolean
  readonly size: number | bigint
  readonly ino: number | bigint
  /** How many names it has. */
  readonly nlink: number | bigint
  readonly mtimeMs: number | bigint
  readonly ctimeMs: number | bigint
}

/** The part of a `FileHandle` that reading needs. */
export interface ReadableFile {
  stat(): Promise<FileStatus>
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>
  close(): Promise<void>
}

/** The part of `node:fs/promises` that reading needs. */
export interface ReadableFileSystem {
  open(path: string, flags: number): Promise<ReadableFile>
}

/** The part of `node:fs/promises` that tells what a file is. */
export interface StatusFileSystem {
  lstat(path: string): Promise<FileStatus>
}

/** Which part of a file is wanted. */
export interface ReadFileOptions {
  readonly signal?: AbortSignal | undefined
  /** The first byte to read. @default 0 */
  readonly offset?: number | undefined
}

/**
 * Opens a regular file for reading; undefined if something else is there: a symbolic link, a folder, a FIFO (which
 * is not waited for), a device. Errors: those of the file system, ENOENT among them.
 */
export async function openRegularFile(
  path: string,
  fs: ReadableFileSystem,
): Promise<ReadableFile | undefined> {
  const file = await openWithoutWaiting(path, fs)
  if (file === undefined) return undefined
  let isFile = false
  try {
    isFile = (await file.stat()).isFile()
  } finally {
    if (!isFile) await file.close()
  }
  return isFile ? file : undefined
}

/**
 * The bytes of an open file up to the size that it has now, in fresh buffers of 256 KiB; the next read runs while a
 * chunk is at its consumer. Closes the file, also when the consumer stops early.
 */
export async function* readChunks(
  file: ReadableFile,
  options: ReadFileOptions = {},
): AsyncGenerator<Uint8Array> {
  const { signal, offset = 0 } = options
  let next: Promise<Uint8Array> | undefined
  try {
    const size = Number((await file.stat()).size)
    for (let position = offset; position < size;) {
      signal?.throwIfAborted()
      const chunk = await (next ?? readChunk(file, position, size))
      if (chunk.length === 0) return
      position += chunk.length
      next = position < size ? readChunk(file, position, size) : undefined
      // Its failure is met when the consumer asks for more; until then it must not count as unhandled.
      next?.catch(() => {})
      yield chunk
    }
    signal?.throwIfAborted()
  } finally {
    await next?.catch(() => {})
    await file.close()
  }
}

/**
 * All of a small regular file; undefined if something else is there.
 * Errors: SIZE_EXCEEDS_LIMIT; those of the file system, ENOENT among them.
 */
export async function readSmallFile(
  path: string,
  maxBytes: number,
  { fs, signal }: ReadFileOptions & { readonly fs: ReadableFileSystem },
): Promise<Uint8Array | undefined> {
  const file = await openRegularFile(path, fs)
  if (file === undefined) return undefined
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of readChunks(file, { signal })) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxBytes) throw new SizeExceedsLimitError(`${path} has more than ${maxBytes} bytes`)
  }
  return Buffer.concat(chunks)
}

/** True for an error of the file system with one of these codes. */
export function isFileError(error: unknown, ...codes: readonly string[]): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
  )
}

/** Of a file, or of the link that stands in its place; undefined if nothing is there. Errors: those of the file system. */
export async function statusOf(path: string, fs: StatusFileSystem): Promise<FileStatus | undefined> {
  try {
    return await fs.lstat(path)
  } catch (error) {
    if (isFileError(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** True for a file that nobody has written to, named or touched for so long, and for one that is not there. */
export async function isUntouched(
  path: string,
  fs: StatusFileSystem,
  milliseconds: number,
): Promise<boolean> {
  const status = await statusOf(path, fs)
  // By the time of the last change of the inode: a second name of an old file has the time of its bytes.
  return status === undefined || Date.now() - Number(status.ctimeMs) > milliseconds
}

/** What a folder has; nothing if there is no such folder. Errors: those of the file system. */
export async function namesIn(
  directory: string,
  fs: { readdir(path: string): Promise<readonly unknown[]> },
): Promise<readonly string[]> {
  try {
    return (await fs.readdir(directory)).filter((name) => typeof name === 'string')
  } catch (error) {
    if (isFileError(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

/** Larger ones cost more of the collector's time than they save in reads. */
const chunkBytes = 256 * 1024

async function readChunk(file: ReadableFile, position: number, size: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, size - position))
  const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
  return buffer.subarray(0, bytesRead)
}

/** Without O_NONBLOCK, opening a FIFO would wait for somebody to write into it. */
async function openWithoutWaiting(path: string, fs: ReadableFileSystem): Promise<ReadableFile | undefined> {
  try {
    return await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    // ELOOP (EMLINK on FreeBSD) is a symbolic link, ENXIO a socket.
    if (isFileError(error, 'ELOOP', 'EMLINK', 'ENXIO')) return undefined
    throw error
  }
}
