/** What a layer is made from. */
export type LayerFile = LayerRegularFile | LayerDirectory | LayerSymbolicLink

interface LayerEntry {
  /** Relative, with `/` between its parts. A name that begins with `.wh.` deletes (image-spec, "Whiteouts"). */
  readonly path: string
  /** Permissions. @default 0o644 for a file, 0o755 for a folder, 0o777 for a link */
  readonly mode?: number | undefined
  /** @default 0 */
  readonly uid?: number | undefined
  /** @default 0 */
  readonly gid?: number | undefined
}

/** A file, which is in memory. */
export interface LayerRegularFile extends LayerEntry {
  readonly type?: 'file' | undefined
  readonly content: Uint8Array
}

/** A folder. Only needed for one that is empty, or whose mode or owner matters. */
export interface LayerDirectory extends LayerEntry {
  readonly type: 'directory'
}

/** A symbolic link; its target is not checked. */
export interface LayerSymbolicLink extends LayerEntry {
  readonly type: 'symlink'
  readonly target: string
}

const blockBytes = 512

const typeFlags = { file: '0', symlink: '2', directory: '5' } as const

/**
 * A tar of files, in the order of their paths: the same for the same files. `mtime` is in seconds. POSIX ustar, with pax
 * records for what it has no room for.
 * RangeError for a path that is absolute, has empty parts, `.` or `..`, stands there twice or below a file; for numbers
 * that no tar can hold.
 */
export function* tarChunks(files: readonly LayerFile[], mtime: number): Generator<Uint8Array> {
  refuseNumber('mtime', mtime, 0o77777777777)
  const sorted = files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
  refusePaths(sorted)
  for (const file of sorted) yield* entryChunks(file, mtime)
  yield Buffer.alloc(2 * blockBytes)
}

function* entryChunks(file: LayerFile, mtime: number): Generator<Uint8Array> {
  const path = file.type === 'directory' ? `${file.path}/` : file.path
  const target = file.type === 'symlink' ? file.target : ''
  const content = isRegular(file) ? file.content : new Uint8Array()
  const { mode = defaultMode(file), uid = 0, gid = 0 } = file
  for (const [name, value] of Object.entries({ mode, uid, gid })) refuseNumber(name, value, 0o7777777)
  const records = [...paxRecord('path', path), ...paxRecord('linkpath', target)]
  if (records.length > 0) {
    const extended = Buffer.from(records.join(''))
    yield header({ type: 'x', path: 'PaxHeader', target: '', size: extended.length, mode: 0o644, mtime })
    yield* padded(extended)
  }
  yield header({
    type: typeFlags[file.type ?? 'file'],
    path,
    target,
    size: content.length,
    mode,
    uid,
    gid,
    mtime,
  })
  yield* padded(content)
}

function isRegular(file: LayerFile): file is LayerRegularFile {
  return file.type === undefined || file.type === 'file'
}

function defaultMode(file: LayerFile): number {
  if (isRegular(file)) return 0o644
  return file.type === 'directory' ? 0o755 : 0o777
}

function* padded(content: Uint8Array): Generator<Uint8Array> {
  if (content.length === 0) return
  yield content
  const rest = content.length % blockBytes
  if (rest > 0) yield Buffer.alloc(blockBytes - rest)
}

interface Header {
  readonly type: string
  readonly path: string
  readonly target: string
  readonly size: number
  readonly mode: number
  readonly mtime: number
  readonly uid?: number
  readonly gid?: number
}

const nameBytes = 100

/** https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html, "ustar Interchange Format" */
function header({ type, path, target, size, mode, mtime, uid = 0, gid = 0 }: Header): Uint8Array {
  const block = Buffer.alloc(blockBytes)
  const octal = (value: number, offset: number, digits: number): number =>
    block.write(value.toString(8).padStart(digits, '0'), offset, 'latin1')
  block.write(path, 0, nameBytes, 'utf8')
  octal(mode, 100, 7)
  octal(uid, 108, 7)
  octal(gid, 116, 7)
  octal(size, 124, 11)
  octal(mtime, 136, 11)
  block.write(' '.repeat(8), 148, 'latin1')
  block.write(type, 156, 'latin1')
  block.write(target, 157, nameBytes, 'utf8')
  block.write('ustar\0' + '00', 257, 'latin1')
  octal(0, 329, 7)
  octal(0, 337, 7)
  const checksum = block.reduce((sum, byte) => sum + byte, 0)
  block.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** A record of what the header has no room for, or no letters. It counts its own length. */
function paxRecord(name: string, value: string): readonly string[] {
  const isPlain = /^[\x20-\x7e]*$/.test(value)
  if (isPlain && value.length <= nameBytes) return []
  const rest = Buffer.byteLength(` ${name}=${value}\n`)
  let length = rest + String(rest).length
  if (rest + String(length).length !== length) length += 1
  return [`${length} ${name}=${value}\n`]
}

function refusePaths(files: readonly LayerFile[]): void {
  const seen = new Map<string, LayerFile>()
  for (const file of files) {
    refusePath(file)
    if (seen.has(file.path)) throw new RangeError(`the path ${JSON.stringify(file.path)} stands there twice`)
    seen.set(file.path, file)
  }
  for (const { path } of files) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const above = seen.get(path.slice(0, end))
      if (above === undefined || above.type === 'directory') continue
      throw new RangeError(
        `${JSON.stringify(path)} is below ${JSON.stringify(above.path)}, which is no folder`,
      )
    }
  }
}

function refusePath(file: LayerFile): void {
  const { path } = file
  const isFine = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  if (!isFine || !isText(path)) {
    throw new RangeError(
      `${JSON.stringify(path)} cannot be in a layer: expected a relative path without . and ..`,
    )
  }
  if (file.type !== 'symlink') return
  if (file.target === '' || !isText(file.target)) {
    throw new RangeError(`the link ${JSON.stringify(path)} has no target that a tar can hold`)
  }
}

function isText(value: string): boolean {
  return value.isWellFormed() && !value.includes('\0')
}

function refuseNumber(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= most) return
  throw new RangeError(`${name} is ${value}, expected 0 to ${most}`)
}
