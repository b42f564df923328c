import { readFile } from 'node:fs/promises'
import { InvalidArgumentError } from 'commander'
import { parsePlatform, type Platform } from '../content/platform.ts'
import { isRegistry } from '../content/reference.ts'
import { usageError } from './usage-error.ts'

/** Where a server listens. */
export interface ListenAddress {
  /** A name or an address, without brackets. */
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
}

/** Reads a number of things. Throws a usage error. */
export function positiveInteger(text: string): number {
  const value = Number(text)
  if (/^\d{1,6}$/.test(text) && value > 0) return value
  throw new InvalidArgumentError('Expected a whole number from 1 to 999999.')
}

/** `host:port`, `[IPv6]:port` or `:port` for all addresses. */
export function listenAddress(text: string): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535) {
    throw new InvalidArgumentError('Expected HOST:PORT, such as 127.0.0.1:5000 or [::1]:5000.')
  }
  return { host: bracketed ?? (plain === undefined || plain === '' ? '0.0.0.0' : plain), port: Number(port) }
}

/** Reads a number that may be none. Throws a usage error. */
export function count(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a whole number from 0 to 999999.')
}

/** Adds a text to those before. */
export function texts(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

/** Reads `host:port:address[:port]`, as curl and oras do, and adds it to those before. Throws a usage error. */
export function resolveEntries(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, place, address] =
    /^([^:[\]]+:\d{1,5}):((?:\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::\d{1,5})?)$/.exec(text) ?? []
  if (place !== undefined && address !== undefined) return { ...before, [place]: address }
  throw new InvalidArgumentError('Expected HOST:PORT:ADDRESS[:PORT], such as host:443:10.0.0.1.')
}

/** Reads a time in seconds. Throws a usage error. */
export function seconds(text: string): number {
  if (/^\d{1,6}(?:\.\d{1,3})?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a number of seconds, such as 60 or 0.5.')
}

const unitBytes: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['kib', 1024],
  ['mib', 1024 ** 2],
  ['gib', 1024 ** 3],
])

/** Reads a size in bytes: `4194304`, `4MiB`. Throws a usage error. */
export function byteSize(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,15}) ?([KMG]iB)?$/i.exec(text) ?? []
  const size = Number(number) * (unitBytes.get(unit.toLowerCase()) ?? 0)
  if (size > 0 && Number.isSafeInteger(size)) return size
  throw new InvalidArgumentError('Expected a number of bytes, such as 4194304 or 4MiB.')
}

/** The text of the file that a flag names, undefined without the flag. Throws a usage error. */
export async function readFlagFile(file: string | undefined, flag: string): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw usageError(`${flag} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Reads a host, and adds it to those before. Throws a usage error. */
export function registryNames(host: string, hosts: readonly string[]): readonly string[] {
  if (isRegistry(host)) return [...hosts, host]
  throw new InvalidArgumentError('Expected a host, or host:port.')
}

/** Adds a text that says something to those before. Throws a usage error. */
export function names(text: string, before: readonly string[] = []): readonly string[] {
  // Of a variable that is not set: it would ask for what has no name.
  if (text === '') throw new InvalidArgumentError('It is empty.')
  return [...before, text]
}

/** Reads `NAME=VALUE`, whose value may be empty, and adds it to those before; the last one of a name counts. Throws a usage error. */
export function annotations(
  text: string,
  before: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const end = text.indexOf('=')
  if (end > 0) return new Map(before).set(text.slice(0, end), text.slice(end + 1))
  throw new InvalidArgumentError('Expected NAME=VALUE.')
}

/** How layers are to be compressed. */
export interface CompressionChoice {
  readonly to: 'gzip' | 'zstd' | 'none'
  /** @default that of the library */
  readonly level?: number | undefined
}

/** Reads `zstd`, `gzip` or `none`, with `:LEVEL` or without. Whether there is such a level, the library says. Throws a usage error. */
export function compression(text: string): CompressionChoice {
  const [, to, level] = /^(gzip|zstd|none)(?::(\d{1,3}))?$/.exec(text) ?? []
  if (to === 'gzip' || to === 'zstd' || to === 'none') {
    return { to, level: level === undefined ? undefined : Number(level) }
  }
  throw new InvalidArgumentError('Expected zstd, gzip or none, such as zstd:10.')
}

/** Reads platforms with commas between them, and adds them to those before, each once. Throws a usage error. */
export function platforms(text: string, before: readonly string[] = []): readonly string[] {
  const added = text.split(',').map((name) => name.trim())
  added.forEach(platform)
  const parts = added.flatMap((name) => name.split(/[/:]/))
  if (parts.some((part) => part.includes('*') && part !== '*')) {
    throw new InvalidArgumentError('Expected * to stand for a whole part, such as linux/*.')
  }
  return [...new Set([...before, ...added])]
}

/** Reads `os/arch[/variant]`. Throws a usage error. */
export function platform(text: string): Platform {
  try {
    return parsePlatform(text)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new InvalidArgumentError('Expected os/arch[/variant], such as linux/arm64/v8, or local.')
  }
}
