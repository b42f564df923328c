import { readFile } from 'node:fs/promises'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { parsePlatform, type Platform } from '../content/platform.ts'
import { isRegistry } from '../content/reference.ts'
import { usageError } from './usage-error.ts'

/** What every command takes. The members of all these are the flags of the same name, which `--help` explains. */
export interface CommonFlags {
  readonly debug?: boolean | undefined
}

/** Of a command with a result. */
export interface FormatFlags extends CommonFlags {
  readonly format: 'text' | 'json'
}

/** How to connect to one registry. */
export interface ConnectionFlags {
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly passwordStdin?: boolean | undefined
  readonly plainHttp?: boolean | undefined
  readonly insecure?: boolean | undefined
  readonly caFile?: string | undefined
  readonly registryConfig?: string | undefined
  readonly auth?: 'auto' | 'basic' | 'token' | undefined
  readonly trustRealm?: readonly string[] | undefined
}

export interface LoginFlags extends CommonFlags, ConnectionFlags {
  readonly identityToken?: string | undefined
  readonly identityTokenStdin?: boolean | undefined
}

export interface LogoutFlags extends CommonFlags {
  readonly registryConfig?: string | undefined
}

/** Of a command with one target. */
export interface TargetFlags extends FormatFlags, ConnectionFlags {
  readonly ociLayout?: boolean | undefined
}

/** Of a command that lists names. */
export interface ListFlags extends TargetFlags {
  readonly last?: string | undefined
  readonly limit?: number | undefined
}

/** Of `copygraph resolve`. */
export interface ResolveFlags extends TargetFlags {
  readonly platform?: Platform | undefined
}

/** Of `copygraph serve`. */
export interface ServeFlags extends CommonFlags {
  readonly listen: ListenAddress
  readonly readOnly?: boolean | undefined
  readonly htpasswd?: string | undefined
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  readonly quiet?: boolean | undefined
}

/** Of `copygraph cp`. */
export interface CpFlags extends FormatFlags {
  readonly platform?: Platform | undefined
  readonly concurrency?: number | undefined
  readonly verify: 'root' | 'manifests' | 'full'
  readonly foreignLayers: 'skip' | 'copy' | 'error'
  readonly allowMissingSubject?: boolean | undefined
  readonly mountFrom: readonly string[]
  readonly quiet?: boolean | undefined
  readonly tty: boolean
  readonly auth?: ConnectionFlags['auth']
  readonly trustRealm?: readonly string[] | undefined
  readonly registryConfig?: string | undefined
  readonly fromRegistryConfig?: string | undefined
  readonly toRegistryConfig?: string | undefined
  readonly fromOciLayout?: boolean | undefined
  readonly fromUsername?: string | undefined
  readonly fromPassword?: string | undefined
  readonly fromPasswordStdin?: boolean | undefined
  readonly fromPlainHttp?: boolean | undefined
  readonly fromInsecure?: boolean | undefined
  readonly fromCaFile?: string | undefined
  readonly toOciLayout?: boolean | undefined
  readonly toUsername?: string | undefined
  readonly toPassword?: string | undefined
  readonly toPasswordStdin?: boolean | undefined
  readonly toPlainHttp?: boolean | undefined
  readonly toInsecure?: boolean | undefined
  readonly toCaFile?: string | undefined
}

/** Where a server listens. */
export interface ListenAddress {
  /** A name or an address, without brackets. */
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
}

/** Says that an argument is the folder of a layout without a prefix. */
export function addLayoutFlag(command: Command, prefix: '' | 'from-' | 'to-' = ''): Command {
  const whose = { '': 'the target', 'from-': 'the source', 'to-': 'the destination' }[prefix]
  return command.option(`--${prefix}oci-layout`, `${whose} is a layout: DIR:tag or DIR@digest, without oci:`)
}

/** Adds `--debug`. */
export function addCommonFlags(command: Command): Command {
  return command.option('--debug', 'show each request and, when something fails, where')
}

/** Adds `--format`. */
export function addFormatFlag(command: Command): Command {
  const format = new Option('--format <format>', 'what is printed on stdout').choices(['text', 'json'])
  return command.addOption(format.default('text'))
}

/** The flags of one side of a copy (`from-`, `to-`), or of a command with one target (no prefix, and short forms). */
export function addConnectionFlags(command: Command, prefix: '' | 'from-' | 'to-' = ''): Command {
  const whose = { '': 'the registry', 'from-': 'the source', 'to-': 'the destination' }[prefix]
  const short = (letter: string): string => (prefix === '' ? `-${letter}, ` : '')
  return command
    .option(`${short('u')}--${prefix}username <name>`, `user name for ${whose}`)
    .option(`${short('p')}--${prefix}password <password>`, `password for ${whose}; others can see it`)
    .option(`--${prefix}password-stdin`, `read the password for ${whose} from stdin`)
    .option(`--${prefix}plain-http`, `HTTP without TLS to ${whose}; localhost needs no flag`)
    .option(`--${prefix}insecure`, `take any TLS certificate of ${whose}; TLS for localhost too`)
    .option(`--${prefix}ca-file <file>`, `certificates (PEM) to trust for ${whose}; TLS for localhost too`)
    .option(`--${prefix}registry-config <file>`, `the only file with stored credentials for ${whose}`)
}

/** How credentials are shown, on all sides of a command. */
export function addAuthenticationFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--auth <way>', 'as the registry wants it; only the password; only tokens')
        .choices(['auto', 'basic', 'token'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--trust-realm <host>',
        'a token service elsewhere that may see credentials; may be repeated',
      )
        .argParser(registryNames)
        .default([], 'none'),
    )
}

/** Adds `--platform`. */
export function addPlatformFlag(command: Command): Command {
  const option = new Option(
    '--platform <os/arch[/variant]>',
    'take the one image for this platform; local for this machine',
  )
  return command.addOption(option.argParser(platformArgument))
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

/** The text of the file that a flag names, undefined without the flag. Throws a usage error. */
export async function readFlagFile(file: string | undefined, flag: string): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw usageError(`${flag} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function registryNames(host: string, hosts: readonly string[]): readonly string[] {
  if (isRegistry(host)) return [...hosts, host]
  throw new InvalidArgumentError('Expected a host, or host:port.')
}

function platformArgument(text: string): Platform {
  try {
    return parsePlatform(text)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new InvalidArgumentError('Expected os/arch[/variant], such as linux/arm64/v8, or local.')
  }
}
